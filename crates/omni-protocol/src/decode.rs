//! Bytes to messages: the envelope is read once, parameters stay JSON text.

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::message::{Id, Message, PeerError, RawNotification, RawRequest, Rejected, Response};
use crate::strict_json::{self, StrictJsonError};
use crate::{ErrorCode, RpcError};

/// Most messages in one batch.
const BATCH_MAX: usize = 100;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How far into a broken frame the search for an id goes.
const SALVAGE_BYTES_MAX: usize = 64 * 1024;

/// Reads one frame: a message, or an array of them.
///
/// Takes any bytes. Refuses what is not JSON in UTF-8, what is not a JSON-RPC 2.0 message, nesting beyond
/// 64, half surrogate pairs, and keys that stand twice in one object. A byte order mark before it is passed over
/// (RFC 8259, section 8.1): some shells write one. The work is linear in the length of the frame.
pub fn decode(frame: &Bytes) -> Result<Message, Rejected> {
    let frame = &match frame.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => frame.slice_ref(rest),
        None => frame.clone(),
    };
    let reject =
        |code, message: String| Rejected { id: salvage_id(frame), error: RpcError::new(code, message) };
    let text = std::str::from_utf8(frame)
        .map_err(|error| reject(ErrorCode::ParseError, format!("the frame is not UTF-8: {error}")))?;
    if text.trim_ascii_start().starts_with('[') {
        return decode_batch(frame, text);
    }
    let envelope = read_envelope(text).map_err(|error| {
        let code = if error.is_data() { ErrorCode::InvalidRequest } else { ErrorCode::ParseError };
        reject(code, format!("not a JSON-RPC message: {error}"))
    })?;
    strict_json::check(text).map_err(|fault| match fault {
        StrictJsonError::LoneSurrogate => {
            reject(ErrorCode::ParseError, "a string holds half a surrogate pair, which is no text".into())
        }
        StrictJsonError::TooDeep => {
            reject(ErrorCode::InvalidRequest, format!("nested deeper than {} levels", strict_json::DEPTH_MAX))
        }
        StrictJsonError::DuplicateKey(key) => {
            let key: String = key.chars().take(60).collect();
            reject(ErrorCode::InvalidRequest, format!("`{key}` stands twice in one object"))
        }
    })?;
    envelope.into_message(frame)
}

fn decode_batch(frame: &Bytes, text: &str) -> Result<Message, Rejected> {
    let reject = |code, message: String| Rejected { id: None, error: RpcError::new(code, message) };
    let items: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|error| reject(ErrorCode::ParseError, format!("not a JSON-RPC batch: {error}")))?;
    if items.is_empty() || items.len() > BATCH_MAX {
        let message = format!("a batch holds 1 to {BATCH_MAX} messages, not {}", items.len());
        return Err(reject(ErrorCode::InvalidRequest, message));
    }
    let decode_item = |item: &RawValue| {
        let item = frame.slice_ref(item.get().as_bytes());
        match item.first() {
            Some(b'[') => Err(reject(ErrorCode::InvalidRequest, "a batch inside a batch".into())),
            _ => decode(&item),
        }
    };
    Ok(Message::Batch(items.into_iter().map(decode_item).collect()))
}

/// The envelope's members as they stand in the text.
#[derive(Default)]
struct Envelope<'a> {
    jsonrpc: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

fn read_envelope(text: &str) -> Result<Envelope<'_>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let envelope = deserializer.deserialize_map(EnvelopeVisitor)?;
    deserializer.end()?;
    Ok(envelope)
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let mut envelope = Envelope::default();
        // Keys that stand twice are refused by the strict check, which also sees through escapes.
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match &*key {
                "jsonrpc" => envelope.jsonrpc = Some(map.next_value()?),
                "id" => envelope.id = Some(map.next_value()?),
                "method" => envelope.method = Some(map.next_value()?),
                "params" => envelope.params = Some(map.next_value()?),
                "result" => envelope.result = Some(map.next_value()?),
                "error" => envelope.error = Some(map.next_value()?),
                _ => {
                    // As `RawValue`, not skipped: skipping would not look at its strings.
                    map.next_value::<&RawValue>()?;
                }
            }
        }
        Ok(envelope)
    }
}

impl Envelope<'_> {
    fn into_message(self, frame: &Bytes) -> Result<Message, Rejected> {
        let id = self.id.map(|raw| (raw, Id::parse(&frame.slice_ref(raw.get().as_bytes()))));
        let reject = |message: &str| Rejected {
            id: id.as_ref().and_then(|(_, id)| id.clone()),
            error: RpcError::new(ErrorCode::InvalidRequest, message),
        };
        if self.jsonrpc.is_none_or(|version| version.get() != "\"2.0\"") {
            return Err(reject("`jsonrpc` must be \"2.0\""));
        }
        let Some(method) = self.method else {
            // Some peers write the member that does not apply as null, as JSON-RPC 1.0 had it.
            let error = self.error.filter(|error| error.get() != "null");
            let result = self.result.filter(|result| error.is_none() || result.get() != "null");
            let known = id.as_ref().and_then(|(_, id)| id.clone());
            return match (result, error, known) {
                (Some(result), None, id @ Some(_)) => Ok(Message::Response(Response {
                    id,
                    result: Ok(frame.slice_ref(result.get().as_bytes())),
                })),
                // An error may be about a message of ours whose id could not be read.
                (None, Some(error), id) => {
                    let error = frame.slice_ref(error.get().as_bytes());
                    Ok(Message::Response(Response { id, result: Err(PeerError::read(&error)) }))
                }
                (None, None, _) if self.error.is_none() => Err(reject("`method` is missing")),
                _ => Err(reject("a response has an `id` and one of `result` and `error`")),
            };
        };
        let Ok(method) = serde_json::from_str::<Box<str>>(method.get()) else {
            return Err(reject("`method` must be a string"));
        };
        let params = match self.params {
            Some(params) if params.get().starts_with('{') => Some(frame.slice_ref(params.get().as_bytes())),
            // Some clients write `"params": null` where the specification has them leave it out.
            Some(params) if params.get() == "null" => None,
            Some(_) => return Err(reject("`params` must be an object")),
            None => None,
        };
        match id {
            None => Ok(Message::Notification(RawNotification { method, params })),
            Some((_, Some(id))) => Ok(Message::Request(RawRequest { id, method, params })),
            Some((raw, None)) => {
                let what: String = raw.get().chars().take(40).collect();
                Err(reject(&format!("`id` must be a string or an integer, not {what}")))
            }
        }
    }
}

/// Finds the id of a frame that could not be read, so that its sender gets an answer: the value of the
/// first `"id"` key of the outermost object, within the first 64 KiB. Only what is an id by JSON's own grammar is one.
pub fn salvage_id(frame: &Bytes) -> Option<Id> {
    let bytes = &frame[..frame.len().min(SALVAGE_BYTES_MAX)];
    let start = skip_white(bytes, if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 });
    if bytes.get(start) != Some(&b'{') {
        return None;
    }
    let mut depth = 0usize;
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return None,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let end = quoted_end(bytes, at)?;
                if depth == 1 && &bytes[at..=end] == b"\"id\"" {
                    let after = skip_white(bytes, end + 1);
                    if bytes.get(after) == Some(&b':') {
                        return id_at(frame, skip_white(bytes, after + 1));
                    }
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn quoted_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn skip_white(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

fn id_at(frame: &Bytes, start: usize) -> Option<Id> {
    let end = match frame.get(start)? {
        b'"' => quoted_end(frame, start)? + 1,
        _ => start + frame[start..].iter().position(|b| !matches!(b, b'-' | b'0'..=b'9'))?,
    };
    // `1.5` would be cut at the point: what follows must end the value.
    let follows = frame.get(skip_white(frame, end))?;
    matches!(follows, b',' | b'}').then(|| Id::parse(&frame.slice(start..end))).flatten()
}

#[cfg(test)]
mod tests;
