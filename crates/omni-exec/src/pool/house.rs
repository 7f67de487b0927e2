//! How many workers there are: when one is started, when one is let go, and what follows when none starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use omni_call::Call;
use tokio::time::timeout_at;

use super::preload::NoWorker;
use super::{Shared, State};
use crate::failures::Failures;
use crate::outcome::{start_failed, unstarted};
use crate::shared_bounds::WorkerPlace;
use crate::wire::Mode;
use crate::within::expired;
use crate::worker::{StartFailure, Worker};

/// What a worker is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// There are too few.
    Wanted,
    /// Another one has served its time.
    Successor,
}

/// A call that has waited this long wants another worker. Shorter waits are a burst of fast calls, which
/// the present workers finish sooner than a new one would be ready; and more workers than the cores can run
/// make short calls slower, by a fifth for each (measured with one core for front and workers).
const GROW_AFTER: Duration = Duration::from_millis(10);

/// How often the line is looked at while there is one.
const LINE_TICK: Duration = Duration::from_millis(5);

/// Starting takes a whole core for tens of milliseconds.
const STARTING_MAX: usize = 2;

/// When no worker has been idle and none has finished for this long, a spare is started before anybody
/// waits for it.
const SPARE_TICK: Duration = Duration::from_millis(50);

/// How soon the housekeeper looks again by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Watch {
    /// When it is called, or when a worker is to be retired.
    #[default]
    Asleep,
    /// Whether a spare is wanted: every [`SPARE_TICK`].
    Spare,
    /// Whether the line moves: every [`LINE_TICK`].
    Line,
}

/// What the housekeeper remembers of its earlier looks.
#[derive(Debug, Default)]
pub(super) struct Memory {
    line: Glance,
    spare: Glance,
}

/// How many calls had been finished at a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Glance {
    at: Option<Instant>,
    finished: u64,
}

impl Glance {
    /// How many calls have been finished since, once at least `tick` has passed.
    fn finished_since(self, tick: Duration, finished: u64, now: Instant) -> Option<u64> {
        (now >= self.at? + tick).then_some(finished - self.finished)
    }

    /// Moves on to `now` when `tick` has passed.
    fn renew(&mut self, tick: Duration, finished: u64, now: Instant) {
        if self.at.is_none_or(|at| now >= at + tick) {
            *self = Glance { at: Some(now), finished };
        }
    }
}

/// Keeps the pool as large as it should be until it is closed.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut memory = Memory::default();
    let mut next = None;
    loop {
        let called = shared.house.notified();
        match next {
            None => called.await,
            Some(at) => {
                let _ = timeout_at(tokio::time::Instant::from_std(at), called).await;
            }
        }
        let now = Instant::now();
        let mut state = shared.lock();
        if state.closing {
            return;
        }
        state.queue.tend_lanes(now);
        let expired = refuse_expired(&mut state, now);
        let gone = state.let_go(&shared, now);
        let refused =
            state.wants_another(&shared, &memory, now) && !shared.start_worker(&mut state, Purpose::Wanted);
        let ask = (refused && Shared::should_ask(&mut state, now)).then_some(state.workers);
        next = state.next_look(&shared, &mut memory, now);
        drop(state);
        // Neither under the lock: a waker may run anything, and dropping a worker kills it.
        expired.into_iter().for_each(std::task::Waker::wake);
        gone.into_iter().for_each(|worker| shared.dismiss(worker));
        if let Some(workers) = ask {
            shared.ask_for_place(workers);
        }
    }
}

/// Ends the calls whose time ran out while they waited.
fn refuse_expired(state: &mut State, now: Instant) -> Vec<std::task::Waker> {
    let struck = |call: &Call| call.deadline.expired(now).map(expired);
    state.queue.refuse(|call| Some(Box::new(unstarted(call, struck(call)?))))
}

impl State {
    /// Takes out the idle workers that died or that have been idle for too long.
    #[expect(clippy::vec_box, reason = "they are boxed already")]
    fn let_go(&mut self, shared: &Shared, now: Instant) -> Vec<Box<Worker>> {
        let (mut gone, idle): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.idle).into_iter().partition(|worker| worker.process.exited());
        self.idle = idle;
        let spare = self.workers.saturating_sub(shared.config.workers_min);
        let ttl = shared.config.idle_worker_ttl;
        let retired =
            self.idle.iter().take(spare).take_while(|worker| now >= worker.idle_since + ttl).count();
        gone.extend(self.idle.drain(..retired));
        gone
    }

    /// Whether one more worker should be started now.
    fn wants_another(&self, shared: &Shared, memory: &Memory, now: Instant) -> bool {
        if self.workers >= shared.config.workers_max
            || self.starting >= STARTING_MAX
            || self.failures.forbids(now).is_some()
        {
            return false;
        }
        if (self.workers > 0 || self.queue.is_empty()) && shared.config.shared.is_contended(now) {
            return false;
        }
        if self.workers < shared.config.workers_min || (self.succession.renewing() && self.starting == 0) {
            return true;
        }
        if self.queue.is_empty() {
            let finished = memory.spare.finished_since(SPARE_TICK, self.finished, now);
            return self.idle.is_empty() && self.starting == 0 && self.serving > 0 && finished == Some(0);
        }
        if self.serving == 0 {
            return self.starting == 0;
        }
        let waited = self.queue.head_accepted().is_some_and(|accepted| now >= accepted + GROW_AFTER);
        let finished = memory.line.finished_since(GROW_AFTER, self.finished, now);
        // More workers than cores do not make short calls shorter: grow on only while some workers have
        // been held all along.
        let held = finished.is_some_and(|finished| finished < self.serving as u64);
        waited && (held || (finished.is_some() && self.workers < shared.cores))
    }

    /// Decides when to look again.
    fn next_look(&mut self, shared: &Shared, memory: &mut Memory, now: Instant) -> Option<Instant> {
        let worked = memory.spare.at.is_some() && self.finished != memory.spare.finished;
        memory.line.renew(GROW_AFTER, self.finished, now);
        memory.spare.renew(SPARE_TICK, self.finished, now);
        self.watch = if !self.queue.is_empty() || self.queue.has_lanes() {
            Watch::Line
        } else if worked || (self.idle.is_empty() && self.serving > 0) || self.succession.renewing() {
            // `worked`: in steady traffic it is cheaper to look every now and then than to be called.
            Watch::Spare
        } else {
            *memory = Memory::default();
            Watch::Asleep
        };
        match self.watch {
            Watch::Line => Some(now + LINE_TICK),
            Watch::Spare => Some(now + SPARE_TICK),
            Watch::Asleep => {
                let oldest = self.idle.first().map(|worker| worker.idle_since);
                oldest
                    .filter(|_| self.workers > shared.config.workers_min)
                    .map(|since| since + shared.config.idle_worker_ttl)
            }
        }
    }
}

impl Shared {
    /// Has the housekeeper look at least as often as `watch` says.
    pub(super) fn watch(&self, state: &mut State, watch: Watch) {
        if state.watch < watch {
            state.watch = watch;
            self.house.notify_one();
        }
    }

    /// Starts a worker in a task of its own. False when all pools together have as many as they may.
    pub(super) fn start_worker(self: &Arc<Self>, state: &mut State, purpose: Purpose) -> bool {
        // The housekeeper starts with it, which tries again where there is no place.
        self.runtime();
        let Some(place) = self.config.shared.take_place(self.config.workers_max) else { return false };
        state.asked = None;
        state.workers += 1;
        state.starting += 1;
        let serves = Arc::new(AtomicBool::new(false));
        let seat = Seat { shared: Arc::clone(self), serves: Arc::clone(&serves), _place: place };
        let generation = state.succession.generation;
        let starting = Starting { shared: Arc::clone(self), serves, purpose, generation };
        self.runtime().spawn(async move {
            let result = {
                let shared = &starting.shared;
                shared.preload.start(&shared.children, Mode::Sync, Box::new(seat)).await
            };
            starting.done(result);
        });
        true
    }

    fn start_failed(self: &Arc<Self>, failure: StartFailure) {
        if failure.closing {
            return;
        }
        tracing::warn!(error = failure.message, hint = failure.hint, "no worker could be started");
        let mut state = self.lock();
        let failure = state.failures.add(failure);
        let wakers = if state.serving == 0 && state.starting == 0 {
            state.queue.refuse(|call| Some(Box::new(start_failed(call, &failure))))
        } else {
            Vec::new()
        };
        drop(state);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }
}

/// A worker's place among `workers_max`, taken until its process is gone.
struct Seat {
    shared: Arc<Shared>,
    /// It has become ready.
    serves: Arc<AtomicBool>,
    /// Among the workers of all pools; given free when no lock is held.
    _place: WorkerPlace,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.workers -= 1;
        if self.serves.load(Ordering::Relaxed) {
            state.serving -= 1;
        }
        drop(state);
        // Perhaps somebody waits for the place, or the pool is too small now.
        self.shared.house.notify_one();
    }
}

/// A start under way.
struct Starting {
    shared: Arc<Shared>,
    serves: Arc<AtomicBool>,
    purpose: Purpose,
    generation: u64,
}

impl Starting {
    fn done(self, result: Result<Worker, NoWorker>) {
        let shared = Arc::clone(&self.shared);
        match result {
            Ok(mut worker) => {
                worker.generation = self.generation;
                let mut state = shared.lock();
                state.serving += 1;
                self.serves.store(true, Ordering::Relaxed);
                state.failures = Failures::default();
                let mut old = Vec::new();
                if state.succession.renewing() && self.generation == state.succession.generation {
                    old = shared.move_on(&mut state);
                }
                if self.purpose == Purpose::Successor {
                    old.extend(Shared::make_way(&mut state));
                }
                drop(state);
                drop(self);
                old.into_iter().for_each(|worker| shared.dismiss(worker));
                shared.give_back(Box::new(worker));
            }
            // Its place is free again, which has the housekeeper start another one.
            Err(NoWorker::Preload) => drop(self),
            Err(NoWorker::Failed(failure)) => {
                drop(self);
                shared.start_failed(failure);
            }
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.starting -= 1;
        if self.purpose == Purpose::Successor {
            state.succession.coming = false;
        }
    }
}
