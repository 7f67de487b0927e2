//! How many calls a second go through the pool, and what one costs: `throughput [CALLS] [IN_FLIGHT…]`.
//!
//! Runs on one thread like the server, without protocol, validation or transport: what is measured is this
//! crate and Python. The tool returns a short text; `cecho` takes a context, but its
//! client cannot be asked.
#![allow(clippy::disallowed_methods, reason = "an example runs what a user runs")]

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use omni_call::{
    Call, CallId, CallRequest, Deadline, Executor as _, InjectedParameter, PythonTarget, RunSpec,
};
use omni_exec::{ExecConfig, Pool};

mod support;
use support::{drive, percentile, python};

const TOOL: &str = "
from omni import Context, tool

@tool
def cecho(text: str, ctx: Context) -> str:
    return text

@tool
def echo(text: str) -> str:
    return text

@tool
async def aecho(text: str) -> str:
    return text
";

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|first| first == "__launch").is_some() {
        omni_process::launch(args)?;
        return Ok(());
    }
    let mut numbers = args.map(|arg| arg.to_string_lossy().parse::<usize>());
    let calls = numbers.next().transpose()?.unwrap_or(100_000);
    let mut in_flight: Vec<usize> = numbers.collect::<Result<_, _>>()?;
    if in_flight.is_empty() {
        in_flight = vec![1, 4, 16, 64];
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::task::LocalSet::new().run_until(measure(calls, in_flight)))
}

async fn measure(calls: usize, in_flight: Vec<usize>) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let skill = folder.path().join("skills/bench");
    std::fs::create_dir_all(skill.join("scripts"))?;
    std::fs::write(skill.join("scripts/echo.py"), TOOL)?;
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/src");
    for (workers, workers_max) in [(1, 1), (2, 2), (4, 4), (1, 64)] {
        let mut config =
            ExecConfig::new(python()?, package.clone(), std::env::current_exe()?, folder.path().into());
        config.workers_min = workers;
        config.workers_max = workers_max;
        let pool = Rc::new(Pool::new(Arc::new(config)));
        for (function, is_async) in [("echo", false), ("cecho", false), ("aecho", true)] {
            if is_async && workers_max > 1 {
                continue;
            }
            let mut target = PythonTarget::new(skill.clone(), "scripts/echo.py", function);
            target.is_async = is_async;
            if function == "cecho" {
                target.inject = vec![InjectedParameter { parameter: "ctx".into(), kind: "context".into() }];
            }
            let (spec, session) = (Arc::new(RunSpec::new("bench", function, target)), Arc::from("bench"));
            let echo = move || call(&spec, &session);
            drive(&pool, 200, workers, echo.clone()).await;
            for &width in &in_flight {
                let started = Instant::now();
                let latencies = drive(&pool, calls, width, echo.clone()).await;
                let took = started.elapsed();
                writeln!(
                    std::io::stdout(),
                    "{function:5} workers {workers}..{workers_max:2} in flight {width:3}: {:6.0} calls/s, p50 {} µs, p99 {} µs",
                    calls as f64 / took.as_secs_f64(),
                    percentile(&latencies, 50),
                    percentile(&latencies, 99)
                )?;
            }
        }
        let started = Instant::now();
        pool.shut_down().await;
        writeln!(std::io::stdout(), "shut down in {:.1} ms", started.elapsed().as_secs_f64() * 1e3)?;
    }
    Ok(())
}

/// A call of the measured tool.
fn call(spec: &Arc<RunSpec>, session: &Arc<str>) -> Call {
    static IDS: AtomicU64 = AtomicU64::new(1);
    let (total, idle) = (Duration::from_secs(1800), Duration::from_secs(120));
    let deadline = Deadline::new(Instant::now(), Some(total), Some(idle));
    let id = CallId(IDS.fetch_add(1, Ordering::Relaxed));
    let request = CallRequest::tool(r#"{"text":"hello"}"#);
    Call { session: Arc::clone(session), ..Call::new(id, Arc::clone(spec), request, deadline) }
}
