//! The ids of events, which a client gives back as `Last-Event-ID`.

use std::fmt;

use bytes::Bytes;
use omni_protocol::Id;

/// The JSON of a request's id, in bytes, up to which it is in the ids of its events.
const REQUEST_BYTES_MAX: usize = 64;

/// What the events of a stream belong to.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum StreamSource {
    /// The session.
    Session,
    /// A request of the client, by its id where that is short. It is in the ids of events, so that a client that comes
    /// back when nothing is known of the stream any more, also by a server that was started anew, gets an answer to its
    /// request.
    Request(Option<Id>),
}

impl StreamSource {
    /// A request of that id.
    pub(in super::super) fn request(id: Option<&Id>) -> Self {
        StreamSource::Request(id.filter(|id| id.as_json().len() <= REQUEST_BYTES_MAX).cloned())
    }
}

/// Names one event among all of a server's. It is no secret: only the session that a stream is of can resume it.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct EventId {
    /// Random, since numbers would begin anew with the server.
    pub(in super::super) stream: u64,
    /// Counted from 1; 0 stands before the first event.
    pub(in super::super) number: u64,
    pub(in super::super) source: StreamSource,
}

impl EventId {
    /// Reads an id in the one spelling that we give it.
    pub(in super::super) fn parse(text: &str) -> Option<EventId> {
        let mut parts = text.splitn(3, '-');
        let (stream, number, request) = (parts.next()?, parts.next()?, parts.next());
        let source = match request {
            None => StreamSource::Session,
            Some("") => StreamSource::Request(None),
            Some(digits) => StreamSource::Request(Some(Id::parse(&unhex(digits)?)?)),
        };
        let id =
            EventId { stream: u64::from_str_radix(stream, 16).ok()?, number: number.parse().ok()?, source };
        (id.to_string() == text).then_some(id)
    }
}

/// `stream-number` of a session's stream, `stream-number-request` of a request's.
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.stream, self.number)?;
        if let StreamSource::Request(id) = &self.source {
            f.write_str("-")?;
            id.iter().flat_map(|id| id.as_json()).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        }
        Ok(())
    }
}

fn unhex(digits: &str) -> Option<Bytes> {
    let pairs = digits.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() || digits.len() > 2 * REQUEST_BYTES_MAX {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(byte).collect::<Option<Vec<u8>>>().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(json: &'static str) -> Id {
        Id::parse(&Bytes::from_static(json.as_bytes())).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let long = format!("\"{}\"", "x".repeat(REQUEST_BYTES_MAX));
        let long = Id::parse(&Bytes::from(long)).unwrap();
        for (source, written) in [
            (StreamSource::Session, "00000000000000ab-7"),
            (StreamSource::request(Some(&id("12"))), "00000000000000ab-7-3132"),
            (StreamSource::request(Some(&id("\"é-1\""))), "00000000000000ab-7-22c3a92d3122"),
            (StreamSource::request(Some(&long)), "00000000000000ab-7-"),
            (StreamSource::request(None), "00000000000000ab-7-"),
        ] {
            let event = EventId { stream: 0xab, number: 7, source };
            assert_eq!(event.to_string(), written);
            assert_eq!(EventId::parse(written), Some(event));
        }
    }

    #[test]
    fn what_we_did_not_write_is_none() {
        for text in [
            "",
            "7",
            "-",
            "ab-7",
            "00000000000000ab-",
            "00000000000000ab-+7",
            "00000000000000ab-07",
            "00000000000000AB-7",
            "00000000000000ab-7-3",
            "00000000000000ab-7-é",
            "00000000000000ab-7-3132 ",
            "00000000000000ab-7-3031",
            "00000000000000ab-7-313a",
            "00000000000000ab-7-31-32",
            "00000000000000ab-18446744073709551616",
            "+0000000000000ab-7",
            &format!("00000000000000ab-7-22{}22", "78".repeat(REQUEST_BYTES_MAX)),
        ] {
            assert_eq!(EventId::parse(text), None, "{text}");
        }
    }
}
