//! One tool, taken out of the snapshot when it is first used.

use std::sync::Arc;

use bytes::Bytes;
use omni_call::RunSpec;

use crate::ArgumentFaults;

/// Where a tool comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Relative to the skills folder, with `/`.
    pub file: String,
    pub line: u32,
}

#[derive(Debug)]
pub struct Tool {
    pub spec: Arc<RunSpec>,
    /// The tool as `tools/list` shows it, with everything: a JSON object.
    pub listing: Bytes,
    pub origin: Origin,
}

impl Tool {
    pub fn check_arguments(&self, _raw: &[u8]) -> Result<(), ArgumentFaults> {
        Ok(())
    }
    pub fn check_output(&self, _raw: &[u8]) -> Result<(), String> {
        Ok(())
    }
}
