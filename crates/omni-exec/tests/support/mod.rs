//! A project folder with one skill, an executor on it, and calls in one line each.
#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![allow(dead_code, reason = "each test file uses its part")]
#![expect(clippy::unwrap_used, reason = "a panic here is the report of a failure")]

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use omni_call::{
    Answer, Ask, AskRefusal, BoxFuture, Call, CallId, CallPort, CallRequest, CallResult, Deadline, Event,
    EventSink, Executor, ForkSettings, InjectedParameter, LogLevel, Outcome, OutcomeKind, Policy,
    ProgramTarget, PythonTarget, RunSpec, SkillChange, Target, Wants,
};
use omni_exec::{
    Embedded, Embedding, ExecConfig, Fork, Placement, PolicyBounds, Pool, Runner, RunnerAddress,
    RunnerConfig, Spawn, server_policy,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// More than anything here takes on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An executor that has processes here, and its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessKind {
    Pool,
    Spawn,
    Fork { ahead: u32, calls: u32 },
}

impl ProcessKind {
    /// Forked when the call comes.
    pub(crate) const FORK: ProcessKind = ProcessKind::Fork { ahead: 0, calls: 1 };
    /// Forked before it comes.
    pub(crate) const FORK_AHEAD: ProcessKind = ProcessKind::Fork { ahead: 2, calls: 1 };
    /// One process for several calls.
    pub(crate) const FORK_REUSED: ProcessKind = ProcessKind::Fork { ahead: 0, calls: 100 };

    pub(crate) const FORKS: [ProcessKind; 3] = [Self::FORK, Self::FORK_AHEAD, Self::FORK_REUSED];
    pub(crate) const ALL: [ProcessKind; 5] =
        [Self::Pool, Self::Spawn, Self::FORK, Self::FORK_AHEAD, Self::FORK_REUSED];
}

pub(crate) struct Lab {
    folder: TempDir,
    /// Who runs the calls, where that is not the executor itself.
    pub(crate) site: Option<Site>,
    pub(crate) executor: Arc<dyn Executor>,
}

impl Lab {
    pub(crate) fn pool() -> Self {
        Self::pool_with(|_| {})
    }

    pub(crate) fn pool_with(change: impl FnOnce(&mut ExecConfig)) -> Self {
        Self::new(change, |config| Arc::new(Placement::new(Pool::new(config))))
    }

    /// A pool, and a hold on it by which it can be told to renew its workers.
    pub(crate) fn pool_to_renew(change: impl FnOnce(&mut ExecConfig)) -> (Self, Arc<Pool>) {
        let mut pool = None;
        let lab = Self::new(change, |config| {
            Arc::new(Placement::new(Arc::clone(pool.insert(Arc::new(Pool::new(config))))))
        });
        (lab, pool.unwrap())
    }

    /// The interpreter inside this very process, and a pool for when it is wedged.
    pub(crate) fn embedded() -> Self {
        Self::embedded_with(|_| {})
    }

    pub(crate) fn embedded_with(change: impl FnOnce(&mut ExecConfig)) -> Self {
        Self::inside(change, embedding())
    }

    /// With this library of the interpreter.
    pub(crate) fn embedded_from(library: &str) -> Self {
        Self::inside(|_| {}, Embedding { library: library.into(), utf8: false })
    }

    fn inside(change: impl FnOnce(&mut ExecConfig), embedding: Embedding) -> Self {
        Self::new(change, |config| {
            let pool: Arc<dyn Executor> = Arc::new(Pool::new(Arc::clone(&config)));
            Arc::new(Inside { embedded: Embedded::new(config, embedding, Arc::clone(&pool)), pool })
        })
    }

    /// With a process-id namespace for whatever is started; `None` where this machine has none.
    #[expect(clippy::print_stderr, reason = "says that a test has proved nothing")]
    pub(crate) fn isolated(process: ProcessKind) -> Option<Self> {
        if let Err(reason) = omni_process::namespaces(&launcher()) {
            eprintln!("not tested here: no process-id namespaces ({reason})");
            return None;
        }
        Some(Self::of(process, |config| config.process.isolation = omni_process::Isolation::Auto))
    }

    /// With one of the executors that have processes here.
    pub(crate) fn of(process: ProcessKind, change: impl FnOnce(&mut ExecConfig)) -> Self {
        match process {
            ProcessKind::Pool => Self::pool_with(change),
            ProcessKind::Spawn => Self::spawn_with(change),
            ProcessKind::Fork { ahead, calls } => Self::fork_with(|config| {
                config.fork = ForkSettings { ahead: Some(ahead), calls: Some(calls) };
                change(config);
            }),
        }
    }

    /// A pool, and around it a server's policy.
    pub(crate) fn governed() -> Self {
        Self::new(|_| {}, |config| Arc::new(server_policy(Pool::new(config), PolicyBounds::default())))
    }

    pub(crate) fn spawn() -> Self {
        Self::spawn_with(|_| {})
    }

    pub(crate) fn spawn_with(change: impl FnOnce(&mut ExecConfig)) -> Self {
        Self::new(change, |config| Arc::new(Spawn::new(config)))
    }

    /// A process for each call, forked when the call comes.
    pub(crate) fn fork() -> Self {
        Self::fork_with(|_| {})
    }

    pub(crate) fn fork_with(change: impl FnOnce(&mut ExecConfig)) -> Self {
        Self::fork_to_renew(change).0
    }

    /// Forked processes, and a hold on what forks them by which it can be told to begin anew.
    pub(crate) fn fork_to_renew(change: impl FnOnce(&mut ExecConfig)) -> (Self, Arc<Fork>) {
        let mut fork = None;
        let lab = Self::new(change, |config| Arc::clone(fork.insert(Arc::new(Fork::new(config)))) as _);
        (lab, fork.unwrap())
    }

    /// A runner in Python, and around it a server's policy.
    pub(crate) fn at_runner() -> Self {
        let mut lab = Self::new(|_| {}, |_| Arc::new(Runner::new(RunnerConfig::new(nowhere()))));
        // It imports the skills that it lists: one that kills whoever does so would hide its neighbours.
        std::fs::remove_file(lab.root().join("skills/lab/scripts/dying.py")).unwrap();
        let site = Site::open(lab.root(), "runner.sock");
        let config = RunnerConfig::new(site.address.parse().unwrap());
        lab.executor = Arc::new(server_policy(Runner::new(config), PolicyBounds::default()));
        lab.site = Some(site);
        lab
    }

    fn new(
        change: impl FnOnce(&mut ExecConfig),
        executor: impl FnOnce(Arc<ExecConfig>) -> Arc<dyn Executor>,
    ) -> Self {
        let folder = tempfile::Builder::new().prefix("omni-exec-").tempdir().unwrap();
        let scripts = folder.path().join("skills/lab/scripts");
        std::fs::create_dir_all(&scripts).unwrap();
        std::fs::write(scripts.parent().unwrap().join("SKILL.md"), "---\nname: lab\ndescription: x\n---\n")
            .unwrap();
        for (name, text) in [
            ("tools.py", include_str!("tools.py")),
            ("dying.py", include_str!("tools_dying_at_import.py")),
            ("broken.py", include_str!("tools_broken.py")),
            ("hostile.py", include_str!("tools_hostile.py")),
            ("temp.py", include_str!("tools_temp.py")),
            ("asks.py", include_str!("../../../../fixtures/skills/asks/scripts/asks.py")),
        ] {
            std::fs::write(scripts.join(name), text).unwrap();
        }
        let mut config = ExecConfig::new(python(), package(), launcher(), folder.path().to_owned());
        config.settings = json!({"lab": {"colour": "blue"}}).as_object().unwrap().clone();
        change(&mut config);
        Lab { folder, site: None, executor: executor(Arc::new(config)) }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A call of a function in `tools.py`.
    pub(crate) fn call(&self, function: &str) -> Request {
        self.call_in("tools.py", function)
    }

    pub(crate) fn call_in(&self, file: &str, function: &str) -> Request {
        let skill = self.root().join("skills/lab");
        let target = PythonTarget {
            is_async: function.starts_with("async_"),
            ..PythonTarget::new(skill, &format!("scripts/{file}"), function)
        };
        let spec = RunSpec::new("lab", function, target);
        Request {
            executor: Arc::clone(&self.executor),
            spec,
            shared: None,
            request: CallRequest::tool("{}"),
            total: Some(PATIENCE),
            idle: None,
            wants: Wants { progress: true, log: Some(LogLevel::Debug) },
            session: "session-1",
            answers: false,
        }
    }

    /// What a pool is told when files of the skill have changed.
    pub(crate) fn changed(&self) -> Vec<SkillChange> {
        let folder = self.root().join("skills/lab");
        vec![SkillChange { skill: "lab".into(), folder, before: None }]
    }

    /// Writes the tools `version` and `async_version` of `edited.py` anew, as an author would who edits them.
    pub(crate) fn edit(&self, version: u32) {
        let text = format!(
            "from omni import tool\n\n@tool\ndef version() -> int:\n    return {version}\n\n\
             @tool\nasync def async_version() -> int:\n    return {version}\n"
        );
        let path = self.root().join("skills/lab/scripts/edited.py");
        // By renaming, so that nobody reads half a file.
        let aside = path.with_extension("new");
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(aside, path).unwrap();
        // A file that is as long and as old as its compiled form says is not read again.
        let _ = std::fs::remove_dir_all(self.root().join("skills/lab/scripts/__pycache__"));
    }

    /// The processes that work in this lab's folder. A process that is dead but not reaped has no folder. That of one
    /// that hides its memory is shown to root only, so whoever descends from this process and comes from a fork parent
    /// counts too.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let root = self.root().canonicalize().unwrap();
        std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                let here = match std::fs::read_link(entry.path().join("cwd")) {
                    Ok(folder) => folder == root,
                    Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                        let command_line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                        String::from_utf8_lossy(&command_line).contains("omni.fork_parent") && descends(pid)
                    }
                    Err(_) => false,
                };
                // The interpreter inside this process has it work there as well. A process that has been killed gives up
                // its memory, its arguments with it, before its folder: it runs no code any more.
                let lives = || std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| !line.is_empty());
                (here && pid != own_pid() && lives()).then_some(pid)
            })
            .collect()
    }

    /// Drops the executor without shutting it down, and keeps the folder.
    pub(crate) fn without_executor(self) -> TempDir {
        self.folder
    }

    /// Shuts the executor down, and checks what every test must leave behind: nothing.
    pub(crate) async fn finish(mut self) {
        // A daemon of a tool is not our child any more, and not ours to reap.
        let before: Vec<i32> = self.processes().into_iter().filter(|pid| parent(*pid) == own_pid()).collect();
        self.executor.shut_down().await;
        if let Some(site) = self.site.take() {
            site.close().await;
        }
        assert_eq!(self.processes(), [0_i32; 0], "processes left after `shut_down`");
        for pid in before {
            assert!(!exists(pid), "process {pid} was not reaped");
        }
    }
}

fn nowhere() -> RunnerAddress {
    "unix:/no/such/socket".parse().unwrap()
}

/// A runner: `python -m omni.runner`, over the skills of a lab.
pub(crate) struct Site {
    process: Child,
    pub(crate) address: String,
    pub(crate) socket: PathBuf,
}

impl Site {
    /// Starts one that listens on a socket of this name in `root`.
    pub(crate) fn open(root: &Path, socket: &str) -> Self {
        let socket = root.join(socket);
        let mut process = Command::new(python())
            .args(["-m", "omni.runner", "--skills", "skills", "--unix"])
            .arg(&socket)
            .current_dir(root)
            .env("PYTHONPATH", package())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        assert!(address.starts_with("unix:"), "the runner said `{line}`");
        Site { process, address, socket }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.id().try_into().unwrap()
    }

    /// Kills it as a crash would.
    pub(crate) fn crash(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Tells it to end, and waits until it has.
    pub(crate) async fn close(mut self) {
        let status = Command::new("kill").arg(self.process.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()));
        let ended = tokio::task::spawn_blocking(move || self.process.wait());
        let status = tokio::time::timeout(PATIENCE, ended).await.expect("the runner did not end").unwrap();
        assert!(status.unwrap().success());
    }
}

/// What a server has that embeds.
struct Inside {
    embedded: Embedded,
    pool: Arc<dyn Executor>,
}

impl Executor for Inside {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        self.embedded.run(call, events)
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            tokio::join!(self.embedded.shut_down(), self.pool.shut_down());
        })
    }
}

pub(crate) struct Request {
    executor: Arc<dyn Executor>,
    pub(crate) spec: RunSpec,
    shared: Option<Arc<RunSpec>>,
    pub(crate) request: CallRequest,
    total: Option<Duration>,
    idle: Option<Duration>,
    wants: Wants,
    session: &'static str,
    answers: bool,
}

impl Request {
    pub(crate) fn args(mut self, arguments: &Value) -> Self {
        self.request = CallRequest::tool(arguments.to_string());
        self
    }

    /// Uses one run specification for several calls, as the catalogue does.
    pub(crate) fn with(mut self, spec: &Arc<RunSpec>) -> Self {
        self.shared = Some(Arc::clone(spec));
        self
    }

    /// With the call's context as the parameter `ctx`.
    pub(crate) fn context(self) -> Self {
        let context = InjectedParameter { parameter: "ctx".into(), kind: "context".into() };
        self.python(|python| python.inject = vec![context])
    }

    pub(crate) fn python(mut self, change: impl FnOnce(&mut PythonTarget)) -> Self {
        let Target::Python(python) = &mut self.spec.target else { panic!("no Python function") };
        change(python);
        self
    }

    /// As a program of the skill instead of a function.
    pub(crate) fn program(mut self, argv: &[&str]) -> Self {
        let dir = self.spec.target.dir().expect("a skill's folder").to_owned();
        let argv = argv.iter().map(|&word| word.to_owned()).collect();
        self.spec.target = ProgramTarget { dir, argv, ..ProgramTarget::default() }.into();
        self
    }

    /// Its client can be asked: the test answers, by [`Running::question`].
    pub(crate) fn answered(mut self) -> Self {
        self.answers = true;
        self
    }

    pub(crate) fn session(mut self, session: &'static str) -> Self {
        self.session = session;
        self
    }

    pub(crate) fn policy(mut self, policy: Policy) -> Self {
        self.spec.policy = policy;
        self
    }

    /// Names the version of the skill's code that is meant.
    pub(crate) fn meaning(mut self, digest: &str) -> Self {
        if let Target::Python(python) = &mut self.spec.target {
            python.digest = Some(digest.to_owned());
        }
        self
    }

    pub(crate) fn timeout(mut self, total: Duration) -> Self {
        self.total = Some(total);
        self
    }

    pub(crate) fn idle_timeout(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Starts the call in a task of its own.
    pub(crate) fn start(self) -> Running {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let call = Call {
            id: CallId(IDS.fetch_add(1, Ordering::Relaxed)),
            spec: self.shared.unwrap_or_else(|| Arc::new(self.spec)),
            request: self.request,
            deadline: Deadline::new(Instant::now(), self.total, self.idle),
            wants: self.wants,
            session: self.session.into(),
            affinity: None,
            origin: None,
            parent: None,
        };
        let executor = self.executor;
        let (sender, events) = unbounded_channel();
        let (asker, questions) = unbounded_channel();
        let mut sink = Sink { events: sender, questions: self.answers.then_some(asker) };
        let task = tokio::spawn(async move { executor.run(call, &mut sink).await });
        Running { task, events, questions }
    }

    pub(crate) async fn run(self) -> Outcome {
        self.start().end().await.0
    }

    /// Runs the call and returns its structured or text result, parsed when it is JSON.
    pub(crate) async fn value(self) -> Value {
        let outcome = self.run().await;
        let text = text(&outcome);
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }
}

pub(crate) struct Running {
    pub(crate) task: JoinHandle<Outcome>,
    events: UnboundedReceiver<Event>,
    questions: UnboundedReceiver<Question>,
}

/// What a tool has asked. Dropping it is a client that goes away.
pub(crate) struct Question {
    pub(crate) ask: Ask,
    answer: oneshot::Sender<Answer>,
}

impl Question {
    /// The parameters of what is asked.
    pub(crate) fn params(&self) -> Value {
        serde_json::from_slice(&self.ask.params).unwrap()
    }

    pub(crate) fn answer(self, result: &Value) {
        // Nobody may be waiting any more.
        let _ = self.answer.send(Answer::Result(result.to_string().into()));
    }

    pub(crate) fn refuse(self, why: AskRefusal) {
        let _ = self.answer.send(Answer::Refused { why, message: "as the test says".to_owned() });
    }

    /// Waits until nobody waits for the answer any more.
    pub(crate) async fn taken_back(mut self) {
        let taken_back = tokio::time::timeout(PATIENCE, self.answer.closed()).await;
        taken_back.expect("the question is still open");
    }
}

impl Running {
    /// Waits for the next question of the tool; `None` when the call has ended without.
    pub(crate) async fn next_question(&mut self) -> Option<Question> {
        let question = tokio::time::timeout(PATIENCE, self.questions.recv()).await;
        question.expect("the tool asked nothing")
    }

    /// Waits for the next question of the tool.
    pub(crate) async fn question(&mut self) -> Question {
        self.next_question().await.expect("the call ended without a question")
    }

    /// Whether the tool has asked something that nobody has looked at.
    pub(crate) fn asks(&mut self) -> bool {
        !self.questions.is_empty()
    }

    /// The outcome and everything that the tool said.
    pub(crate) async fn end(mut self) -> (Outcome, Vec<Event>) {
        let outcome = tokio::time::timeout(2 * PATIENCE, self.task).await.expect("no outcome").unwrap();
        let mut events = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            events.push(event);
        }
        (outcome, events)
    }

    /// Waits for the tool's first log message and returns its data.
    pub(crate) async fn first_log(&mut self) -> Value {
        loop {
            let event =
                tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("the tool said nothing");
            if let Event::Log { data, .. } = event.expect("the call ended before it said anything") {
                return serde_json::from_slice(&data).unwrap();
            }
        }
    }

    /// Waits until the tool runs, and returns its process id.
    pub(crate) async fn pid(&mut self) -> i32 {
        i32::try_from(self.first_log().await["pid"].as_i64().unwrap()).unwrap()
    }

    /// Takes the call back.
    pub(crate) async fn cancel(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

struct Sink {
    events: UnboundedSender<Event>,
    /// `None` for a client that cannot be asked.
    questions: Option<UnboundedSender<Question>>,
}

impl EventSink for Sink {
    fn event(&mut self, event: Event) {
        let _ = self.events.send(event);
    }
}

impl CallPort for Sink {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        let unsupported = Answer::unsupported(ask.method);
        let Some(questions) = &self.questions else { return Box::pin(std::future::ready(unsupported)) };
        let (answer, answered) = oneshot::channel();
        let _ = questions.send(Question { ask, answer });
        Box::pin(async {
            answered.await.unwrap_or_else(|_| Answer::Refused {
                why: AskRefusal::Gone,
                message: "the client has gone".to_owned(),
            })
        })
    }

    fn can_be_asked(&self) -> bool {
        self.questions.is_some()
    }
}

fn launcher() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_omni-exec-launcher"))
}

/// The text of a result that is one text block.
#[track_caller]
pub(crate) fn text(outcome: &Outcome) -> String {
    let OutcomeKind::Finished(CallResult::Tool(result)) = &outcome.kind else {
        panic!("not finished: {outcome:?}")
    };
    let content: Value = serde_json::from_slice(&result.content).unwrap();
    content[0]["text"].as_str().unwrap().to_owned()
}

/// Whether a process exists, dead but not reaped included.
pub(crate) fn exists(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Whether a process runs.
pub(crate) fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with(['Z', 'X']))
}

fn own_pid() -> i32 {
    std::process::id().try_into().unwrap()
}

/// Whether a process is one of ours, or of theirs.
fn descends(pid: i32) -> bool {
    std::iter::successors(Some(pid), |pid| Some(parent(*pid)).filter(|parent| *parent > 1))
        .any(|pid| pid == own_pid())
}

pub(crate) fn parent(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name, which may hold anything, come the state and the parent.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().nth(1).and_then(|parent| parent.parse().ok()).unwrap_or(0)
}

/// Kills a process, as anybody could.
pub(crate) fn kill(pid: i32) {
    let status = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "process {pid} could not be killed");
}

/// Waits until a process is gone, and reaped if it is ours to reap: how often the first process of the machine does is not
/// our matter.
pub(crate) async fn wait_gone(pid: i32) {
    let gone = || !exists(pid) || (!lives(pid) && parent(pid) == 1);
    wait_until(&format!("process {pid} to end"), gone).await;
}

/// Makes a call again and again until its value is none of `old`, as when another worker serves it. Returns the value.
pub(crate) async fn served_by_another(call: impl Fn() -> Request, old: &HashSet<i64>) -> i64 {
    let began = Instant::now();
    loop {
        let pid = call().value().await.as_i64().unwrap_or_default();
        if !old.contains(&pid) {
            return pid;
        }
        assert!(began.elapsed() < PATIENCE, "waited too long for another worker than {old:?}");
    }
}

/// Looks again and again until `condition` holds.
pub(crate) async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Says each log message as `logger: data`, and progress as it is.
pub(crate) fn said(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event {
            Event::Progress { value, total, message } => format!("progress {value} {total:?} {message:?}"),
            Event::Log { logger, data, level } => {
                let logger = logger.as_deref().unwrap_or("-");
                format!("{} {logger}: {}", level.name(), String::from_utf8_lossy(data))
            }
            Event::ResourceUpdated { uri } => format!("updated {uri}"),
            Event::Visibility { name, shown } => format!("{} {name}", if *shown { "show" } else { "hide" }),
        })
        .collect()
}

/// The folder of our Python package.
fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/src").canonicalize().unwrap()
}

/// The real path of `python3`: a shim would be another program on the way.
pub(crate) fn python() -> PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON
        .get_or_init(|| {
            let output = std::process::Command::new("python3")
                .args(["-c", "import sys; print(sys.executable)"])
                .output()
                .expect("these tests need `python3` on the path");
            String::from_utf8(output.stdout).unwrap().trim().into()
        })
        .clone()
}

/// The shared library of that Python.
pub(crate) fn embedding() -> Embedding {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let code =
            "import sysconfig as s; print(s.get_config_var('LIBDIR') + '/' + s.get_config_var('INSTSONAME'))";
        let output = std::process::Command::new(python()).args(["-c", code]).output().unwrap();
        let path = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        assert!(
            path.is_file(),
            "these tests need a Python with a shared library; there is none at {}",
            path.display()
        );
        path
    });
    Embedding { library: library.clone(), utf8: false }
}
