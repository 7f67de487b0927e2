//! What a reply says, without its envelope: for whoever keeps it for later.

use bytes::Bytes;

use crate::encode::Frame;
use crate::message::Id;

/// How a request was answered, without its envelope: JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyPayload {
    Result(Bytes),
    Error(Bytes),
}

impl ReplyPayload {
    /// What a reply that was written for the request `id` says. `None` when it is no such reply.
    pub fn of(reply: Frame, id: &Id) -> Option<ReplyPayload> {
        let text = reply.into_bytes();
        let start = [br#"{"jsonrpc":"2.0","id":"#, id.as_json(), b","].concat();
        let rest = text.strip_prefix(&start[..])?.strip_suffix(b"}")?;
        let (payload, wrap): (_, fn(Bytes) -> ReplyPayload) = match rest.strip_prefix(br#""result":"#) {
            Some(result) => (result, ReplyPayload::Result),
            None => (rest.strip_prefix(br#""error":"#)?, ReplyPayload::Error),
        };
        Some(wrap(text.slice_ref(payload)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorCode, RpcError, error_frame};

    fn id() -> Id {
        Id::parse(&Bytes::from_static(b"7")).unwrap()
    }

    #[test]
    fn what_a_reply_says_is_taken_out_of_it_byte_for_byte() {
        let error = error_frame(Some(&id()), &RpcError::new(ErrorCode::Internal, "no}"));
        let Some(ReplyPayload::Error(text)) = ReplyPayload::of(error.clone(), &id()) else {
            panic!("{error:?}")
        };
        assert_eq!(text, r#"{"code":-32603,"message":"no}"}"#);
        let content = Bytes::from(format!("[{}]", "1,".repeat(20_000) + "1"));
        for content in [Bytes::from_static(b"[ 1]"), content] {
            let head = br#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","content":"#;
            let (head, tail) = (Bytes::from_static(head), Bytes::from_static(b"}}"));
            let reply = Frame { head, body: content.clone(), tail, ..Frame::default() };
            let Some(ReplyPayload::Result(text)) = ReplyPayload::of(reply, &id()) else {
                panic!("no result")
            };
            assert!(text.starts_with(b"{\"resultType\":\"complete\"") && text.ends_with(b"}"));
            assert!(text.ends_with(&[b"\"content\":", &content[..], b"}"].concat()));
        }
        let other = Id::parse(&Bytes::from_static(b"8")).unwrap();
        assert_eq!(ReplyPayload::of(error, &other), None);
    }
}
