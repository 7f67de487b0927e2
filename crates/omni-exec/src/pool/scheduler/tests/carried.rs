//! How effects are carried out in the world, and what has to be true of each.

use std::collections::{BTreeMap, VecDeque};

use super::world::{Hands, TestKey, Worker, World};
use crate::pool::scheduler::{CallFacts, CallHandle, Effect, WorkerHandle};

impl World {
    pub(super) fn carry_out(&mut self) {
        while let Some(effect) = self.scheduler.next_effect() {
            self.carry_out_one(effect);
        }
        self.check();
    }

    fn carry_out_one(&mut self, effect: Effect) {
        match effect {
            Effect::Start { worker, stateful } => self.start(worker, stateful),
            Effect::Send { worker, call, number } => self.send(worker, call, number),
            Effect::Begin { worker, call, number } => {
                let (at, caller) = (self.worker_of(worker), self.caller_of(call));
                self.advance(at, number, Hands::Caller(caller));
                self.callers[caller].worker = Some(at);
                self.callers[caller].place = None;
                self.scheduler.caller_left(call);
                self.log.push(format!("begin {at} {}", self.names[caller]));
            }
            Effect::EndAbandoned { worker, number } => {
                let at = self.worker_of(worker);
                self.advance(at, number, Hands::AbandonedCallEnd);
                self.log.push(format!("orphan {at}"));
                self.say_farewell(at);
            }
            Effect::Revoke { worker, up_to } => {
                let at = self.worker_of(worker);
                self.workers[at].revoked = up_to;
                self.log.push(format!("revoke {at} {up_to}"));
            }
            Effect::ReadPage { worker } => {
                let at = self.worker_of(worker);
                self.scheduler.page_read(worker, self.workers[at].begun, self.now);
            }
            Effect::AskToExit { worker } => self.goes("dismiss", worker, true),
            Effect::Kill { worker } => self.goes("discard", worker, false),
            Effect::KillAndReap { worker } => {
                let at = self.worker_of(worker);
                assert_eq!(self.workers[at].hands, Hands::Scheduler);
                self.workers[at].hands = Hands::Burying;
                self.log.push(format!("bury {at}"));
            }
            Effect::Refuse { call, why } => {
                let caller = self.caller_of(call);
                self.callers[caller].place = None;
                self.scheduler.caller_left(call);
                self.refused(caller, &why);
            }
            Effect::RequestWorkerPermit { workers } => {
                self.asked += 1;
                self.log.push(format!("ask {workers}"));
            }
            Effect::Tick => self.look = true,
            Effect::Renewed => self.renewed = true,
        }
    }

    fn send(&mut self, worker: WorkerHandle, call: CallHandle, number: u64) {
        let (at, caller) = (self.worker_of(worker), self.caller_of(call));
        // Those that other calls wait for go first.
        let order = |facts: &CallFacts<TestKey>| (!facts.below, facts.accepted);
        let own = order(&self.callers[caller].facts);
        let overtaken = self.queued(self.callers[caller].facts.key, false).find(|c| order(&c.facts) < own);
        assert!(overtaken.is_none(), "{} overtakes {overtaken:?}", self.names[caller]);
        let worker = &mut self.workers[at];
        assert_eq!((worker.hands, worker.key), (Hands::Scheduler, self.callers[caller].facts.key));
        worker.sent += 1;
        assert_eq!(worker.sent, number, "numbers follow each other");
        worker.inbox.push_back((number, caller));
        self.log.push(format!("send {at} {}", self.names[caller]));
    }

    fn advance(&mut self, at: usize, number: u64, hands: Hands) {
        let worker = &mut self.workers[at];
        assert_eq!(worker.hands, Hands::Scheduler, "worker {at} is in other hands");
        assert!(
            number > worker.at_hand && number <= worker.sent,
            "call {number} is at hand after {}",
            worker.at_hand
        );
        worker.at_hand = number;
        worker.hands = hands;
    }

    fn start(&mut self, id: WorkerHandle, stateful: bool) {
        let state = self.scheduler.workers.get(id.0).and_then(|worker| worker.state);
        let key = state.and_then(|state| self.scheduler.states.0.get(state)).map(|state| state.key);
        assert_eq!(stateful, key.is_some());
        let granted = stateful || self.places > 0;
        if granted {
            self.log.push(format!("start {}", self.workers.len()));
            self.places -= usize::from(!stateful);
            self.workers.push(Worker {
                id,
                key,
                hands: Hands::Starting,
                sent: 0,
                at_hand: 0,
                inbox: VecDeque::new(),
                begun: 0,
                revoked: 0,
                running: None,
                waits: false,
                words: BTreeMap::new(),
                alive: true,
                exited: false,
                dismissed: false,
                worn: false,
                unfit: false,
                loaded: BTreeMap::new(),
                abandoned_end: None,
            });
        }
        if !stateful {
            self.scheduler.worker_permit_decided(id, granted, self.now);
        }
    }

    fn goes(&mut self, how: &str, id: WorkerHandle, kindly: bool) {
        let at = self.worker_of(id);
        assert_eq!(self.workers[at].hands, Hands::Scheduler, "worker {at} is in other hands");
        self.workers[at].hands = Hands::Nobody;
        self.workers[at].dismissed = true;
        if !kindly {
            self.dies(at);
        }
        self.log.push(format!("{how} {at}"));
    }
}
