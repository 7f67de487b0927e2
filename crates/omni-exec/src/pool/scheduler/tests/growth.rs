//! How many workers there are: when one is started, when one goes, and what follows when none can be started.

use std::time::Duration;

use super::steps::Step::*;
use super::world::{CallerOutcome, MS, World};

#[test]
fn nothing_is_started_before_the_first_call_unless_it_is_asked_for() {
    let mut world = World::new(|bounds| bounds.workers_min = 2);
    world.steps(&[(Tick, "start 0")]);
    let mut world = World::new(|bounds| bounds.workers_min = 2);
    world.steps(&[(WarmUp, "start 0, start 1"), (Ready(0), ""), (Ready(1), ""), (Call("a"), "run 0 a")]);
}

#[test]
fn a_burst_of_short_calls_does_not_make_the_pool_grow() {
    let mut world = World::new(|bounds| (bounds.cores, bounds.workers_max) = (1, 8));
    world.steps(&[(Call("first"), "start 0"), (Ready(0), "send 0 first, begin 0 first"), (Ends(0), "")]);
    for _ in 0..60 {
        world.comes("short", |_| {});
    }
    // Each takes half a millisecond, and the autoscaler looks as often as it said.
    while world.waiting() > 0 {
        world.passes(MS / 2);
        for _ in 0..2 {
            world.begins(0);
            world.finishes(0);
            world.is_heard(0, MS / 2);
        }
        if world.look || world.next_tick.is_some_and(|at| world.now >= at) {
            world.tick();
        }
    }
    assert_eq!(world.workers.len(), 1, "{}", world.done());
}

#[test]
fn a_held_worker_makes_the_pool_grow_one_by_one_up_to_the_most() {
    let mut world = World::new(|bounds| (bounds.cores, bounds.workers_max) = (1, 3));
    world.steps(&[
        (Call("a"), "start 0"),
        (Ready(0), "send 0 a, begin 0 a"),
        (Call("b"), ""),
        (Call("c"), ""),
        (Call("d"), ""),
        (Tick, ""),
        (TickAfter(5), ""),
        (TickAfter(5), "start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
        (TickAfter(5), ""),
        (TickAfter(5), "start 2"),
        (Ready(2), "send 2 c, begin 2 c"),
        (TickAfter(20), ""),
        (TickAfter(20), ""),
    ]);
    assert_eq!(world.waiting(), 1);
    world.runs_out();
}

#[test]
fn a_spare_is_started_before_anybody_waits_while_the_last_worker_is_held() {
    let mut world = World::new(|_| {});
    world.steps(&[
        (Call("a"), "start 0"),
        (Ready(0), "send 0 a, begin 0 a"),
        (Tick, ""),
        (TickAfter(49), ""),
        (TickAfter(1), "start 1"),
        (Ready(1), ""),
        (TickAfter(50), ""),
    ]);
}

#[test]
fn a_spare_takes_no_call_that_a_warm_worker_can_take() {
    let mut world = World::new(|_| {});
    world.steps(&[
        (Call("a"), "start 0"),
        (Ready(0), "send 0 a, begin 0 a"),
        (Tick, ""),
        (TickAfter(50), "start 1"),
        (EndsSlowly(0), ""),
        (Ready(1), ""),
        (Call("b"), "run 0 b"),
        (Call("c"), "run 1 c"),
    ]);
}

#[test]
fn no_more_than_two_are_started_at_a_time() {
    let mut world = World::new(|bounds| bounds.cores = 8);
    world.steps(&[
        (Call("a"), "start 0"),
        (Call("b"), ""),
        (Call("c"), ""),
        (Ready(0), "send 0 a, begin 0 a"),
    ]);
    world.steps(&[(Tick, ""), (TickAfter(10), "start 1"), (TickAfter(10), "start 2"), (TickAfter(10), "")]);
}

#[test]
fn workers_above_the_minimum_are_retired_and_never_one_below_it() {
    let mut world = World::new(|bounds| (bounds.idle_ttl, bounds.workers_min) = (Duration::from_secs(1), 1));
    world.steps(&[
        (Call("a"), "start 0"),
        (Call("b"), ""),
        (Ready(0), "send 0 a, begin 0 a"),
        (Tick, ""),
        (TickAfter(10), "start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
        (EndsSlowly(0), ""),
        (EndsSlowly(1), ""),
        (TickAfter(1000), "dismiss 0"),
        // It takes its time over going, and the other one is not taken for the one too many meanwhile.
        (TickAfter(5), ""),
        (TickAfter(5000), ""),
        (Gone(0), ""),
        (TickAfter(5000), ""),
    ]);
}

#[test]
fn a_worker_that_dies_idle_is_replaced_before_the_next_call() {
    let mut world = World::new(|_| {});
    world.steps(&[
        (Call("a"), "start 0"),
        (Ready(0), "send 0 a, begin 0 a"),
        (EndsSlowly(0), ""),
        (Gone(0), ""),
        (Tick, "discard 0, start 1"),
    ]);
    // The call that comes before anybody looked finds the dead one, too.
    let mut world = World::new(|_| {});
    world.steps(&[
        (Call("a"), "start 0"),
        (Ready(0), "send 0 a, begin 0 a"),
        (EndsSlowly(0), ""),
        (Gone(0), ""),
        (Call("b"), "discard 0, start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
    ]);
}

#[test]
fn a_worker_that_dies_as_it_becomes_ready_does_not_count_as_one_that_serves() {
    let mut world = World::new(|_| {});
    world.steps(&[
        (Call("a"), "start 0"),
        // The end of its process is heard of before the word that it was ready.
        (Gone(0), ""),
        (Ready(0), "discard 0"),
        (Tick, "start 1"),
        (CannotStart(1), "refuse a CannotStart"),
    ]);
    assert_eq!(world.scheduler.count.serving, 0);
}

#[test]
fn a_failed_start_refuses_those_who_wait_and_forbids_the_next_for_a_while() {
    let mut world = World::new(|_| {});
    world.steps(&[
        (Call("a"), "start 0"),
        (Call("b"), ""),
        (CannotStart(0), "refuse a CannotStart, refuse b CannotStart"),
        (Gone(0), ""),
        (Call("c"), "refuse c CannotStart"),
        (TickAfter(99), ""),
        (Call("d"), "refuse d CannotStart"),
        (Wait(1), ""),
        (Call("e"), "start 1"),
        (Ready(1), "send 1 e, begin 1 e"),
    ]);
}

#[test]
fn a_start_that_fails_beside_a_worker_that_serves_refuses_nobody() {
    let mut world = World::new(|bounds| bounds.cores = 1);
    world.steps(&[
        (Call("a"), "start 0"),
        (Ready(0), "send 0 a, begin 0 a"),
        (Call("b"), ""),
        (Tick, ""),
        (TickAfter(10), "start 1"),
        (CannotStart(1), ""),
        (Gone(1), ""),
        (TickAfter(50), ""),
        (TickAfter(50), "start 2"),
        (EndsSlowly(0), "send 0 b, begin 0 b"),
    ]);
    world.runs_out();
}

#[test]
fn a_call_whose_time_runs_out_in_line_ends_there() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.steps(&[
        (Call("a"), "start 0"),
        (Ready(0), "send 0 a, begin 0 a"),
        (Hasty("b", 8), ""),
        (Call("c"), ""),
        (TickAfter(7), ""),
        (TickAfter(1), "refuse b Expired"),
        (EndsSlowly(0), "send 0 c, begin 0 c"),
    ]);
    world.runs_out();
    assert!(world.scheduler.calls.is_clear());
}

#[test]
fn the_line_is_bounded_for_a_tool_and_altogether_and_lets_a_call_in_that_has_its_turn() {
    let mut world = World::new(|bounds| {
        (bounds.workers_max, bounds.queue_per_tool_max, bounds.queue_max) = (1, 2, 3);
    });
    world.steps(&[
        (Call("a"), "start 0"),
        (Ready(0), "send 0 a, begin 0 a"),
        (Call("b"), ""),
        (Call("c"), ""),
        (Call("d"), "refuse d Busy"),
    ]);
    world.comes("e", |facts| facts.tool = 2);
    world.comes("f", |facts| facts.tool = 2);
    assert_eq!(world.done(), "refuse f Busy");
    // The worker of `a` dies before it began: the queue is full, and `a` is not refused for it.
    world.steps(&[(Dies(0), ""), (Heard(0), "discard 0"), (Gone(0), ""), (Tick, "start 1")]);
    world.steps(&[(Ready(1), "send 1 a, begin 1 a")]);
    world.runs_out();
    assert_eq!(
        world.callers.iter().filter(|caller| caller.outcome == Some(CallerOutcome::Finished)).count(),
        4
    );
}

#[test]
fn a_pool_without_a_place_asks_the_others_now_and_then_while_somebody_waits() {
    let mut world = World::new(|_| {});
    world.steps(&[
        (Places(0), ""),
        (Call("a"), "ask 0"),
        (TickAfter(100), ""),
        (TickAfter(100), "ask 0"),
        (Places(1), ""),
        (TickAfter(5), "start 0"),
        (Ready(0), "send 0 a, begin 0 a"),
        (EndsSlowly(0), ""),
    ]);
    assert_eq!(world.asked, 2);
}

#[test]
fn a_pool_that_has_workers_leaves_a_free_place_to_one_that_has_none() {
    let mut world = World::new(|_| {});
    world.steps(&[
        (Call("a"), "start 0"),
        (Ready(0), "send 0 a, begin 0 a"),
        (Call("b"), ""),
        (Contended(true), ""),
        (Tick, ""),
        (TickAfter(10), ""),
        (Contended(false), ""),
        (TickAfter(10), "start 1"),
    ]);
    // One that has none itself does not stand back.
    let mut world = World::new(|_| {});
    world.steps(&[
        (Contended(true), ""),
        (Places(0), ""),
        (Call("a"), "ask 0"),
        (Places(1), ""),
        (Tick, "start 0"),
    ]);
}

#[test]
fn two_pools_that_contend_give_each_other_their_idle_worker_and_else_the_next() {
    let mut world = World::new(|_| {});
    world.steps(&[
        (Call("a"), "start 0"),
        (Call("b"), ""),
        (Ready(0), "send 0 a, begin 0 a"),
        (Tick, ""),
        (TickAfter(10), "start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
        (EndsSlowly(0), ""),
        (GiveUpIdle, "dismiss 0"),
        (GiveUpIdle, ""),
        (GiveUpNext, ""),
        (Call("c"), ""),
        // `c` waits, and the worker goes all the same: the other pool has none.
        (EndsSlowly(1), "dismiss 1"),
        (Gone(1), ""),
        (Gone(0), ""),
        (Tick, "start 2"),
    ]);
    world.runs_out();
}
