//! What a process that serves needs of the system: its event loop, signals, descriptors, and to be left alone by tools.

use anyhow::{Context, Result};
use omni_process::raise_descriptor_limit;
use rustix::process::{DumpableBehavior, Resource, getrlimit, set_dumpable_behavior};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::settings::RunSettings;
use crate::terminal::{LOG_FLUSH_WAIT, flush_log, say};

/// Has the kernel refuse our memory and environment to other processes of the same user: a tool is one.
pub(crate) fn keep_to_ourselves() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "tools can read this server's memory and environment");
    }
}

/// Descriptors that a process of tools takes: its channel, what it prints, its process, its status page, and its namespace.
const WORKER_DESCRIPTORS: usize = 8;

/// Descriptors that the server takes itself: the listener, files that are read, requests to the kernel.
const OWN_DESCRIPTORS: usize = 64;

/// Raises the limit on open files, and says how many of them may be connections: what workers need is kept, and a
/// quarter at least is for connections.
pub(crate) fn descriptors_for_connections(settings: &RunSettings) -> usize {
    let limit = match raise_descriptor_limit() {
        Ok(limit) => limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        Err(error) => {
            tracing::warn!(%error, "the limit on open files could not be raised");
            getrlimit(Resource::Nofile).current.map_or(1024, |limit| usize::try_from(limit).unwrap_or(1024))
        }
    };
    let bounds = &settings.bounds;
    let processes = settings.workers.max.saturating_add(bounds.forked_max).saturating_add(bounds.spawned_max);
    let kept = processes.saturating_mul(WORKER_DESCRIPTORS) + OWN_DESCRIPTORS;
    let connections = limit.saturating_sub(kept).max(limit / 4);
    if connections < settings.admission.connections_max {
        tracing::info!(
            connections,
            "no more connections than this at once: {limit} files may be open (`ulimit -Hn`), and workers need some"
        );
    }
    connections
}

/// The front: one thread for all connections, a few more for what takes long.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_name("omni-blocking")
        .build()
        .context("the event loop could not be started")
}

/// Warns of variables that are to be passed on and are not there: a client gives the server but a few of its own.
pub(crate) fn say_unset(settings: &RunSettings) {
    if !settings.unset.is_empty() {
        let names: Vec<String> = settings.unset.iter().map(|name| format!("`{name}`")).collect();
        say(&format!(
            "warning: `--env` names {}, which is not set here, so no tool has it; set it where omni is started, for a client \
             in its settings for this server",
            names.join(", ")
        ));
    }
}

/// Turns true at the first SIGTERM or SIGINT. A second one ends the process at once.
///
/// Whoever else wants the process to end turns it true by the sender.
pub(crate) fn stop_on_signal() -> Result<(watch::Sender<bool>, watch::Receiver<bool>)> {
    let (stopping, receiver) = watch::channel(false);
    let sender = stopping.clone();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if sender.send_replace(true) {
                flush_log(LOG_FLUSH_WAIT);
                #[expect(clippy::exit, reason = "the second signal means now")]
                std::process::exit(130);
            }
        }
    });
    Ok((stopping, receiver))
}
