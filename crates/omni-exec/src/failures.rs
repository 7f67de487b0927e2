//! When a process may be started again after starts that failed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::worker::StartFailure;

const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// Starts that failed in a row.
#[derive(Default)]
pub(crate) struct Failures {
    count: u32,
    last: Option<(Instant, Arc<StartFailure>)>,
}

impl Failures {
    /// The failure that forbids another start for now.
    pub(crate) fn forbids(&self, now: Instant) -> Option<&Arc<StartFailure>> {
        let (at, failure) = self.last.as_ref()?;
        (now < *at + back_off(self.count)).then_some(failure)
    }

    /// The failure that forbids another start, and until when.
    pub(crate) fn until(&self) -> Option<(Instant, &Arc<StartFailure>)> {
        let (at, failure) = self.last.as_ref()?;
        Some((*at + back_off(self.count), failure))
    }

    /// Whether one has failed since then.
    pub(crate) fn since(&self, then: Instant) -> bool {
        self.last.as_ref().is_some_and(|(at, _)| *at >= then)
    }

    pub(crate) fn add(&mut self, failure: StartFailure) -> Arc<StartFailure> {
        self.count = self.count.saturating_add(1);
        let failure = Arc::new(failure);
        self.last = Some((Instant::now(), Arc::clone(&failure)));
        failure
    }
}

/// How long to wait after `failures` failed starts in a row: doubled from one to the next.
fn back_off(failures: u32) -> Duration {
    BACK_OFF_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(BACK_OFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_doubles_from_a_tenth_of_a_second_to_half_a_minute() {
        let waits: Vec<u128> = [1, 2, 3, 9, 10, 1000].map(|count| back_off(count).as_millis()).into();
        assert_eq!(waits, [100, 200, 400, 25_600, 30_000, 30_000]);
    }
}
