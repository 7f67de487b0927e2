//! The same work on many items, on all cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A deeply nested source costs its parser stack; the default of two MiB is not much of it.
const STACK_BYTES: usize = 16 << 20;

/// Calls `work` for each of `items`, on as many threads as there are cores, and returns the results in no
/// particular order.
pub(crate) fn in_parallel<I: Copy + Sync + Send, T: Send>(
    items: &[I],
    work: impl Fn(I) -> T + Sync,
) -> Vec<(I, T)> {
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(items.len());
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        while let Some(&item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((item, work(item)));
        }
        done
    };
    thread::scope(|scope| {
        let spawned: Vec<_> = (0..threads)
            .filter_map(|_| thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, take).ok())
            .collect();
        // A machine that gives us no thread still gets its skills, by this one.
        let mut done = if spawned.is_empty() { take() } else { Vec::new() };
        for thread in spawned {
            match thread.join() {
                Ok(part) => done.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    })
}
