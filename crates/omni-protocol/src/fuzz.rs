//! What must hold of any bytes that a peer sends: run over its corpus by the tests, and by a fuzzer by hand.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::{Id, Message, Notification, Rejected, Request, Revision, decode, error_frame, salvage_id};

/// A frame: whatever is taken of it is JSON that others read too, and whatever is refused can be answered.
pub fn envelope(frame: &[u8]) {
    match decode(&Bytes::copy_from_slice(frame)) {
        Ok(message) => {
            // Of a batch each message is taken or refused by itself.
            if !matches!(message, Message::Batch(_)) {
                is_json(frame.strip_prefix(b"\xef\xbb\xbf").unwrap_or(frame));
            }
            taken(message);
        }
        Err(rejected) => refused(&rejected),
    }
}

fn taken(message: Message) {
    match message {
        Message::Request(raw) => {
            is_an_id(&raw.id);
            for session in [None, Some(Revision::V2024_11_05), Some(Revision::NEWEST_LEGACY)] {
                let id = raw.id.clone();
                match Request::read(raw.clone(), session) {
                    Ok(request) => assert_eq!(request.id, id),
                    Err(rejected) => {
                        assert_eq!(rejected.id, Some(id), "what has an id is answered");
                        refused(&rejected);
                    }
                }
            }
        }
        Message::Notification(raw) => {
            if let Notification::Cancelled(cancelled) = Notification::read(&raw) {
                is_an_id(&cancelled.request);
            }
        }
        Message::Response(_) => {}
        Message::Batch(items) => {
            for item in items {
                match item {
                    Ok(message) => taken(message),
                    Err(rejected) => refused(&rejected),
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    error: AnsweredError,
}

#[derive(Deserialize)]
struct AnsweredError {
    code: i64,
}

/// A refusal is one line of JSON.
fn refused(rejected: &Rejected) {
    let answer = error_frame(rejected.id.as_ref(), &rejected.error).into_bytes();
    assert!(!answer.contains(&b'\n'), "an answer is one line");
    // Not as a value: its id may be a number that no type of ours holds.
    let answer: Answer = serde_json::from_slice(&answer).expect("an answer is JSON");
    assert_ne!(answer.error.code, 0);
}

/// An id, by itself and in a frame that is broken around it.
pub fn id(text: &[u8]) {
    let text = Bytes::copy_from_slice(text);
    if let Some(id) = Id::parse(&text) {
        is_an_id(&id);
        let as_json = Bytes::copy_from_slice(id.as_json());
        assert_eq!(Id::parse(&as_json), Some(id), "an id is read as it was written");
    }
    let mut broken = b"{\"id\":".to_vec();
    broken.extend_from_slice(&text);
    for frame in [text.clone(), broken.clone().into(), [&broken[..], b",\"x"].concat().into()] {
        if let Some(id) = salvage_id(&frame) {
            is_an_id(&id);
        }
    }
}

fn is_an_id(id: &Id) {
    is_json(id.as_json());
    assert!(matches!(id.as_json().first(), Some(b'"' | b'-' | b'0'..=b'9')), "{id:?}");
}

/// By the grammar: how large a number may be is nothing that JSON says, and others read their own.
fn is_json(text: &[u8]) {
    assert!(serde_json::from_slice::<IgnoredAny>(text).is_ok(), "not JSON: {}", text.escape_ascii());
}

#[cfg(test)]
mod tests {
    use omni_mutate::Target;

    const WORDS: &[&str] = &[
        "\"jsonrpc\":\"2.0\"",
        "\"id\":",
        "\"id\":\"",
        "\"method\":",
        "\"params\":{",
        "\"_meta\":{",
        "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"",
        "\"io.modelcontextprotocol/clientCapabilities\":{}",
        "\"name\":",
        "\"arguments\":{",
        "\"cursor\":",
        "\"ref\":{\"type\":\"ref/prompt\"",
        "\"argument\":{",
        "\"context\":{",
        "\"progressToken\":",
        "\"result\":{",
        "\"error\":{",
        "\"requestId\":",
        "\"tools/call\"",
        "\"completion/complete\"",
        "\"notifications/cancelled\"",
        "\\ud800",
        "\\u0000",
        "\u{feff}",
        "1e400",
        "-0",
        "null",
        "true",
        "[[[[[[[[",
        "{\"a\":",
    ];

    #[test]
    fn any_frame_is_read_or_answered() {
        Target { name: "envelope", words: WORDS, seeds: &[], run: super::envelope }.check();
    }

    #[test]
    fn any_id_is_json() {
        Target { name: "id", words: WORDS, seeds: &[], run: super::id }.check();
    }
}
