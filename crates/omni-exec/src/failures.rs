//! When a worker may be started again after starts that failed.

use crate::start_failure::StartFailure;

/// Starts that failed in a row.
pub(crate) type Failures = omni_process::Failures<StartFailure>;
