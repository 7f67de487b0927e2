//! Workers that keep a state: one for each key, whose calls wait for it and for no other.

use super::steps::Step::*;
use super::world::World;

#[test]
fn calls_of_one_state_meet_in_one_worker_and_wait_for_it() {
    let mut world = World::new(|_| {});
    world.steps(&[
        (For("a", 1), "start 0"),
        (For("b", 1), ""),
        (For("c", 2), "start 1"),
        (Call("d"), "start 2"),
        (Ready(0), "send 0 a, begin 0 a"),
        (TickAfter(20), ""),
        (Ready(2), "send 2 d, begin 2 d"),
        (EndsSlowly(2), ""),
        // A worker that is idle is nobody's who needs a state.
        (EndsSlowly(0), "send 0 b, begin 0 b"),
        (Ready(1), "send 1 c, begin 1 c"),
    ]);
    world.runs_out();
}

#[test]
fn short_calls_of_one_state_are_sent_ahead_too() {
    let mut world = World::new(|bounds| bounds.workers_min = 0);
    world.steps(&[
        (For("first", 1), "start 0"),
        (For("a", 1), ""),
        (For("b", 1), ""),
        (Ready(0), "send 0 first, begin 0 first"),
        (Ends(0), "send 0 a, send 0 b, begin 0 a"),
        (Begins(0), ""),
        (TickAfter(5), ""),
        (TickAfter(5), "revoke 0 3"),
        // It can go nowhere else, and waits for the same worker.
        (TickAfter(5), ""),
        (EndsSlowly(0), "send 0 b, begin 0 b"),
    ]);
    world.runs_out();
}

#[test]
fn a_state_is_told_to_be_lost_when_its_worker_is_another() {
    let mut world = World::new(|bounds| bounds.workers_min = 0);
    world.steps(&[(For("a", 1), "start 0"), (Ready(0), "send 0 a, begin 0 a")]);
    assert!(!world.scheduler.call_served(world.workers[0].id, 70));
    world.steps(&[(EndsSlowly(0), ""), (For("b", 1), "run 0 b")]);
    assert!(!world.scheduler.call_served(world.workers[0].id, 70));
    world.steps(&[
        (Dies(0), ""),
        (Heard(0), "discard 0"),
        (For("c", 1), ""),
        // There are never two for one state, so the next waits for the end of the first.
        (Tick, ""),
        (Gone(0), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
    ]);
    assert!(world.scheduler.call_served(world.workers[1].id, 71), "it is told");
    assert!(!world.scheduler.call_served(world.workers[1].id, 71), "once");
    world.runs_out();
}

#[test]
fn a_sessions_worker_goes_after_half_an_hour_and_what_all_share_stays() {
    let mut world = World::new(|_| {});
    world.steps(&[
        (For("a", 1), "start 0"),
        (For("b", 0), "start 1"),
        (Ready(0), "send 0 a, begin 0 a"),
        (Ready(1), "send 1 b, begin 1 b"),
        (EndsSlowly(0), ""),
        (EndsSlowly(1), ""),
        (TickAfter(29 * 60_000), "start 2"),
    ]);
    let next = world.next_tick.expect("it looks again by itself");
    world.passes(next - world.now);
    world.done();
    while world.now < next + 60_000 * super::world::MS {
        world.tick();
        world.passes(10_000 * super::world::MS);
    }
    assert_eq!(world.done(), "dismiss 0");
}

#[test]
fn what_all_share_is_started_again_when_it_dies() {
    let mut world = World::new(|bounds| bounds.workers_min = 0);
    world.steps(&[
        (For("a", 0), "start 0"),
        (Ready(0), "send 0 a, begin 0 a"),
        (EndsSlowly(0), ""),
        (Gone(0), ""),
        (Tick, "discard 0, start 1"),
        (Ready(1), ""),
        (For("b", 0), "run 1 b"),
    ]);
}

#[test]
fn a_renewal_replaces_the_workers_of_changed_skills_only_and_the_old_one_goes_first() {
    let mut world = World::new(|bounds| bounds.workers_min = 0);
    world.steps(&[
        (For("a", 1), "start 0"),
        (For("b", 2), "start 1"),
        (Ready(0), "send 0 a, begin 0 a"),
        (Ready(1), "send 1 b, begin 1 b"),
        (EndsSlowly(1), ""),
        (Begins(0), ""),
        (RenewState(1), "revoke 0 1"),
        (RenewState(2), "dismiss 1"),
        (For("c", 2), ""),
        (For("d", 1), ""),
        (EndsSlowly(0), "dismiss 0"),
        (Gone(1), ""),
        (Gone(0), ""),
        (Tick, "start 2, start 3"),
    ]);
    world.runs_out();
}

#[test]
fn a_worker_that_is_being_started_when_its_skill_changes_runs_no_call() {
    let mut world = World::new(|bounds| bounds.workers_min = 0);
    world.steps(&[
        (For("a", 1), "start 0"),
        (RenewState(1), ""),
        (Ready(0), "dismiss 0"),
        (Gone(0), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 a, begin 1 a"),
    ]);
}

#[test]
fn where_as_many_states_are_kept_as_may_be_the_one_goes_that_was_used_longest_ago() {
    let mut world = World::new(|bounds| (bounds.workers_max, bounds.workers_min) = (2, 0));
    world.steps(&[
        (For("a", 1), "start 0"),
        (Ready(0), "send 0 a, begin 0 a"),
        (For("b", 2), "start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
        (For("c", 3), "refuse c Busy"),
        (EndsSlowly(1), ""),
        (EndsSlowly(0), ""),
        (For("d", 1), "run 0 d"),
        (EndsSlowly(0), ""),
        // Its place is free when its process is gone.
        (For("e", 3), "dismiss 1"),
        (Tick, ""),
        (Gone(1), ""),
        (Tick, "start 2"),
        (Ready(2), "send 2 e, begin 2 e"),
    ]);
    world.runs_out();
}

#[test]
fn what_all_share_gives_way_to_nobody() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.steps(&[
        (For("a", 0), "start 0"),
        (Ready(0), "send 0 a, begin 0 a"),
        (EndsSlowly(0), ""),
        (For("b", 1), "refuse b Busy"),
    ]);
}

#[test]
fn a_failed_start_refuses_those_who_wait_for_that_state() {
    let mut world = World::new(|bounds| bounds.workers_min = 0);
    world.steps(&[
        (For("a", 1), "start 0"),
        (For("b", 1), ""),
        (CannotStart(0), "refuse a CannotStart, refuse b CannotStart"),
        (Gone(0), ""),
        (For("c", 1), "refuse c CannotStart"),
        (Wait(100), ""),
        (For("d", 1), "start 1"),
    ]);
}
