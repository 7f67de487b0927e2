//! omni-exec
