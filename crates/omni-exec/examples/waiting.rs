//! What calls cost that wait for their clients: `waiting [WAITING] [CALLS]`.
//!
//! 45 ordinary calls at a time go through a pool of four workers, first alone, then while WAITING calls of the same pool wait
//! for answers, each in a process of its own. Says how fast they are, and what memory one waiting call takes.
#![allow(clippy::disallowed_methods, reason = "an example runs what a user runs")]

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use omni_call::{
    Answer, Ask, BoxFuture, Call, CallId, CallPort, CallRequest, Deadline, Event, EventSink, Executor as _,
    InjectedParameter, OutcomeKind, PythonTarget, RunSpec,
};
use omni_exec::{ExecConfig, Pool};
use tokio::sync::{mpsc, oneshot};

mod support;
use support::{drive, percentile, python};

const TOOL: &str = "
from omni import Context, tool

@tool
def asks(ctx: Context) -> str:
    ctx._ask('roots/list', {})
    return 'answered'

@tool
def echo(text: str) -> str:
    return text
";

/// Ordinary calls at a time.
const WIDTH: usize = 45;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|first| first == "__launch").is_some() {
        omni_process::launch(args)?;
        return Ok(());
    }
    let mut numbers = args.map(|arg| arg.to_string_lossy().parse::<usize>());
    let waiting = numbers.next().transpose()?.unwrap_or(256);
    let calls = numbers.next().transpose()?.unwrap_or(45_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::task::LocalSet::new().run_until(measure(waiting, calls)))
}

async fn measure(waiting: usize, calls: usize) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let skill = folder.path().join("skills/bench");
    std::fs::create_dir_all(skill.join("scripts"))?;
    std::fs::write(skill.join("scripts/tools.py"), TOOL)?;
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/src");
    let mut config = ExecConfig::new(python()?, package, std::env::current_exe()?, folder.path().into());
    (config.workers_min, config.workers_max) = (4, 4);
    let pool = Rc::new(Pool::new(Arc::new(config)));
    let target = |function: &str| PythonTarget::new(skill.clone(), "scripts/tools.py", function);
    let echo = Arc::new(RunSpec::new("bench", "echo", target("echo")));
    let mut asking = target("asks");
    asking.inject = vec![InjectedParameter { parameter: "ctx".into(), kind: "context".into() }];
    let asks = Arc::new(RunSpec::new("bench", "asks", asking));

    let echoing = move || call(&echo, r#"{"text":"hello"}"#);
    drive(&pool, 9_000, WIDTH, echoing.clone()).await;
    say("alone", &drive(&pool, calls, WIDTH, echoing.clone()).await)?;
    let before = memory()?;
    let (questions, mut asked) = mpsc::unbounded_channel();
    let (mut open, mut tasks) = (Vec::new(), Vec::new());
    let began = Instant::now();
    for _ in 0..waiting {
        let (pool, call) = (Rc::clone(&pool), call(&asks, "{}"));
        let mut client = Client(questions.clone());
        tasks.push(tokio::task::spawn_local(async move { pool.run(call, &mut client).await }));
    }
    while open.len() < waiting {
        open.push(asked.recv().await.ok_or("a call ended before it asked")?);
    }
    let (took, held) = (began.elapsed(), memory()?.saturating_sub(before));
    writeln!(
        std::io::stdout(),
        "{waiting} calls wait after {:.1} s, with {:.1} MiB each",
        took.as_secs_f64(),
        held as f64 / 1024.0 / waiting.max(1) as f64
    )?;
    say("beside them", &drive(&pool, calls, WIDTH, echoing.clone()).await)?;
    let began = Instant::now();
    for answer in open {
        let _ = answer.send(Answer::Result(r#"{"roots":[]}"#.into()));
    }
    for task in tasks {
        let outcome = task.await?;
        assert!(matches!(outcome.kind, OutcomeKind::Finished(_)), "{outcome:?}");
    }
    writeln!(std::io::stdout(), "all answered in {:.2} s", began.elapsed().as_secs_f64())?;
    say("afterwards", &drive(&pool, calls, WIDTH, echoing).await)?;
    pool.shut_down().await;
    Ok(())
}

/// A client that is asked, and answers when it is told to.
struct Client(mpsc::UnboundedSender<oneshot::Sender<Answer>>);

impl EventSink for Client {
    fn event(&mut self, _event: Event) {}
}

impl CallPort for Client {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        let (sender, answer) = oneshot::channel();
        let _ = self.0.send(sender);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Answer::unsupported(ask.method)) })
    }
}

fn call(spec: &Arc<RunSpec>, arguments: &'static str) -> Call {
    static IDS: AtomicU64 = AtomicU64::new(1);
    let deadline = Deadline::new(Instant::now(), Some(Duration::from_secs(1800)), None);
    let id = CallId(IDS.fetch_add(1, Ordering::Relaxed));
    Call::new(id, Arc::clone(spec), CallRequest::tool(arguments), deadline)
}

fn say(when: &str, latencies: &[Duration]) -> Result<(), Box<dyn Error>> {
    let rate = latencies.len() as f64 * WIDTH as f64 / latencies.iter().sum::<Duration>().as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{WIDTH} ordinary calls at a time, {when}: {rate:.0} calls/s, p50 {} µs, p99 {} µs",
        percentile(latencies, 50),
        percentile(latencies, 99)
    )?;
    Ok(())
}

/// What all descendants of this process hold, each page shared by several counted in parts, in KiB.
fn memory() -> Result<u64, Box<dyn Error>> {
    let mut sum = 0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        if pid == std::process::id() || !descends(pid) {
            continue;
        }
        let rollup = std::fs::read_to_string(entry.path().join("smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        sum += line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(sum)
}

fn descends(pid: u32) -> bool {
    let parent = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    };
    std::iter::successors(Some(pid), |pid| parent(*pid).filter(|parent| *parent > 1))
        .any(|pid| pid == std::process::id())
}
