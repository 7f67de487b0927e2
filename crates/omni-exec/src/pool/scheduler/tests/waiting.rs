//! Calls that wait for their clients: what counts meanwhile, and what happens when they go on.

use super::steps::Step::*;
use super::world::{TestKey, World};

#[test]
fn a_pool_whose_only_worker_waits_with_its_call_is_like_one_without_workers() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.steps(&[
        (QuestionFrame("asks"), "start 0"),
        (Ready(0), "send 0 asks, begin 0 asks"),
        (Call("b"), ""),
        (WaitsForClient(0), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
        (Ends(1), ""),
        (Call("c"), "run 1 c"),
        (Ends(1), ""),
        (GoesOn(0), "dismiss 1"),
        (Gone(1), ""),
        (EndsSlowly(0), ""),
        (Call("d"), "run 0 d"),
    ]);
    world.runs_out();
    assert_eq!(world.scheduler.staying(), 1);
}

#[test]
fn any_number_of_calls_may_wait_and_each_leaves_its_place_to_the_next() {
    let mut world = World::new(|bounds| bounds.workers_max = 2);
    for at in 0..20 {
        world.comes("asks", |facts| facts.pipelines = false);
        world.tick();
        if world.workers[at].hands == super::world::Hands::Starting {
            world.is_ready(at);
        }
        world.step(WaitsForClient(at));
        world.tick();
    }
    assert_eq!(world.workers.iter().filter(|worker| worker.waits).count(), 20);
    // All are answered at once: they go on together, and at the end of their calls all but two go.
    for at in 0..20 {
        world.goes_on(at);
    }
    assert_eq!(world.scheduler.count.serving, 20, "each counts again");
    world.runs_out();
    assert_eq!(world.scheduler.staying(), 2);
}

#[test]
fn a_call_that_goes_on_above_the_bound_costs_the_next_worker_that_comes_back() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.steps(&[
        (QuestionFrame("asks"), "start 0"),
        (Ready(0), "send 0 asks, begin 0 asks"),
        (WaitsForClient(0), ""),
        (Tick, "start 1"),
        (Ready(1), ""),
        (Call("b"), "run 1 b"),
        (GoesOn(0), ""),
        (Call("c"), ""),
        (EndsSlowly(1), "dismiss 1"),
        // One is going, so that the other is not one too many.
        (EndsSlowly(0), "send 0 c, begin 0 c"),
        (Gone(1), ""),
    ]);
    world.runs_out();
}

#[test]
fn a_worker_that_dies_while_its_call_waits_is_not_counted_twice() {
    let mut world = World::new(|_| {});
    world.steps(&[
        (QuestionFrame("asks"), "start 0"),
        (Ready(0), "send 0 asks, begin 0 asks"),
        (WaitsForClient(0), ""),
        (Tick, "start 1"),
        (Gone(0), ""),
        (Heard(0), "discard 0"),
        (Ready(1), ""),
        (Call("b"), "run 1 b"),
    ]);
    assert_eq!((world.scheduler.count.workers, world.scheduler.count.serving), (1, 1));
}

#[test]
fn a_call_that_is_cancelled_while_it_waits_counts_until_it_has_ended() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.steps(&[
        (QuestionFrame("asks"), "start 0"),
        (Ready(0), "send 0 asks, begin 0 asks"),
        (WaitsForClient(0), ""),
        (Leaves("asks"), ""),
        // Its worker is the one that there may be.
        (Call("b"), ""),
        (Tick, ""),
        (AbandonedCallEnd(0), "send 0 b, begin 0 b"),
    ]);
    world.runs_out();
}

#[test]
fn calls_of_a_state_wait_behind_the_one_that_waits_and_other_states_do_not() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.comes("asks", |facts| (facts.key, facts.pipelines) = (Some(TestKey(1)), false));
    assert_eq!(world.done(), "start 0");
    world.steps(&[
        (Ready(0), "send 0 asks, begin 0 asks"),
        (For("other", 2), "refuse other Busy"),
        (WaitsForClient(0), ""),
        (For("same", 1), ""),
        (For("another", 2), "start 1"),
        (Ready(1), "send 1 another, begin 1 another"),
        (Ends(1), ""),
        // There is one state too many, and that of the other session has no call.
        (GoesOn(0), "dismiss 1"),
        (Gone(1), ""),
        (EndsSlowly(0), "send 0 same, begin 0 same"),
    ]);
    world.runs_out();
}

#[test]
fn calls_that_others_wait_for_come_before_all_that_clients_make() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.steps(&[
        (QuestionFrame("asks"), "start 0"),
        (Ready(0), "send 0 asks, begin 0 asks"),
        (Call("b"), ""),
        (Call("c"), ""),
        (Below("d"), ""),
        (Below("e"), ""),
        // The place of the call that waits for both is lent.
        (WaitsForClient(0), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 d, begin 1 d"),
        (Ends(1), "send 1 e, begin 1 e"),
        (Ends(1), "send 1 b, send 1 c, begin 1 b"),
    ]);
}
