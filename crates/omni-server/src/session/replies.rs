//! Requests of ours to a client, and the replies to them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use omni_call::Ask;
use omni_protocol::{Encoder, Frame, Id, Response};
use tokio::sync::oneshot;

use super::pending_requests::PeerReply;
use crate::outbox::Outbox;
use crate::random::random_hex;
use crate::session::Session;

/// Requests that one client may have to answer at once.
const PENDING_REQUESTS_MAX: usize = 256;

/// A client has that many requests to answer, and has answered none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has {PENDING_REQUESTS_MAX} questions to answer already")]
pub(crate) struct TooManyPending;

/// The reply to a request of ours, when it comes; `None` when the session has ended without one.
///
/// Dropping it before that takes the request back: the client is told so, and a reply that comes later is ignored.
pub(crate) struct PendingReply {
    session: Arc<Session>,
    encoder: Arc<Encoder>,
    /// The outbox that the request was sent by; `None` is the session's.
    outbox: Option<Arc<Outbox>>,
    id: Id,
    reply: oneshot::Receiver<PeerReply>,
}

impl Session {
    /// Asks the client of a session that `initialize` has opened. Whether it lets itself be asked that is to be looked at
    /// before.
    ///
    /// The request goes by `through`, the outbox of the call that asks: over HTTP that is the stream of its answer. One
    /// that belongs to no call, or whose call has ended, goes by the session's own.
    pub(crate) fn ask(
        self: &Arc<Self>,
        encoder: &Arc<Encoder>,
        through: Option<Arc<Outbox>>,
        ask: &Ask,
    ) -> Result<PendingReply, TooManyPending> {
        let (answer, reply) = oneshot::channel();
        let mut state = self.state();
        if state.pending.waiting.len() >= PENDING_REQUESTS_MAX {
            return Err(TooManyPending);
        }
        let id = format!("\"{}\"", random_hex::<16>());
        let id = Id::parse(&Bytes::from(id)).expect("a string is an id");
        // A session that has ended gets no request: the sender is dropped here, so the reply is `None`.
        let revision = self.revision().filter(|_| !state.closed);
        if let Some(revision) = revision {
            state.pending.waiting.insert(id.clone(), answer);
            drop(state);
            send(self, through.as_deref(), encoder.ask(&id, revision, ask));
        }
        Ok(PendingReply { session: self.clone(), encoder: encoder.clone(), outbox: through, id, reply })
    }

    /// Hands a reply to whoever waits for it. One that nobody waits for, or that names no request, changes nothing.
    pub(super) fn reply(&self, response: Response) {
        let Response { id, result } = response;
        let waiting = id.as_ref().and_then(|id| self.state().pending.waiting.remove(id));
        match waiting {
            Some(waiting) => {
                // Nobody waits any more when the call ended just now.
                let _ = waiting.send(result);
            }
            None => tracing::debug!(?id, "a reply to nothing that was asked"),
        }
    }
}

fn send(session: &Session, through: Option<&Outbox>, frame: Frame) {
    let left = match through {
        Some(outbox) => outbox.push_always(frame),
        None => Some(frame),
    };
    if let Some(frame) = left
        && session.outbox.push_always(frame).is_some()
    {
        tracing::debug!("a session has ended, and with it what was asked in it");
    }
}

impl Future for PendingReply {
    type Output = Option<PeerReply>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PeerReply>> {
        Pin::new(&mut self.reply).poll(cx).map(Result::ok)
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        let unanswered = self.session.state().pending.waiting.remove(&self.id);
        if unanswered.is_some() {
            let frame = self
                .encoder
                .cancelled_notification(&self.id, "the call that asked has ended or waits no longer");
            send(&self.session, self.outbox.as_deref(), frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use omni_call::AskMethod;
    use omni_protocol::{Implementation, Initialize, ListKinds, PeerError, Revision};
    use serde_json::{Value, json};

    use super::*;
    use crate::authentication::Identity;
    use crate::principal::Principal;

    fn session() -> Arc<Session> {
        let session = Session::of_connection(&Identity::of(Principal::LocalUser), 10);
        let agreed = Revision::NEWEST_LEGACY;
        let (client, capabilities) = Default::default();
        let initialize = Initialize { agreed, client, capabilities };
        crate::session::initialize(&session, &initialize, omni_catalog::ProfileId::EVERYBODY);
        session
    }

    fn encoder() -> Arc<Encoder> {
        let omni = Implementation { name: "omni".into(), title: "omni".into(), version: "1".into() };
        Arc::new(Encoder::new(&omni, ListKinds::default()))
    }

    /// Asks for the client's folders.
    fn ask(session: &Arc<Session>, through: Option<&Arc<Outbox>>) -> Result<PendingReply, TooManyPending> {
        let ask = Ask { key: None, method: AskMethod::ListRoots, params: Bytes::from_static(b"{}") };
        session.ask(&encoder(), through.cloned(), &ask)
    }

    fn response(id: &str, result: PeerReply) -> Response {
        Response { id: Id::parse(&Bytes::copy_from_slice(id.as_bytes())), result }
    }

    fn result(text: &'static str) -> PeerReply {
        Ok(Bytes::from_static(text.as_bytes()))
    }

    /// All that waits in an outbox.
    fn sent(outbox: &Outbox) -> Vec<Value> {
        let frames = std::iter::from_fn(|| outbox.pop());
        frames.map(|frame| serde_json::from_slice(&frame.into_bytes()).unwrap()).collect()
    }

    #[test]
    fn each_reply_reaches_who_asked_whatever_their_order() {
        let (session, call) = (session(), Arc::new(Outbox::default()));
        let message = Bytes::from_static(br#"{"message":"m"}"#);
        let form = Ask { key: None, method: AskMethod::Elicit, params: message };
        let mut first = session.ask(&encoder(), Some(call.clone()), &form).unwrap();
        let mut second = ask(&session, None).unwrap();
        let of_call = sent(&call);
        assert_eq!(of_call[0]["method"], "elicitation/create");
        assert_eq!(of_call[0]["params"]["message"], json!("m"));
        let of_session = sent(&session.outbox);
        assert_eq!((of_call.len(), of_session.len()), (1, 1));
        assert_ne!(of_call[0]["id"], of_session[0]["id"]);
        session.reply(response(&of_session[0]["id"].to_string(), result("2")));
        assert_eq!((&mut first).now_or_never(), None);
        assert_eq!((&mut second).now_or_never(), Some(Some(result("2"))));
        let refused = Err(PeerError { code: -1, message: "no".into(), data: None });
        session.reply(response(&of_call[0]["id"].to_string(), refused.clone()));
        assert_eq!((&mut first).now_or_never(), Some(Some(refused)));
        drop((first, second));
        assert_eq!(sent(&call).len() + sent(&session.outbox).len(), 0, "what was answered is not taken back");
    }

    #[test]
    fn replies_to_nothing_that_was_asked_change_nothing_and_sessions_never_cross() {
        let (one, other) = (session(), session());
        let mut pending = ask(&one, None).unwrap();
        let mut of_other = ask(&other, None).unwrap();
        let id = sent(&one.outbox)[0]["id"].to_string();
        let id_of_other = sent(&other.outbox)[0]["id"].to_string();
        assert_ne!(id, id_of_other);
        for stray in ["7", "\"1\"", "0", "-1"] {
            one.reply(response(stray, result("{}")));
        }
        one.reply(Response { id: None, result: result("{}") });
        other.reply(response(&id, result(r#""other""#)));
        one.reply(response(&id_of_other, result(r#""one""#)));
        assert_eq!((&mut pending).now_or_never(), None);
        assert_eq!((&mut of_other).now_or_never(), None);
        one.reply(response(&id, result(r#""one""#)));
        // A second reply to the same request is one to nothing.
        one.reply(response(&id, result(r#""again""#)));
        assert_eq!((&mut pending).now_or_never(), Some(Some(result(r#""one""#))));
    }

    #[test]
    fn a_question_that_is_dropped_is_taken_back_by_the_way_it_went_or_else_by_the_sessions() {
        let (session, call) = (session(), Arc::new(Outbox::default()));
        let pending = ask(&session, Some(&call)).unwrap();
        drop(pending);
        let of_call = sent(&call);
        assert_eq!(of_call[1]["method"], "notifications/cancelled");
        assert_eq!(of_call[1]["params"]["requestId"], of_call[0]["id"]);
        let pending = ask(&session, Some(&call)).unwrap();
        let id = sent(&call)[0]["id"].clone();
        call.close();
        drop(pending);
        assert_eq!(sent(&call), Vec::<Value>::new());
        assert_eq!(sent(&session.outbox)[0]["params"]["requestId"], id);
        // What comes for it now is late.
        session.reply(response(&id.to_string(), result("{}")));
    }

    #[test]
    fn the_end_of_a_session_answers_what_is_open_and_nothing_is_asked_after_it() {
        let session = session();
        let open = ask(&session, None).unwrap();
        sent(&session.outbox);
        session.close();
        assert_eq!(open.now_or_never(), Some(None));
        assert_eq!(ask(&session, None).unwrap().now_or_never(), Some(None));
        assert_eq!(sent(&session.outbox), Vec::<Value>::new());
    }

    #[test]
    fn a_client_has_a_bounded_number_of_questions_to_answer() {
        let session = session();
        let open: Vec<_> = (0..PENDING_REQUESTS_MAX).map(|_| ask(&session, None).unwrap()).collect();
        assert_eq!(ask(&session, None).err(), Some(TooManyPending));
        drop(open);
        assert!(ask(&session, None).is_ok());
    }
}
