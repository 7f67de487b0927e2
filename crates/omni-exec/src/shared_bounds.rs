//! Bounds that hold for all executors of a server together, however many sets of executors there are: how many workers
//! there are, and how many processes that serve one call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use omni_call::ExecutorKind;

use crate::call_permits::CallPermits;

/// How long after a pool without a worker has asked for a permit the next free one is kept for it. Such a pool asks
/// again sooner than that.
const CONTENDED_FOR: Duration = Duration::from_millis(300);

/// Bounds that sets of executors share. Clones share them too.
#[derive(Clone, Debug, Default)]
pub struct SharedBounds(Arc<SharedBoundsInner>);

#[derive(Debug, Default)]
struct SharedBoundsInner {
    workers: AtomicUsize,
    /// When a pool without any worker last asked for a permit.
    starved: Mutex<Option<Instant>>,
    pools: Mutex<Vec<Weak<dyn Contender>>>,
    forked: OnceLock<Arc<CallPermits>>,
    spawned: OnceLock<Arc<CallPermits>>,
}

/// A pool, as the other pools see it with which it shares the bound on workers.
pub(crate) trait Contender: Send + Sync + std::fmt::Debug {
    /// What it has; `None` when it is closed.
    fn share(&self) -> Option<ContenderShare>;
    /// Retires its longest idle worker. False when none is idle any more.
    fn give_up_idle(self: Arc<Self>) -> bool;
    /// Retires a worker as soon as its call has ended.
    fn give_up_next(&self);
    /// A permit has come free.
    fn on_worker_permit_free(&self);
}

/// What a pool has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ContenderShare {
    pub(crate) workers: usize,
    /// So many workers it keeps, even when they are idle.
    pub(crate) workers_min: usize,
    /// Since when its longest idle worker has been idle.
    pub(crate) idle_since: Option<Instant>,
}

/// The permit for one worker among those of all pools. Dropping it frees it, and tells all pools.
///
/// Whoever watches the worker's process has it, and so has the pool, to release it while the worker's call waits.
#[derive(Debug)]
pub(crate) struct WorkerPermit {
    bounds: SharedBounds,
    state: Mutex<WorkerPermitState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WorkerPermitState {
    Held,
    /// The worker's call waits for its client.
    Released,
    /// The worker's process has ended.
    Ended,
}

impl SharedBounds {
    fn pools(&self) -> MutexGuard<'_, Vec<Weak<dyn Contender>>> {
        self.0.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn join(&self, pool: Weak<dyn Contender>) {
        let mut pools = self.pools();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(pool);
    }

    fn others(&self, than: *const ()) -> Vec<(Arc<dyn Contender>, ContenderShare)> {
        // `share` takes locks of its own, so it is called when this one is released.
        let pools: Vec<_> = self.pools().iter().filter_map(Weak::upgrade).collect();
        pools
            .into_iter()
            .filter(|pool| !std::ptr::eq(Arc::as_ptr(pool).cast::<()>(), than))
            .filter_map(|pool| pool.share().map(|share| (pool, share)))
            .collect()
    }

    /// A permit for one more worker, where there may be `max` in all.
    pub(crate) fn take_worker_permit(&self, max: usize) -> Option<Arc<WorkerPermit>> {
        let taken = self.0.workers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |workers| {
            (workers < max).then_some(workers + 1)
        });
        let state = Mutex::new(WorkerPermitState::Held);
        taken.is_ok().then(|| Arc::new(WorkerPermit { bounds: self.clone(), state }))
    }

    /// Whether there are more than `max` workers: calls that had waited for their clients go on.
    pub(crate) fn is_above(&self, max: usize) -> bool {
        self.0.workers.load(Ordering::Relaxed) > max
    }

    /// Retires the longest idle worker of all pools. False when none is idle. To be called with no lock held.
    pub(crate) fn give_up_idle(&self) -> bool {
        longest_idle(&self.others(std::ptr::null()), |_| true).any(|pool| pool.give_up_idle())
    }

    /// Whether the next permit that comes free is for a pool that has calls and no worker. Without this rule another
    /// pool could take it first, since all are told of it.
    pub(crate) fn is_contended(&self, now: Instant) -> bool {
        let starved = *self.0.starved.lock().unwrap_or_else(PoisonError::into_inner);
        starved.is_some_and(|starved| now < starved + CONTENDED_FOR)
    }

    /// Has another pool retire a worker for the pool `own`, in which calls wait and which has `workers` workers: an
    /// idle one, else the next that ends its call in the pool that has most. A pool that has workers itself gets
    /// others' permits only until both have equally many. To be called with no lock held.
    pub(crate) fn make_room(&self, own: *const (), workers: usize) {
        if workers == 0 {
            *self.0.starved.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        let others = self.others(own);
        let spares = |has: &ContenderShare| workers == 0 || has.workers > has.workers_min;
        if longest_idle(&others, spares).any(|pool| pool.give_up_idle()) {
            return;
        }
        let enough = if workers == 0 { 1 } else { workers + 2 };
        let most = others.iter().filter(|(_, has)| has.workers >= enough).max_by_key(|(_, has)| has.workers);
        if let Some((pool, _)) = most {
            pool.give_up_next();
        }
    }

    /// The permits for calls that run at once, shared by all forking executors.
    pub(crate) fn forked(&self, max: usize) -> Arc<CallPermits> {
        Arc::clone(self.0.forked.get_or_init(|| CallPermits::new(ExecutorKind::Fork, max)))
    }

    /// The same for the executors that start a process for each call.
    pub(crate) fn spawned(&self, max: usize) -> Arc<CallPermits> {
        Arc::clone(self.0.spawned.get_or_init(|| CallPermits::new(ExecutorKind::Spawn, max)))
    }
}

/// Those pools for which `spares` holds and that have an idle worker, first the one whose worker has been idle longest.
fn longest_idle(
    pools: &[(Arc<dyn Contender>, ContenderShare)],
    spares: impl Fn(&ContenderShare) -> bool,
) -> impl Iterator<Item = Arc<dyn Contender>> {
    let mut idle: Vec<_> = pools
        .iter()
        .filter(|(_, has)| spares(has))
        .filter_map(|(pool, has)| Some((has.idle_since?, Arc::clone(pool))))
        .collect();
    idle.sort_by_key(|(since, _)| *since);
    idle.into_iter().map(|(_, pool)| pool)
}

impl WorkerPermit {
    fn set(&self, next: impl FnOnce(WorkerPermitState) -> WorkerPermitState) {
        let (before, after) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let before = *state;
            *state = next(before);
            (before, *state)
        };
        let held = WorkerPermitState::Held;
        if before != held && after == held {
            self.bounds.0.workers.fetch_add(1, Ordering::Relaxed);
        } else if before == held && after != held {
            self.bounds.0.workers.fetch_sub(1, Ordering::Relaxed);
            let pools: Vec<_> = self.bounds.pools().iter().filter_map(Weak::upgrade).collect();
            pools.iter().for_each(|pool| pool.on_worker_permit_free());
        }
    }

    /// The worker's call waits for its client: frees the permit, and tells all pools. To be called with no lock held.
    pub(crate) fn release(&self) {
        self.set(|state| match state {
            WorkerPermitState::Held => WorkerPermitState::Released,
            other => other,
        });
    }

    /// The call goes on: the worker counts again, whether there is room or not.
    pub(crate) fn reacquire(&self) {
        self.set(|state| match state {
            WorkerPermitState::Released => WorkerPermitState::Held,
            other => other,
        });
    }

    /// The worker's process has ended: frees the permit for good, and tells all pools. To be called with no lock held.
    pub(crate) fn end(&self) {
        self.set(|_| WorkerPermitState::Ended);
    }
}

impl Drop for WorkerPermit {
    fn drop(&mut self) {
        self.end();
    }
}
