//! Any sequence of events whatever: nothing is lost, nothing runs twice, nobody overtakes, and it comes to rest.

use proptest::prelude::*;

use super::world::{CallerOutcome, MS, TestKey, World, code, skill_of};

/// One event; the number says which worker or caller, of those there are.
#[derive(Clone, Debug)]
enum Event {
    Call { pipelines: bool, small: bool, key: Option<u8>, hasty: bool, skill: u8, late: bool, below: bool },
    Leaves(usize),
    Ready(usize),
    CannotStart(usize, bool),
    Begins(usize),
    Finishes(usize),
    Heard(usize, bool),
    WaitsForClient(usize),
    GoesOn(usize),
    Wears(usize),
    Spoils(usize),
    Dies(usize),
    Gone(usize),
    AbandonedCallEnd(usize, bool),
    Passes(u8),
    Tick,
    Renew(u8),
    Places(usize),
    GiveUpIdle,
    GiveUpNext,
    Close,
}

fn event() -> impl Strategy<Value = Event> {
    let at = 0_usize..8;
    let key = prop_oneof![4 => Just(None), 1 => (0_u8..4).prop_map(Some)];
    prop_oneof![
        30 => (prop::bool::weighted(0.8), prop::bool::weighted(0.9), key, prop::bool::weighted(0.1), 0_u8..3, prop::bool::weighted(0.1), prop::bool::weighted(0.1))
            .prop_map(|(pipelines, small, key, hasty, skill, late, below)| {
                Event::Call { pipelines: pipelines && !below, small, key, hasty, skill, late, below }
            }),
        4 => (0_usize..64).prop_map(Event::Leaves),
        10 => at.clone().prop_map(Event::Ready),
        1 => (at.clone(), any::<bool>()).prop_map(|(at, known)| Event::CannotStart(at, known)),
        20 => at.clone().prop_map(Event::Begins),
        20 => at.clone().prop_map(Event::Finishes),
        30 => (at.clone(), prop::bool::weighted(0.8)).prop_map(|(at, quick)| Event::Heard(at, quick)),
        10 => at.clone().prop_map(Event::WaitsForClient),
        5 => at.clone().prop_map(Event::GoesOn),
        1 => at.clone().prop_map(Event::Wears),
        1 => at.clone().prop_map(Event::Spoils),
        2 => at.clone().prop_map(Event::Dies),
        4 => at.clone().prop_map(Event::Gone),
        8 => (at, any::<bool>()).prop_map(|(at, obeys)| Event::AbandonedCallEnd(at, obeys)),
        10 => (0_u8..30).prop_map(Event::Passes),
        15 => Just(Event::Tick),
        1 => (0_u8..3).prop_map(Event::Renew),
        1 => (0_usize..5).prop_map(Event::Places),
        1 => Just(Event::GiveUpIdle),
        1 => Just(Event::GiveUpNext),
        1 => prop::bool::weighted(0.05).prop_map(|close| if close { Event::Close } else { Event::Tick }),
    ]
}

fn happens(world: &mut World, event: &Event) {
    let workers = world.workers.len();
    // Those that live are the later ones.
    let worker = |at: usize| (workers > 0).then(|| workers - 1 - at % workers);
    let with = |world: &mut World, at: usize, step: &mut dyn FnMut(&mut World, usize)| {
        if let Some(at) = worker(at) {
            step(world, at);
        }
    };
    match *event {
        Event::Call { pipelines, small, key, hasty, skill, late, below } => {
            let skill = key.map_or(skill, |key| skill_of(TestKey(key)));
            let version = world.versions.get(&skill).copied().unwrap_or(0);
            // One that was resolved just before the last change.
            let code = code(skill, version.saturating_sub(u32::from(late)));
            let expires = hasty.then(|| world.now + 20 * MS);
            world.comes("call", |facts| {
                (facts.pipelines, facts.small, facts.key, facts.expires) =
                    (pipelines, small, key.map(TestKey), expires);
                (facts.code, facts.below) = (code, below);
            });
        }
        Event::Leaves(caller) if !world.callers.is_empty() => {
            let callers = world.callers.len();
            world.leaves(callers - 1 - caller % callers);
        }
        Event::Leaves(_) => {}
        Event::Ready(at) => with(world, at, &mut |world, at| world.is_ready(at)),
        Event::CannotStart(at, known) => with(world, at, &mut |world, at| world.cannot_start(at, known)),
        Event::Begins(at) => with(world, at, &mut |world, at| world.begins(at)),
        Event::Finishes(at) => with(world, at, &mut |world, at| world.finishes(at)),
        Event::Heard(at, quick) => with(world, at, &mut |world, at| {
            world.is_heard(at, if quick { MS / 2 } else { 20 * MS });
        }),
        Event::WaitsForClient(at) => with(world, at, &mut |world, at| world.waits(at)),
        Event::GoesOn(at) => with(world, at, &mut |world, at| world.goes_on(at)),
        Event::Wears(at) => with(world, at, &mut |world, at| world.wears_out(at)),
        Event::Spoils(at) => with(world, at, &mut |world, at| world.spoils(at)),
        Event::Dies(at) => with(world, at, &mut |world, at| world.dies(at)),
        Event::Gone(at) => with(world, at, &mut |world, at| world.is_gone(at)),
        Event::AbandonedCallEnd(at, obeys) => with(world, at, &mut |world, at| {
            world.abandoned_end(at, obeys);
        }),
        Event::Passes(time) => world.passes(u32::from(time) * MS),
        Event::Tick => world.tick(),
        Event::Renew(skill) => world.changes(skill),
        Event::Places(places) => world.places = places,
        Event::GiveUpIdle => world.event(|scheduler, _| {
            scheduler.give_up_idle();
        }),
        Event::GiveUpNext => world.event(|scheduler, _| scheduler.give_up_next()),
        Event::Close => world.event(|scheduler, _| scheduler.close()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_call_ends_once_and_the_pool_comes_to_rest(
        events in prop::collection::vec(event(), 1..300),
        workers_max in 1_usize..4,
        cores in 1_usize..3,
    ) {
        let mut world = World::new(|bounds| (bounds.workers_max, bounds.cores) = (workers_max, cores));
        for event in &events {
            happens(&mut world, event);
        }
        // What other pools have taken comes free at last.
        world.places = usize::MAX / 2;
        world.runs_out();
        for caller in &world.callers {
            prop_assert!(caller.runs <= 1, "{caller:?}");
            prop_assert!(caller.outcome.is_some(), "lost: {caller:?}");
            prop_assert!(caller.outcome != Some(CallerOutcome::Finished) || caller.runs == 1, "{caller:?}");
        }
        prop_assert!(world.scheduler.calls.is_clear(), "something is left of a call");
        prop_assert!(!world.workers.iter().any(|worker| worker.waits), "what is over waits");
        prop_assert!(world.scheduler.staying() <= workers_max, "it has not shrunk: {}", world.scheduler.staying());
        let generation = world.scheduler.recycle.generation;
        prop_assert!(world.scheduler.is_renewed(generation), "a renewal waits for ever");
    }
}
