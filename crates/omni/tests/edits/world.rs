//! What the threads of a run share: the skills as they are, who may be called, and what came of it.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::edit::Step;
use crate::history::{Answer, History, Verdict};
use crate::random::Random;
use crate::skill::{Runs, Skill};

pub(crate) struct World {
    state: Mutex<State>,
    changed: Condvar,
}

pub(crate) struct State {
    skills: Vec<Known>,
    /// The skill that is being edited, or was edited last: half of the calls are to it.
    edited: usize,
    random: Random,
    pub(crate) counts: Counts,
    /// The first of them, in words.
    pub(crate) failures: Vec<String>,
    /// Notifications, by method.
    pub(crate) heard: BTreeMap<String, usize>,
    last_heard: Instant,
    /// From the last write to the first answer of that version, in the edits that calls can tell of.
    pub(crate) to_first_call: Vec<Duration>,
    stopped: bool,
    /// Calls that have no answer yet.
    under_way: usize,
}

/// What a client is to do next.
pub(crate) enum Next {
    Call(Sent),
    /// Nothing: the machine is behind, and more calls would only wait longer.
    Nothing,
    Stop,
}

/// Calls at a time.
const UNDER_WAY_MAX: usize = 200;

struct Known {
    /// Each call of it starts a Python of its own: not for half of the calls.
    costs: bool,
    history: History,
    /// When the last write of each version was done; `None` where its first call has been counted, or it is not done.
    done: Vec<Option<Instant>>,
    /// Every name that a tool of it ever had.
    names: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) calls: usize,
    /// That were not made, since too many had no answer yet.
    pub(crate) left_out: usize,
    pub(crate) answered: usize,
    pub(crate) gone: usize,
    pub(crate) read_in_between: usize,
    pub(crate) not_judged: usize,
    pub(crate) failed: usize,
    pub(crate) mixed: usize,
}

/// A call under way.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    skill: usize,
    pub(crate) tool: String,
    sent: Instant,
}

impl World {
    pub(crate) fn new(skills: &[Skill], seed: u64) -> Self {
        let known = skills.iter().map(|skill| {
            let answers = skill.answers();
            let names = answers.keys().cloned().collect();
            let costs = skill.runs == Runs::Python("spawn");
            let history = History::new(skill.programs(), answers);
            Known { costs, history, done: vec![None], names }
        });
        let state = State {
            skills: known.collect(),
            edited: 0,
            random: Random::new(seed),
            counts: Counts::default(),
            failures: Vec::new(),
            heard: BTreeMap::new(),
            last_heard: Instant::now(),
            to_first_call: Vec::new(),
            stopped: false,
            under_way: 0,
        };
        World { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread has panicked")
    }

    /// What to call next.
    pub(crate) fn next_call(&self) -> Next {
        let mut state = self.lock();
        if state.stopped {
            return Next::Stop;
        }
        if state.under_way >= UNDER_WAY_MAX {
            state.counts.left_out += 1;
            return Next::Nothing;
        }
        state.counts.calls += 1;
        state.under_way += 1;
        let State { skills, random, edited, .. } = &mut *state;
        let mut skill = if random.percent(50) { *edited } else { random.below(skills.len()) };
        if skills[skill].costs && random.percent(75) {
            skill = random.below(skills.len());
        }
        let known = &skills[skill];
        // What should be there at this moment; and now and then what is going, or has gone.
        let here: Vec<&String> = known.history.newest().answers.keys().collect();
        let any: Vec<&String> = known.names.iter().collect();
        let of = if here.is_empty() || random.percent(10) { any } else { here };
        let tool = random.pick(&of).clone();
        Next::Call(Sent { skill, tool, sent: Instant::now() })
    }

    pub(crate) fn answered(&self, call: &Sent, answer: &Answer) {
        let now = Instant::now();
        let mut state = self.lock();
        state.under_way -= 1;
        let known = &mut state.skills[call.skill];
        let verdict = known.history.judge(&call.tool, call.sent, now, answer);
        let age = known.history.age();
        match verdict {
            Verdict::Good(version) => {
                let first = known.history.versions[version].visible.is_none();
                known.history.see(version, now);
                let done = known.done[version].take();
                state.counts.answered += 1;
                if let Some(done) = done {
                    state.to_first_call.push(now.saturating_duration_since(done));
                }
                if first {
                    self.changed.notify_all();
                }
            }
            Verdict::Gone => state.counts.gone += 1,
            Verdict::ReadInBetween => state.counts.read_in_between += 1,
            Verdict::NotJudged => state.counts.not_judged += 1,
            Verdict::Failed(why) => {
                state.counts.failed += 1;
                let took = now.duration_since(call.sent);
                state.fail(format!(
                    "`{}`, called {:?} after its last edit began, after {took:?}: {why}",
                    call.tool,
                    age.saturating_sub(took)
                ));
            }
            Verdict::Mixed(why) => {
                state.counts.mixed += 1;
                state.failures.insert(0, format!("`{}` is mixed: {why}", call.tool));
            }
        }
    }

    pub(crate) fn heard(&self, method: &str) {
        let mut state = self.lock();
        *state.heard.entry(method.to_owned()).or_default() += 1;
        state.last_heard = Instant::now();
        self.changed.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
    }

    /// A step begins; with `served` what it leads to is a version of its own. Gives that version's number.
    pub(crate) fn begin(&self, skill: usize, step: &Step, served: bool) -> Option<usize> {
        let mut state = self.lock();
        state.edited = skill;
        let known = &mut state.skills[skill];
        let answers = step.skill.answers();
        if !served || known.history.newest().answers == answers {
            return None;
        }
        for name in answers.keys() {
            if !known.names.contains(name) {
                known.names.push(name.clone());
            }
        }
        known.done.push(None);
        Some(known.history.begin(answers))
    }

    /// The last write of that version is done; `torn` when the writes lay too far apart.
    pub(crate) fn wrote(&self, skill: usize, version: usize, torn: bool) {
        let mut state = self.lock();
        let known = &mut state.skills[skill];
        known.history.versions[version].torn = torn;
        // A call may have been faster than this thread.
        if known.history.versions[version].visible.is_none() && !torn {
            known.done[version] = Some(Instant::now());
        }
    }

    /// That version is what lists show.
    pub(crate) fn listed(&self, skill: usize, version: usize, when: Instant) {
        self.lock().skills[skill].history.see(version, when);
    }

    /// Waits until so many notifications of that method have come; when the last of all came. `Err` after `patience`.
    pub(crate) fn wait_heard(
        &self,
        method: &str,
        times: usize,
        patience: Duration,
    ) -> Result<Instant, usize> {
        let heard = |state: &State| state.heard.get(method).copied().unwrap_or(0);
        let state = self.wait(|state| heard(state) >= times, patience);
        if heard(&state) >= times { Ok(state.last_heard) } else { Err(heard(&state)) }
    }

    /// Waits until a call was answered by that version or a later one.
    pub(crate) fn wait_called(&self, skill: usize, version: usize, patience: Duration) -> bool {
        let seen = |state: &State| state.skills[skill].history.versions[version].visible.is_some();
        let state = self.wait(seen, patience);
        seen(&state)
    }

    fn wait(&self, until: impl Fn(&State) -> bool, patience: Duration) -> MutexGuard<'_, State> {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), patience, |state| !until(state))
            .expect("no thread has panicked");
        state
    }

    /// Something else than a call is wrong: that stands first.
    pub(crate) fn fail(&self, what: String) {
        self.lock().failures.insert(0, what);
    }
}

impl State {
    fn fail(&mut self, what: String) {
        if self.failures.len() < 40 {
            self.failures.push(what);
        }
    }
}

/// What the reply to a call means.
pub(crate) fn read_answer(reply: &Value) -> Answer {
    let result = &reply["result"];
    let text = result["content"][0]["text"].as_str();
    if reply["error"]["message"].as_str().is_some_and(|message| message.starts_with("unknown tool")) {
        return Answer::Unknown;
    }
    let constants = || text?.split_whitespace().map(|word| word.parse().ok()).collect::<Option<Vec<u32>>>();
    match constants() {
        Some(constants) if !constants.is_empty() && result["isError"] != true => Answer::Constants(constants),
        _ => {
            let kind = result["_meta"]["omni/failure"]["kind"].as_str().unwrap_or("no failure of a tool");
            Answer::Failed(text.map_or_else(|| reply.to_string(), |text| format!("{kind}: {text}")))
        }
    }
}
