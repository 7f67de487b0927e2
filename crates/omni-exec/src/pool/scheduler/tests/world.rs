//! A pool without processes: workers, callers and a clock that are moved by steps, around the scheduler that decides.
//!
//! Every effect is checked against what the world knows when it is carried out: its worker exists and is in the right
//! hands, numbers follow each other, no call runs twice, nobody overtakes, there are never more workers than places.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant};

use omni_call::{Code, CodeId, SkillId};

use crate::pool::scheduler::queue::CallPosition;
use crate::pool::scheduler::{
    AbandonedCallEnd, Admission, CallFacts, CallHandle, PoolBounds, RefusalReason, Scheduler, StateKey,
    WorkerHandle,
};

pub(super) const MS: Duration = Duration::from_millis(1);

/// Whose state: 0 is shared by all, everything else is a session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TestKey(pub(super) u8);

impl StateKey for TestKey {
    fn is_shared(&self) -> bool {
        self.0 == 0
    }
}

/// How a call ended for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallerOutcome {
    Finished,
    /// Its worker died while it ran.
    Lost,
    Busy,
    Expired,
    CannotStart,
    Shutdown,
    /// It was resolved against code that is outdated, and has not run.
    Stale,
    /// Its caller has left.
    Left,
}

#[derive(Debug)]
pub(super) struct Caller {
    pub(super) facts: CallFacts<TestKey>,
    pub(super) place: Option<CallHandle>,
    pub(super) worker: Option<usize>,
    /// How often its tool's code has been run.
    pub(super) runs: u32,
    pub(super) deaths: u32,
    pub(super) outcome: Option<CallerOutcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hands {
    Starting,
    Scheduler,
    Caller(usize),
    /// Whoever ends the call of a caller who has left.
    AbandonedCallEnd,
    /// It is to be dead before it is given back.
    Burying,
    Nobody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Result,
    Skipped,
    Stale,
}

/// A worker and its process.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: WorkerHandle,
    pub(super) key: Option<TestKey>,
    pub(super) hands: Hands,
    pub(super) sent: u64,
    pub(super) at_hand: u64,
    /// What it was sent and has not looked at: numbers, and whose call it is.
    pub(super) inbox: VecDeque<(u64, usize)>,
    /// The first slot of its status page.
    pub(super) begun: u64,
    /// The second.
    pub(super) revoked: u64,
    pub(super) running: Option<(u64, usize)>,
    /// What it runs waits for its client.
    pub(super) waits: bool,
    pub(super) words: BTreeMap<u64, Reply>,
    pub(super) alive: bool,
    /// Its place has been given free.
    pub(super) exited: bool,
    pub(super) dismissed: bool,
    pub(super) worn: bool,
    pub(super) unfit: bool,
    /// What it has imported of each skill.
    pub(super) loaded: BTreeMap<SkillId, Option<CodeId>>,
    pub(super) abandoned_end: Option<(AbandonedCallEnd, Instant)>,
}

pub(super) struct World {
    pub(super) scheduler: Scheduler<TestKey>,
    pub(super) bounds: PoolBounds,
    pub(super) now: Instant,
    pub(super) callers: Vec<Caller>,
    pub(super) workers: Vec<Worker>,
    /// Places that are left among those of all pools.
    pub(super) places: usize,
    pub(super) contended: bool,
    pub(super) asked: u32,
    pub(super) renewed: bool,
    pub(super) look: bool,
    pub(super) next_tick: Option<Instant>,
    pub(super) log: Vec<String>,
    pub(super) names: Vec<String>,
    /// Which version of each skill calls are resolved against, counted from 0.
    pub(super) versions: BTreeMap<u8, u32>,
    /// Every change has been told.
    pub(super) told: bool,
    /// So many calls have gone on that had waited for their clients: as many workers may be above the bound.
    pub(super) went_on: usize,
}

/// Whose state it is.
pub(super) fn skill_of(key: TestKey) -> u8 {
    key.0 % 3
}

/// A version of a skill.
pub(super) fn code(skill: u8, version: u32) -> Code {
    let folder = format!("/skills/{skill}");
    Code { skill: SkillId::of(Path::new(&folder)), version: Some(CodeId::of(&format!("{skill}.{version}"))) }
}

impl World {
    pub(super) fn new(change: impl FnOnce(&mut PoolBounds)) -> Self {
        let mut bounds = PoolBounds {
            workers_min: 1,
            workers_max: 4,
            queue_per_tool_max: 64,
            queue_max: 64,
            idle_ttl: Duration::from_secs(60),
            cores: 2,
        };
        change(&mut bounds);
        World {
            scheduler: Scheduler::new(bounds),
            bounds,
            now: Instant::now(),
            callers: Vec::new(),
            workers: Vec::new(),
            places: usize::MAX,
            contended: false,
            asked: 0,
            renewed: false,
            look: false,
            next_tick: None,
            log: Vec::new(),
            names: Vec::new(),
            versions: BTreeMap::new(),
            told: true,
            went_on: 0,
        }
    }

    /// What has been done since the last look at this, in words.
    pub(super) fn done(&mut self) -> String {
        std::mem::take(&mut self.log).join(", ")
    }

    pub(super) fn caller(&self, name: &str) -> &Caller {
        &self.callers[self.named(name)]
    }

    pub(super) fn named(&self, name: &str) -> usize {
        self.names.iter().position(|other| other == name).unwrap_or_else(|| panic!("no caller {name}"))
    }

    /// The version of a skill that calls are resolved against now.
    pub(super) fn in_force(&self, skill: u8) -> Code {
        code(skill, self.versions.get(&skill).copied().unwrap_or(0))
    }

    /// The skill has another version from now on, and executors are told.
    pub(super) fn changes(&mut self, skill: u8) {
        let outdated = self.in_force(skill);
        *self.versions.entry(skill).or_default() += 1;
        self.event(|scheduler, now| {
            scheduler.renew(&[outdated], false, |key| skill_of(*key) == skill, now);
        });
    }

    /// A call comes. Returns the number of its caller.
    pub(super) fn comes(&mut self, name: &str, change: impl FnOnce(&mut CallFacts<TestKey>)) -> usize {
        // No two are accepted at once.
        self.now += Duration::from_nanos(1);
        let mut facts = CallFacts {
            tool: 1,
            key: None,
            code: Code { version: None, ..self.in_force(0) },
            pipelines: true,
            small: true,
            again: false,
            below: false,
            accepted: self.now,
            expires: None,
        };
        change(&mut facts);
        let caller = self.callers.len();
        self.names.push(name.to_owned());
        self.callers.push(Caller { facts, place: None, worker: None, runs: 0, deaths: 0, outcome: None });
        self.admit(caller);
        caller
    }

    pub(super) fn admit(&mut self, caller: usize) {
        let facts = self.callers[caller].facts;
        match self.scheduler.call_arrived(facts, self.now) {
            Admission::Run(id) => {
                let at = self.worker_of(id);
                let waits = self.queued(facts.key, false).next().is_some();
                assert!(!waits, "an idle worker takes a call past those that wait for one");
                let worker = &mut self.workers[at];
                assert_eq!((worker.hands, worker.key), (Hands::Scheduler, facts.key));
                worker.sent += 1;
                worker.at_hand = worker.sent;
                worker.inbox.push_back((worker.sent, caller));
                worker.hands = Hands::Caller(caller);
                self.callers[caller].worker = Some(at);
                let name = self.names[caller].clone();
                self.log.push(format!("run {at} {name}"));
            }
            Admission::Waits(id) => self.callers[caller].place = Some(id),
            Admission::Refused(why) => self.refused(caller, &why),
        }
        self.carry_out();
    }

    pub(super) fn refused(&mut self, caller: usize, why: &RefusalReason) {
        let outcome = match why {
            RefusalReason::Busy => CallerOutcome::Busy,
            RefusalReason::Expired => CallerOutcome::Expired,
            RefusalReason::CannotStart(_) => CallerOutcome::CannotStart,
            RefusalReason::Stale => CallerOutcome::Stale,
            RefusalReason::Shutdown => CallerOutcome::Shutdown,
        };
        self.log.push(format!("refuse {} {outcome:?}", self.names[caller]));
        self.ends(caller, outcome);
    }

    pub(super) fn ends(&mut self, caller: usize, outcome: CallerOutcome) {
        assert_eq!(self.callers[caller].outcome.replace(outcome), None, "{} ended twice", self.names[caller]);
    }

    /// The caller leaves, wherever its call is.
    pub(super) fn leaves(&mut self, caller: usize) {
        if self.callers[caller].outcome.is_some() {
            return;
        }
        self.ends(caller, CallerOutcome::Left);
        if let Some(place) = self.callers[caller].place.take() {
            self.scheduler.caller_left(place);
        }
        if let Some(at) = self.callers[caller].worker.take() {
            self.goes_on(at);
            self.say_farewell(at);
        }
        self.carry_out();
    }

    pub(super) fn say_farewell(&mut self, at: usize) {
        let abandoned_end = self.scheduler.running_call_abandoned(self.workers[at].id, self.now);
        self.workers[at].hands = Hands::AbandonedCallEnd;
        self.workers[at].abandoned_end = Some((abandoned_end, self.now));
    }

    pub(super) fn passes(&mut self, time: Duration) {
        self.now += time;
    }

    pub(super) fn tick(&mut self) {
        self.look = false;
        self.next_tick = self.scheduler.tick(self.now, self.contended);
        self.carry_out();
    }

    pub(super) fn event(&mut self, event: impl FnOnce(&mut Scheduler<TestKey>, Instant)) {
        event(&mut self.scheduler, self.now);
        self.carry_out();
    }

    pub(super) fn worker_of(&self, id: WorkerHandle) -> usize {
        let at = self.workers.iter().position(|worker| worker.id == id);
        at.expect("an effect's worker exists")
    }

    pub(super) fn caller_of(&self, id: CallHandle) -> usize {
        let at = self.callers.iter().position(|caller| caller.place == Some(id));
        at.expect("an effect's call has a caller who waits")
    }

    /// The callers that stand in a queue, for a worker of the newest generation if they are `held`.
    pub(super) fn queued(&self, key: Option<TestKey>, held: bool) -> impl Iterator<Item = &Caller> {
        let waits = move |caller: &&Caller| {
            let call = caller.place.and_then(|place| self.scheduler.calls.get(place));
            call.is_some_and(|call| call.is == CallPosition::InQueue && call.held == held)
        };
        self.callers.iter().filter(move |caller| caller.facts.key == key).filter(waits)
    }

    pub(super) fn waiting(&self) -> usize {
        self.callers.iter().filter(|caller| caller.place.is_some()).count()
    }

    /// What holds at any time.
    pub(super) fn check(&self) {
        let lives = |worker: &&Worker| !worker.exited && !worker.waits;
        let plain = self.workers.iter().filter(lives).filter(|worker| worker.key.is_none()).count();
        let most = self.bounds.workers_max + self.went_on;
        assert!(plain <= most, "{plain} workers");
        let stateful: Vec<TestKey> =
            self.workers.iter().filter(lives).filter_map(|worker| worker.key).collect();
        assert!(stateful.len() <= most, "{} workers with states", stateful.len());
        assert_eq!(self.scheduler.count.workers, plain);
        assert_eq!(self.scheduler.stateful, stateful.len());
    }

    /// Whether some process or task still has something to do by itself.
    fn moves_on(&mut self, at: usize) -> bool {
        let worker = &self.workers[at];
        if worker.hands == Hands::Starting {
            self.is_ready(at);
            return true;
        }
        if !worker.alive || worker.dismissed {
            let was_gone = worker.exited;
            if worker.dismissed {
                self.dies(at);
            }
            self.is_gone(at);
            return self.abandoned_end(at, true) || self.is_heard(at, MS) || !was_gone;
        }
        let had = worker.inbox.len() + usize::from(worker.running.is_some());
        self.begins(at);
        self.finishes(at);
        self.abandoned_end(at, true) || self.is_heard(at, MS) || had > 0
    }

    /// Lets everything run on by itself until nothing does any more, and the scheduler looks only when it said it
    /// would. Panics when that never comes.
    pub(super) fn runs_out(&mut self) {
        for _ in 0..2_000 {
            let mut moved = false;
            for at in 0..self.workers.len() {
                moved |= self.moves_on(at);
            }
            if self.look {
                self.tick();
                moved = true;
            }
            let pending = self.workers.iter().any(|worker| worker.abandoned_end.is_some());
            if moved || pending {
                self.passes(MS);
                continue;
            }
            match self.next_tick {
                // Nobody comes any more, so that what is idle for a while stays so.
                Some(at) if self.waiting() > 0 || at < self.now + Duration::from_secs(1) => {
                    self.now = self.now.max(at);
                    self.tick();
                }
                _ => {
                    self.log.clear();
                    return;
                }
            }
        }
        panic!("it never comes to rest: {} wait, {}", self.waiting(), self.done());
    }
}
