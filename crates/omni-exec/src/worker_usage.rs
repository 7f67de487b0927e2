//! When a worker is to be replaced: after so many calls, at so much memory, at such an age.

use std::time::{Duration, Instant};

use crate::RecycleLimits;

/// How often memory is looked at: that costs some microseconds of the thread that serves all clients.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How much a worker has been used, and its limits.
#[derive(Debug)]
pub(crate) struct WorkerUsage {
    limits: RecycleLimits,
    born: Instant,
    calls: u64,
    /// The memory that it held after its first call, when the modules of its tool had been imported.
    first_memory: Option<u64>,
    look_at: Instant,
    worn: Option<RecycleReason>,
}

/// Why a worker is to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecycleReason {
    Calls(u64),
    Memory { bytes: u64 },
    Age(Duration),
}

impl std::fmt::Display for RecycleReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RecycleReason::Calls(calls) => write!(f, "({calls} calls)"),
            RecycleReason::Memory { bytes } => write!(f, "({} MiB)", bytes >> 20),
            RecycleReason::Age(age) => write!(f, "({} s)", age.as_secs()),
        }
    }
}

impl WorkerUsage {
    /// The usage of a new worker. Its limits are up to a fifth below those of `life`, and differ from worker to worker,
    /// so that workers that were started together are not all replaced together.
    pub(crate) fn new(life: &RecycleLimits, key: u64, born: Instant) -> Self {
        let share = share(key);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a limit is not exact"
        )]
        let scaled = |limit: u64| ((limit as f64 * share) as u64).max(1);
        let limits = RecycleLimits {
            calls: life.calls.map(scaled),
            memory_bytes: life.memory_bytes.map(scaled),
            age: life.age.map(|age| age.mul_f64(share)),
        };
        WorkerUsage { limits, born, calls: 0, first_memory: None, look_at: born, worn: None }
    }

    /// Notes that `count` calls have ended. Returns why the worker is to be replaced; `None` when it is not. `memory`
    /// says how much it holds.
    pub(crate) fn after_calls(
        &mut self,
        count: u64,
        now: Instant,
        memory: impl FnOnce() -> Option<u64>,
    ) -> Option<RecycleReason> {
        self.calls += count;
        if self.worn.is_none() && self.calls > 0 {
            self.worn = self.judge(now, memory);
        }
        self.worn
    }

    /// Whether the worker is to be replaced, as of its last call.
    pub(crate) fn is_worn(&self) -> bool {
        self.worn.is_some()
    }

    fn judge(&mut self, now: Instant, memory: impl FnOnce() -> Option<u64>) -> Option<RecycleReason> {
        if self.limits.calls.is_some_and(|limit| self.calls >= limit) {
            return Some(RecycleReason::Calls(self.calls));
        }
        let age = now.saturating_duration_since(self.born);
        if self.limits.age.is_some_and(|limit| age >= limit) {
            return Some(RecycleReason::Age(age));
        }
        let limit = self.limits.memory_bytes?;
        if now < self.look_at {
            return None;
        }
        self.look_at = now + LOOK_EVERY;
        let bytes = memory()?;
        let first = *self.first_memory.get_or_insert(bytes);
        // A skill that needs much memory from its first call on does not leak: a new worker would only load everything
        // again. So memory counts only once it has doubled.
        (bytes >= limit && bytes / 2 >= first).then_some(RecycleReason::Memory { bytes })
    }
}

/// A factor from 0.8 to 1 for the worker with this serial number. The fractional parts of the multiples of the golden
/// ratio fill an interval evenly, so the factors of workers that live at the same time are far apart.
fn share(key: u64) -> f64 {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let top = u32::try_from(key.wrapping_add(1).wrapping_mul(GOLDEN) >> 32).unwrap_or_default();
    1.0 - 0.2 * f64::from(top) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: u64 = 1 << 20;
    const SECOND: Duration = Duration::from_secs(1);

    fn life() -> RecycleLimits {
        RecycleLimits { calls: None, memory_bytes: None, age: None }
    }

    #[test]
    fn workers_that_begin_together_end_at_different_times() {
        let limits: Vec<u64> = (0..16)
            .filter_map(|key| {
                WorkerUsage::new(&RecycleLimits { calls: Some(1_000), ..life() }, key, Instant::now())
                    .limits
                    .calls
            })
            .collect();
        assert!(limits.iter().all(|limit| (800..=1_000).contains(limit)), "{limits:?}");
        let mut sorted = limits.clone();
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= 4), "{sorted:?}");
    }

    #[test]
    fn calls_and_age_wear_a_worker_out_and_it_stays_worn() {
        let born = Instant::now();
        let mut usage = WorkerUsage::new(&RecycleLimits { calls: Some(10), ..life() }, 0, born);
        let end = (1..=10).find(|_| usage.after_calls(1, born, || None).is_some());
        assert!(end.is_some_and(|calls| (8..=10).contains(&calls)), "{end:?}");
        assert!(usage.is_worn() && usage.after_calls(1, born, || None).is_some());
        let mut usage = WorkerUsage::new(&RecycleLimits { age: Some(10 * SECOND), ..life() }, 0, born);
        assert_eq!(usage.after_calls(1, born + 7 * SECOND, || None), None);
        assert!(matches!(usage.after_calls(1, born + 10 * SECOND, || None), Some(RecycleReason::Age(_))));
    }

    #[test]
    fn memory_counts_when_it_has_doubled_since_the_first_call_and_is_seldom_looked_at() {
        let born = Instant::now();
        let limited = RecycleLimits { memory_bytes: Some(100 * MEBIBYTE), ..life() };
        let mut usage = WorkerUsage::new(&limited, 0, born);
        assert_eq!(usage.after_calls(1, born, || Some(30 * MEBIBYTE)), None);
        assert_eq!(usage.after_calls(1, born, || unreachable!("looked at twice in a second")), None);
        assert_eq!(usage.after_calls(1, born + SECOND, || Some(70 * MEBIBYTE)), None);
        let worn = usage.after_calls(1, born + 2 * SECOND, || Some(120 * MEBIBYTE));
        assert_eq!(worn, Some(RecycleReason::Memory { bytes: 120 * MEBIBYTE }));
        let mut large = WorkerUsage::new(&limited, 0, born);
        assert_eq!(large.after_calls(1, born, || Some(300 * MEBIBYTE)), None);
        assert_eq!(large.after_calls(1, born + SECOND, || Some(350 * MEBIBYTE)), None);
        assert!(large.after_calls(1, born + 2 * SECOND, || Some(600 * MEBIBYTE)).is_some());
    }

    #[test]
    fn without_limits_nothing_wears_out_and_nothing_is_looked_at() {
        let born = Instant::now();
        let mut usage = WorkerUsage::new(&life(), 0, born);
        assert_eq!(usage.after_calls(u64::MAX, born + 1_000_000 * SECOND, || unreachable!("no limit")), None);
    }
}
