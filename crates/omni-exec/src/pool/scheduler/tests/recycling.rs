//! Workers that take others' places: one that is worn, and all of them when the skills have changed.

use super::steps::Step::*;
use super::world::{CallerOutcome, World, code};

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
        // Of what has changed nobody gets the old code; others need not wait.
        (Call("a"), ""),
        (Of("other", 1), "run 0 other"),
        (EndsSlowly(0), ""),
        (Ready(1), "dismiss 0, send 1 a, begin 1 a"),
        (EndsSlowly(1), ""),
        (Call("b"), "run 1 b"),
    ]);
    assert!(world.scheduler.is_renewed(1) && world.renewed);
}

#[test]
fn a_busy_worker_of_before_the_renewal_gets_no_further_call() {
    let mut world = one(4);
    world.steps(&[
        (Call("a"), "run 0 a"),
        (Begins(0), ""),
        // What it may not have begun it skips; this it has.
        (Renew, "revoke 0 2, start 1"),
        (Call("b"), ""),
        (Ready(1), "send 1 b, begin 1 b"),
        (EndsSlowly(0), "dismiss 0"),
    ]);
    world.runs_out();
}

#[test]
fn a_worker_that_was_being_started_when_a_skill_changed_serves_unless_it_imports_that_ahead() {
    let mut world = World::new(|_| {});
    world.steps(&[
        (Call("a"), "start 0"),
        // It has imported nothing yet.
        (Renew, ""),
        (Ready(0), "send 0 a, begin 0 a"),
    ]);
    assert!(world.scheduler.is_renewed(1));
    // It may be importing what skills want imported ahead.
    let mut world = World::new(|_| {});
    world.steps(&[(Call("a"), "start 0")]);
    world.event(|scheduler, now| {
        scheduler.renew(&[code(0, 0)], true, |_| false, now);
    });
    assert_eq!(world.done(), "start 1");
    world.steps(&[
        (Ready(0), ""),
        (Of("other", 1), "run 0 other"),
        (Ready(1), "send 1 a, begin 1 a"),
        (EndsSlowly(0), "dismiss 0"),
    ]);
}

#[test]
fn a_renewal_at_the_most_workers_waits_for_nobody() {
    let mut world = one(1);
    world.steps(&[(Call("a"), "run 0 a"), (Begins(0), ""), (Renew, "revoke 0 2")]);
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
fn what_was_pipelined_before_a_renewal_and_has_not_begun_comes_back() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.steps(&[
        (Call("first"), "start 0"),
        (Call("a"), ""),
        (Call("b"), ""),
        (Ready(0), "send 0 first, begin 0 first"),
        (Ends(0), "send 0 a, send 0 b, begin 0 a"),
        (Begins(0), ""),
        (Renew, "revoke 0 3"),
        (TickAfter(5), ""),
        (Tick, ""),
        (Ends(0), "dismiss 0"),
        (Gone(0), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
    ]);
    assert_eq!(world.caller("b").runs, 0);
}

#[test]
fn a_renewal_whose_worker_cannot_start_tries_again_and_the_old_one_goes_on() {
    let mut world = one(4);
    world.steps(&[
        (Renew, "start 1"),
        (CannotStart(1), ""),
        (Gone(1), ""),
        // Nobody runs the new code, and the old one is not run.
        (Call("a"), "refuse a CannotStart"),
        (Of("other", 1), "run 0 other"),
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
fn two_renewals_in_a_row_wait_for_one_worker_that_has_imported_nothing() {
    let mut world = one(4);
    world.steps(&[(Renew, "start 1"), (Renew, ""), (Ready(1), "dismiss 0")]);
    assert!(world.scheduler.is_renewed(2), "it had imported nothing when they changed again");
    // What it has imported is another matter.
    world.steps(&[(Call("a"), "run 1 a"), (EndsSlowly(1), ""), (Renew, "start 2"), (Renew, "")]);
    assert!(!world.scheduler.is_renewed(3));
    world.steps(&[(Ready(2), "dismiss 1")]);
    assert!(world.scheduler.is_renewed(3) && world.scheduler.is_renewed(4));
}

#[test]
fn a_successor_that_is_on_its_way_is_the_worker_of_a_renewal() {
    let mut world = one(4);
    world.steps(&[
        (Call("a"), "run 0 a"),
        (EndsWorn(0), "start 1"),
        // It is the one that is waited for now.
        (Renew, ""),
        (Call("b"), ""),
        (Ready(1), "dismiss 0, send 1 b, begin 1 b"),
        (EndsSlowly(1), ""),
    ]);
}

#[test]
fn a_pool_that_closes_while_it_renews_keeps_nobody_waiting() {
    let mut world = one(4);
    world.steps(&[
        (Renew, "start 1"),
        (Of("a", 1), "run 0 a"),
        (Call("b"), ""),
        (Close, "refuse b Shutdown"),
    ]);
    assert!(world.scheduler.is_renewed(1) && world.renewed);
    world.steps(&[(Ready(1), "discard 1"), (EndsSlowly(0), "discard 0")]);
    assert_eq!(world.caller("a").outcome, Some(CallerOutcome::Finished));
}

#[test]
fn a_worker_that_has_imported_nothing_of_what_changed_goes_on() {
    let mut world = one(4);
    world.steps(&[
        (Changes(1), ""),
        (Call("a"), "run 0 a"),
        (EndsSlowly(0), ""),
        (Of("b", 1), "run 0 b"),
        (EndsSlowly(0), ""),
        // Now it has.
        (Changes(1), "start 1"),
        (Of("c", 1), ""),
        (Call("d"), "run 0 d"),
        (EndsSlowly(0), ""),
        (Ready(1), "dismiss 0, send 1 c, begin 1 c"),
    ]);
    assert!(world.scheduler.is_renewed(2));
}

#[test]
fn where_another_serves_that_has_imported_nothing_of_it_the_old_one_goes_at_once() {
    let mut world = World::new(|bounds| bounds.workers_min = 2);
    world.steps(&[
        (WarmUp, "start 0, start 1"),
        (Ready(0), ""),
        (Ready(1), ""),
        (Of("a", 1), "run 0 a"),
        (Of("b", 2), "run 1 b"),
        (EndsSlowly(0), ""),
        (EndsSlowly(1), ""),
        (Changes(1), "dismiss 0"),
        (Of("c", 1), "run 1 c"),
    ]);
}

#[test]
fn a_call_that_was_resolved_before_its_skill_changed_is_stale_wherever_it_waits() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.steps(&[
        (Of("first", 1), "start 0"),
        (Ready(0), "send 0 first, begin 0 first"),
        (Of("a", 1), ""),
        (Of("b", 2), ""),
        (Begins(0), ""),
        (Changes(1), "refuse a Stale, revoke 0 1"),
        // One that comes late, resolved as before.
        (Late("c", 1), "refuse c Stale"),
        (Of("d", 1), ""),
        // What has begun ends on the old code.
        (EndsSlowly(0), "dismiss 0"),
        (Gone(0), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 b, begin 1 b"),
        (EndsSlowly(1), "send 1 d, begin 1 d"),
    ]);
    assert_eq!(world.caller("first").outcome, Some(CallerOutcome::Finished));
}

#[test]
fn a_call_that_is_pipelined_when_its_skill_changes_is_revoked_and_stale() {
    let mut world = World::new(|bounds| bounds.workers_max = 1);
    world.steps(&[
        (Of("first", 1), "start 0"),
        (Of("a", 1), ""),
        (Of("b", 1), ""),
        (Of("other", 2), ""),
        (Ready(0), "send 0 first, begin 0 first"),
        (Ends(0), "send 0 a, send 0 b, send 0 other, begin 0 a"),
        (Begins(0), ""),
        (Changes(1), "revoke 0 4"),
        (TickAfter(5), "refuse b Stale"),
        (Tick, ""),
        // What had begun has its old code; the other skill's call goes to the next worker.
        (Ends(0), "dismiss 0"),
        (Gone(0), ""),
        (Tick, "start 1"),
        (Ready(1), "send 1 other, begin 1 other"),
    ]);
    assert_eq!(world.caller("b").runs, 0);
}

#[test]
fn an_edit_that_is_taken_back_brings_its_version_back() {
    let mut world = one(4);
    let (first, second) = (code(1, 0), code(1, 1));
    for outdated in [first, second] {
        world.event(|scheduler, now| {
            scheduler.renew(&[outdated], false, |_| false, now);
        });
    }
    world.steps(&[(Of("a", 1), "run 0 a")]);
}

#[test]
fn a_worker_that_had_other_files_than_its_call_meant_goes_if_it_had_imported_them() {
    let mut world = one(4);
    world.steps(&[(Of("a", 1), "run 0 a"), (EndsSlowly(0), "")]);
    // Nobody has told the pool, so the worker finds out.
    world.versions.insert(1, 7);
    world.told = false;
    world.steps(&[(Of("b", 1), "run 0 b"), (EndsSlowly(0), "dismiss 0")]);
    assert_eq!(world.caller("b").outcome, Some(CallerOutcome::Stale));
}

#[test]
fn a_call_that_its_worker_has_not_begun_when_its_skill_changes_does_not_begin() {
    let mut world = one(4);
    world.steps(&[
        (Of("a", 1), "run 0 a"),
        (Of("b", 2), ""),
        (Changes(1), "revoke 0 2, start 1"),
        // It says so, and its caller is told to resolve it anew.
        (EndsSlowly(0), "refuse a Stale, send 0 b, begin 0 b"),
    ]);
    assert_eq!(world.caller("a").runs, 0);
}
