//! A time limit as settings give it.

use std::time::Duration;

use anyhow::{Result, bail};

/// A time limit; 0 switches it off. `written` is the setting as whoever gave it wrote it.
pub(super) fn seconds(value: f64, written: &str) -> Result<Option<Duration>> {
    if value == 0.0 {
        return Ok(None);
    }
    match Duration::try_from_secs_f64(value) {
        // A year is as good as no limit, and keeps sums of times far from overflow.
        Ok(duration) if duration <= Duration::from_secs(366 * 86_400) => Ok(Some(duration)),
        _ => bail!("{written} is not a number of seconds from 0 to a year"),
    }
}

/// How long calls may go on when a server stops; `written` is the setting as whoever gave it wrote it.
pub(crate) fn grace(value: f64, written: &str) -> Result<Duration> {
    match Duration::try_from_secs_f64(value) {
        Ok(grace) if grace <= Duration::from_hours(24) => Ok(grace),
        _ => bail!("{written} is not a number of seconds from 0 to a day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_are_no_time_are_refused_and_zero_is_no_limit() {
        assert_eq!(seconds(0.0, "timeout").unwrap(), None);
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(seconds(wrong, "timeout").is_err(), "{wrong}");
        }
    }
}
