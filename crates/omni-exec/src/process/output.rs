//! What a tool prints: captured without ever holding it up, turned into log events, its end kept for a failure.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use omni_call::{Event, EventSink, LogLevel};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe;

const CHUNK_BYTES: usize = 8 << 10;

/// Read from one pipe in one go at most: what a pipe holds. More would let a tool that prints without end
/// keep the thread that serves everyone.
const CHUNKS_PER_POLL_MAX: usize = 8;

/// A longer line is cut into several.
const LINE_BYTES_MAX: usize = 8 << 10;

/// Lines and bytes of one call that become events. A tool that prints more than anybody reads would fill
/// its client's queue.
const LINES_PER_CALL_MAX: u32 = 1000;
const BYTES_PER_CALL_MAX: usize = 256 << 10;

/// Who hears what a tool prints.
pub(crate) struct Listener<'a> {
    pub(crate) events: &'a mut dyn EventSink,
    /// Events below this level are not made; `None`: none at all.
    pub(crate) level: Option<LogLevel>,
}

/// The two pipes of one process.
pub(crate) struct Output {
    stdout: Stream,
    stderr: Stream,
    chunk: Box<[u8; CHUNK_BYTES]>,
    tail: Tail,
    allowance: Allowance,
}

impl Output {
    pub(crate) fn new(stdout: OwnedFd, stderr: OwnedFd, tail_bytes_max: usize) -> io::Result<Self> {
        Ok(Output {
            stdout: Stream::new(stdout, Lines::stdout())?,
            stderr: Stream::new(stderr, Lines::stderr())?,
            chunk: Box::new([0; CHUNK_BYTES]),
            tail: Tail { bytes: Vec::new(), limit: tail_bytes_max },
            allowance: Allowance::new(),
        })
    }

    /// Forgets what the last call printed.
    pub(crate) fn begin_call(&mut self) {
        self.tail.bytes.clear();
        self.stdout.lines.line.clear();
        self.stderr.lines.line.clear();
        self.allowance = Allowance::new();
    }

    /// Reads what is there and wakes `cx` when there is more. Costs no system call when nothing was printed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, mut listener: Option<&mut Listener<'_>>) {
        for (stream, tail) in [(&mut self.stdout, None), (&mut self.stderr, Some(&mut self.tail))] {
            let mut reading = Reading {
                chunk: &mut self.chunk[..],
                tail,
                allowance: &mut self.allowance,
                listener: listener.as_deref_mut(),
            };
            stream.poll(cx, &mut reading);
        }
    }

    /// Takes in what was printed before a frame that has just been read.
    ///
    /// [`poll`](Self::poll) sees only what the runtime has been told of. When several frames are taken in
    /// one go, the last may be younger than that: a tool prints and returns while its progress is being
    /// read. So this asks the kernel, which costs a system call a pipe.
    pub(crate) fn catch_up(&mut self, listener: &mut Listener<'_>) {
        for (stream, tail) in [(&mut self.stdout, None), (&mut self.stderr, Some(&mut self.tail))] {
            let mut reading = Reading {
                chunk: &mut self.chunk[..],
                tail,
                allowance: &mut self.allowance,
                listener: Some(&mut *listener),
            };
            stream.catch_up(&mut reading);
        }
    }

    /// Reports the lines that a call began and did not end.
    pub(crate) fn end_call(&mut self, listener: &mut Listener<'_>) {
        self.stdout.lines.flush(&mut self.allowance, Some(&mut *listener));
        self.stderr.lines.flush(&mut self.allowance, Some(listener));
    }

    /// The end of this call's stderr, `None` when it wrote nothing.
    pub(crate) fn stderr_tail(&self) -> Option<String> {
        self.tail.text()
    }

    /// How much of this call's stderr is held at present: a mark for [`stderr_since`](Self::stderr_since).
    pub(crate) fn stderr_length(&self) -> usize {
        self.tail.bytes.len()
    }

    /// What stderr got since it was `mark` long; too little when it has been cut since.
    pub(crate) fn stderr_since(&self, mark: usize) -> &[u8] {
        self.tail.bytes.get(mark..).unwrap_or_else(|| self.tail.last())
    }
}

/// What one call prints that has no pipes of its own.
pub(crate) struct Printed {
    stdout: Lines,
    stderr: Lines,
    tail: Tail,
    allowance: Allowance,
}

impl Printed {
    pub(crate) fn new(tail_bytes_max: usize) -> Self {
        Printed {
            stdout: Lines::stdout(),
            stderr: Lines::stderr(),
            tail: Tail { bytes: Vec::new(), limit: tail_bytes_max },
            allowance: Allowance::new(),
        }
    }

    /// Takes what was printed on standard error, or else on standard output.
    pub(crate) fn take(&mut self, on_stderr: bool, bytes: &[u8], listener: &mut Listener<'_>) {
        if on_stderr {
            self.tail.push(bytes);
        }
        let lines = if on_stderr { &mut self.stderr } else { &mut self.stdout };
        lines.take(bytes, &mut self.allowance, Some(listener));
    }

    /// Reports the lines that the call began and did not end.
    pub(crate) fn end(&mut self, listener: &mut Listener<'_>) {
        self.stdout.flush(&mut self.allowance, Some(&mut *listener));
        self.stderr.flush(&mut self.allowance, Some(listener));
    }

    /// The end of the call's stderr, `None` when it wrote nothing.
    pub(crate) fn stderr_tail(&self) -> Option<String> {
        self.tail.text()
    }
}

/// How much of a call's output may still become events.
struct Allowance {
    lines: u32,
    bytes: usize,
}

impl Allowance {
    fn new() -> Self {
        Allowance { lines: LINES_PER_CALL_MAX, bytes: BYTES_PER_CALL_MAX }
    }

    /// Takes one line's share. `Some(true)`: report it, `Some(false)`: say once that the rest is not reported.
    fn take(&mut self, length: usize) -> Option<bool> {
        if self.lines == 0 {
            return None;
        }
        let fits = self.lines > 1 && self.bytes >= length;
        self.lines = if fits { self.lines - 1 } else { 0 };
        self.bytes = self.bytes.saturating_sub(length);
        Some(fits)
    }
}

/// The last bytes of stderr. Holds up to twice the limit, so that it is moved rarely.
struct Tail {
    bytes: Vec<u8>,
    limit: usize,
}

impl Tail {
    fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        if self.bytes.len() > 2 * self.limit {
            self.bytes.drain(..self.bytes.len() - self.limit);
        }
    }

    fn last(&self) -> &[u8] {
        &self.bytes[self.bytes.len().saturating_sub(self.limit)..]
    }

    fn text(&self) -> Option<String> {
        let tail = self.last();
        (!tail.is_empty()).then(|| String::from_utf8_lossy(tail).into_owned())
    }
}

struct Reading<'a, 'b> {
    chunk: &'a mut [u8],
    tail: Option<&'a mut Tail>,
    allowance: &'a mut Allowance,
    listener: Option<&'a mut Listener<'b>>,
}

/// One pipe, cut into lines.
struct Stream {
    /// `None` once everyone has closed its other end.
    pipe: Option<pipe::Receiver>,
    lines: Lines,
}

/// Cuts what is printed into lines.
struct Lines {
    name: &'static str,
    level: LogLevel,
    /// The beginning of a line whose end is still to come.
    line: Vec<u8>,
}

impl Stream {
    fn new(pipe: OwnedFd, lines: Lines) -> io::Result<Self> {
        Ok(Stream { pipe: Some(pipe::Receiver::from_owned_fd(pipe)?), lines })
    }

    fn poll(&mut self, cx: &mut Context<'_>, reading: &mut Reading<'_, '_>) {
        for _ in 0..CHUNKS_PER_POLL_MAX {
            let Some(pipe) = &mut self.pipe else { return };
            let mut buffer = ReadBuf::new(reading.chunk);
            match Pin::new(pipe).poll_read(cx, &mut buffer) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let length = buffer.filled().len();
                    self.take(length, reading);
                }
                Poll::Ready(_) => {
                    self.pipe = None;
                    return;
                }
            }
        }
        cx.waker().wake_by_ref();
    }

    fn catch_up(&mut self, reading: &mut Reading<'_, '_>) {
        for _ in 0..CHUNKS_PER_POLL_MAX {
            let Some(pipe) = &self.pipe else { return };
            // An end or an error is for `poll` to find.
            let Ok(length @ 1..) = rustix::io::read(pipe, &mut *reading.chunk) else { return };
            self.take(length, reading);
        }
    }

    fn take(&mut self, length: usize, reading: &mut Reading<'_, '_>) {
        let Some(bytes) = reading.chunk.get(..length) else { return };
        if let Some(tail) = &mut reading.tail {
            tail.push(bytes);
        }
        self.lines.take(bytes, reading.allowance, reading.listener.as_deref_mut());
    }
}

impl Lines {
    fn stdout() -> Self {
        Lines { name: "stdout", level: LogLevel::Info, line: Vec::new() }
    }

    fn stderr() -> Self {
        Lines { name: "stderr", level: LogLevel::Warning, line: Vec::new() }
    }

    fn take(&mut self, mut rest: &[u8], allowance: &mut Allowance, mut listener: Option<&mut Listener<'_>>) {
        let wanted = listener.as_ref().is_some_and(|to| to.level.is_some_and(|min| self.level >= min));
        if !wanted || allowance.lines == 0 {
            self.line.clear();
            return;
        }
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            self.flush(allowance, listener.as_deref_mut());
        }
        self.line.extend_from_slice(rest);
        if self.line.len() >= LINE_BYTES_MAX {
            self.flush(allowance, listener);
        }
    }

    /// Reports the line collected so far.
    fn flush(&mut self, allowance: &mut Allowance, listener: Option<&mut Listener<'_>>) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        if let (Some(listener), false) = (listener, line.is_empty())
            && let Some(fits) = allowance.take(line.len())
        {
            let text =
                if fits { String::from_utf8_lossy(line) } else { "… (more output is not shown)".into() };
            listener.events.event(Event::Log {
                level: self.level,
                logger: Some(self.name.to_owned()),
                data: Bytes::from(serde_json::Value::from(text).to_string()),
            });
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_last_bytes_and_never_more_than_twice_the_limit() {
        let mut tail = Tail { bytes: Vec::new(), limit: 4 };
        for byte in 0..100 {
            tail.push(&[byte]);
            assert!(tail.bytes.len() <= 8);
        }
        assert_eq!(tail.last(), [96, 97, 98, 99]);
    }

    #[test]
    fn after_the_last_line_allowed_one_notice_follows_and_then_silence() {
        let mut allowance = Allowance { lines: 3, bytes: 100 };
        let taken: Vec<_> = (0..5).map(|_| allowance.take(10)).collect();
        assert_eq!(taken, [Some(true), Some(true), Some(false), None, None]);
    }

    #[test]
    fn long_output_is_cut_by_its_bytes_too() {
        let mut allowance = Allowance { lines: 100, bytes: 15 };
        assert_eq!((allowance.take(10), allowance.take(10)), (Some(true), Some(false)));
        assert_eq!(allowance.take(1), None);
    }
}
