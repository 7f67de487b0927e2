//! A JSON-RPC message whose envelope has been read and whose parameters have not.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

/// A request's id: a JSON string or an integer, kept as the bytes that the reply must carry.
///
/// Two ids are equal when their JSON values are: a string with escapes is normalised when it is read.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Id(Bytes);

impl Id {
    /// Reads an id from its JSON text. `None` for null, fractions, exponents and everything else that is neither a
    /// string nor an integer by JSON's own grammar, so that what is written with the id is JSON.
    ///
    /// Takes any bytes: they may come from a frame that is no JSON.
    pub fn parse(raw: &Bytes) -> Option<Id> {
        match raw.first()? {
            b'"' => {
                let text: Cow<'_, str> = serde_json::from_slice(raw).ok()?;
                // Without escapes, and without white space around it, it stands as it would be written.
                let plain = raw.len() == text.len() + 2;
                if plain { Some(Id(raw.clone())) } else { Some(Id(serde_json::to_vec(&text).ok()?.into())) }
            }
            _ => is_integer(raw).then(|| Id(raw.clone())),
        }
    }

    /// The id as it stands in a reply.
    pub fn as_json(&self) -> &[u8] {
        &self.0
    }
}

/// `int` of RFC 8259, section 6: no plus sign, no leading zero, a digit at least.
pub(crate) fn is_integer(text: &[u8]) -> bool {
    match text.strip_prefix(b"-").unwrap_or(text) {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// For logs, where a client's text must not be of any length.
impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0[..self.0.len().min(100)]))
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
