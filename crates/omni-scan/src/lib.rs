//! omni-scan
