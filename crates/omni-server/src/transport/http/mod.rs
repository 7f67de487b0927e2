//! MCP over HTTP: one endpoint, `/mcp`, for both eras, and `/sse` for clients of the first revision.
//!
//! A connection is one task. `routes` leads each request to who answers it: `exchange` (the endpoint), `sse`, `health`. A reply is plain JSON unless something must be said before it, or the call
//! takes long; then it becomes a stream of events.

mod body;
mod cors;
mod counted_answer;
mod credentials;
mod exchange;
mod health;
mod negotiation;
mod reply;
mod request_body;
mod resume;
mod routes;
mod shared;
mod sse;
mod sse_sessions;

use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::access::{Access, AccessDecision};
use crate::call_client::ParkedCalls;
use crate::host_check::AllowedHosts;
use crate::server::Server;
use crate::session::Sessions;
use crate::transport::listener::{Addresses, ClientStream, Listener};
use crate::transport::stall_guard::StallGuard;
use crate::transport::stopped;
use resume::ResumableStreams;
use shared::{AdmittedConnection, Shared};

/// A client has this long to send the head of a request. Half-open connections close after it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// What one connection may have read and not looked at: the head of a request, and pieces of a body.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// Bytes of a first head that are waited for before anything is made for its connection.
const HEAD_LOOKED_AT: usize = 16 << 10;

/// Pauses between looks at a head of which a part has come: doubled while nothing more comes.
const HEAD_LOOK_MIN: Duration = Duration::from_millis(2);
const HEAD_LOOK_MAX: Duration = Duration::from_secs(1);

/// First pause after the system refused a new connection (out of file descriptors, mostly). Doubled each time, up to
/// [`ACCEPT_PAUSE_MAX`].
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// This long after it began, a time without room is over with the next connection that is accepted.
const TROUBLE_FORGOTTEN: Duration = Duration::from_secs(60);

/// What a connection gets for which there is no room.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: text/plain\r\ncontent-length: 47\r\n\r\nas many connections are open as the server has\n";

/// What a connection gets that comes while the server stops, whatever it would ask for. The same as `/health` says.
const DRAINING: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: application/json\r\ncontent-length: 35\r\n\r\n{\"name\":\"omni\",\"status\":\"draining\"}";

/// MCP at one HTTP endpoint: what all of its connections share.
pub struct HttpEndpoint {
    shared: Arc<Shared>,
}

impl HttpEndpoint {
    /// An endpoint that answers from `server`. `access` says which callers are let in, and `names` which `Host` and
    /// `Origin` they may send.
    pub fn new(server: Arc<Server>, access: Access, names: AllowedHosts) -> Self {
        let (sessions, parked) = (Sessions::of_server(&server), ParkedCalls::new(&server));
        let streams = ResumableStreams::new(server.config.streams.kept_for);
        let (sse, started) = (Arc::default(), std::time::Instant::now());
        let shared = Shared { server, access, names, sessions, parked, streams, sse, started };
        HttpEndpoint { shared: Arc::new(shared) }
    }

    /// Serves what connects to `listener` until `stop` turns true; then whoever comes is told so, running calls have the
    /// grace period, and what is left is ended with the executor and answered as shut down.
    pub async fn serve(&self, listener: Listener, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let shared = &self.shared;
        let mut connections = JoinSet::new();
        let mut backoff = AcceptBackoff::default();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = listener.accept(), if backoff.is_over() => match accepted {
                    Ok((stream, addresses)) => {
                        backoff.accepted();
                        let Some(task) = shared.admit(stream, addresses, &stop) else { continue };
                        connections.spawn(task);
                        // Those who came before are looked at first: what they sent, and whether they are to leave.
                        tokio::task::yield_now().await;
                    }
                    Err(error) => backoff.refused(&error, shared.server.admission.make_room()),
                },
                () = backoff.pause(), if !backoff.is_over() => {}
            }
        }
        let grace = shared.server.live().grace;
        self.end_streams();
        let empty = tokio::select! {
            empty = empties(&mut connections, grace) => empty,
            never = turn_away_all(&listener) => match never {},
        };
        drop(listener);
        if !empty {
            // Ends the calls that still run, and their answers say so.
            shared.server.executor.shut_down().await;
            empties(&mut connections, grace).await;
        }
        connections.shutdown().await;
        Ok(())
    }

    /// Ends the streams that clients only listen on, which would last for the whole grace period, and what waits for a
    /// client. Calls go on, and the stream of a session of HTTP+SSE ends with the last of its own. For a server that stops.
    pub fn end_streams(&self) {
        self.shared.server.changes.end();
        self.shared.sessions.end_streams();
        self.shared.sse.end();
        self.shared.parked.end();
        self.shared.streams.close();
    }

    /// Serves one connection of `access` that somebody else has accepted, whatever its bytes travel over, until it is
    /// closed or `stop` turns true. Returns at once when there is no room for it. Dropping the future closes the
    /// connection and cancels what runs on it.
    pub async fn serve_stream(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        access: AccessDecision,
        stop: watch::Receiver<bool>,
    ) {
        let Some(admitted) = self.shared.reserve(access) else { return };
        serve_requests(self.shared.clone(), stream, Arc::new(admitted), stop).await;
    }
}

/// Waits until no connection is left, so long at most. True when none is.
async fn empties(connections: &mut JoinSet<()>, patience: Duration) -> bool {
    tokio::time::timeout(patience, async { while connections.join_next().await.is_some() {} }).await.is_ok()
}

/// Tells whoever connects that the server stops: a load balancer is to send its requests elsewhere.
async fn turn_away_all(listener: &Listener) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => turn_away(&stream, DRAINING),
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// The system has no room for another connection.
#[derive(Default)]
struct AcceptBackoff {
    pause: Option<(Duration, Pin<Box<Sleep>>)>,
    /// Since when, and how often.
    since: Option<(Instant, u64)>,
}

impl AcceptBackoff {
    fn is_over(&self) -> bool {
        self.pause.is_none()
    }

    async fn pause(&mut self) {
        if let Some((_, sleep)) = &mut self.pause {
            sleep.await;
        }
        self.pause = None;
    }

    /// One line when it begins and one when it is over, not one for each failure: the log would be the next to fill.
    fn refused(&mut self, error: &io::Error, room: bool) {
        let (_, count) = self.since.get_or_insert_with(|| {
            tracing::warn!(%error, "connections cannot be accepted: the longest silent ones are closed to make room");
            (Instant::now(), 0)
        });
        *count += 1;
        let doubled = ACCEPT_PAUSE * 2u32.saturating_pow(u32::try_from(*count).unwrap_or(u32::MAX).min(16));
        let pause = if room { ACCEPT_PAUSE } else { doubled.min(ACCEPT_PAUSE_MAX) };
        self.pause = Some((pause, Box::pin(sleep(pause))));
    }

    fn accepted(&mut self) {
        // Over when it has been so for a while; under pressure accepting works now and then.
        if let Some((since, count)) = self.since
            && since.elapsed() > TROUBLE_FORGOTTEN
        {
            tracing::warn!(failures = count, "connections are accepted again");
            self.since = None;
        }
    }
}

impl Shared {
    /// Lets a connection in that was just accepted, if there is room for it; gives the task that serves it.
    fn admit(
        self: &Arc<Self>,
        stream: ClientStream,
        addresses: Addresses,
        stop: &watch::Receiver<bool>,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        // Now, before another task runs: who it is can be told only while it is still connected.
        let access = self.access.check(&stream, addresses);
        let Some(admitted) = self.reserve(access) else {
            tracing::debug!(remote = %addresses, "a connection was refused: all are taken and at work");
            turn_away(&stream, NO_ROOM);
            return None;
        };
        Some(serve_connection(self.clone(), stream, admitted, stop.clone()))
    }
}

/// Says that, and closes. What does not go out at once is not worth a wait.
fn turn_away(stream: impl AsFd, why: &[u8]) {
    let _ = rustix::net::send(&stream, why, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    let _ = rustix::net::shutdown(&stream, Shutdown::Write);
    // With something unread, closing is a reset, for which a client can lose the answer.
    let mut unread = [0; 16 << 10];
    for _ in 0..4 {
        let read = rustix::net::recv(&stream, &mut unread, RecvFlags::DONTWAIT);
        if !matches!(read, Ok((1.., _))) {
            return;
        }
    }
}

async fn serve_connection(
    shared: Arc<Shared>,
    stream: ClientStream,
    admitted: AdmittedConnection,
    mut stop: watch::Receiver<bool>,
) {
    let admitted = Arc::new(admitted);
    // One that says nothing, or half a head, costs next to nothing: buffers are made when there is a request.
    let come = tokio::select! {
        come = timeout(HEAD_TIMEOUT, whole_head(&stream)) => come,
        () = admitted.connection.evicted() => return,
        () = stopped(&mut stop) => return,
    };
    if matches!(come, Ok(Ok(true))) {
        // Boxed, or each connection that only waits would have the size of one that is served.
        Box::pin(serve_requests(shared, stream, admitted, stop)).await;
    }
}

/// Waits until the head of a request has arrived, or as much as is looked at; false when the client has closed.
async fn whole_head(stream: &ClientStream) -> io::Result<bool> {
    let (mut seen, mut pause) = (0, HEAD_LOOK_MIN);
    loop {
        stream.readable().await?;
        let (length, whole) = match stream.try_read(|| peek(stream)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            looked => looked?,
        };
        if whole || length == 0 {
            return Ok(whole);
        }
        // What has come stays where it is, so the kernel does not say when more does.
        pause = if length > seen { HEAD_LOOK_MIN } else { (pause * 2).min(HEAD_LOOK_MAX) };
        seen = length;
        sleep(pause).await;
    }
}

/// How many bytes have arrived, and whether they are a whole head or more than is looked at.
fn peek(stream: &ClientStream) -> io::Result<(usize, bool)> {
    let mut bytes = [0; HEAD_LOOKED_AT];
    let (length, _) = rustix::net::recv(stream, &mut bytes, RecvFlags::PEEK)?;
    let whole = length == bytes.len() || memchr::memmem::find(&bytes[..length], b"\r\n\r\n").is_some();
    Ok((length, whole || memchr::memmem::find(&bytes[..length], b"\n\n").is_some()))
}

async fn serve_requests(
    shared: Arc<Shared>,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    admitted: Arc<AdmittedConnection>,
    mut stop: watch::Receiver<bool>,
) {
    let stream = StallGuard::new(stream, admitted.connection.clone());
    let service = service_fn(|request| routes::respond(shared.clone(), admitted.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let finished = tokio::select! {
        finished = connection.as_mut() => finished,
        () = admitted.connection.evicted() => {
            tracing::debug!(remote = %admitted.access.peer.addresses, "a silent connection was closed to make room");
            return;
        }
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = finished {
        tracing::debug!(%error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use tokio::net::{TcpListener, UnixListener};

    use super::*;

    trait Client: io::Read + io::Write {}
    impl<C: io::Read + io::Write> Client for C {}

    #[tokio::test]
    async fn who_is_turned_away_is_told_also_when_a_request_is_on_its_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        type Connect<'a> = Box<dyn Fn() -> Box<dyn Client> + 'a>;
        let listeners: [(Listener, Connect<'_>); 2] = [
            (Listener::Tcp(tcp), Box::new(|| Box::new(std::net::TcpStream::connect(address).unwrap()))),
            (
                Listener::Unix(UnixListener::bind(&path).unwrap()),
                Box::new(|| Box::new(std::os::unix::net::UnixStream::connect(&path).unwrap())),
            ),
        ];
        for (listener, connect) in listeners {
            for request in [&b""[..], b"POST /mcp HTTP/1.1\r\n\r\n", &[b'x'; 40_000]] {
                for why in [NO_ROOM, DRAINING] {
                    let mut client = connect();
                    client.write_all(request).unwrap();
                    turn_away(&listener.accept().await.unwrap().0, why);
                    let mut told = Vec::new();
                    client.read_to_end(&mut told).expect("closed, not reset");
                    assert_eq!(told, why);
                }
            }
        }
    }

    #[test]
    fn what_is_said_without_reading_is_as_long_as_it_says() {
        for reply in [NO_ROOM, DRAINING] {
            let (head, body) = std::str::from_utf8(reply).unwrap().split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        }
    }
}
