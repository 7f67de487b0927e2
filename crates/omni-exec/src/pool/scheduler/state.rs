//! The scheduler's memory: every worker, every waiting call, and what is to be done next.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::effect::{CallHandle, Effect, PoolBounds, RefusalReason, StartPurpose, WorkerHandle};
use super::load::{LoadHistory, TickRate};
use super::pipeline::{PIPELINED_MAX, Pipeline};
use super::queue::{Queue, WaitingCalls};
use super::recycle::RecycleState;
use super::skill_states::{SkillStates, StateKey};
use super::slots::{SlotHandle, Slots};
use crate::failures::Failures;

/// A worker whose last call took less than this gets calls ahead.
pub(super) const QUICK: Duration = Duration::from_millis(1);

/// What a pool decides: which call runs on which worker, how many workers there are, and which of them go.
///
/// A value without a lock, a clock or a task: it is told what has happened, and `now`, and says by
/// [`Effect`]s what is to be done. It knows calls and workers by their handles only, so that its races are tested as
/// tables of steps. `K` says whose state a worker keeps.
///
/// A worker is, at any time, in the hands of the scheduler (idle) or of somebody who will give it back by
/// [`ended`](Self::ended): whoever runs a call on it, starts it or ends it.
#[derive(Debug)]
pub(in crate::pool) struct Scheduler<K> {
    pub(super) bounds: PoolBounds,
    pub(super) effects: VecDeque<Effect>,
    pub(super) calls: WaitingCalls,
    /// Calls that any worker may serve.
    pub(super) queue: Queue,
    pub(super) workers: Slots<WorkerState>,
    /// Idle workers that may serve any call, the last used on top, so that those at the bottom can be retired.
    pub(super) idle: Vec<WorkerHandle>,
    /// Of the workers that may serve any call.
    pub(super) count: WorkerCounts,
    pub(super) states: SkillStates<K>,
    /// Workers in being that keep a state.
    pub(super) stateful: usize,
    /// Calls finished so far by workers that may serve any call.
    pub(super) finished: u64,
    pub(super) rate: TickRate,
    pub(super) load: LoadHistory,
    pub(super) failures: Failures,
    pub(super) recycle: RecycleState,
    /// When other pools were asked for a place last.
    pub(super) asked: Option<Instant>,
    /// Workers that go at the end of their call, so that another pool can have one.
    pub(super) give_up: usize,
    pub(super) closing: bool,
}

#[derive(Debug, Default)]
pub(super) struct WorkerCounts {
    /// In being, from the decision to start one until its process is gone.
    pub(super) workers: usize,
    /// Of these, those that are not ready yet.
    pub(super) starting: usize,
    /// Of these, those that have been ready: idle, busy, or being ended.
    pub(super) serving: usize,
}

#[derive(Debug)]
pub(super) struct WorkerState {
    /// The state that it keeps.
    pub(super) state: Option<SlotHandle>,
    pub(super) purpose: StartPurpose,
    pub(super) generation: u64,
    pub(super) stage: WorkerStage,
    /// It has been ready, and counts among those that serve.
    pub(super) serves: bool,
    /// Its process has ended.
    pub(super) exited: bool,
    pub(super) worn: bool,
    /// The skill whose state it keeps has changed.
    pub(super) outdated: bool,
    pub(super) pipeline: Pipeline,
}

/// In whose hands a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerStage {
    Starting,
    Idle {
        since: Instant,
    },
    /// Somebody has it, to run a call on it or to end one.
    Busy,
    /// Nobody gets it any more. It counts until its process is gone.
    Released,
}

impl<K: StateKey> Scheduler<K> {
    pub(in crate::pool) fn new(bounds: PoolBounds) -> Self {
        Scheduler {
            bounds,
            effects: VecDeque::new(),
            calls: WaitingCalls::default(),
            queue: Queue::default(),
            workers: Slots::default(),
            idle: Vec::new(),
            count: WorkerCounts::default(),
            states: SkillStates::default(),
            stateful: 0,
            finished: 0,
            rate: TickRate::default(),
            load: LoadHistory::default(),
            failures: Failures::default(),
            recycle: RecycleState::default(),
            asked: None,
            give_up: 0,
            closing: false,
        }
    }

    /// What is to be done next. To be asked after every event until there is nothing.
    pub(in crate::pool) fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub(in crate::pool) fn is_closing(&self) -> bool {
        self.closing
    }

    pub(super) fn worker(&mut self, id: WorkerHandle) -> Option<&mut WorkerState> {
        self.workers.get_mut(id.0)
    }

    /// Has [`tick`](Self::tick) called at least as often as `rate` says.
    pub(super) fn look_at_rate(&mut self, rate: TickRate) {
        if self.rate < rate {
            self.rate = rate;
            self.effects.push_back(Effect::Tick);
        }
    }

    /// Decides that there is to be one more worker.
    pub(super) fn start(&mut self, purpose: StartPurpose, state: Option<SlotHandle>) -> WorkerHandle {
        let id = WorkerHandle(self.workers.insert(WorkerState {
            state,
            purpose,
            generation: self.recycle.generation,
            stage: WorkerStage::Starting,
            serves: false,
            exited: false,
            worn: false,
            outdated: false,
            pipeline: Pipeline::default(),
        }));
        match state {
            None => {
                self.count.workers += 1;
                self.count.starting += 1;
            }
            Some(state) => {
                self.stateful += 1;
                if let Some(state) = self.states.0.get_mut(state) {
                    state.worker = Some(id);
                }
            }
        }
        self.effects.push_back(Effect::Start { worker: id, stateful: state.is_some() });
        id
    }

    /// Gives a free worker its next call: the one that was pipelined to it, else the first in its queue. Without one it is
    /// idle.
    ///
    /// A worker whose calls are short also gets a share of those behind it in the queue, so that it need not wait
    /// for us between them: two processes that take turns for every call spend more on the turns than on the
    /// calls (0008). What can ask its client goes alone (0038).
    pub(super) fn dispatch_next(&mut self, id: WorkerHandle, took: Duration, now: Instant) {
        let sharers = self.count.serving.min(self.bounds.cores).max(1);
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        worker.stage = WorkerStage::Busy;
        if let Some(sent) = worker.pipeline.advance() {
            let number = sent.number;
            self.effects.push_back(match sent.call {
                Some(call) => {
                    self.calls.grant(call);
                    Effect::Begin { worker: id, call, number }
                }
                None => Effect::EndAbandoned { worker: id, number },
            });
            return;
        }
        let (queue, sharers) = match worker.state.and_then(|state| self.states.0.get_mut(state)) {
            Some(state) => (&mut state.queue, 1),
            None => (&mut self.queue, sharers),
        };
        let share = queue.len().div_ceil(sharers).min(PIPELINED_MAX + 1);
        let Some((call, pipelines)) = self.calls.grant_first(queue) else {
            worker.stage = WorkerStage::Idle { since: now };
            // One that has imported nothing yet is the last to be used, and the first to go.
            match worker.state {
                None if worker.pipeline.is_new() => self.idle.insert(0, id),
                None => self.idle.push(id),
                Some(_) => {}
            }
            return;
        };
        let number = worker.pipeline.begin();
        self.effects.push_back(Effect::Send { worker: id, call, number });
        if took < QUICK && pipelines {
            for _ in 1..share {
                let Some(behind) = self.calls.pipeline_next(queue, id) else { break };
                let number = worker.pipeline.send_behind(behind);
                self.effects.push_back(Effect::Send { worker: id, call: behind, number });
            }
        }
        self.effects.push_back(Effect::Begin { worker: id, call, number });
        if !worker.pipeline.is_empty() {
            self.look_at_rate(TickRate::Queue);
        }
    }

    /// Puts the calls that a worker was sent and has not begun back in the queue, each before those that came later.
    /// They must have been revoked for long enough, or the worker must be dead.
    pub(super) fn requeue(&mut self, id: WorkerHandle, begun: u64, now: Instant) {
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        let queue = match worker.state.and_then(|state| self.states.0.get_mut(state)) {
            Some(state) => &mut state.queue,
            None => &mut self.queue,
        };
        let mut any = false;
        for call in worker.pipeline.take_unstarted(begun).filter_map(|sent| sent.call) {
            self.calls.requeue(queue, call);
            any = true;
        }
        if any {
            self.serve_queue(now);
            // Where nobody is idle, perhaps one more worker is wanted.
            self.effects.push_back(Effect::Tick);
        }
    }

    /// Has idle workers serve calls that have come back in the queue: whoever is idle found the queue empty, and will not
    /// look again by itself.
    pub(super) fn serve_queue(&mut self, now: Instant) {
        while !self.queue.is_empty()
            && let Some(id) = self.idle.pop()
        {
            if self.workers.get(id.0).is_some_and(|worker| !worker.exited) {
                self.dispatch_next(id, Duration::MAX, now);
            } else {
                self.retire(id, false);
            }
        }
    }

    /// Lets a worker go that is in nobody's hands: it ends by itself, or is killed.
    pub(super) fn retire(&mut self, id: WorkerHandle, kindly: bool) {
        // Of one whose process is gone only the handle is left.
        let exited = self.workers.get(id.0).is_none_or(|worker| worker.exited);
        self.effects.push_back(if kindly && !exited {
            Effect::AskToExit { worker: id }
        } else {
            Effect::Kill { worker: id }
        });
        self.release(id);
    }

    /// Notes that nobody has a worker in hands any more, nor will.
    pub(super) fn release(&mut self, id: WorkerHandle) {
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        worker.stage = WorkerStage::Released;
        if worker.exited {
            self.workers.remove(id.0);
        }
    }

    /// Refuses calls that have been taken out of their queue.
    pub(super) fn refuse_all(&mut self, calls: Vec<CallHandle>, why: &RefusalReason) {
        self.effects.extend(calls.into_iter().map(|call| Effect::Refuse { call, why: why.clone() }));
    }
}
