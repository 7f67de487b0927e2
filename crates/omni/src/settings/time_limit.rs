//! The time limits of calls that declare none.

use std::time::Duration;

use anyhow::Result;

use super::seconds::seconds;
use crate::variables;

/// Total and idle time limit of a call, in seconds, where nobody has set one.
pub(crate) const TIMEOUT_DEFAULT: f64 = 1800.0;
pub(crate) const IDLE_TIMEOUT_DEFAULT: f64 = 600.0;

/// A time limit from a flag or its variable, else from the file, else the usual one.
pub(crate) fn time_limit(
    flag: &str,
    argument: Option<f64>,
    file: Option<f64>,
    usual: f64,
) -> Result<Option<Duration>> {
    match (argument, file) {
        (Some(value), _) => seconds(value, &variables::written(flag, value)),
        (None, Some(value)) => {
            seconds(value, &format!("`{} = {value}` in omni.toml", flag.replace('-', "_")))
        }
        (None, None) => seconds(usual, flag),
    }
}
