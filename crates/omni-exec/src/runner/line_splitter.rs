//! Pieces of an answer to the lines of its events.

use bytes::{Buf as _, Bytes, BytesMut};

/// Cuts what arrives into lines.
pub(crate) struct LineSplitter {
    held: BytesMut,
    /// Up to here there is no line's end.
    looked_at: usize,
    limit: usize,
}

/// A line is longer than lines may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

impl LineSplitter {
    pub(crate) fn new(limit: usize) -> Self {
        LineSplitter { held: BytesMut::new(), looked_at: 0, limit }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    /// The next whole line, without its end.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        let end = memchr::memchr(b'\n', self.held.get(self.looked_at..).unwrap_or_default());
        let Some(end) = end.map(|end| end + self.looked_at) else {
            self.looked_at = self.held.len();
            return if self.held.len() > self.limit { Err(LineTooLong) } else { Ok(None) };
        };
        self.looked_at = 0;
        if end > self.limit {
            return Err(LineTooLong);
        }
        let line = self.held.split_to(end).freeze();
        self.held.advance(1);
        Ok(Some(line))
    }

    /// What was begun when the answer ended: its writer may have left out the last line's end.
    pub(crate) fn last(&mut self) -> Option<Bytes> {
        (!self.held.is_empty()).then(|| self.held.split().freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut LineSplitter) -> Vec<String> {
        std::iter::from_fn(|| lines.next().unwrap())
            .map(|line| String::from_utf8(line.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn lines_are_found_however_they_arrive() {
        let text = b"one\n\ntwo and more\nthree";
        for size in 1..text.len() {
            let mut lines = LineSplitter::new(100);
            let mut found = Vec::new();
            for piece in text.chunks(size) {
                lines.push(piece);
                found.extend(all(&mut lines));
            }
            assert_eq!(found, ["one", "", "two and more"]);
            assert_eq!(lines.last().as_deref(), Some(&b"three"[..]));
            assert_eq!(lines.last(), None);
        }
    }

    #[test]
    fn a_line_without_end_is_refused_as_soon_as_it_is_too_long() {
        let mut lines = LineSplitter::new(4);
        lines.push(b"1234");
        assert_eq!(lines.next(), Ok(None));
        lines.push(b"5");
        assert_eq!(lines.next(), Err(LineTooLong));
        let mut lines = LineSplitter::new(4);
        lines.push(b"12345\n");
        assert_eq!(lines.next(), Err(LineTooLong));
    }
}
