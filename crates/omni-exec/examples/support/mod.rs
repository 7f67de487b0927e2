//! What the examples share: which Python runs the tools, and calls that are made several at a time.

use std::error::Error;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use omni_call::{Call, Executor as _, NoClient, OutcomeKind};
use omni_exec::Pool;

/// Makes `calls` calls, `width` at a time, and returns how long each took, the shortest first.
pub(crate) async fn drive(
    pool: &Rc<Pool>,
    calls: usize,
    width: usize,
    call: impl Fn() -> Call + Clone + 'static,
) -> Vec<Duration> {
    let tasks: Vec<_> = (0..width)
        .map(|_| {
            let (pool, call) = (Rc::clone(pool), call.clone());
            tokio::task::spawn_local(async move {
                let mut latencies = Vec::with_capacity(calls / width);
                for _ in 0..calls / width {
                    let began = Instant::now();
                    let outcome = pool.run(call(), &mut NoClient).await;
                    assert!(matches!(outcome.kind, OutcomeKind::Finished(_)), "{outcome:?}");
                    latencies.push(began.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap_or_default());
    }
    latencies.sort_unstable();
    latencies
}

/// So many hundredths of the latencies are no longer than this, in microseconds.
pub(crate) fn percentile(latencies: &[Duration], percent: usize) -> u128 {
    latencies[(latencies.len() - 1) * percent / 100].as_micros()
}

/// The interpreter: `PYTHON`, else `python3` of the path.
pub(crate) fn python() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(path) = std::env::var_os("PYTHON") {
        return Ok(path.into());
    }
    let output =
        std::process::Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().into())
}
