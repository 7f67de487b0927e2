//! What workers and those who hold them do in the world: begin, finish, die, and end calls that were left.

use std::time::Duration;

use super::world::{CallerOutcome, Hands, MS, Reply, World};
use crate::bounds::REVOKED_FOR;
use crate::pool::scheduler::{AbandonedCallEnd, WorkerCondition};
use crate::start_failure::StartFailure;

impl World {
    /// The worker takes the next call out of its socket: notes it as begun, then looks at what is revoked.
    pub(super) fn begins(&mut self, at: usize) {
        let worker = &mut self.workers[at];
        if !worker.alive || worker.running.is_some() {
            return;
        }
        let Some((number, caller)) = worker.inbox.pop_front() else { return };
        let code = self.callers[caller].facts.code;
        // What the files are is what is in force, where everybody was told.
        let in_force = !self.told || (0..3).any(|skill| self.in_force(skill) == code);
        let worker = &mut self.workers[at];
        if number > worker.revoked && code.version.is_some() {
            let loaded = worker.loaded.get(&code.skill).copied();
            if loaded.is_none() && in_force {
                worker.loaded.insert(code.skill, code.version);
            }
            if loaded.map_or(!in_force, |loaded| loaded != code.version) {
                let told = "it reaches a worker that has imported another version than is in force";
                assert!(!in_force || !self.told, "{}: {told}", self.names[caller]);
                worker.words.insert(number, Reply::Stale);
                return;
            }
        }
        worker.begun = number;
        if number <= worker.revoked {
            worker.words.insert(number, Reply::Skipped);
            return;
        }
        worker.running = Some((number, caller));
        self.callers[caller].runs += 1;
        assert_eq!(self.callers[caller].runs, 1, "{} runs twice", self.names[caller]);
    }

    /// The worker skips what is revoked until it runs something.
    pub(super) fn begins_next(&mut self, at: usize) {
        while self.workers[at].running.is_none() && !self.workers[at].inbox.is_empty() {
            self.begins(at);
        }
    }

    /// The worker ends the call that it runs.
    pub(super) fn finishes(&mut self, at: usize) {
        let worker = &mut self.workers[at];
        if let Some((number, _)) = worker.running.take_if(|_| worker.alive) {
            worker.words.insert(number, Reply::Result);
        }
    }

    /// Whoever has the worker hears of the end of the call at hand, if it has ended.
    pub(super) fn is_heard(&mut self, at: usize, took: Duration) -> bool {
        let worker = &mut self.workers[at];
        let Hands::Caller(caller) = worker.hands else { return false };
        let word = worker.words.remove(&worker.at_hand);
        let begun = worker.begun >= worker.at_hand;
        if word.is_some() || !worker.alive {
            self.goes_on(at);
        }
        let worker = &mut self.workers[at];
        match word {
            None if worker.alive => return false,
            Some(Reply::Result) => {
                self.callers[caller].worker = None;
                self.ends(caller, CallerOutcome::Finished);
                self.give_back(at, took);
            }
            Some(Reply::Stale) => {
                self.callers[caller].worker = None;
                self.ends(caller, CallerOutcome::Stale);
                self.give_back_with(at, took, true);
            }
            Some(Reply::Skipped) => self.should_retry(at, caller, took),
            None if !begun && self.callers[caller].deaths == 0 => {
                self.callers[caller].deaths += 1;
                self.should_retry(at, caller, took);
            }
            None => {
                self.callers[caller].worker = None;
                self.ends(caller, CallerOutcome::Lost);
                self.give_back(at, took);
            }
        }
        true
    }

    pub(super) fn should_retry(&mut self, at: usize, caller: usize, took: Duration) {
        self.callers[caller].worker = None;
        self.callers[caller].facts.again = true;
        self.admit(caller);
        self.give_back(at, took);
    }

    pub(super) fn give_back(&mut self, at: usize, took: Duration) {
        self.give_back_with(at, took, false);
    }

    fn give_back_with(&mut self, at: usize, took: Duration, stale: bool) {
        let worker = &mut self.workers[at];
        worker.hands = Hands::Scheduler;
        let condition = match (worker.alive, worker.unfit) {
            (false, _) => WorkerCondition::Dead { begun: worker.begun },
            (true, true) => WorkerCondition::Unfit,
            (true, false) => WorkerCondition::Fit { worn: worker.worn, stale },
        };
        self.scheduler.worker_returned(worker.id, condition, took, self.now);
        self.carry_out();
    }

    /// The call that it runs waits for its client, if it is one that can.
    pub(super) fn waits(&mut self, at: usize) {
        let worker = &self.workers[at];
        let Some((number, caller)) = worker.running else { return };
        let heard = worker.hands == Hands::Caller(caller) && worker.at_hand == number;
        if !heard || worker.waits || worker.exited || self.callers[caller].facts.pipelines {
            return;
        }
        self.workers[at].waits = true;
        self.places = self.places.saturating_add(usize::from(self.workers[at].key.is_none()));
        self.scheduler.call_waits(self.workers[at].id);
        self.carry_out();
    }

    /// It goes on, if it waits.
    pub(super) fn goes_on(&mut self, at: usize) {
        let worker = &mut self.workers[at];
        if !std::mem::take(&mut worker.waits) {
            return;
        }
        self.went_on += 1;
        let counts = worker.key.is_none() && !worker.exited;
        self.places = self.places.saturating_sub(usize::from(counts));
        self.scheduler.call_goes_on(self.workers[at].id);
        self.carry_out();
    }

    pub(super) fn wears_out(&mut self, at: usize) {
        self.workers[at].worn = true;
    }

    pub(super) fn spoils(&mut self, at: usize) {
        self.workers[at].unfit = true;
    }

    pub(super) fn dies(&mut self, at: usize) {
        self.workers[at].alive = false;
        self.workers[at].running = None;
    }

    /// Its process has been reaped: the place is free.
    pub(super) fn is_gone(&mut self, at: usize) {
        let worker = &mut self.workers[at];
        if worker.exited || worker.alive {
            return;
        }
        worker.exited = true;
        self.places = self.places.saturating_add(usize::from(worker.key.is_none() && !worker.waits));
        self.scheduler.worker_exited(worker.id);
        self.carry_out();
    }

    pub(super) fn is_ready(&mut self, at: usize) {
        if self.workers[at].hands != Hands::Starting {
            return;
        }
        self.workers[at].hands = Hands::Scheduler;
        self.scheduler.worker_ready(self.workers[at].id, &[], self.now);
        self.carry_out();
    }

    pub(super) fn cannot_start(&mut self, at: usize, known: bool) {
        if self.workers[at].hands != Hands::Starting {
            return;
        }
        self.workers[at].hands = Hands::Nobody;
        self.dies(at);
        let failure = known.then(|| StartFailure {
            message: "no Python".to_owned(),
            hint: String::new(),
            stderr: None,
            closing: false,
        });
        self.scheduler.worker_start_failed(self.workers[at].id, failure, self.now);
        self.carry_out();
    }

    /// Goes on with ending the call of a caller who has left. `obeys`: the tool ends when it is told to.
    pub(super) fn abandoned_end(&mut self, at: usize, obeys: bool) -> bool {
        let worker = &mut self.workers[at];
        if worker.hands == Hands::Burying {
            self.dies(at);
            self.give_back(at, MS);
            return true;
        }
        let Some((abandoned_end, since)) = worker.abandoned_end.take() else { return false };
        let abandoned_end = if abandoned_end == AbandonedCallEnd::AfterRevocation {
            if self.now < since + REVOKED_FOR {
                worker.abandoned_end = Some((abandoned_end, since));
                return false;
            }
            let (id, begun) = (worker.id, worker.begun);
            let abandoned_end = self.scheduler.revocation_settled(id, begun, self.now);
            self.carry_out();
            abandoned_end
        } else {
            abandoned_end
        };
        let worker = &mut self.workers[at];
        let over = worker.words.remove(&worker.at_hand).is_some();
        if abandoned_end == AbandonedCallEnd::AwaitLastFrame {
            assert!(over || !worker.alive, "it has moved on, so its word is there");
        } else if !over {
            // The signal reaches whatever runs.
            let reached = worker.running.take();
            assert!(
                reached.is_none_or(|(number, _)| number == worker.at_hand),
                "a call of somebody else is cancelled"
            );
            worker.inbox.retain(|(number, _)| *number != worker.at_hand);
            if obeys {
                worker.begun = worker.begun.max(worker.at_hand);
            } else {
                self.dies(at);
            }
        }
        self.give_back(at, MS);
        true
    }
}
