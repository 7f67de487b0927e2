//! A race as a table: on the left what happens, on the right what is done about it.

use std::time::Duration;

use super::world::{MS, TestKey, World, code, skill_of};
use omni_call::Code;

use crate::pool::scheduler::CallFacts;

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A short call comes.
    Call(&'static str),
    /// One that can ask its client.
    QuestionFrame(&'static str),
    /// One that another call has made and waits for.
    Below(&'static str),
    /// One whose arguments are not pipelined.
    Large(&'static str),
    /// One whose time runs out in the queue after so many milliseconds.
    Hasty(&'static str, u32),
    /// One that needs a state: 0 is everybody's, the others are sessions'.
    For(&'static str, u8),
    Leaves(&'static str),
    Ready(usize),
    CannotStart(usize),
    /// The worker takes the next call out of its socket.
    Begins(usize),
    /// It ends the call at hand, in less than a millisecond.
    Ends(usize),
    EndsSlowly(usize),
    /// The caller hears what the worker has said.
    Heard(usize),
    /// What the caller hears is the last that this worker does well.
    EndsWorn(usize),
    EndsSpoilt(usize),
    Dies(usize),
    Gone(usize),
    /// Whoever ends a call goes on, and the tool obeys.
    AbandonedCallEnd(usize),
    /// The same, and the tool does not: the process is ended.
    Stubborn(usize),
    /// So many milliseconds pass.
    Wait(u32),
    /// The call that the worker runs waits for its client.
    WaitsForClient(usize),
    /// Its client has answered.
    GoesOn(usize),
    Tick,
    /// So many milliseconds pass, and the autoscaler looks.
    TickAfter(u32),
    /// A call of the skill of that number, which names its version; all others are of skill 0 and name none.
    Of(&'static str, u8),
    /// The same, resolved just before the last change.
    Late(&'static str, u8),
    /// The skill of that number has another version.
    Changes(u8),
    /// Skill 0 has another version.
    Renew,
    RenewState(u8),
    Places(usize),
    Contended(bool),
    GiveUpIdle,
    GiveUpNext,
    WarmUp,
    Close,
}

impl World {
    /// Takes each step and compares what is done.
    pub(super) fn steps(&mut self, table: &[(Step, &str)]) {
        for (at, (step, expected)) in table.iter().enumerate() {
            self.step(*step);
            let done = self.done();
            assert_eq!(done, *expected, "at step {at}, {step:?}");
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Call(name) => self.calls(name, |_| {}),
            Step::QuestionFrame(name) => self.calls(name, |facts| facts.pipelines = false),
            Step::Below(name) => self.calls(name, |facts| (facts.pipelines, facts.below) = (false, true)),
            Step::Large(name) => self.calls(name, |facts| facts.small = false),
            Step::Hasty(name, limit) => {
                let expires = self.now + limit * MS;
                self.calls(name, |facts| facts.expires = Some(expires));
            }
            Step::Of(name, skill) => {
                let code = self.in_force(skill);
                self.calls(name, |facts| facts.code = code);
            }
            Step::Late(name, skill) => {
                let code = code(skill, self.versions.get(&skill).map_or(0, |version| version - 1));
                self.calls(name, |facts| facts.code = code);
            }
            Step::For(name, key) => {
                let code = self.in_force(skill_of(TestKey(key)));
                self.calls(name, |facts| {
                    (facts.key, facts.code) = (Some(TestKey(key)), Code { version: None, ..code })
                });
            }
            Step::Leaves(name) => {
                let caller = self.named(name);
                self.leaves(caller);
            }
            Step::Ready(at) => self.is_ready(at),
            Step::CannotStart(at) => self.cannot_start(at, true),
            Step::Begins(at) => self.begins(at),
            Step::Ends(at) => self.ends_call(at, MS / 2),
            Step::EndsSlowly(at) => self.ends_call(at, 20 * MS),
            Step::Heard(at) => assert!(self.is_heard(at, MS / 2), "nothing is heard of {at}"),
            Step::EndsWorn(at) => {
                self.wears_out(at);
                self.ends_call(at, 20 * MS);
            }
            Step::EndsSpoilt(at) => {
                self.spoils(at);
                self.ends_call(at, MS / 2);
            }
            Step::Dies(at) => self.dies(at),
            Step::Gone(at) => {
                self.dies(at);
                self.is_gone(at);
            }
            Step::AbandonedCallEnd(at) => assert!(self.abandoned_end(at, true), "nobody ends a call on {at}"),
            Step::Stubborn(at) => assert!(self.abandoned_end(at, false), "nobody ends a call on {at}"),
            other => self.step_of_the_house(other),
        }
    }

    fn step_of_the_house(&mut self, step: Step) {
        match step {
            Step::Wait(time) => self.passes(time * MS),
            Step::WaitsForClient(at) => {
                self.begins_next(at);
                self.waits(at);
                assert!(self.workers[at].waits, "nothing on {at} can wait");
            }
            Step::GoesOn(at) => self.goes_on(at),
            Step::Tick => self.tick(),
            Step::TickAfter(time) => {
                self.passes(time * MS);
                self.tick();
            }
            Step::Renew => self.changes(0),
            Step::Changes(skill) => self.changes(skill),
            Step::RenewState(key) => self.changes(skill_of(TestKey(key))),
            Step::Places(places) => self.places = places,
            Step::Contended(contended) => self.contended = contended,
            Step::GiveUpIdle => {
                self.event(|scheduler, _| {
                    scheduler.give_up_idle();
                });
            }
            Step::GiveUpNext => self.event(|scheduler, _| scheduler.give_up_next()),
            Step::WarmUp => self.event(|scheduler, _| scheduler.warm_up()),
            Step::Close => self.event(|scheduler, _| scheduler.close()),
            other => unreachable!("{other:?} is of a call or a worker"),
        }
    }

    fn calls(&mut self, name: &str, change: impl FnOnce(&mut CallFacts<TestKey>)) {
        self.comes(name, change);
    }

    fn ends_call(&mut self, at: usize, took: Duration) {
        self.begins_next(at);
        self.finishes(at);
        assert!(self.is_heard(at, took), "no call ends on {at}");
    }
}
