//! A JSON-RPC message whose envelope has been read and whose parameters have not.

use std::fmt;

use bytes::Bytes;

/// A request's id: a JSON string or an integer, kept as the bytes that the reply must carry.
///
/// Two ids are equal when their JSON values are: a string with escapes is normalised when it is read.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Id(Bytes);

impl Id {
    /// Reads an id from its JSON text. `None` for null, fractions, exponents and everything that is
    /// neither a string nor an integer.
    pub fn parse(raw: &Bytes) -> Option<Id> {
        match raw.first()? {
            b'"' if raw.contains(&b'\\') => {
                let text: String = serde_json::from_slice(raw).ok()?;
                Some(Id(serde_json::to_vec(&text).ok()?.into()))
            }
            b'"' => Some(Id(raw.clone())),
            b'-' | b'0'..=b'9' if raw[1..].iter().all(u8::is_ascii_digit) => Some(Id(raw.clone())),
            _ => None,
        }
    }

    /// The id as it stands in a reply.
    pub fn as_json(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// One frame from a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Request(RawRequest),
    Notification(RawNotification),
    /// An answer to a request of ours. We send none in the revisions' core, so it is only acknowledged.
    Response,
    /// Several messages in one array (revision 2025-03-26 only), each decoded on its own.
    Batch(Vec<Result<Message, crate::Rejected>>),
}

/// A request whose parameters are still JSON text.
#[derive(Clone, Debug, PartialEq)]
pub struct RawRequest {
    pub id: Id,
    pub method: Box<str>,
    /// A JSON object, when there is one.
    pub params: Option<Bytes>,
}

/// A notification whose parameters are still JSON text.
#[derive(Clone, Debug, PartialEq)]
pub struct RawNotification {
    pub method: Box<str>,
    pub params: Option<Bytes>,
}
