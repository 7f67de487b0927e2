//! What ends a call on a worker of its own when no frame does: its deadline, a broken channel, a stopped process.

use std::time::Instant;

use omni_call::Deadline;

use crate::attempt::AttemptResult;
use crate::bounds::{DEATH_GRACE, STOPPED_LOOK};
use crate::wire::WireError;

/// The clocks of one call. They own no timer: the caller passes `now`.
pub(super) struct CallClocks {
    /// When to look next whether the process is stopped (decision 0009).
    look_at: Instant,
    /// Whether it was stopped at the last look.
    stopped: bool,
    /// When and why the channel broke. Whether the process has died is not known yet.
    broken: Option<(Instant, WireError)>,
}

impl CallClocks {
    /// The clocks of a call that becomes the current one. `broken`: the worker has broken the protocol, so nothing is
    /// read of it any more and only its death is waited for.
    pub(super) fn new(now: Instant, broken: bool) -> Self {
        CallClocks {
            look_at: now + STOPPED_LOOK,
            stopped: false,
            broken: broken.then_some((now, WireError::Closed)),
        }
    }

    /// The channel has broken. Usually the process is dying, but only the kernel can say so: that is waited for.
    pub(super) fn broke(&mut self, error: WireError, now: Instant) {
        self.broken = Some((now, error));
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// The earliest moment at which [`strike`](Self::strike) can say something.
    pub(super) fn next(&self, deadline: &Deadline) -> Instant {
        let grace = self.broken.as_ref().map(|(since, _)| *since + DEATH_GRACE);
        [deadline.next(), grace].into_iter().flatten().fold(self.look_at, Instant::min)
    }

    /// Whether a clock has ended the call by `now`, and how. `is_stopped` asks the kernel whether the process is
    /// stopped.
    pub(super) fn strike(
        &mut self,
        now: Instant,
        deadline: &Deadline,
        is_stopped: impl FnOnce() -> bool,
    ) -> Option<AttemptResult> {
        if let Some(expiry) = deadline.expired(now) {
            return Some(AttemptResult::Expired(expiry));
        }
        if let Some((_, error)) = self.broken.take_if(|(since, _)| now >= *since + DEATH_GRACE) {
            return Some(AttemptResult::Broken(error));
        }
        if now >= self.look_at {
            let stopped = is_stopped();
            if stopped && self.stopped {
                return Some(AttemptResult::Broken(WireError::Stopped));
            }
            self.stopped = stopped;
            self.look_at = now + STOPPED_LOOK;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use omni_call::Expired;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MILLISECOND: Duration = Duration::from_millis(1);

    fn never() -> bool {
        panic!("the kernel was asked")
    }

    #[test]
    fn a_process_that_is_stopped_at_two_looks_in_a_row_counts_as_dead() {
        let start = Instant::now();
        let forever = Deadline::new(start, None, None);
        let table: [(&[bool], bool); 4] = [
            (&[true, true], true),
            (&[true, false, true], false),
            (&[false, true, true], true),
            (&[false, false, false], false),
        ];
        for (looks, dead) in table {
            let mut clocks = CallClocks::new(start, false);
            let mut last = None;
            for stopped in looks {
                let next = clocks.next(&forever);
                assert!(clocks.strike(next - MILLISECOND, &forever, never).is_none(), "it looks too early");
                last = clocks.strike(next, &forever, || *stopped);
            }
            let seen = matches!(last, Some(AttemptResult::Broken(WireError::Stopped)));
            assert_eq!(seen, dead, "{looks:?}");
        }
    }

    #[test]
    fn a_broken_channel_is_the_end_only_when_no_death_has_followed() {
        let start = Instant::now();
        let forever = Deadline::new(start, None, None);
        let mut clocks = CallClocks::new(start, false);
        clocks.broke(WireError::Closed, start + SECOND);
        assert_eq!(clocks.next(&forever), start + SECOND + DEATH_GRACE);
        assert!(clocks.strike(start + SECOND, &forever, never).is_none());
        let end = clocks.strike(start + SECOND + DEATH_GRACE, &forever, never);
        assert!(matches!(end, Some(AttemptResult::Broken(WireError::Closed))), "{end:?}");
        let unusable = CallClocks::new(start, true);
        assert_eq!(unusable.next(&forever), start + DEATH_GRACE, "nothing is read of it at all");
    }

    #[test]
    fn the_deadline_is_named_before_all_else() {
        let start = Instant::now();
        let deadline = Deadline::new(start, Some(SECOND), None);
        let mut clocks = CallClocks::new(start, true);
        let end = clocks.strike(start + 9 * SECOND, &deadline, never);
        assert!(matches!(end, Some(AttemptResult::Expired(Expired::Total { .. }))), "{end:?}");
    }
}
