//! omni-server
