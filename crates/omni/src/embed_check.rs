//! `omni embed-check`: what it costs to have a Python inside this program. Started by omni as a process of its own, which may
//! crash without harm.

use std::io::Write;
use std::time::Instant;

use anyhow::{Result, anyhow};
use omni_exec::{Embedding, check_embedding};

use crate::args::EmbedCheckArguments;

pub(crate) fn run(arguments: &EmbedCheckArguments, out: &mut dyn Write) -> Result<u8> {
    let embedding = Embedding { library: arguments.library.clone(), utf8: arguments.utf8 };
    let began = Instant::now();
    // Prints the first member of an object.
    check_embedding(&arguments.python, &embedding).map_err(|message| anyhow!("{message}"))?;
    let ready_ms = began.elapsed().as_secs_f64() * 1000.0;
    writeln!(out, r#","ready_ms":{ready_ms:.1},"rss_kib":{}}}"#, rss_kib())?;
    Ok(0)
}

/// The memory that this process has in use.
fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}
