//! What the scheduler knows: every worker, every waiting call, and the effects that are to be carried out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use omni_call::SkillId;

use super::effect::{CallHandle, Effect, PoolBounds, RefusalReason, StartPurpose, WorkerHandle};
use super::load::{LoadHistory, TickRate};
use super::pipeline::{PIPELINED_MAX, Pipeline};
use super::queue::{Queue, WaitingCalls};
use super::recycle::RecycleState;
use super::skill_states::{SkillStates, StateKey};
use super::slots::{SlotHandle, Slots};
use crate::failures::Failures;

/// Calls are pipelined only to a worker whose last call took less than this.
pub(super) const QUICK: Duration = Duration::from_millis(1);

/// What a pool decides: which call runs on which worker, how many workers there are, and which of them go.
///
/// A value without a lock, a clock or a task: it is told what has happened and when, and answers with [`Effect`]s. It
/// knows calls and workers by handles only, so its races can be tested as tables of steps. `K` is the key of a state.
///
/// A worker is at any time either idle, or somebody has it and will give it back by
/// [`worker_returned`](Self::worker_returned): whoever starts it, runs a call on it, or ends it.
#[derive(Debug)]
pub(in crate::pool) struct Scheduler<K> {
    pub(super) bounds: PoolBounds,
    pub(super) effects: VecDeque<Effect>,
    pub(super) calls: WaitingCalls,
    /// Calls that any worker may serve.
    pub(super) queue: Queue,
    /// Calls of skills that have changed, which wait for a worker of the newest generation.
    pub(super) held: Queue,
    pub(super) workers: Slots<WorkerState>,
    /// Idle workers that may serve any call. The last used is at the end and is used next; those at the front are
    /// retired.
    pub(super) idle: Vec<WorkerHandle>,
    /// Counts of the workers that may serve any call, without those whose calls wait for their clients.
    pub(super) count: WorkerCounts,
    pub(super) states: SkillStates<K>,
    /// How many workers there are that keep a state, without those whose calls wait for their clients.
    pub(super) stateful: usize,
    /// How many calls the workers that may serve any call have finished so far.
    pub(super) finished: u64,
    pub(super) rate: TickRate,
    pub(super) load: LoadHistory,
    pub(super) failures: Failures,
    pub(super) recycle: RecycleState,
    /// When other pools were last asked for a permit.
    pub(super) asked: Option<Instant>,
    /// So many workers are retired at the end of their calls, so that other pools get their permits.
    pub(super) give_up: usize,
    pub(super) closing: bool,
}

#[derive(Debug, Default)]
pub(super) struct WorkerCounts {
    /// All of them, each from the decision to start it until its process is gone.
    pub(super) workers: usize,
    /// Those that are not ready yet.
    pub(super) starting: usize,
    /// Those that have become ready: idle, busy, or being ended.
    pub(super) serving: usize,
}

#[derive(Debug)]
pub(super) struct WorkerState {
    /// The state that it keeps.
    pub(super) state: Option<SlotHandle>,
    pub(super) purpose: StartPurpose,
    pub(super) generation: u64,
    pub(super) stage: WorkerStage,
    /// It has become ready, and is counted in [`WorkerCounts::serving`].
    pub(super) serves: bool,
    /// Its process has ended.
    pub(super) exited: bool,
    /// Its call waits for its client. It is counted nowhere meanwhile.
    pub(super) waits: bool,
    pub(super) worn: bool,
    /// It has imported code that calls do not name any more, and goes when it has nothing to do.
    pub(super) outdated: bool,
    /// Skills of which it has imported files, sorted.
    pub(super) loaded: Vec<SkillId>,
    /// The skill of the call that it runs.
    pub(super) running: Option<SkillId>,
    pub(super) pipeline: Pipeline,
}

/// How far a worker has come, and who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerStage {
    Starting,
    Idle {
        since: Instant,
    },
    /// Somebody has it, to run a call on it or to end a call.
    Busy,
    /// It is never given out again. It is counted until its process is gone.
    Released,
}

impl<K: StateKey> Scheduler<K> {
    pub(in crate::pool) fn new(bounds: PoolBounds) -> Self {
        Scheduler {
            bounds,
            effects: VecDeque::new(),
            calls: WaitingCalls::default(),
            queue: Queue::default(),
            held: Queue::default(),
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

    /// The next effect to carry out. To be called after every event until there is none.
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

    /// Adds one more worker, and has it started.
    pub(super) fn start(&mut self, purpose: StartPurpose, state: Option<SlotHandle>) -> WorkerHandle {
        let id = WorkerHandle(self.workers.insert(WorkerState {
            state,
            purpose,
            generation: self.recycle.generation,
            stage: WorkerStage::Starting,
            serves: false,
            exited: false,
            waits: false,
            worn: false,
            outdated: false,
            loaded: Vec::new(),
            running: None,
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

    /// Gives a worker its next call: the one that was pipelined to it, else the first in its queue. Without either it
    /// becomes idle.
    ///
    /// A worker whose calls are short also gets a share of the calls that follow in the queue, so that it need not wait
    /// for us between them: two processes that switch for every call spend more on switching than on the calls
    /// (decision 0008). A call that can ask its client is sent alone (decision 0038).
    pub(super) fn dispatch_next(&mut self, id: WorkerHandle, took: Duration, now: Instant) {
        let sharers = self.count.serving.min(self.bounds.cores).max(1);
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        worker.stage = WorkerStage::Busy;
        if let Some(sent) = worker.pipeline.advance() {
            let number = sent.number;
            worker.running = sent.skill;
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
            // One that has had no call, and so has imported nothing yet, is used last and retired first.
            match worker.state {
                None if worker.pipeline.is_new() => self.idle.insert(0, id),
                None => self.idle.push(id),
                Some(_) => {}
            }
            return;
        };
        let number = worker.pipeline.begin();
        worker.running = self.calls.skill_of(call);
        self.effects.push_back(Effect::Send { worker: id, call, number });
        if took < QUICK && pipelines {
            for _ in 1..share {
                let Some(behind) = self.calls.pipeline_next(queue, id) else { break };
                let number = worker.pipeline.send_behind(behind, self.calls.skill_of(behind));
                self.effects.push_back(Effect::Send { worker: id, call: behind, number });
            }
        }
        self.effects.push_back(Effect::Begin { worker: id, call, number });
        if !worker.pipeline.is_empty() {
            self.look_at_rate(TickRate::Queue);
        }
    }

    /// Puts the calls that were pipelined to a worker and that it has not begun back in the queue, each before those
    /// that came later. They must have been revoked [`REVOKED_FOR`](crate::bounds::REVOKED_FOR) ago, or the worker must
    /// be dead.
    pub(super) fn requeue(&mut self, id: WorkerHandle, begun: u64, now: Instant) {
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        let state = worker.state;
        let back: Vec<_> = worker.pipeline.take_unstarted(begun).filter_map(|sent| sent.call).collect();
        if !back.is_empty() {
            back.into_iter().for_each(|call| self.take_back(call, state));
            self.serve_queue(now);
            // Where no worker was idle, perhaps one more is wanted.
            self.effects.push_back(Effect::Tick);
        }
    }

    /// Has idle workers serve calls that have come back to the queue: an idle worker has found the queue empty, and
    /// does not look at it again by itself.
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

    /// Ends a worker that nobody has: by asking it to exit, or else by killing it.
    pub(super) fn retire(&mut self, id: WorkerHandle, kindly: bool) {
        // Where its process is gone already, there is nothing to ask.
        let exited = self.workers.get(id.0).is_none_or(|worker| worker.exited);
        self.effects.push_back(if kindly && !exited {
            Effect::AskToExit { worker: id }
        } else {
            Effect::Kill { worker: id }
        });
        self.release(id);
    }

    /// Notes that a worker is never given out again.
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
