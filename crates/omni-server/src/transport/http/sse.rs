//! HTTP+SSE, the transport of the first revision: one stream of events from the server for a session, and another address
//! to which its client posts.
//!
//! `GET /sse` begins a session. The first event of its stream, `endpoint`, says where messages are to be posted; each is
//! accepted with 202 and no body, and whatever the server has to say is a `message` event of the stream. **The end of the
//! stream is the end of the session and cancels its calls**: there is nothing to resume.
//!
//! A session is a [`StreamSession`], as on stdio, driven by the body of the reply: while the client does not read,
//! nothing of it goes on. What it holds is bounded as everything over HTTP is: its connection and its bytes are on its
//! peer's account, and a client that takes nothing for 30 s while something waits for it is closed.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{StatusCode, Uri};
use omni_protocol::{COMMENT, ErrorCode, Frame, RpcError, error_frame, event_parts};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};

use super::body::{COMMENT_EVERY, ReplyBody};
use super::counted_answer::counted;
use super::exchange::Client;
use super::negotiation;
use super::reply::{Reply, accepted, events, json, refusal, refused, unavailable};
use super::request_body;
use super::sse_sessions::{Posted, SessionPlace};
use crate::admission::{BusyGuard, Connection, PeerAccount};
use crate::authentication::Identity;
use crate::frames::{self, decode_frame};
use crate::host_check::single;
use crate::session::{AnswerBound, StreamSession};

/// Clients made with the Python SDK end the connection, and with it the session, for an event of more than 1 MiB. The rest
/// is for what is written around an answer.
const ANSWERS: AnswerBound = AnswerBound {
    bytes_max: (1 << 20) - 64,
    why: "over HTTP+SSE an answer has less than 1 MiB, since clients end the connection for more; `/mcp` has no such bound",
};

/// Longest prefix that is taken from a proxy, in bytes.
const PREFIX_BYTES_MAX: usize = 200;

const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// The parameter of the endpoint's address that names the session.
const SESSION_PARAMETER: &str = "session_id";

/// Begins a session, and gives its stream. `target` is the address of the request, as it reached us.
pub(super) fn open(client: Client<'_>, connection: &Arc<Connection>, target: &Uri) -> Reply {
    // Nothing else is to be had here, so one that does not say what it takes is given it.
    if client.headers.contains_key(header::ACCEPT) && !negotiation::takes_events(client.headers) {
        let why = "`Accept` must allow `text/event-stream`";
        return refusal(StatusCode::NOT_ACCEPTABLE, None, ErrorCode::InvalidRequest, why);
    }
    let shared = client.shared;
    let Some((place, posted)) = shared.sse.open(client.identity.clone()) else {
        let why = RpcError::new(ErrorCode::Overloaded, "the server is shutting down");
        return unavailable(error_frame(None, &why));
    };
    let first = format!("event: endpoint\ndata: {}\n\n", endpoint(client.headers, target, &place.name));
    let server = shared.server.clone();
    let account = client.account.clone();
    let session = StreamSession::over_http(server, client.identity, account.clone(), ANSWERS);
    let session_events = SessionEvents {
        session,
        posted: Some(posted),
        parts: VecDeque::from([first.into()]),
        comment: Box::pin(sleep(COMMENT_EVERY)),
        account,
        identity: client.identity.clone(),
        connection: connection.clone(),
        work: None,
        _place: place,
    };
    events(ReplyBody::Stream(session_events.into_stream()))
}

/// Takes a message for the session that the address names, and has it answered on that session's stream.
pub(super) async fn post(client: Client<'_>, target: &Uri, body: Incoming) -> Result<Reply, Reply> {
    let Some(name) = session_name(target) else {
        let why = format!(
            "`{SESSION_PARAMETER}` is missing: `GET /sse` begins a session, and its first event says where to POST"
        );
        return Err(refusal(StatusCode::BAD_REQUEST, None, ErrorCode::InvalidRequest, &why));
    };
    let unknown = || json(StatusCode::NOT_FOUND, error_frame(None, &RpcError::unknown_session()));
    let session = client.shared.sse.find(name, client.identity).ok_or_else(unknown)?;
    negotiation::check_content(client.headers)
        .map_err(|why| refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, None, ErrorCode::InvalidRequest, why))?;
    let max = client.shared.server.config.limits.body_bytes_max;
    let (text, bytes) = request_body::read(body, max, client.account).await?;
    match decode_frame(text).await {
        Ok(message) => {
            session.send(Posted::Message(message, bytes)).await.map_err(|_| unknown())?;
            Ok(accepted())
        }
        Err(rejected) => {
            // No client reads the body of this reply. One that has asked something waits on its stream for the answer.
            if rejected.id.is_some() {
                let _ = session.send(Posted::Refused(frames::refusal(&rejected))).await;
            }
            Err(refused(&rejected))
        }
    }
}

/// The session that an address of the endpoint names.
fn session_name(target: &Uri) -> Option<&str> {
    let mut pairs = target.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(name, value)| (name == SESSION_PARAMETER).then_some(value))
}

/// Where the client is to post, as a reference to be resolved against the address that it has opened (RFC 3986, 5.2).
///
/// That is right under any prefix that a proxy takes off, whether the proxy says so or not. Where it does say so by
/// `X-Forwarded-Prefix` the whole path is given: some clients resolve nothing, and take any reference for a path from the
/// root. Whoever invents that header misleads nobody but itself.
fn endpoint(headers: &HeaderMap, target: &Uri, name: &str) -> String {
    let base = match forwarded_prefix(headers) {
        Some(prefix) => format!("{prefix}/"),
        // `/sse/` is a folder, and `/sse` a file of the folder above.
        None if target.path().ends_with('/') => "../".to_owned(),
        None => String::new(),
    };
    format!("{base}messages?{SESSION_PARAMETER}={name}")
}

/// The prefix that a proxy has taken off the path, without a slash at its end; `None` unless it is a plain path, so that
/// it leads to no other host and breaks no line.
fn forwarded_prefix(headers: &HeaderMap) -> Option<&str> {
    let prefix = single(headers, &FORWARDED_PREFIX).ok()??.trim_end_matches('/');
    let segments = prefix.strip_prefix('/')?.split('/');
    let is_plain = |segment: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed)
    };
    (prefix.len() <= PREFIX_BYTES_MAX && segments.into_iter().all(is_plain)).then_some(prefix)
}

/// The stream of one session, which drives it. **Dropping it ends the session and cancels its calls.**
struct SessionEvents {
    session: StreamSession,
    /// `None` when nothing more will come: the server stops.
    posted: Option<mpsc::Receiver<Posted>>,
    /// What is left of the events that go out now.
    parts: VecDeque<Bytes>,
    comment: Pin<Box<Sleep>>,
    account: PeerAccount,
    /// Whose credentials began it.
    identity: Arc<Identity>,
    connection: Arc<Connection>,
    /// Held while something runs: a session in which nothing does can go when another connection needs its place.
    work: Option<BusyGuard>,
    _place: SessionPlace,
}

/// What a session's stream waits for.
enum Step {
    Frame(Frame),
    Posted(Option<Posted>),
    Quiet,
    Revoked,
}

impl SessionEvents {
    fn into_stream(self) -> BoxStream<'static, Bytes> {
        unfold(self, |mut events| async move { events.next().await.map(|bytes| (bytes, events)) }).boxed()
    }

    /// The next bytes for the client; `None` when the server stops and has answered everything, and when the credentials
    /// were taken back.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(part) = self.parts.pop_front() {
                return Some(part);
            }
            if self.session.is_idle() {
                self.posted.as_ref()?;
                self.work = None;
            } else if self.work.is_none() {
                self.work = Some(self.connection.mark_busy());
            }
            // None goes first: neither may a tool that talks without pause keep a cancellation from being read, nor a
            // client that posts without pause an answer from being sent.
            let step = tokio::select! {
                frame = self.session.next() => Step::Frame(frame),
                posted = next_posted(&mut self.posted) => Step::Posted(posted),
                () = self.comment.as_mut() => Step::Quiet,
                () = self.identity.revoked() => Step::Revoked,
            };
            let frame = match step {
                Step::Frame(frame) | Step::Posted(Some(Posted::Refused(frame))) => Some(frame),
                Step::Posted(Some(Posted::Message(message, bytes))) => self.session.take(message, |_| bytes),
                Step::Posted(None) => {
                    self.posted = None;
                    self.session.end_of_input();
                    None
                }
                Step::Revoked => return None,
                Step::Quiet => {
                    self.comment.as_mut().reset(Instant::now() + COMMENT_EVERY);
                    return Some(Bytes::from_static(COMMENT));
                }
            };
            if let Some(frame) = frame {
                self.parts.extend(event_parts(counted(frame, &self.account), None));
            }
        }
    }
}

/// The next message of the client; `None` when none will come any more, which is told once.
async fn next_posted(posted: &mut Option<mpsc::Receiver<Posted>>) -> Option<Posted> {
    match posted {
        Some(posted) => posted.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a client posts that has opened `target`, behind a proxy that says `prefix`.
    fn posts_to(target: &str, prefixes: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for prefix in prefixes {
            headers.append(FORWARDED_PREFIX, prefix.parse().unwrap());
        }
        endpoint(&headers, &target.parse().unwrap(), "name")
    }

    #[test]
    fn the_endpoint_is_relative_unless_a_proxy_says_its_prefix() {
        assert_eq!(posts_to("/sse", &[]), "messages?session_id=name");
        assert_eq!(posts_to("http://localhost/sse?x=1", &[]), "messages?session_id=name");
        assert_eq!(posts_to("/sse/", &[]), "../messages?session_id=name");
        for prefix in ["/x", "/x/"] {
            assert_eq!(posts_to("/sse", &[prefix]), "/x/messages?session_id=name");
        }
        assert_eq!(posts_to("/sse/", &["/a-b/c.d_~1"]), "/a-b/c.d_~1/messages?session_id=name");
    }

    #[test]
    fn what_is_no_plain_path_is_no_prefix() {
        let long = format!("/{}", "x".repeat(PREFIX_BYTES_MAX));
        let odd = ["", "/", "x", "//evil.example", "/a//b", "/..", "/a/../b", "/a/.", "/a b", "/a?b", "/a#b"];
        for prefix in odd.into_iter().chain(["/a%2e", "/a, /b", "http://evil.example/", &long]) {
            assert_eq!(posts_to("/sse", &[prefix]), "messages?session_id=name", "{prefix}");
        }
        assert_eq!(posts_to("/sse", &["/a", "/b"]), "messages?session_id=name", "it stands twice");
    }

    #[test]
    fn the_name_is_read_from_the_query() {
        let name = |target: &str| session_name(&target.parse::<Uri>().unwrap()).map(str::to_owned);
        assert_eq!(name("/messages?session_id=a"), Some("a".into()));
        assert_eq!(name("/messages?x=1&session_id=a&y"), Some("a".into()));
        for without in ["/messages", "/messages?", "/messages?session_id", "/messages?xsession_id=a"] {
            assert_eq!(name(without), None, "{without}");
        }
    }
}
