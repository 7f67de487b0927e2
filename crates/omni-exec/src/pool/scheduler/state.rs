//! The scheduler's memory: every worker, every waiting call, and what is to be done next.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::effect::{Bounds, CallId, Effect, Purpose, Refusal, WorkerId};
use super::line::{Calls, Line};
use super::load::{Load, TickRate};
use super::pipeline::{AHEAD_MAX, Pipeline};
use super::recycle::Recycling;
use super::slots::{Handle, Slots};
use super::states::{StateKey, States};
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
    pub(super) bounds: Bounds,
    pub(super) effects: VecDeque<Effect>,
    pub(super) calls: Calls,
    /// Calls that any worker may serve.
    pub(super) line: Line,
    pub(super) workers: Slots<WorkerState>,
    /// Idle workers that may serve any call, the last used on top, so that those at the bottom can be retired.
    pub(super) idle: Vec<WorkerId>,
    /// Of the workers that may serve any call.
    pub(super) count: Count,
    pub(super) states: States<K>,
    /// Workers in being that keep a state.
    pub(super) keyed: usize,
    /// Calls finished so far by workers that may serve any call.
    pub(super) finished: u64,
    pub(super) rate: TickRate,
    pub(super) load: Load,
    pub(super) failures: Failures,
    pub(super) recycling: Recycling,
    /// When other pools were asked for a place last.
    pub(super) asked: Option<Instant>,
    /// Workers that go at the end of their call, so that another pool can have one.
    pub(super) give_up: usize,
    pub(super) closing: bool,
}

#[derive(Debug, Default)]
pub(super) struct Count {
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
    pub(super) state: Option<Handle>,
    pub(super) purpose: Purpose,
    pub(super) generation: u64,
    pub(super) stage: Stage,
    /// It has been ready, and counts among those that serve.
    pub(super) serves: bool,
    /// Its process has ended.
    pub(super) gone: bool,
    pub(super) worn: bool,
    /// The skill whose state it keeps has changed.
    pub(super) outdated: bool,
    pub(super) pipeline: Pipeline,
}

/// In whose hands a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
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
    pub(in crate::pool) fn new(bounds: Bounds) -> Self {
        Scheduler {
            bounds,
            effects: VecDeque::new(),
            calls: Calls::default(),
            line: Line::default(),
            workers: Slots::default(),
            idle: Vec::new(),
            count: Count::default(),
            states: States::default(),
            keyed: 0,
            finished: 0,
            rate: TickRate::default(),
            load: Load::default(),
            failures: Failures::default(),
            recycling: Recycling::default(),
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

    pub(super) fn worker(&mut self, id: WorkerId) -> Option<&mut WorkerState> {
        self.workers.get_mut(id.0)
    }

    /// Has [`tick`](Self::tick) called at least as often as `rate` says.
    pub(super) fn look_at_rate(&mut self, rate: TickRate) {
        if self.rate < rate {
            self.rate = rate;
            self.effects.push_back(Effect::Look);
        }
    }

    /// Decides that there is to be one more worker.
    pub(super) fn start(&mut self, purpose: Purpose, state: Option<Handle>) -> WorkerId {
        let id = WorkerId(self.workers.insert(WorkerState {
            state,
            purpose,
            generation: self.recycling.generation,
            stage: Stage::Starting,
            serves: false,
            gone: false,
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
                self.keyed += 1;
                if let Some(state) = self.states.0.get_mut(state) {
                    state.worker = Some(id);
                }
            }
        }
        self.effects.push_back(Effect::Start { worker: id, keyed: state.is_some() });
        id
    }

    /// Gives a free worker its next call: the one it was sent ahead, else the first in its line. Without one it is
    /// idle.
    ///
    /// A worker whose calls are short also gets a share of those behind it in line, so that it need not wait
    /// for us between them: two processes that take turns for every call spend more on the turns than on the
    /// calls (0008). What can ask its client goes alone (0038).
    pub(super) fn dispatch_next(&mut self, id: WorkerId, took: Duration, now: Instant) {
        let sharers = self.count.serving.min(self.bounds.cores).max(1);
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        worker.stage = Stage::Busy;
        if let Some(sent) = worker.pipeline.advance() {
            let number = sent.number;
            self.effects.push_back(match sent.call {
                Some(call) => {
                    self.calls.grant(call);
                    Effect::Begin { worker: id, call, number }
                }
                None => Effect::Orphan { worker: id, number },
            });
            return;
        }
        let (line, sharers) = match worker.state.and_then(|state| self.states.0.get_mut(state)) {
            Some(state) => (&mut state.line, 1),
            None => (&mut self.line, sharers),
        };
        let share = line.len().div_ceil(sharers).min(AHEAD_MAX + 1);
        let Some((call, pipelines)) = self.calls.grant_first(line) else {
            worker.stage = Stage::Idle { since: now };
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
                let Some(behind) = self.calls.send_ahead(line, id) else { break };
                let number = worker.pipeline.send_behind(behind);
                self.effects.push_back(Effect::Send { worker: id, call: behind, number });
            }
        }
        self.effects.push_back(Effect::Begin { worker: id, call, number });
        if !worker.pipeline.is_empty() {
            self.look_at_rate(TickRate::Line);
        }
    }

    /// Puts the calls that a worker was sent and has not begun back in line, each before those that came later.
    /// They must have been revoked for long enough, or the worker must be dead.
    pub(super) fn requeue(&mut self, id: WorkerId, begun: u64, now: Instant) {
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        let line = match worker.state.and_then(|state| self.states.0.get_mut(state)) {
            Some(state) => &mut state.line,
            None => &mut self.line,
        };
        let mut any = false;
        for call in worker.pipeline.take_unbegun(begun).filter_map(|sent| sent.call) {
            self.calls.requeue(line, call);
            any = true;
        }
        if any {
            self.serve_line(now);
            // Where nobody is idle, perhaps one more worker is wanted.
            self.effects.push_back(Effect::Look);
        }
    }

    /// Has idle workers serve calls that have come back in line: whoever is idle found the line empty, and will not
    /// look again by itself.
    pub(super) fn serve_line(&mut self, now: Instant) {
        while !self.line.is_empty()
            && let Some(id) = self.idle.pop()
        {
            if self.workers.get(id.0).is_some_and(|worker| !worker.gone) {
                self.dispatch_next(id, Duration::MAX, now);
            } else {
                self.let_go(id, false);
            }
        }
    }

    /// Lets a worker go that is in nobody's hands: it ends by itself, or is killed.
    pub(super) fn let_go(&mut self, id: WorkerId, kindly: bool) {
        // Of one whose process is gone only the handle is left.
        let gone = self.workers.get(id.0).is_none_or(|worker| worker.gone);
        self.effects.push_back(if kindly && !gone {
            Effect::Dismiss { worker: id }
        } else {
            Effect::Discard { worker: id }
        });
        self.release(id);
    }

    /// Notes that nobody has a worker in hands any more, nor will.
    pub(super) fn release(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        worker.stage = Stage::Released;
        if worker.gone {
            self.workers.remove(id.0);
        }
    }

    /// Refuses calls that have been taken out of their line.
    pub(super) fn refuse_all(&mut self, calls: Vec<CallId>, why: &Refusal) {
        self.effects.extend(calls.into_iter().map(|call| Effect::Refuse { call, why: why.clone() }));
    }
}
