//! The runner contract (`docs/reference/runner.md`) over HTTP: calls in, their events out, a line each, and answers to
//! what they ask in.
//!
//! Another server asks here, not a client of MCP. It keeps sessions, retries and caches; here a call is checked and run,
//! and its events are sent. A connection is one task and carries one request at a time; closing it cancels what it asked for.

mod exchange;
mod line_queue;
mod listing;
mod questions;
mod request;
mod shared;
mod stream;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::access::Access;
use crate::server::Server;
use crate::transport::listener::{Addresses, ClientStream, Listener};
use crate::transport::stall_guard::StallGuard;
use crate::transport::stopped;
use listing::Listing;
use shared::{BODIES_BYTES_MAX, CONNECTIONS_MAX, CallCount, Guard, HEAD_BYTES_MAX, Shared};

/// A connection on which no request comes for so long is closed.
const IDLE: Duration = Duration::from_secs(60);

/// Pause after the system refused a new connection (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long callers whose calls were stopped at the end may take to read the answers.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves the contract to those whom `access` lets in on `listener`, until `stop` turns true. Then new calls are refused,
/// those that run have `grace`, and what is left is ended with the executor and answered as shut down. Of TCP web pages
/// are kept out; none comes by a Unix socket.
pub async fn serve(
    server: Arc<Server>,
    listener: Listener,
    access: Access,
    grace: Duration,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let shared = Arc::new(Shared {
        server: Arc::clone(&server),
        listing: Listing::default(),
        bodies: Arc::new(Semaphore::new(BODIES_BYTES_MAX / 1024)),
        calls: CallCount::default(),
        questions: questions::OpenCalls::default(),
        draining: AtomicBool::new(false),
    });
    let (closing, closed) = watch::channel(false);
    let mut connections = JoinSet::new();
    let draining = async {
        stopped(&mut stop).await;
        shared.draining.store(true, Ordering::Relaxed);
        tracing::info!(calls = shared.calls.count(), "draining: new calls are refused");
        let _ = tokio::time::timeout(grace, shared.calls.wait_none()).await;
    };
    tokio::pin!(draining);
    loop {
        tokio::select! {
            biased;
            () = &mut draining => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            // Also while it drains: callers are told so.
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, addresses)) => {
                    let guard = guard(&access, &stream, addresses);
                    connections.spawn(connection(Arc::clone(&shared), stream, guard, closed.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    closing.send_replace(true);
    // Ends the calls that still run, and their answers say so.
    server.executor.shut_down().await;
    let ended = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_WORDS, ended).await;
    connections.shutdown().await;
    Ok(())
}

/// What the requests of a connection must pass. To be asked before another task runs: who it is can be told only while it
/// is still connected.
fn guard(access: &Access, stream: &ClientStream, addresses: Addresses) -> Guard {
    match addresses {
        _ if access.check(stream, addresses).refused.is_some() => Guard::Closed,
        Addresses::Tcp { .. } => Guard::NoPages,
        Addresses::Unix => Guard::Nothing,
    }
}

async fn connection(
    shared: Arc<Shared>,
    stream: ClientStream,
    guard: Guard,
    mut closed: watch::Receiver<bool>,
) {
    // One account for all: whoever comes here is of one user.
    let admission = &shared.server.admission;
    let Some(place) = admission.connect(&admission.account(None)) else { return };
    let place = Arc::new(place);
    let _work = place.mark_busy();
    let service = service_fn(|request| exchange::respond(Arc::clone(&shared), guard, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(StallGuard::new(stream, Arc::clone(&place))), service);
    tokio::pin!(connection);
    let finished = tokio::select! {
        finished = connection.as_mut() => finished,
        () = stopped(&mut closed) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = finished {
        tracing::debug!(%error, "connection ended");
    }
}

/// What both sides of the contract are held to.
#[cfg(test)]
fn all_contract_cases() -> impl Iterator<Item = serde_json::Value> {
    let cases = include_str!("../../../../conformance/runner-cases.jsonl");
    cases.lines().map(|line| serde_json::from_str(line).expect("a case is JSON"))
}

/// The cases of one part of it.
#[cfg(test)]
fn contract_cases(part: &str) -> Vec<serde_json::Value> {
    all_contract_cases().filter(|case| case["part"] == part).collect()
}
