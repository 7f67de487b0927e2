//! When a call has run out of time.

use std::time::{Duration, Instant};

/// Decides when a tool call has run out of time.
///
/// Two clocks run at once. *Total* ends the call no matter what; *idle* ends it after a stretch of
/// silence, and every word from the tool (progress, heartbeat) restarts it. Both are wall time counted
/// from the moment the call was accepted, so waiting in a queue counts against them. While the tool waits for an
/// answer of its client, both [stand still](Self::pause): a person may be thinking, which is no time of the tool's.
/// Whoever puts the question bounds how long that may take.
///
/// A deadline owns no timer: the caller passes `now`, so a test can drive it by hand.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    accepted: Instant,
    total: Option<Duration>,
    idle: Option<Duration>,
    silence: Silence,
    /// How long the clocks have stood still so far, up to when they last went on.
    stood_still: Nanoseconds,
    /// Since when they stand still.
    paused: Option<Instant>,
}

/// A time of less than 500 years: half as large as a [`Duration`], since a deadline is a part of every call.
type Nanoseconds = u64;

fn nanoseconds(time: Duration) -> Nanoseconds {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How long the tool has been silent.
#[derive(Clone, Copy, Debug)]
enum Silence {
    /// Since the clocks showed this.
    Since(Nanoseconds),
    /// For so long: the idle clock stands still by itself.
    For(Nanoseconds),
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
        Deadline { accepted, total, idle, silence: Silence::Since(0), stood_still: 0, paused: None }
    }

    /// When the call was accepted.
    pub fn accepted(&self) -> Instant {
        self.accepted
    }

    /// What the clocks show at `now`: how long they have run.
    fn reading(&self, now: Instant) -> Duration {
        let now = self.paused.map_or(now, |since| since.min(now));
        now.saturating_duration_since(self.accepted).saturating_sub(Duration::from_nanos(self.stood_still))
    }

    /// The tool gave a sign of life: restarts the idle clock, leaves the total one alone.
    pub fn beat(&mut self, now: Instant) {
        let reading = nanoseconds(self.reading(now));
        self.silence = match self.silence {
            Silence::Since(before) => Silence::Since(before.max(reading)),
            Silence::For(_) => Silence::For(0),
        };
    }

    /// Stops both clocks where they are, until [`resume`](Self::resume). Clocks that stand still already are left alone.
    pub fn pause(&mut self, now: Instant) {
        self.paused.get_or_insert(now);
    }

    /// Has both clocks go on with what they had left. Clocks that run are left alone.
    pub fn resume(&mut self, now: Instant) {
        if let Some(since) = self.paused.take() {
            self.stood_still += nanoseconds(now.saturating_duration_since(since));
        }
    }

    /// Stops the idle clock where it is, until [`resume_idle`](Self::resume_idle): something that has clocks of its own
    /// works for the call. The total one goes on. A clock that stands still already is left alone.
    pub fn pause_idle(&mut self, now: Instant) {
        if let Silence::Since(word) = self.silence {
            self.silence = Silence::For(nanoseconds(self.reading(now)).saturating_sub(word));
        }
    }

    /// Has the idle clock go on with what it had left. One that runs is left alone.
    pub fn resume_idle(&mut self, now: Instant) {
        if let Silence::For(silent) = self.silence {
            self.silence = Silence::Since(nanoseconds(self.reading(now)).saturating_sub(silent));
        }
    }

    /// Returns which clock ended the call, or `None` while it may go on. Clocks that stand still end nothing, unless one
    /// had run out before.
    pub fn expired(&self, now: Instant) -> Option<Expired> {
        let reading = self.reading(now);
        // Total first: when both have run out, a chattier tool would not have been saved, and the
        // message we send must not suggest that it would.
        if let Some(limit) = self.total
            && reading >= limit
        {
            return Some(Expired::Total { limit });
        }
        let limit = self.idle?;
        let silent = match self.silence {
            Silence::Since(word) => reading.saturating_sub(Duration::from_nanos(word)),
            Silence::For(silent) => Duration::from_nanos(silent),
        };
        (silent >= limit).then_some(Expired::Idle { limit })
    }

    /// The earliest moment at which [`expired`](Self::expired) can say something; `None` for never, or while the clocks
    /// stand still.
    pub fn next(&self) -> Option<Instant> {
        self.next_expiry().map(|(at, _)| at)
    }

    /// That moment, and which clock strikes then: the total one when both do.
    pub fn next_expiry(&self) -> Option<(Instant, Expired)> {
        let began = self.accepted + Duration::from_nanos(self.stood_still);
        let total = self.total.map(|limit| (began + limit, Expired::Total { limit }));
        let idle = match (self.idle, self.silence) {
            (Some(limit), Silence::Since(word)) => {
                Some((began + Duration::from_nanos(word) + limit, Expired::Idle { limit }))
            }
            // Had it run out before it was stopped, `expired` says so whenever it is asked.
            (Some(_), Silence::For(_)) | (None, _) => None,
        };
        let first = match (total, idle) {
            (Some(total), Some(idle)) => Some(if idle.0 < total.0 { idle } else { total }),
            (one, other) => one.or(other),
        };
        first.filter(|(at, _)| self.paused.is_none_or(|since| *at <= since))
    }

    /// What is left of the total time at `now`; `None` when there is no total limit.
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        self.total.map(|limit| limit.saturating_sub(self.reading(now)))
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
    fn paused_clocks_go_on_with_what_they_had_left() {
        let start = Instant::now();
        let mut deadline = Deadline::new(start, Some(5 * SECOND), Some(3 * SECOND));
        deadline.pause(start + SECOND);
        deadline.pause(start + 2 * SECOND);
        assert_eq!(deadline.next(), None);
        assert_eq!(deadline.expired(start + 300 * SECOND), None);
        assert_eq!(deadline.remaining(start + 300 * SECOND), Some(4 * SECOND));
        deadline.resume(start + 301 * SECOND);
        assert_eq!(deadline.next(), Some(start + 303 * SECOND), "one of three seconds had passed");
        deadline.resume(start + 400 * SECOND);
        assert_eq!(deadline.expired(start + 303 * SECOND), Some(Expired::Idle { limit: 3 * SECOND }));
        deadline.beat(start + 302 * SECOND);
        assert_eq!(
            deadline.next_expiry(),
            Some((start + 305 * SECOND, Expired::Total { limit: 5 * SECOND })),
            "one of five seconds had passed"
        );
        assert_eq!(deadline.remaining(start + 303 * SECOND), Some(2 * SECOND));
        assert_eq!(deadline.expired(start + 305 * SECOND), Some(Expired::Total { limit: 5 * SECOND }));
    }

    #[test]
    fn each_pause_counts() {
        let start = Instant::now();
        let mut deadline = Deadline::new(start, Some(15 * SECOND), None);
        for round in [10, 20, 30] {
            deadline.pause(start + round * SECOND);
            deadline.resume(start + (round + 9) * SECOND);
        }
        assert_eq!(deadline.next(), Some(start + 42 * SECOND), "12 of 15 seconds had passed");
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
    fn the_idle_clock_alone_stands_still_while_the_total_one_goes_on() {
        let start = Instant::now();
        let mut deadline = Deadline::new(start, Some(20 * SECOND), Some(3 * SECOND));
        deadline.pause_idle(start + 2 * SECOND);
        deadline.pause_idle(start + 4 * SECOND);
        assert_eq!(deadline.next(), Some(start + 20 * SECOND));
        assert_eq!(deadline.remaining(start + 5 * SECOND), Some(15 * SECOND));
        // Both stand still for five seconds of it.
        deadline.pause(start + 6 * SECOND);
        assert_eq!(deadline.next(), None);
        deadline.resume(start + 11 * SECOND);
        assert_eq!(deadline.next(), Some(start + 25 * SECOND));
        deadline.resume_idle(start + 12 * SECOND);
        assert_eq!(deadline.next(), Some(start + 13 * SECOND), "two of three seconds had passed");
        deadline.pause_idle(start + 12 * SECOND);
        deadline.beat(start + 14 * SECOND);
        deadline.resume_idle(start + 15 * SECOND);
        assert_eq!(deadline.next(), Some(start + 18 * SECOND), "a word gives it all its time back");
    }

    #[test]
    fn a_clock_that_had_run_out_before_a_pause_ends_the_call_all_the_same() {
        let start = Instant::now();
        let mut deadline = Deadline::new(start, Some(5 * SECOND), Some(2 * SECOND));
        deadline.pause(start + 6 * SECOND);
        assert_eq!(deadline.next(), Some(start + 2 * SECOND));
        assert_eq!(deadline.expired(start + 9 * SECOND), Some(Expired::Total { limit: 5 * SECOND }));
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
