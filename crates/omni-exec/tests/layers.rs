//! The layers of policy, each around an executor that does what the test says: no Python, no process, and a clock that
//! stands still while anybody works.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use omni_call::{
    Affinity, BoxFuture, Call, CallId, CallPort, CallRequest, CallResult, Deadline, Executor, ExecutorKind,
    InterpreterExecutor, NoClient, Outcome, OutcomeKind, Phase, Policy, PythonTarget, Requirements,
    RequirementsSource, RunSpec, ServerExecutor, ToolResult, Trust,
};
use omni_exec::{
    ChoiceRules, ConcurrencyLimits, ExecutorChoice, ExecutorProvider, ExecutorSet, ExecutorSets, Placement,
    PolicyBounds, Quarantine, ResultCache, Retry, SetNeeds, SizeLimit, StartRefusal, runner_policy,
    server_policy,
};
use omni_testkit::{ScriptedExecutor, StartedCalls, crashed};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// One tool, and calls of it.
#[derive(Clone)]
struct Tool {
    spec: Arc<RunSpec>,
    arguments: &'static str,
    session: &'static str,
    total: Option<Duration>,
}

fn tool(command: &str) -> Tool {
    declaring(command, Policy::default())
}

fn declaring(command: &str, policy: Policy) -> Tool {
    let mut spec = RunSpec::new("s", command, PythonTarget::new("/s", "scripts/a.py", command));
    spec.policy = policy;
    Tool { spec: Arc::new(spec), arguments: "{}", session: "", total: None }
}

impl Tool {
    fn with(self, arguments: &'static str) -> Self {
        Tool { arguments, ..self }
    }

    fn in_session(self, session: &'static str) -> Self {
        Tool { session, ..self }
    }

    fn run_by(self, executor: ExecutorKind) -> Self {
        let mut spec = RunSpec::new(&self.spec.skill, &self.spec.command, self.spec.target.clone());
        spec.executor = executor;
        Tool { spec: Arc::new(spec), ..self }
    }

    fn within(self, total: Duration) -> Self {
        Tool { total: Some(total), ..self }
    }

    fn call(&self) -> Call {
        let deadline = Deadline::new(Instant::now().into_std(), self.total, None);
        let request = CallRequest::tool(self.arguments);
        let call = Call::new(CallId(1), Arc::clone(&self.spec), request, deadline);
        Call { session: self.session.into(), ..call }
    }

    async fn run(&self, executor: &impl Executor) -> Outcome {
        executor.run(self.call(), &mut NoClient).await
    }

    /// Runs a call in a task of its own.
    fn start(&self, executor: &Arc<impl Executor + 'static>) -> JoinHandle<Outcome> {
        let (executor, call) = (Arc::clone(executor), self.call());
        tokio::spawn(async move { executor.run(call, &mut NoClient).await })
    }
}

fn refused_for(outcome: &Outcome) -> Option<Duration> {
    match outcome.kind {
        OutcomeKind::Quarantined { retry_after } => Some(retry_after),
        _ => None,
    }
}

fn finished(outcome: &Outcome) -> bool {
    matches!(outcome.kind, OutcomeKind::Finished(_))
}

fn meta(outcome: &Outcome) -> String {
    match &outcome.kind {
        OutcomeKind::Finished(CallResult::Tool(ToolResult { meta: Some(meta), .. })) => {
            String::from_utf8_lossy(meta).into_owned()
        }
        _ => String::new(),
    }
}

/// Waits until whoever can go on has done so: nobody has anything to do but wait.
async fn settled() {
    sleep(Duration::from_millis(1)).await;
}

fn nobody_came(calls: &mut StartedCalls) -> bool {
    calls.try_next().is_none()
}

#[tokio::test(start_paused = true)]
async fn deaths_of_a_tool_add_up_over_executors_and_sessions() {
    let (scripted, mut calls) = ScriptedExecutor::new();
    let stack = Arc::new(Quarantine::new(scripted));
    for (executor, session) in
        [(ExecutorKind::Pool, "a"), (ExecutorKind::Fork, "b"), (ExecutorKind::Spawn, "c")]
    {
        let running = tool("crashes").run_by(executor).in_session(session).start(&stack);
        calls.next().await.crash();
        assert_eq!(running.await.unwrap().kind, OutcomeKind::Signalled { signal: 11 });
    }
    let refused = tool("crashes").in_session("d").run(&stack).await;
    assert_eq!((refused_for(&refused), refused.phase), (Some(30 * SECOND), Phase::Queued));
    assert!(nobody_came(&mut calls));
    let other = tool("other").start(&stack);
    calls.next().await.finish("fine");
    assert!(finished(&other.await.unwrap()), "its neighbour notices nothing");
}

#[tokio::test(start_paused = true)]
async fn a_paused_tool_recovers_and_one_more_death_pauses_it_again() {
    let (scripted, mut calls) = ScriptedExecutor::new();
    let stack = Arc::new(Quarantine::new(scripted));
    let tool = tool("crashes");
    for _ in 0..3 {
        let running = tool.start(&stack);
        calls.next().await.crash();
        running.await.unwrap();
    }
    advance(10 * SECOND).await;
    assert_eq!(refused_for(&tool.run(&stack).await), Some(20 * SECOND));
    advance(20 * SECOND).await;
    let running = tool.start(&stack);
    calls.next().await.finish("well again");
    assert!(finished(&running.await.unwrap()));
    let running = tool.start(&stack);
    calls.next().await.crash();
    running.await.unwrap();
    assert_eq!(refused_for(&tool.run(&stack).await), Some(30 * SECOND), "two more within this minute");
    advance(61 * SECOND).await;
    for _ in 0..2 {
        let running = tool.start(&stack);
        calls.next().await.crash();
        running.await.unwrap();
    }
    let running = tool.start(&stack);
    calls.next().await.finish("all before is forgotten");
    assert!(finished(&running.await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn only_a_death_that_a_call_can_be_blamed_for_counts() {
    let lost = || OutcomeKind::Lost { message: "its worker is gone".into() };
    let started = |kind| Outcome { phase: Phase::Started, ..Outcome::unstarted(kind, Duration::ZERO) };
    let innocent: [(&str, Outcome); 4] = [
        ("others shared its process", started(lost())),
        ("it had not begun", Outcome { phase: Phase::Starting, ..crashed() }),
        ("a time limit bounds what it costs", started(OutcomeKind::TimedOut { limit: SECOND })),
        ("a program may end so", started(OutcomeKind::Exited { code: 1, message: None })),
    ];
    for (why, outcome) in innocent {
        let stack = Quarantine::new(ScriptedExecutor::concluding(move |_| outcome.clone()));
        for _ in 0..9 {
            assert_eq!(refused_for(&tool("t").run(&stack).await), None, "{why}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_end_within_the_one_deadline() {
    let stack = Retry::new(ScriptedExecutor::concluding(|_| crashed()));
    let policy = Policy { repeatable: true, max_attempts: Some(10), ..Policy::default() };
    // The pauses are 50, 100 and 200 ms.
    let outcome = declaring("t", policy.clone()).within(Duration::from_millis(300)).run(&stack).await;
    assert_eq!((outcome.attempt, outcome.kind), (3, OutcomeKind::Signalled { signal: 11 }));
    let outcome = declaring("t", policy).run(&stack).await;
    assert_eq!(outcome.attempt, 10, "without a deadline it is the policy that ends them");
    assert_eq!(tool("t").run(&stack).await.attempt, 1, "a plain call is run once");
}

#[tokio::test(start_paused = true)]
async fn a_result_says_how_many_attempts_it_took_and_each_reaches_the_executor() {
    let (scripted, mut calls) = ScriptedExecutor::new();
    let stack = Arc::new(Retry::new(scripted));
    let running = declaring("t", Policy { repeatable: true, ..Policy::default() }).start(&stack);
    calls.next().await.crash();
    calls.next().await.finish("at last");
    let outcome = running.await.unwrap();
    assert_eq!((outcome.attempt, meta(&outcome).as_str()), (2, r#"{"omni/attempt":2}"#));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_between_two_attempts_ends_it() {
    let (scripted, mut calls) = ScriptedExecutor::new();
    let stack = Arc::new(Retry::new(scripted));
    let running = declaring("t", Policy { repeatable: true, ..Policy::default() }).start(&stack);
    calls.next().await.crash();
    settled().await;
    running.abort();
    sleep(SECOND).await;
    assert!(nobody_came(&mut calls));
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_their_turn_in_the_order_they_came_and_no_longer_than_their_deadline() {
    let (scripted, mut calls) = ScriptedExecutor::new();
    let stack = Arc::new(ConcurrencyLimits::new(scripted));
    let one = declaring("t", Policy { concurrency: Some(1), ..Policy::default() });
    let first = one.start(&stack);
    let running = calls.next().await;
    let second = one.clone().with(r#"{"n": 2}"#).start(&stack);
    settled().await;
    let third = one.clone().with(r#"{"n": 3}"#).start(&stack);
    let late = one.clone().within(SECOND).run(&stack).await;
    assert_eq!((late.kind, late.phase), (OutcomeKind::TimedOut { limit: SECOND }, Phase::Queued));
    assert!(nobody_came(&mut calls));
    running.finish("1");
    let running = calls.next().await;
    assert_eq!(running.arguments()["n"], 2);
    // Whoever is cancelled gives its turn up.
    second.abort();
    let third_running = calls.next().await;
    assert_eq!(third_running.arguments()["n"], 3);
    third_running.finish("3");
    assert!(finished(&first.await.unwrap()) && finished(&third.await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_kept_result_answers_the_same_call_until_its_time_is_over_and_no_error_is_kept() {
    let (scripted, mut calls) = ScriptedExecutor::new();
    let stack = Arc::new(ResultCache::new(scripted, 1 << 20));
    let cached = declaring("t", Policy { cache_ttl_ms: Some(1_000), ..Policy::default() });
    let running = cached.start(&stack);
    calls.next().await.crash();
    assert!(!finished(&running.await.unwrap()));
    let running = cached.start(&stack);
    calls.next().await.finish("x");
    assert!(finished(&running.await.unwrap()));
    advance(SECOND / 2).await;
    let again = cached.clone().in_session("another").run(&stack).await;
    assert_eq!(meta(&again), r#"{"omni/cached":{"age_ms":500}}"#);
    let running = cached.clone().with(r#"{"a": 1}"#).start(&stack);
    calls.next().await.finish("y");
    assert_eq!(meta(&running.await.unwrap()), "");
    advance(SECOND / 2).await;
    let running = cached.start(&stack);
    calls.next().await.finish("z");
    assert!(finished(&running.await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_refused_with_the_size_that_it_may_have() {
    let stack = SizeLimit::new(ScriptedExecutor::echoing(), 5_000);
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(5_000));
    let outcome = tool("t").with(long.leak()).run(&stack).await;
    let OutcomeKind::InvalidArguments { message } = outcome.kind else { panic!("{:?}", outcome.kind) };
    assert!(message.starts_with("`s.t` was not called: its arguments are 5011 bytes long; a worker takes "));
    assert!(finished(&tool("t").with(r#"{"text":"x"}"#).run(&stack).await));
}

/// The order of the layers, by what each of them must know or spare the next.
#[tokio::test(start_paused = true)]
async fn a_call_meets_the_layers_in_the_order_of_the_stack() {
    let (scripted, mut calls) = ScriptedExecutor::new();
    let bounds = PolicyBounds { frame_bytes_max: 6_000, cached_bytes_max: 1 << 20 };
    let stack = Arc::new(server_policy(scripted, bounds));
    let all = declaring(
        "t",
        Policy {
            cache_ttl_ms: Some(1_000_000),
            concurrency: Some(1),
            repeatable: true,
            max_attempts: Some(9),
            affinity: Some(Affinity::Session),
            ..Policy::default()
        },
    )
    .in_session("me");
    let kept = all.start(&stack);
    let first = calls.next().await;
    let key = first.call.affinity.as_deref().expect("who runs it is told where");
    assert_eq!((key.skill.as_str(), key.session.as_deref()), ("s", Some("me")));
    first.finish("kept");
    assert!(finished(&kept.await.unwrap()));

    let running = all.clone().with(r#"{"n": 1}"#).start(&stack);
    let first = calls.next().await;
    // The one turn is taken.
    let hit = all.run(&stack).await;
    assert!(meta(&hit).contains("omni/cached"), "a kept result takes no turn: {hit:?}");
    let long = format!(r#"{{"n": 2, "text": "{}"}}"#, "x".repeat(6_000));
    let large = all.clone().with(long.leak()).run(&stack).await;
    assert!(matches!(large.kind, OutcomeKind::InvalidArguments { .. }), "it waits for nothing: {large:?}");
    let waits = all.clone().with(r#"{"n": 3}"#).start(&stack);
    first.crash();
    settled().await;
    assert!(nobody_came(&mut calls), "the call that is to be run again keeps its turn meanwhile");
    calls.next().await.crash();
    let third = calls.next().await;
    assert_eq!(third.arguments()["n"], 1);
    third.crash();
    let outcome = running.await.unwrap();
    assert!(refused_for(&outcome).is_some(), "each attempt counted, and the pause ended them: {outcome:?}");
    assert_eq!(outcome.attempt, 4);
    assert!(refused_for(&waits.await.unwrap()).is_some());
    assert!(nobody_came(&mut calls));
    let hit = all.run(&stack).await;
    assert!(meta(&hit).contains("omni/cached"), "a kept result is as good during the pause: {hit:?}");
}

#[tokio::test(start_paused = true)]
async fn a_runner_keeps_what_belongs_to_its_processes_and_leaves_the_rest_to_its_callers() {
    let (scripted, mut calls) = ScriptedExecutor::new();
    let stack = Arc::new(runner_policy(scripted, PolicyBounds::default()));
    let policy = Policy {
        cache_ttl_ms: Some(1_000_000),
        concurrency: Some(1),
        repeatable: true,
        affinity: Some(Affinity::Single),
        ..Policy::default()
    };
    let declared = declaring("t", policy);
    let both = [declared.start(&stack), declared.start(&stack)];
    let [one, two] = [calls.next().await, calls.next().await];
    assert!(one.call.affinity.is_some());
    one.finish("kept by the caller");
    two.crash();
    for running in both {
        assert_eq!(running.await.unwrap().attempt, 1);
    }
    for _ in 0..2 {
        let running = declared.start(&stack);
        calls.next().await.crash();
        running.await.unwrap();
    }
    assert!(refused_for(&declared.run(&stack).await).is_some());
}

/// Can be awaited within another future only.
struct NeverBoxed;

impl Executor for NeverBoxed {
    fn run<'a>(&'a self, _: Call, _: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        panic!("one box more");
    }

    async fn run_unboxed(&self, _: Call, _: &mut dyn CallPort) -> Outcome {
        crashed()
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn all_of_a_plain_call_is_one_box() {
    let stack = server_policy(NeverBoxed, PolicyBounds::default());
    assert_eq!(tool("t").run(&stack).await.kind, OutcomeKind::Signalled { signal: 11 });
}

/// Executors that say by which of them, and of which set, a call was run.
struct Scripted {
    ready: OnceLock<ScriptedSets>,
    runner: Option<Arc<ScriptedExecutor>>,
    native: Arc<ScriptedExecutor>,
    /// How often an interpreter was looked for.
    looked: AtomicUsize,
    /// There is none.
    nothing: AtomicBool,
}

struct ScriptedSets {
    common: ScriptedSet,
}

struct ScriptedSet(SetNeeds);

fn saying(text: &'static str) -> Arc<ScriptedExecutor> {
    ScriptedExecutor::answering(move |_| ToolResult::of_json(&format!("{text:?}")).into())
}

impl Scripted {
    fn new(runner: bool) -> Arc<Self> {
        Arc::new(Scripted {
            ready: OnceLock::new(),
            runner: runner.then(|| saying("runner")),
            native: saying("native"),
            looked: AtomicUsize::new(0),
            nothing: AtomicBool::new(false),
        })
    }

    fn looked(&self) -> usize {
        self.looked.load(Ordering::Relaxed)
    }
}

impl ExecutorProvider for Scripted {
    type Sets = ScriptedSets;

    fn standing(&self, executor: ServerExecutor) -> Option<&dyn Executor> {
        match executor {
            ServerExecutor::Runner => self.runner.as_ref().map(|runner| runner as &dyn Executor),
            ServerExecutor::Native => Some(&self.native),
            ServerExecutor::File => None,
        }
    }

    fn ready(&self) -> Option<&ScriptedSets> {
        self.ready.get()
    }

    fn make_ready(&self) -> BoxFuture<'_, Result<&ScriptedSets, StartRefusal>> {
        self.looked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            if self.nothing.load(Ordering::Relaxed) {
                return Err(StartRefusal { message: "no Python".into(), hint: "install one".into() });
            }
            let common = ScriptedSet(SetNeeds::default());
            Ok(self.ready.get_or_init(|| ScriptedSets { common }))
        })
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl ExecutorSets for ScriptedSets {
    type Set = ScriptedSet;

    fn common(&self) -> &ScriptedSet {
        &self.common
    }

    fn wants_environment(&self, requirements: &Requirements) -> bool {
        !requirements.dependencies.is_empty()
    }

    fn set_for<'a>(
        &'a self,
        _: &'a mut Call,
        needs: SetNeeds,
        _: &'a mut dyn CallPort,
    ) -> BoxFuture<'a, Result<Arc<ScriptedSet>, Box<Outcome>>> {
        Box::pin(std::future::ready(Ok(Arc::new(ScriptedSet(needs)))))
    }
}

impl ExecutorSet for ScriptedSet {
    async fn run_by(&self, executor: InterpreterExecutor, call: Call, _: &mut dyn CallPort) -> Outcome {
        let SetNeeds { environment, own_processes } = self.0;
        let text = format!("{executor:?} environment={environment} own={own_processes}").to_lowercase();
        let elapsed = call.deadline.accepted().elapsed();
        Outcome::unstarted(ToolResult::of_json(&format!("{text:?}")).into(), elapsed)
    }
}

/// Who ran the call, or why nobody did.
fn who(outcome: &Outcome) -> String {
    match &outcome.kind {
        OutcomeKind::Finished(CallResult::Tool(result)) => {
            serde_json::from_slice(result.structured.as_deref().unwrap_or(b"null")).unwrap_or_default()
        }
        OutcomeKind::WorkerStart { message, .. } => message.clone(),
        other => panic!("{other:?}"),
    }
}

/// A tool that runs by this executor, may say `trust: own`, and may need a package.
fn placed(executor: ExecutorKind, trust: Trust, package: Option<&str>, policy: Policy) -> Tool {
    let mut python = PythonTarget::new("/s", "scripts/a.py", "c");
    python.requirements = package.map(|package| Requirements {
        key: "k".into(),
        source: RequirementsSource::Pyproject,
        file: "pyproject.toml".into(),
        python: None,
        dependencies: vec![package.to_owned()],
        locked: None,
    });
    let mut spec = RunSpec::new("s", "c", python);
    (spec.executor, spec.trust, spec.policy) = (executor, trust, policy);
    Tool { spec: Arc::new(spec), arguments: "{}", session: "me", total: None }
}

#[tokio::test]
async fn a_call_runs_by_the_executor_it_names_in_the_set_that_has_what_it_needs() {
    let stack = Placement::new(ExecutorChoice::new(Scripted::new(true), ChoiceRules::default()));
    let state = || Policy { affinity: Some(Affinity::Session), ..Policy::default() };
    let (shared, own) = (Trust::Shared, Trust::Own);
    let table = [
        (ExecutorKind::Pool, shared, None, Policy::default(), "pool environment=false own=false"),
        (ExecutorKind::Fork, own, None, Policy::default(), "fork environment=false own=true"),
        (ExecutorKind::Pool, own, None, state(), "pool environment=false own=false"),
        (ExecutorKind::Fork, own, None, state(), "fork environment=false own=true"),
        (ExecutorKind::Spawn, shared, Some("x"), Policy::default(), "spawn environment=true own=false"),
        (ExecutorKind::Pool, own, Some("x"), Policy::default(), "pool environment=true own=true"),
        (ExecutorKind::Embedded, shared, None, Policy::default(), "embedded environment=false own=false"),
        (ExecutorKind::Runner, shared, None, Policy::default(), "runner"),
    ];
    for (executor, trust, package, policy, expected) in table {
        let outcome = placed(executor, trust, package, policy).run(&stack).await;
        assert_eq!(who(&outcome), expected, "{executor:?} {trust:?} {package:?}");
    }
}

#[tokio::test]
async fn a_call_that_none_may_run_is_refused_before_an_interpreter_is_looked_for() {
    let executors = Scripted::new(false);
    let rules = ChoiceRules { trust_command: Some("omni trust".into()), ..ChoiceRules::default() };
    let stack = ExecutorChoice::new(Arc::clone(&executors), rules);
    let plain = Policy::default;
    let untrusted = placed(ExecutorKind::Embedded, Trust::Shared, None, plain()).run(&stack).await;
    assert!(who(&untrusted).contains("not trusted"), "{untrusted:?}");
    let nowhere = placed(ExecutorKind::Runner, Trust::Shared, None, plain()).run(&stack).await;
    assert_eq!(who(&nowhere), "it runs at a runner, and none is named");
    let foreign = placed(ExecutorKind::Native, Trust::Shared, None, plain()).run(&stack).await;
    assert_eq!(who(&foreign), "`s.c` is a Python function, and `native` runs none of those");
    assert_eq!(executors.looked(), 0);

    let stack = ExecutorChoice::new(Arc::clone(&executors), ChoiceRules::default());
    let own = placed(ExecutorKind::Embedded, Trust::Own, None, plain()).run(&stack).await;
    assert!(who(&own).contains("`trust: own`"), "{own:?}");
    assert_eq!(executors.looked(), 0);
    let needs = placed(ExecutorKind::Embedded, Trust::Shared, Some("x"), plain()).run(&stack).await;
    assert!(who(&needs).contains("asks for packages of its own in `pyproject.toml`"), "{needs:?}");
}

#[tokio::test]
async fn where_this_process_is_the_runner_its_tools_run_as_the_settings_say() {
    let rules = ChoiceRules { instead_of_runner: Some(ExecutorKind::Fork), ..ChoiceRules::default() };
    let stack = ExecutorChoice::new(Scripted::new(false), rules);
    let outcome = placed(ExecutorKind::Runner, Trust::Shared, None, Policy::default()).run(&stack).await;
    assert_eq!(who(&outcome), "fork environment=false own=false");
}

#[tokio::test]
async fn an_interpreter_that_was_not_there_is_looked_for_again_by_the_next_call() {
    let executors = Scripted::new(false);
    executors.nothing.store(true, Ordering::Relaxed);
    let stack = ExecutorChoice::new(Arc::clone(&executors), ChoiceRules::default());
    assert_eq!(who(&tool("t").run(&stack).await), "no Python");
    executors.nothing.store(false, Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(who(&tool("t").run(&stack).await), "pool environment=false own=false");
    }
    assert_eq!(executors.looked(), 2);
}
