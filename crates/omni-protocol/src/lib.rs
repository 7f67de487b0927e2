//! omni-protocol
