//! `omni worker`: this program as the process that runs tools. Started by omni itself.

use std::io::Write;
use std::time::Instant;

use anyhow::{Result, anyhow};
use omni_exec::{Embedding, embedded_worker};

use crate::args::WorkerArguments;

/// Becomes a worker, which ends the process by itself; with `--check`, says what running Python here costs.
pub(crate) fn run(arguments: &WorkerArguments, out: &mut dyn Write) -> Result<u8> {
    let embedding = Embedding { library: arguments.library.clone(), utf8: arguments.utf8 };
    if !arguments.check {
        return embedded_worker(&arguments.python, &embedding, "omni.worker").map(|()| 0).map_err(told);
    }
    let began = Instant::now();
    // Prints the first member of an object.
    embedded_worker(&arguments.python, &embedding, "omni.embedded").map_err(told)?;
    let ready_ms = began.elapsed().as_secs_f64() * 1000.0;
    writeln!(out, r#","ready_ms":{ready_ms:.1},"rss_kib":{}}}"#, rss_kib())?;
    Ok(0)
}

fn told(message: String) -> anyhow::Error {
    anyhow!("{message}")
}

/// The memory that this process has in use.
fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}
