//! Calls that are pipelined: whatever happens to the one before them, each runs once and none waits for a stranger.

use super::steps::Step::*;
use super::world::{CallerOutcome, World};

/// A world with one worker that has just shown that its calls are short: it runs `a`, and `b` and `c` are behind.
fn pipelined(workers_max: usize) -> World {
    let mut world = World::new(|bounds| bounds.workers_max = workers_max);
    world.steps(&[
        (Call("first"), "start 0"),
        (Call("a"), ""),
        (Call("b"), ""),
        (Call("c"), ""),
        (Ready(0), "send 0 first, begin 0 first"),
        (Ends(0), "send 0 a, send 0 b, send 0 c, begin 0 a"),
    ]);
    world
}

fn all_finish(world: &mut World) {
    world.runs_out();
    for caller in &world.callers {
        let left = caller.outcome == Some(CallerOutcome::Left);
        assert!(left || caller.outcome == Some(CallerOutcome::Finished) && caller.runs == 1, "{caller:?}");
    }
}

#[test]
fn short_calls_are_sent_in_one_go_and_end_in_order() {
    let mut world = pipelined(1);
    world.steps(&[(Ends(0), "begin 0 b"), (Ends(0), "begin 0 c"), (Ends(0), "")]);
    all_finish(&mut world);
}

#[test]
fn a_worker_whose_calls_are_not_short_gets_one_at_a_time() {
    let mut world = pipelined(1);
    world.steps(&[
        (Call("d"), ""),
        (Call("e"), ""),
        (Ends(0), "begin 0 b"),
        (Ends(0), "begin 0 c"),
        (EndsSlowly(0), "send 0 d, begin 0 d"),
        (Ends(0), "send 0 e, begin 0 e"),
    ]);
    all_finish(&mut world);
}

#[test]
fn what_can_ask_goes_alone_and_stops_those_behind_it() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.steps(&[
        (Call("first"), "start 0"),
        (QuestionFrame("a"), ""),
        (Call("b"), ""),
        (QuestionFrame("c"), ""),
        (Call("d"), ""),
        (Ready(0), "send 0 first, begin 0 first"),
        (Ends(0), "send 0 a, begin 0 a"),
        (Ends(0), "send 0 b, begin 0 b"),
        (Ends(0), "send 0 c, begin 0 c"),
        (Ends(0), "send 0 d, begin 0 d"),
    ]);
    all_finish(&mut world);
}

#[test]
fn large_arguments_are_not_sent_ahead() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.steps(&[
        (Call("first"), "start 0"),
        (Call("a"), ""),
        (Large("b"), ""),
        (Ready(0), "send 0 first, begin 0 first"),
        (Ends(0), "send 0 a, begin 0 a"),
        (Ends(0), "send 0 b, begin 0 b"),
    ]);
    all_finish(&mut world);
}

#[test]
fn those_behind_a_slow_call_are_revoked_and_go_to_another_worker() {
    let mut world = pipelined(4);
    world.steps(&[
        (Begins(0), ""),
        // The first look sees which call is at hand, the second that it still is.
        (TickAfter(5), ""),
        (TickAfter(5), "revoke 0 4"),
        // They are back in the queue, and have waited long enough for another worker.
        (TickAfter(5), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
        (Ends(1), "send 1 c, begin 1 c"),
    ]);
    all_finish(&mut world);
}

#[test]
fn a_revocation_is_not_believed_before_the_worker_must_have_seen_it() {
    let mut world = pipelined(1);
    world.steps(&[(Begins(0), ""), (TickAfter(5), ""), (TickAfter(5), "revoke 0 4"), (TickAfter(1), "")]);
    assert!(!world.scheduler.workers.iter().any(|(_, worker)| worker.pipeline.is_empty()));
    world.steps(&[(TickAfter(1), "")]);
    assert!(world.scheduler.workers.iter().all(|(_, worker)| worker.pipeline.is_empty()));
    all_finish(&mut world);
}

#[test]
fn a_call_that_ends_between_revocation_and_recall_hands_on_to_one_that_skips() {
    let mut world = pipelined(1);
    world.steps(&[
        (Begins(0), ""),
        (TickAfter(5), ""),
        (TickAfter(5), "revoke 0 4"),
        (Ends(0), "begin 0 b"),
        // The worker sees that it is revoked, and says so; the call stands before those that came later.
        (Begins(0), ""),
        (Call("d"), ""),
        (Heard(0), "begin 0 c"),
        (Begins(0), ""),
        (Heard(0), "send 0 b, send 0 c, send 0 d, begin 0 b"),
    ]);
    all_finish(&mut world);
}

#[test]
fn what_the_worker_has_begun_before_it_saw_the_revocation_stays_with_it() {
    let mut world = pipelined(4);
    world.steps(&[(Begins(0), ""), (TickAfter(5), "")]);
    // It ends `a` and begins `b` before anybody hears of it.
    world.finishes(0);
    world.steps(&[
        (Begins(0), ""),
        (TickAfter(5), "revoke 0 4"),
        (TickAfter(5), ""),
        (Heard(0), "begin 0 b"),
        (Tick, "start 1"),
        (Ready(1), "send 1 c, begin 1 c"),
    ]);
    all_finish(&mut world);
}

#[test]
fn an_idle_worker_takes_what_comes_back_in_line() {
    let mut world = World::new(|bounds| bounds.workers_max = 2);
    world.steps(&[
        (Call("first"), "start 0"),
        (Call("second"), ""),
        (Ready(0), "send 0 first, begin 0 first"),
        (Tick, ""),
        (TickAfter(20), "start 1"),
        (Ready(1), "send 1 second, begin 1 second"),
        (Call("a"), ""),
        (Call("b"), ""),
        (Call("c"), ""),
        (Ends(0), "send 0 a, send 0 b, begin 0 a"),
        (Begins(0), ""),
        (Ends(1), "send 1 c, begin 1 c"),
        (Ends(1), ""),
        (TickAfter(5), ""),
        (TickAfter(5), "revoke 0 3"),
        (TickAfter(5), "send 1 b, begin 1 b"),
    ]);
    all_finish(&mut world);
}

#[test]
fn a_crash_costs_none_of_those_behind_it() {
    let mut world = pipelined(1);
    world.steps(&[
        (Begins(0), ""),
        (Dies(0), ""),
        (Heard(0), "discard 0"),
        (Gone(0), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
    ]);
    assert_eq!(world.caller("a").outcome, Some(CallerOutcome::Lost));
    world.runs_out();
    assert_eq!(
        (world.caller("b").outcome, world.caller("c").outcome),
        (Some(CallerOutcome::Finished), Some(CallerOutcome::Finished))
    );
}

#[test]
fn a_death_that_a_call_ahead_had_begun_is_that_calls_end() {
    let mut world = pipelined(1);
    world.begins(0);
    world.finishes(0);
    world.steps(&[
        (Begins(0), ""),
        (Dies(0), ""),
        // The result of `a` had been sent, so `a` is finished; `b` had begun, so it is not run again.
        (Heard(0), "begin 0 b"),
        (Heard(0), "discard 0"),
        (Gone(0), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 c, begin 1 c"),
    ]);
    assert_eq!(
        (world.caller("a").outcome, world.caller("b").outcome),
        (Some(CallerOutcome::Finished), Some(CallerOutcome::Lost))
    );
    world.runs_out();
    assert_eq!(world.caller("c").outcome, Some(CallerOutcome::Finished));
}

#[test]
fn a_call_whose_worker_died_before_it_began_is_tried_again_in_its_place() {
    let mut world = pipelined(1);
    world.steps(&[
        (Call("d"), ""),
        (Dies(0), ""),
        (Heard(0), "discard 0"),
        (Gone(0), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 a, begin 1 a"),
        (Ends(1), "send 1 b, send 1 c, send 1 d, begin 1 b"),
    ]);
    all_finish(&mut world);
}

#[test]
fn a_worker_that_is_spoilt_is_buried_before_those_behind_go_elsewhere() {
    let mut world = pipelined(1);
    world.steps(&[
        (Begins(0), ""),
        (EndsSpoilt(0), "bury 0"),
        (AbandonedCallEnd(0), "discard 0"),
        (Gone(0), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
    ]);
    all_finish(&mut world);
}

#[test]
fn a_caller_who_leaves_before_its_call_began_has_it_ended_when_it_is_at_hand() {
    let mut world = pipelined(1);
    world.steps(&[
        (Leaves("b"), ""),
        (Ends(0), "orphan 0, revoke 0 4"),
        (Wait(2), ""),
        // `c` came back in the queue; the worker obeyed and goes on.
        (AbandonedCallEnd(0), "send 0 c, begin 0 c"),
    ]);
    all_finish(&mut world);
}

#[test]
fn a_caller_who_leaves_a_running_call_takes_none_of_those_behind_along() {
    for stubborn in [false, true] {
        let mut world = pipelined(1);
        world.steps(&[(Begins(0), ""), (Leaves("a"), "revoke 0 4"), (Wait(2), "")]);
        if stubborn {
            world.steps(&[(Stubborn(0), "discard 0"), (Gone(0), ""), (Tick, "start 1")]);
            world.steps(&[(Ready(1), "send 1 b, begin 1 b")]);
        } else {
            world.steps(&[(AbandonedCallEnd(0), "send 0 b, begin 0 b")]);
        }
        all_finish(&mut world);
    }
}

#[test]
fn no_signal_is_sent_when_the_worker_has_moved_on_meanwhile() {
    let mut world = pipelined(1);
    world.begins(0);
    world.finishes(0);
    world.steps(&[
        (Begins(0), ""),
        (Leaves("a"), "revoke 0 4"),
        (Wait(2), ""),
        // It has ended `a` and runs `b`, which the signal would hit; only `c` comes back.
        (AbandonedCallEnd(0), "begin 0 b"),
        (Ends(0), "send 0 c, begin 0 c"),
    ]);
    all_finish(&mut world);
}

#[test]
fn a_caller_in_line_leaves_no_trace() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.steps(&[
        (Call("a"), "start 0"),
        (Call("b"), ""),
        (Leaves("a"), ""),
        (Ready(0), "send 0 b, begin 0 b"),
        (Ends(0), ""),
    ]);
    all_finish(&mut world);
    assert!(world.scheduler.calls.is_clear());
}

#[test]
fn at_the_end_everybody_is_refused_wherever_the_call_stands() {
    // At every point of a story that has calls in the queue, ahead, running and being ended.
    let story = [
        Begins(0),
        Call("d"),
        Leaves("a"),
        Wait(2),
        AbandonedCallEnd(0),
        Begins(0),
        Leaves("c"),
        EndsSlowly(0),
    ];
    for end in 0..=story.len() {
        let mut world = pipelined(1);
        for step in &story[..end] {
            world.step(*step);
        }
        world.done();
        world.step(Close);
        assert_eq!(world.waiting(), 0, "after {end} steps somebody still waits");
        world.comes("late", |_| {});
        assert_eq!(world.caller("late").outcome, Some(CallerOutcome::Shutdown));
        world.runs_out();
        assert!(world.callers.iter().all(|caller| caller.outcome.is_some()), "after {end} steps");
        assert!(world.workers.iter().all(|worker| worker.exited), "after {end} steps a worker is left");
        assert!(world.scheduler.calls.is_clear());
    }
}
