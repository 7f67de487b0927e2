//! Is a burst of changes over, so that somebody may look at what came of it?

use std::time::{Duration, Instant};

/// Decides when it is time to look at what has changed, and whether what was seen may take effect.
///
/// An edit is seldom one change: an editor writes a second file and renames it, `git checkout` writes thousands. What is
/// looked at in the middle is a mixture of two versions. So a look waits until nothing has changed for [`quiet`](Self::new),
/// or, where it never becomes quiet, until the burst is [`most`](Self::new) old; and a look during which something changed
/// counts for nothing, as long as the burst is not as old as that.
///
/// It owns no timer: the caller passes `now`, so that a test can drive it by hand.
#[derive(Clone, Debug)]
pub struct Settle {
    quiet: Duration,
    most: Duration,
    burst: Option<Burst>,
    /// Something changed since the look that runs began.
    overlapped: bool,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    first: Instant,
    last: Instant,
}

impl Settle {
    /// Waits for so long a quiet, and at most so long since the first change.
    pub fn new(quiet: Duration, most: Duration) -> Self {
        Settle { quiet, most, burst: None, overlapped: false }
    }

    /// Something has changed.
    pub fn changed(&mut self, now: Instant) {
        self.overlapped = true;
        match &mut self.burst {
            Some(burst) => burst.last = now,
            None => self.burst = Some(Burst { first: now, last: now }),
        }
    }

    /// When to look; `None` as long as nothing changes.
    pub fn due(&self) -> Option<Instant> {
        self.burst.map(|burst| (burst.last + self.quiet).min(burst.first + self.most))
    }

    /// Whether nothing has changed that nobody has looked at.
    pub fn is_quiet(&self) -> bool {
        self.burst.is_none()
    }

    /// A look begins.
    pub fn look(&mut self) {
        self.overlapped = false;
    }

    /// The look has ended. Says whether what it found may take effect: nothing changed meanwhile, or the burst has lasted
    /// too long to wait for its end. Where not, [`due`](Self::due) says when to look again; where something changed and it
    /// takes effect all the same, that change begins another burst.
    pub fn looked(&mut self, now: Instant) -> bool {
        let Some(burst) = self.burst.filter(|_| self.overlapped) else {
            self.burst = None;
            return true;
        };
        let too_long = now.saturating_duration_since(burst.first) >= self.most;
        if too_long {
            self.burst = Some(Burst { first: burst.last, ..burst });
        }
        too_long
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time is stepped by hand, in milliseconds.
    struct World {
        settle: Settle,
        began: Instant,
        now: u64,
    }

    impl World {
        fn new() -> Self {
            let settle = Settle::new(Duration::from_millis(50), Duration::from_millis(500));
            World { settle, began: Instant::now(), now: 0 }
        }

        fn at(&mut self, now: u64) -> &mut Self {
            assert!(now >= self.now, "time goes on");
            self.now = now;
            self
        }

        fn changed(&mut self, now: u64) {
            let now = self.at(now).instant();
            self.settle.changed(now);
        }

        fn looked(&mut self, now: u64) -> bool {
            let now = self.at(now).instant();
            self.settle.looked(now)
        }

        fn instant(&self) -> Instant {
            self.began + Duration::from_millis(self.now)
        }

        fn due(&self) -> Option<u128> {
            self.settle.due().map(|due| due.saturating_duration_since(self.began).as_millis())
        }
    }

    #[test]
    fn nothing_is_due_while_nothing_changes() {
        assert_eq!(World::new().due(), None);
        assert!(World::new().settle.is_quiet());
    }

    #[test]
    fn a_look_waits_for_fifty_milliseconds_of_quiet_after_the_last_change() {
        let mut world = World::new();
        world.changed(0);
        assert_eq!(world.due(), Some(50));
        world.changed(40);
        world.changed(80);
        assert_eq!(world.due(), Some(130));
    }

    #[test]
    fn a_burst_that_does_not_end_is_looked_at_after_half_a_second() {
        let mut world = World::new();
        for now in (0..=480).step_by(20) {
            world.changed(now);
        }
        assert_eq!(world.due(), Some(500), "not fifty milliseconds after the last");
    }

    #[test]
    fn one_look_without_another_change_ends_the_burst() {
        let mut world = World::new();
        world.changed(0);
        world.settle.look();
        assert!(world.looked(60));
        assert_eq!(world.due(), None);
        world.changed(1_000);
        assert_eq!(world.due(), Some(1_050), "the next burst is one of its own");
    }

    #[test]
    fn a_look_that_a_change_overlaps_counts_for_nothing_and_is_done_again() {
        let mut world = World::new();
        world.changed(0);
        world.settle.look();
        world.changed(55);
        assert!(!world.looked(60));
        assert_eq!(world.due(), Some(105));
        world.settle.look();
        assert!(world.looked(110));
        assert!(world.settle.is_quiet());
    }

    #[test]
    fn overlapped_looks_count_once_the_burst_is_half_a_second_old_and_the_rest_is_another_burst() {
        let mut world = World::new();
        world.changed(0);
        for now in (50..=450).step_by(50) {
            world.settle.look();
            world.changed(now);
            assert!(!world.looked(now), "{now}");
        }
        assert_eq!(world.due(), Some(500));
        world.settle.look();
        world.changed(505);
        assert!(world.looked(510), "clients wait no longer");
        assert_eq!(world.due(), Some(555), "what came meanwhile is looked at, too");
        world.changed(900);
        assert_eq!(world.due(), Some(950), "half a second is counted from the change that was not seen");
    }

    #[test]
    fn a_look_that_somebody_asks_for_is_no_burst_but_a_change_during_it_begins_one() {
        let mut world = World::new();
        world.settle.look();
        assert!(world.looked(5));
        world.settle.look();
        world.changed(10);
        assert!(!world.looked(12));
        assert_eq!(world.due(), Some(60));
    }
}
