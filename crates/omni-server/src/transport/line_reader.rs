//! A byte stream cut into lines of bounded length.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Of a line that is too long this much is kept, to find its id in.
const KEPT_BYTES: usize = 64 * 1024;

/// Reads lines that end at LF. A CR before it is left to the JSON parser, for which it is white space.
pub(crate) struct LineReader<R> {
    input: R,
    buffer: BytesMut,
    /// Bytes at the start of `buffer` that are known to hold no LF.
    scanned: usize,
    line_bytes_max: usize,
    /// The start of a line that was too long and whose end has not come yet.
    skipping: Option<Bytes>,
    ended: bool,
}

/// One line, without its LF.
#[derive(Debug, PartialEq)]
pub(crate) enum FramedLine {
    Whole(Bytes),
    /// Longer than allowed; its start, for the id.
    TooLong(Bytes),
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(crate) fn new(input: R, line_bytes_max: usize) -> Self {
        LineReader {
            input,
            buffer: BytesMut::new(),
            scanned: 0,
            line_bytes_max,
            skipping: None,
            ended: false,
        }
    }

    /// The next line that holds more than white space; `None` at the end of input. A last line without LF
    /// counts. Cancel safe: a wait that is dropped loses nothing.
    pub(crate) async fn next(&mut self) -> io::Result<Option<FramedLine>> {
        loop {
            while let Some(line) = self.take_line() {
                if !matches!(&line, FramedLine::Whole(text) if text.trim_ascii().is_empty()) {
                    return Ok(Some(line));
                }
            }
            if self.ended {
                return Ok(None);
            }
            self.buffer.reserve(READ_BYTES);
            if self.input.read_buf(&mut self.buffer).await? == 0 {
                self.ended = true;
            }
        }
    }

    /// Whether another line can be had without waiting.
    pub(crate) fn has_line(&self) -> bool {
        self.skipping.is_none() && memchr::memchr(b'\n', &self.buffer[self.scanned..]).is_some()
    }

    fn take_line(&mut self) -> Option<FramedLine> {
        let end = memchr::memchr(b'\n', &self.buffer[self.scanned..]).map(|at| self.scanned + at);
        match (end, self.skipping.take()) {
            (Some(end), Some(start)) => {
                self.buffer.advance(end + 1);
                self.scanned = 0;
                Some(FramedLine::TooLong(start))
            }
            (Some(end), None) => {
                let line = self.buffer.split_to(end).freeze();
                self.buffer.advance(1);
                self.scanned = 0;
                Some(self.bounded(line))
            }
            (None, Some(start)) => {
                // The rest of a line that is too long: forget it as it comes, memory stays constant.
                self.buffer.clear();
                self.scanned = 0;
                if self.ended {
                    return Some(FramedLine::TooLong(start));
                }
                self.skipping = Some(start);
                None
            }
            (None, None) if self.buffer.len() > self.line_bytes_max => {
                self.skipping =
                    Some(Bytes::copy_from_slice(&self.buffer[..KEPT_BYTES.min(self.buffer.len())]));
                self.buffer.clear();
                self.scanned = 0;
                None
            }
            (None, None) if self.ended && !self.buffer.is_empty() => {
                let line = self.buffer.split().freeze();
                self.scanned = 0;
                Some(self.bounded(line))
            }
            (None, None) => {
                self.scanned = self.buffer.len();
                None
            }
        }
    }

    fn bounded(&self, line: Bytes) -> FramedLine {
        if line.len() <= self.line_bytes_max {
            return FramedLine::Whole(line);
        }
        FramedLine::TooLong(Bytes::copy_from_slice(&line[..KEPT_BYTES.min(line.len())]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(chunks: &[&'static [u8]], max: usize) -> Vec<FramedLine> {
        let mut builder = tokio_test_reader(chunks);
        let mut lines = LineReader::new(&mut builder, max);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        all
    }

    /// A reader that gives one chunk a read.
    fn tokio_test_reader(chunks: &[&'static [u8]]) -> impl AsyncRead + Unpin + use<> {
        struct Chunks(std::vec::IntoIter<&'static [u8]>);
        impl AsyncRead for Chunks {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                _cx: &mut std::task::Context<'_>,
                buffer: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                if let Some(chunk) = self.0.next() {
                    buffer.put_slice(chunk);
                }
                std::task::Poll::Ready(Ok(()))
            }
        }
        Chunks(Vec::from(chunks).into_iter())
    }

    fn whole(text: &'static str) -> FramedLine {
        FramedLine::Whole(Bytes::from(text))
    }

    #[tokio::test]
    async fn any_chunking_gives_the_same_lines() {
        let expected = vec![whole("one"), whole("two\r"), whole("three")];
        assert_eq!(lines(&[b"one\ntwo\r\n\n \nthree"], 100).await, expected);
        let single: Vec<&'static [u8]> = b"one\ntwo\r\n\n \nthree".chunks(1).collect();
        assert_eq!(lines(&single, 100).await, expected);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_reported_once_and_the_next_is_intact() {
        let expected = vec![FramedLine::TooLong(Bytes::from("abcdef")), whole("ok")];
        assert_eq!(lines(&[b"abcdef", b"ghi", b"jkl\nok\n"], 5).await, expected);
        assert_eq!(
            lines(&[b"abcdefghijkl"], 5).await,
            vec![FramedLine::TooLong(Bytes::from("abcdefghijkl"))]
        );
        assert_eq!(lines(&[b"abcdefghijkl\nok\n"], 5).await[1], whole("ok"));
    }
}
