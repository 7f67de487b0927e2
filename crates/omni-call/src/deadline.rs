//! When a call has run out of time.

use std::time::{Duration, Instant};

/// Decides when a tool call has run out of time.
///
/// Two clocks run at once. *Total* ends the call no matter what; *idle* ends it after a stretch of
/// silence, and every word from the tool (progress, heartbeat) restarts it. Both are wall time counted
/// from the moment the call was accepted, so waiting in a queue counts against them. While the tool waits for an
/// answer of its client, the idle clock [stands still](Self::pause): a person may be thinking.
///
/// A deadline owns no timer: the caller passes `now`, so a test can drive it by hand.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    accepted: Instant,
    last_word: Instant,
    total: Option<Duration>,
    idle: Option<Duration>,
    /// Since when the idle clock stands still; a word of the tool meanwhile moves this along.
    paused: Option<Instant>,
}

/// Which clock ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// The call took longer than `limit` altogether.
    Total { limit: Duration },
    /// The tool said nothing for `limit`.
    Idle { limit: Duration },
}

impl Deadline {
    /// Starts both clocks at `accepted`. `None` switches a clock off; an idle limit longer than the total
    /// one can never strike first and is dropped.
    pub fn new(accepted: Instant, total: Option<Duration>, idle: Option<Duration>) -> Self {
        let idle = idle.filter(|idle| total.is_none_or(|total| *idle < total));
        Deadline { accepted, last_word: accepted, total, idle, paused: None }
    }

    /// When the call was accepted.
    pub fn accepted(&self) -> Instant {
        self.accepted
    }

    /// The tool gave a sign of life: restarts the idle clock, leaves the total one alone.
    pub fn beat(&mut self, now: Instant) {
        self.last_word = now;
        if self.paused.is_some() {
            self.paused = Some(now);
        }
    }

    /// Stops the idle clock where it is, until [`resume`](Self::resume). The total one goes on. A clock that stands
    /// still already is left alone.
    pub fn pause(&mut self, now: Instant) {
        self.paused.get_or_insert(now);
    }

    /// Has the idle clock go on with what it had left. One that runs is left alone.
    pub fn resume(&mut self, now: Instant) {
        if let Some(since) = self.paused.take() {
            self.last_word += now.saturating_duration_since(since);
        }
    }

    /// The idle limit, while that clock runs.
    fn running_idle(&self) -> Option<Duration> {
        self.idle.filter(|_| self.paused.is_none())
    }

    /// Returns which clock ended the call, or `None` while it may go on.
    pub fn expired(&self, now: Instant) -> Option<Expired> {
        // Total first: when both have run out, a chattier tool would not have been saved, and the
        // message we send must not suggest that it would.
        if let Some(limit) = self.total
            && now.duration_since(self.accepted) >= limit
        {
            return Some(Expired::Total { limit });
        }
        let limit = self.running_idle()?;
        (now.duration_since(self.last_word) >= limit).then_some(Expired::Idle { limit })
    }

    /// The earliest moment at which [`expired`](Self::expired) can say something, or `None` for never.
    pub fn next(&self) -> Option<Instant> {
        self.next_expiry().map(|(at, _)| at)
    }

    /// That moment, and which clock strikes then: the total one when both do.
    pub fn next_expiry(&self) -> Option<(Instant, Expired)> {
        let total = self.total.map(|limit| (self.accepted + limit, Expired::Total { limit }));
        let idle = self.running_idle().map(|limit| (self.last_word + limit, Expired::Idle { limit }));
        match (total, idle) {
            (Some(total), Some(idle)) => Some(if idle.0 < total.0 { idle } else { total }),
            (one, other) => one.or(other),
        }
    }

    /// What is left of the total time at `now`; `None` when there is no total limit.
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        self.total.map(|limit| limit.saturating_sub(now.duration_since(self.accepted)))
    }

    /// The idle limit, for the worker's information.
    pub fn idle(&self) -> Option<Duration> {
        self.idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_beat_restarts_the_idle_clock_but_not_the_total_one() {
        let start = Instant::now();
        let mut deadline = Deadline::new(start, Some(5 * SECOND), Some(2 * SECOND));
        assert_eq!(deadline.next(), Some(start + 2 * SECOND));
        deadline.beat(start + SECOND);
        assert_eq!(deadline.expired(start + 2 * SECOND), None);
        assert_eq!(deadline.expired(start + 3 * SECOND), Some(Expired::Idle { limit: 2 * SECOND }));
        deadline.beat(start + 4 * SECOND);
        assert_eq!(deadline.next(), Some(start + 5 * SECOND));
        assert_eq!(
            deadline.next_expiry(),
            Some((start + 5 * SECOND, Expired::Total { limit: 5 * SECOND })),
            "the idle clock would strike later"
        );
        assert_eq!(deadline.expired(start + 5 * SECOND), Some(Expired::Total { limit: 5 * SECOND }));
    }

    #[test]
    fn when_both_clocks_have_run_out_the_total_one_is_named() {
        let start = Instant::now();
        let deadline = Deadline::new(start, Some(3 * SECOND), Some(2 * SECOND));
        assert_eq!(deadline.expired(start + 9 * SECOND), Some(Expired::Total { limit: 3 * SECOND }));
    }

    #[test]
    fn an_idle_limit_above_the_total_one_is_dropped() {
        let start = Instant::now();
        let deadline = Deadline::new(start, Some(SECOND), Some(2 * SECOND));
        assert_eq!(deadline.idle(), None);
        assert_eq!(deadline.next(), Some(start + SECOND));
    }

    #[test]
    fn a_paused_idle_clock_goes_on_with_what_it_had_left() {
        let start = Instant::now();
        let mut deadline = Deadline::new(start, Some(60 * SECOND), Some(3 * SECOND));
        deadline.pause(start + SECOND);
        deadline.pause(start + 2 * SECOND);
        assert_eq!(deadline.next(), Some(start + 60 * SECOND));
        assert_eq!(deadline.expired(start + 30 * SECOND), None);
        deadline.resume(start + 31 * SECOND);
        assert_eq!(deadline.next(), Some(start + 33 * SECOND), "one of three seconds had passed");
        deadline.resume(start + 40 * SECOND);
        assert_eq!(deadline.expired(start + 33 * SECOND), Some(Expired::Idle { limit: 3 * SECOND }));
    }

    #[test]
    fn a_word_during_a_pause_gives_the_idle_clock_all_its_time_back() {
        let start = Instant::now();
        let mut deadline = Deadline::new(start, None, Some(3 * SECOND));
        deadline.pause(start + 2 * SECOND);
        deadline.beat(start + 10 * SECOND);
        assert_eq!(deadline.next(), None);
        deadline.resume(start + 20 * SECOND);
        assert_eq!(deadline.next(), Some(start + 23 * SECOND));
    }

    #[test]
    fn the_total_clock_strikes_during_a_pause() {
        let start = Instant::now();
        let mut deadline = Deadline::new(start, Some(5 * SECOND), Some(2 * SECOND));
        deadline.pause(start);
        assert_eq!(deadline.expired(start + 5 * SECOND), Some(Expired::Total { limit: 5 * SECOND }));
    }

    #[test]
    fn without_limits_a_call_never_expires() {
        let start = Instant::now();
        let deadline = Deadline::new(start, None, None);
        assert_eq!(deadline.next(), None);
        assert_eq!(deadline.expired(start + 1_000_000 * SECOND), None);
        assert_eq!(deadline.remaining(start), None);
    }
}
