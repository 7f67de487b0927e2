//! Workers that take others' places: one that is worn, and all of them when the skills have changed.

use super::steps::Step::*;
use super::world::{CallerOutcome, World};

/// A world with one idle worker.
fn one(workers_max: usize) -> World {
    let mut world = World::new(|bounds| bounds.workers_max = workers_max);
    world.steps(&[
        (Call("first"), "start 0"),
        (Ready(0), "send 0 first, begin 0 first"),
        (EndsSlowly(0), ""),
    ]);
    world
}

#[test]
fn a_worn_worker_serves_until_its_successor_is_ready() {
    let mut world = one(4);
    world.steps(&[
        (Call("a"), "run 0 a"),
        (EndsWorn(0), "start 1"),
        // The successor is not ready: the old one goes on, and no second one is started for it.
        (Call("b"), "run 0 b"),
        (EndsSlowly(0), ""),
        (Ready(1), "dismiss 0"),
        (Call("c"), "run 1 c"),
    ]);
}

#[test]
fn a_worn_worker_that_is_busy_when_its_successor_is_ready_goes_at_the_end_of_its_call() {
    let mut world = one(4);
    world.steps(&[
        (Call("a"), "run 0 a"),
        (EndsWorn(0), "start 1"),
        (Call("b"), "run 0 b"),
        (Ready(1), ""),
        (EndsSlowly(0), "dismiss 0"),
    ]);
}

#[test]
fn a_worn_worker_that_dies_before_its_successor_comes_leaves_no_debt() {
    let mut world = one(4);
    world.steps(&[
        (Call("a"), "run 0 a"),
        (EndsWorn(0), "start 1"),
        (Call("b"), "run 0 b"),
        (Dies(0), ""),
        (Gone(0), ""),
        (Ready(1), ""),
    ]);
    world.runs_out();
    world.steps(&[(Call("c"), "run 1 c"), (EndsSlowly(1), "")]);
}

#[test]
fn where_there_may_be_no_more_the_worn_one_goes_first() {
    let mut world = one(1);
    world.steps(&[
        (Call("a"), "run 0 a"),
        (Call("b"), ""),
        (EndsWorn(0), "dismiss 0"),
        (Tick, ""),
        (Gone(0), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
    ]);
}

#[test]
fn where_other_pools_have_all_places_the_worn_one_goes_first() {
    let mut world = one(4);
    world.steps(&[(Places(0), ""), (Call("a"), "run 0 a"), (EndsWorn(0), "dismiss 0"), (Gone(0), "")]);
    world.steps(&[(Tick, "start 1")]);
}

#[test]
fn a_successor_that_cannot_start_leaves_the_worn_one_in_service() {
    let mut world = one(4);
    world.steps(&[
        (Call("a"), "run 0 a"),
        (EndsWorn(0), "start 1"),
        (CannotStart(1), ""),
        (Gone(1), ""),
        (Call("b"), "run 0 b"),
        (EndsSlowly(0), ""),
        // Another is tried after the pause.
        (Wait(100), ""),
        (Call("c"), "run 0 c"),
        (EndsSlowly(0), "start 2"),
        (Ready(2), "dismiss 0"),
    ]);
}

#[test]
fn a_renewal_takes_effect_when_a_new_worker_is_ready() {
    let mut world = one(4);
    world.steps(&[
        (Renew, "start 1"),
        (Call("a"), "run 0 a"),
        (EndsSlowly(0), ""),
        (Ready(1), "dismiss 0"),
        (Call("b"), "run 1 b"),
    ]);
    assert!(world.scheduler.is_renewed(1) && world.renewed);
}

#[test]
fn a_busy_worker_of_before_the_renewal_gets_no_further_call() {
    let mut world = one(4);
    world.steps(&[
        (Call("a"), "run 0 a"),
        (Renew, "start 1"),
        (Call("b"), ""),
        (Ready(1), "send 1 b, begin 1 b"),
        (EndsSlowly(0), "dismiss 0"),
    ]);
    world.runs_out();
}

#[test]
fn a_worker_that_was_being_started_when_the_skills_changed_is_dismissed_when_it_is_ready() {
    let mut world = World::new(|_| {});
    world.steps(&[
        (Call("a"), "start 0"),
        (Renew, "start 1"),
        // It has imported nothing yet, but perhaps it has: it serves until the new one is there.
        (Ready(0), "send 0 a, begin 0 a"),
        (Call("b"), ""),
        (Ready(1), "send 1 b, begin 1 b"),
        (EndsSlowly(0), "dismiss 0"),
    ]);
    let mut world = World::new(|_| {});
    world.steps(&[(Call("a"), "start 0"), (Renew, "start 1"), (Ready(1), "send 1 a, begin 1 a")]);
    world.steps(&[(Ready(0), "dismiss 0")]);
}

#[test]
fn a_renewal_at_the_most_workers_waits_for_nobody() {
    let mut world = one(1);
    world.steps(&[(Call("a"), "run 0 a"), (Renew, "")]);
    assert!(world.scheduler.is_renewed(1));
    world.steps(&[
        (Call("b"), ""),
        (EndsSlowly(0), "dismiss 0"),
        (Gone(0), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
    ]);
}

#[test]
fn what_was_sent_ahead_before_a_renewal_runs_where_it_is() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.steps(&[
        (Call("first"), "start 0"),
        (Call("a"), ""),
        (Call("b"), ""),
        (Ready(0), "send 0 first, begin 0 first"),
        (Ends(0), "send 0 a, send 0 b, begin 0 a"),
        (Renew, ""),
        (Ends(0), "begin 0 b"),
        (Ends(0), "dismiss 0"),
    ]);
}

#[test]
fn a_renewal_whose_worker_cannot_start_tries_again_and_the_old_one_goes_on() {
    let mut world = one(4);
    world.steps(&[
        (Renew, "start 1"),
        (CannotStart(1), ""),
        (Gone(1), ""),
        (Call("a"), "run 0 a"),
        (EndsSlowly(0), ""),
    ]);
    assert!(!world.scheduler.is_renewed(1));
    world.steps(&[(TickAfter(50), ""), (TickAfter(50), "start 2"), (Ready(2), "dismiss 0")]);
    assert!(world.scheduler.is_renewed(1));
}

#[test]
fn a_renewal_that_finds_no_place_at_its_second_try_does_not_wait_for_ever() {
    let mut world = one(4);
    world.steps(&[
        (Renew, "start 1"),
        (CannotStart(1), ""),
        (Gone(1), ""),
        // Meanwhile other pools have taken all places.
        (Places(0), ""),
        (TickAfter(100), "dismiss 0"),
    ]);
    assert!(world.scheduler.is_renewed(1));
}

#[test]
fn two_renewals_in_a_row_wait_for_the_newest_worker() {
    let mut world = one(4);
    world.steps(&[(Renew, "start 1"), (Renew, "start 2"), (Ready(1), "")]);
    assert!(!world.scheduler.is_renewed(1), "the skills may have changed after it was started");
    world.steps(&[(Ready(2), "dismiss 1, dismiss 0")]);
    assert!(world.scheduler.is_renewed(1) && world.scheduler.is_renewed(2));
}

#[test]
fn a_successor_of_before_a_renewal_drives_nobody_out() {
    let mut world = one(4);
    world.steps(&[
        (Call("a"), "run 0 a"),
        (EndsWorn(0), "start 1"),
        (Renew, "start 2"),
        (Ready(2), "dismiss 0"),
        (Ready(1), "dismiss 1"),
        (Call("b"), "run 2 b"),
    ]);
}

#[test]
fn a_pool_that_closes_while_it_renews_keeps_nobody_waiting() {
    let mut world = one(4);
    world.steps(&[(Renew, "start 1"), (Call("a"), "run 0 a"), (Close, "")]);
    assert!(world.scheduler.is_renewed(1) && world.renewed);
    world.steps(&[(Ready(1), "discard 1"), (EndsSlowly(0), "discard 0")]);
    assert_eq!(world.caller("a").outcome, Some(CallerOutcome::Finished));
}
