//! A JSON-RPC message whose envelope has been read and whose parameters have not.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{RpcError, truncate_chars};

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

/// A frame that is no message, with the id to answer under when one could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    pub id: Option<Id>,
    pub error: RpcError,
}

/// One frame from a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Request(RawRequest),
    Notification(RawNotification),
    /// An answer to a request of ours.
    Response(Response),
    /// Several messages in one array (revision 2025-03-26 only), each decoded on its own.
    Batch(Vec<Result<Message, Rejected>>),
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

/// An answer to a request of ours. Whether there was such a request is for its reader to find out.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// `None` in an error about a message whose id the peer could not read.
    pub id: Option<Id>,
    /// The result's JSON text, any value.
    pub result: Result<Bytes, PeerError>,
}

/// The error that a peer answered with, as it said it: its code may be one that we do not know.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerError {
    /// 0 where the peer gave none.
    pub code: i64,
    /// 4,000 characters at most.
    pub message: String,
    /// JSON text.
    pub data: Option<Bytes>,
}

/// Longest message of a peer's error that is kept.
const MESSAGE_CHARS_MAX: usize = 4_000;

impl PeerError {
    /// Reads an error object. One that is none is an error all the same, whose message is its text: somebody waits for
    /// the answer.
    pub(crate) fn read(text: &Bytes) -> PeerError {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(default)]
            code: f64,
            #[serde(default)]
            message: String,
            #[serde(borrow, default)]
            data: Option<&'a RawValue>,
        }
        match serde_json::from_slice::<Wire<'_>>(text) {
            #[expect(clippy::cast_possible_truncation, reason = "a code that is no integer is nobody's")]
            Ok(Wire { code, message, data }) => PeerError {
                code: code as i64,
                message: truncate_chars(message, MESSAGE_CHARS_MAX),
                data: data.map(|data| text.slice_ref(data.get().as_bytes())),
            },
            Err(_) => PeerError {
                code: 0,
                message: truncate_chars(String::from_utf8_lossy(text).into_owned(), MESSAGE_CHARS_MAX),
                data: None,
            },
        }
    }
}
