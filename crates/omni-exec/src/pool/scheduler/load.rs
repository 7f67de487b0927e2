//! Whether there are enough workers: what the autoscaler remembers of how many calls had been finished at earlier
//! ticks.

use std::time::{Duration, Instant};

/// A call that has waited this long wants another worker. Shorter waits are a burst of fast calls, which
/// the present workers finish sooner than a new one would be ready; and more workers than the cores can run
/// make short calls slower, by a fifth for each (measured with one core for front and workers).
pub(super) const GROW_AFTER: Duration = Duration::from_millis(10);

/// How often the queue is looked at while there is one.
pub(super) const QUEUE_TICK: Duration = Duration::from_millis(5);

/// Workers that may be starting at the same time. Starting takes a whole core for tens of milliseconds.
pub(super) const STARTING_MAX: usize = 2;

/// When for so long no worker has been idle and no call has been finished, one more worker is started before a call
/// waits for it.
pub(super) const SPARE_TICK: Duration = Duration::from_millis(50);

/// How often the autoscaler runs by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TickRate {
    /// Only when it is woken, or when a worker is to be retired.
    #[default]
    Asleep,
    /// Every [`SPARE_TICK`], to see whether a spare worker is wanted.
    Spare,
    /// Every [`QUEUE_TICK`], to see whether the queue moves.
    Queue,
}

/// How many calls had been finished at the begin of the present window of each rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LoadHistory {
    queue: LoadSample,
    spare: LoadSample,
}

/// How many calls had been finished at a moment.
#[derive(Clone, Copy, Debug, Default)]
struct LoadSample {
    at: Option<Instant>,
    finished: u64,
}

impl LoadSample {
    /// How many calls have been finished since, once at least `window` has passed.
    fn finished_since(self, window: Duration, finished: u64, now: Instant) -> Option<u64> {
        (now >= self.at? + window).then_some(finished - self.finished)
    }

    /// Begins a new window at `now` when the present one is over.
    fn renew(&mut self, window: Duration, finished: u64, now: Instant) {
        if self.at.is_none_or(|at| now >= at + window) {
            *self = LoadSample { at: Some(now), finished };
        }
    }
}

impl LoadHistory {
    /// How many calls have been finished while those in the queue waited; `None` before anything can be said.
    pub(super) fn finished_in_queue_window(&self, finished: u64, now: Instant) -> Option<u64> {
        self.queue.finished_since(GROW_AFTER, finished, now)
    }

    /// Whether no call at all has been finished for a while.
    pub(super) fn is_held(&self, finished: u64, now: Instant) -> bool {
        self.spare.finished_since(SPARE_TICK, finished, now) == Some(0)
    }

    /// Notes how many calls have been finished by now. True when it is more than at the begin of the present window.
    pub(super) fn note(&mut self, finished: u64, now: Instant) -> bool {
        let worked = self.spare.at.is_some() && finished != self.spare.finished;
        self.queue.renew(GROW_AFTER, finished, now);
        self.spare.renew(SPARE_TICK, finished, now);
        worked
    }
}
