//! Whether the workers get on with the calls: what the autoscaler remembers of its earlier looks.

use std::time::{Duration, Instant};

/// A call that has waited this long wants another worker. Shorter waits are a burst of fast calls, which
/// the present workers finish sooner than a new one would be ready; and more workers than the cores can run
/// make short calls slower, by a fifth for each (measured with one core for front and workers).
pub(super) const GROW_AFTER: Duration = Duration::from_millis(10);

/// How often the queue is looked at while there is one.
pub(super) const QUEUE_TICK: Duration = Duration::from_millis(5);

/// Starting takes a whole core for tens of milliseconds.
pub(super) const STARTING_MAX: usize = 2;

/// When no worker has been idle and none has finished for this long, a spare is started before anybody
/// waits for it.
pub(super) const SPARE_TICK: Duration = Duration::from_millis(50);

/// How soon the autoscaler looks again by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TickRate {
    /// When it is called, or when a worker is to be retired.
    #[default]
    Asleep,
    /// Whether a spare is wanted: every [`SPARE_TICK`].
    Spare,
    /// Whether the queue moves: every [`QUEUE_TICK`].
    Queue,
}

/// How many calls had been finished at the last looks of either kind.
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

    /// Moves on to `now` when `window` has passed.
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

    /// Notes what this look has seen. True when calls have been finished since the last one.
    pub(super) fn note(&mut self, finished: u64, now: Instant) -> bool {
        let worked = self.spare.at.is_some() && finished != self.spare.finished;
        self.queue.renew(GROW_AFTER, finished, now);
        self.spare.renew(SPARE_TICK, finished, now);
        worked
    }
}
