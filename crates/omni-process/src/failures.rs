//! When a process may be started again after starts that failed.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long to wait after the first failure, and after many.
#[derive(Clone, Copy, Debug)]
pub struct BackoffDelays {
    pub min: Duration,
    pub max: Duration,
}

/// The pace of processes, whose start takes some tens of milliseconds.
const PROCESSES: BackoffDelays =
    BackoffDelays { min: Duration::from_millis(100), max: Duration::from_secs(30) };

/// Starts that failed in a row.
#[derive(Debug)]
pub struct Failures<E> {
    pace: BackoffDelays,
    count: u32,
    last: Option<(Instant, Arc<E>)>,
}

impl<E> Default for Failures<E> {
    fn default() -> Self {
        Failures::at(PROCESSES)
    }
}

impl<E> Failures<E> {
    /// No failure yet of something that is tried at this pace.
    pub fn at(pace: BackoffDelays) -> Self {
        Failures { pace, count: 0, last: None }
    }

    /// The failure that forbids another start for now.
    pub fn forbids(&self, now: Instant) -> Option<&Arc<E>> {
        let (at, failure) = self.last.as_ref()?;
        (now < *at + back_off(self.pace, self.count)).then_some(failure)
    }

    /// The failure that forbids another start, and until when.
    pub fn until(&self) -> Option<(Instant, &Arc<E>)> {
        let (at, failure) = self.last.as_ref()?;
        Some((*at + back_off(self.pace, self.count), failure))
    }

    /// Whether one has failed since then.
    pub fn since(&self, then: Instant) -> bool {
        self.last.as_ref().is_some_and(|(at, _)| *at >= then)
    }

    /// Notes a start that failed just now.
    pub fn add(&mut self, failure: E) -> Arc<E> {
        self.add_at(failure, Instant::now())
    }

    /// Notes a start that failed at `now`.
    pub fn add_at(&mut self, failure: E, now: Instant) -> Arc<E> {
        self.count = self.count.saturating_add(1);
        let failure = Arc::new(failure);
        self.last = Some((now, Arc::clone(&failure)));
        failure
    }
}

/// How long to wait after `failures` failed starts in a row: doubled from one to the next.
fn back_off(pace: BackoffDelays, failures: u32) -> Duration {
    pace.min.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(pace.max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_doubles_from_a_tenth_of_a_second_to_half_a_minute() {
        let waits: Vec<u128> =
            [1, 2, 3, 9, 10, 1000].map(|count| back_off(PROCESSES, count).as_millis()).into();
        assert_eq!(waits, [100, 200, 400, 25_600, 30_000, 30_000]);
    }
}
