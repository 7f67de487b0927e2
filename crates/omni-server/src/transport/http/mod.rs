//! MCP over HTTP: one endpoint, `/mcp`, for both eras.
//!
//! A connection is one task. A reply is plain JSON unless something must be said before it, or the call
//! takes long; then it becomes a stream of events.

mod body;
mod cors;
mod exchange;
mod negotiation;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::access::{Access, Visit};
use crate::gate::AllowedNames;
use crate::server::Server;
use crate::session::{SessionKey, Sessions};
use crate::transport::stopped;

/// A client has this long to send the head of a request. Half-open connections close after it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Pause after the system refused a new connection (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all connections share.
struct Shared {
    server: Arc<Server>,
    access: Access,
    names: AllowedNames,
    sessions: Sessions,
    /// KiB of request bodies that may be held.
    budget: Arc<Semaphore>,
}

/// Serves HTTP on `listener` until `stop` turns true; then no connection is accepted, running calls have
/// the grace period, and what is left is ended with the executor and answered as shut down.
pub async fn serve(
    server: Arc<Server>,
    listener: TcpListener,
    access: Access,
    names: AllowedNames,
    key: SessionKey,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let limits = server.config.limits;
    let grace = server.config.grace;
    let shared = Arc::new(Shared {
        server: Arc::clone(&server),
        access,
        names,
        sessions: Sessions::new(key, limits.sessions_max),
        budget: Arc::new(Semaphore::new(limits.budget_bytes / 1024)),
    });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < limits.connections_max => match accepted {
                Ok((stream, remote)) => {
                    // Now, before another task runs: who it is can be told only while it is still connected.
                    match shared.visit(&stream, remote) {
                        Ok(visit) => drop(connections.spawn(connection(shared.clone(), stream, visit, stop.clone()))),
                        Err(error) => tracing::debug!(%error, %remote, "a connection ended before it was served"),
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    // Streams that clients only listen on would last for the whole grace period.
    shared.server.changes.end();
    shared.sessions.end_streams();
    if !empties(&mut connections, grace).await {
        // Ends the calls that still run, and their answers say so.
        server.executor.shut_down().await;
        empties(&mut connections, grace).await;
    }
    connections.shutdown().await;
    Ok(())
}

/// Waits until no connection is left, so long at most. True when none is.
async fn empties(connections: &mut JoinSet<()>, patience: Duration) -> bool {
    tokio::time::timeout(patience, async { while connections.join_next().await.is_some() {} }).await.is_ok()
}

impl Shared {
    fn visit(&self, stream: &TcpStream, remote: SocketAddr) -> io::Result<Visit> {
        Ok(self.access.visit(stream, remote, stream.local_addr()?))
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, visit: Visit, mut stop: watch::Receiver<bool>) {
    // Without it the second small write of an exchange waits 40 ms for the client's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let visit = Arc::new(visit);
    let service = service_fn(|request| exchange::respond(shared.clone(), visit.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let finished = tokio::select! {
        finished = connection.as_mut() => finished,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = finished {
        tracing::debug!(%error, "connection ended");
    }
}
