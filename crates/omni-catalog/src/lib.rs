//! omni-catalog
