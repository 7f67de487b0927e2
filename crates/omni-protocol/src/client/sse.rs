//! Server-Sent Events as they arrive, in whatever pieces (WHATWG HTML, section 9.2.6).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

/// The longest `retry` that is believed: nobody waits longer for a server to be asked again.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// One event that has data, or an identifier to go on from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerEvent {
    /// `message` where the server names none.
    pub kind: String,
    /// The data lines, with line feeds between them. Empty in an event that only says where the stream is.
    pub data: Bytes,
}

/// An event that is longer than events may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an event of its stream is longer than {limit} bytes")]
pub struct EventTooLong {
    pub limit: usize,
}

/// Cuts a stream into events.
///
/// Lines may end in LF, CR or CRLF, also with a CRLF cut in two by the network. Holds one line and the data of one event
/// at most. What the stream's end cuts off is no event.
#[derive(Debug)]
pub struct EventReader {
    limit: usize,
    line: BytesMut,
    data: BytesMut,
    has_data: bool,
    kind: String,
    /// Of the event that is being read; it counts when that is complete.
    id: Option<String>,
    last_id: Option<String>,
    retry: Option<Duration>,
    /// The last byte was a carriage return, so a line feed now ends no second line.
    after_return: bool,
    /// Nothing has come yet, so a byte order mark may.
    first: bool,
}

impl EventReader {
    /// Events have `limit` bytes of data at most.
    pub fn new(limit: usize) -> Self {
        EventReader {
            limit,
            line: BytesMut::new(),
            data: BytesMut::new(),
            has_data: false,
            kind: String::new(),
            id: None,
            last_id: None,
            retry: None,
            after_return: false,
            first: true,
        }
    }

    /// Takes what has arrived and returns the events that it completes.
    ///
    /// # Errors
    /// A line or an event is longer than the limit. The stream is of no use then.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<Vec<ServerEvent>, EventTooLong> {
        let mut events = Vec::new();
        while !piece.is_empty() {
            if std::mem::take(&mut self.after_return) && piece[0] == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, rest) = piece.split_at(end.unwrap_or(piece.len()));
            // A field's name and the mark before its value stand before the data.
            if self.line.len() + part.len() > self.limit + 64 {
                return Err(EventTooLong { limit: self.limit });
            }
            self.line.extend_from_slice(part);
            let Some((&ending, rest)) = rest.split_first().filter(|_| end.is_some()) else { break };
            self.after_return = ending == b'\r';
            piece = rest;
            let line = self.line.split();
            events.extend(self.take(&line)?);
        }
        Ok(events)
    }

    /// The identifier of the last complete event that has one, to go on from with `Last-Event-ID`.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The connection has ended, and the stream goes on with another: what was begun comes again.
    pub fn cut_off(&mut self) {
        let (last_id, retry) = (self.last_id.take(), self.retry);
        *self = EventReader { last_id, retry, ..EventReader::new(self.limit) };
    }

    /// How long the server wants to be left alone before it is asked again; 30 s at most.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Takes one whole line; an empty one ends an event.
    fn take(&mut self, line: &[u8]) -> Result<Option<ServerEvent>, EventTooLong> {
        let line = if std::mem::take(&mut self.first) {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
        } else {
            line
        };
        if line.is_empty() {
            return Ok(self.end());
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            // A comment: keeps a quiet stream open.
            Some(0) => return Ok(None),
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = || String::from_utf8_lossy(value).into_owned();
        match field {
            b"data" => {
                if self.data.len() + value.len() + 1 > self.limit + 1 {
                    return Err(EventTooLong { limit: self.limit });
                }
                if self.has_data {
                    self.data.extend_from_slice(b"\n");
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => self.kind = text(),
            b"id" if !value.contains(&0) => self.id = Some(text()),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                let milliseconds = text().parse().map_or(RETRY_MAX, Duration::from_millis);
                self.retry = Some(milliseconds.min(RETRY_MAX));
            }
            _ => {}
        }
        Ok(None)
    }

    fn end(&mut self) -> Option<ServerEvent> {
        if let Some(id) = self.id.take() {
            // An empty one says that there is none to go on from.
            self.last_id = Some(id).filter(|id| !id.is_empty());
        }
        let kind = std::mem::take(&mut self.kind);
        let kind = if kind.is_empty() { "message".to_owned() } else { kind };
        let data = self.data.split().freeze();
        std::mem::take(&mut self.has_data).then_some(ServerEvent { kind, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &[u8], size: usize) -> Vec<(String, String)> {
        let mut reader = EventReader::new(100);
        let mut events = Vec::new();
        for piece in text.chunks(size) {
            events.extend(reader.push(piece).unwrap());
        }
        let text = |data: Bytes| String::from_utf8(data.to_vec()).unwrap();
        events.into_iter().map(|event| (event.kind, text(event.data))).collect()
    }

    #[test]
    fn events_are_found_however_they_arrive_and_whatever_ends_their_lines() {
        let text = "\u{feff}: hello\n\ndata:  one\ndata\ndata:two\nother: x\n\nevent: end\nid: 7\ndata: 3\n\ndata: cut off\n";
        let expected = [("message", " one\n\ntwo"), ("end", "3")];
        let expected: Vec<_> =
            expected.iter().map(|(kind, data)| ((*kind).to_owned(), (*data).to_owned())).collect();
        for end in ["\n", "\r", "\r\n"] {
            let text = text.replace('\n', end);
            for size in 1..text.len() {
                assert_eq!(all(text.as_bytes(), size), expected, "{end:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn where_to_go_on_is_known_from_complete_events_alone() {
        let mut reader = EventReader::new(100);
        assert_eq!(reader.push(b"id: 1\nretry: 250\ndata:\n\nid: 2\n").unwrap().len(), 1);
        assert_eq!(reader.last_id(), Some("1"));
        assert_eq!(reader.retry(), Some(Duration::from_millis(250)));
        // The event that only says where the stream is has an id and no data.
        assert_eq!(reader.push(b"\nretry: 99999999999999999999\n").unwrap(), []);
        assert_eq!(reader.last_id(), Some("2"));
        assert_eq!(reader.retry(), Some(RETRY_MAX));
        reader.push(b"data: half").unwrap();
        reader.cut_off();
        assert_eq!(reader.last_id(), Some("2"));
        assert_eq!(reader.push(b"\ndata: 1\n\n").unwrap()[0].data, "1");
        reader.push(b"id\n\nretry: soon\n").unwrap();
        assert_eq!(reader.last_id(), None);
    }

    #[test]
    fn a_line_and_an_event_without_end_are_refused_before_they_are_held() {
        let mut reader = EventReader::new(10);
        assert_eq!(reader.push(b"data: 0123456789\n\n").unwrap().len(), 1);
        assert_eq!(reader.push(b"data: 0123456789a\n"), Err(EventTooLong { limit: 10 }));
        let mut reader = EventReader::new(10);
        assert_eq!(reader.push(&[b'x'; 200]), Err(EventTooLong { limit: 10 }));
        let mut reader = EventReader::new(10);
        assert_eq!(reader.push(&b"data: 1\n".repeat(20)), Err(EventTooLong { limit: 10 }));
    }

    proptest! {
        #[test]
        fn what_our_server_writes_is_read_back_in_any_pieces(
            json in "[ -~\n]{0,40}",
            sizes in proptest::collection::vec(1usize..7, 1..20),
        ) {
            let written = crate::event(&[json.as_bytes()]);
            let mut reader = EventReader::new(64);
            let (mut rest, mut read) = (&written[..], Vec::new());
            for size in sizes.into_iter().cycle() {
                if rest.is_empty() { break }
                let (piece, after) = rest.split_at(size.min(rest.len()));
                read.extend(reader.push(piece).unwrap());
                rest = after;
            }
            let data = Bytes::from(json.replace('\n', " "));
            prop_assert_eq!(read, [ServerEvent { kind: "message".into(), data }]);
        }

        #[test]
        fn any_bytes_are_events_or_a_refusal(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut reader = EventReader::new(50);
            for piece in bytes.chunks(3) {
                match reader.push(piece) {
                    Ok(events) => prop_assert!(events.iter().all(|event| event.data.len() <= 50)),
                    Err(_) => break,
                }
            }
        }
    }
}
