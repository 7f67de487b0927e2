//! What a tool prints: captured without ever holding it up, turned into log events, its end kept for a failure.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use omni_call::{Event, EventSink, LogLevel};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe;

const CHUNK_BYTES: usize = 8 << 10;

/// Read from one pipe in one go at most: what a pipe holds. More would let a tool that prints without end
/// keep the thread that serves everyone.
const CHUNKS_PER_POLL_MAX: usize = 8;

/// A line of output at most, in bytes. A longer one is cut into several.
pub const LINE_BYTES_MAX: usize = 8 << 10;

/// Lines and bytes of one call that become events. A tool that prints more than anybody reads would fill
/// its client's queue.
const LINES_PER_CALL_MAX: u32 = 1000;
const BYTES_PER_CALL_MAX: usize = 256 << 10;

/// Who hears what a tool prints.
pub struct OutputListener<'a> {
    pub events: &'a mut dyn EventSink,
    /// Events below this level are not made; `None`: none at all.
    pub level: Option<LogLevel>,
}

/// The two pipes of one process.
pub struct Output {
    stdout: OutputPipe,
    stderr: OutputPipe,
    chunk: Box<[u8; CHUNK_BYTES]>,
    printed: PrintedOutput,
    unattributed: UnattributedOutput,
}

impl Output {
    /// The end of stderr is kept, up to `tail_bytes_max`. What is printed for no call goes to the log if `log` says so.
    pub fn new(stdout: OwnedFd, stderr: OwnedFd, tail_bytes_max: usize, log: bool) -> io::Result<Self> {
        Ok(Output {
            stdout: OutputPipe::new(stdout)?,
            stderr: OutputPipe::new(stderr)?,
            chunk: Box::new([0; CHUNK_BYTES]),
            printed: PrintedOutput::new(tail_bytes_max),
            unattributed: UnattributedOutput::new(log),
        })
    }

    /// Forgets what the last call printed.
    pub fn begin_call(&mut self) {
        self.printed.begin();
    }

    /// Reads what is there and wakes `cx` when there is more. Costs no system call when nothing was printed. True when
    /// something was.
    pub fn poll(&mut self, cx: &mut Context<'_>, mut listener: Option<&mut OutputListener<'_>>) -> bool {
        let printed = &mut self.printed;
        let mut hear = |on_stderr, bytes: &[u8]| match listener.as_deref_mut() {
            Some(listener) => printed.take(on_stderr, bytes, listener),
            None if on_stderr => printed.tail.push(bytes),
            None => {}
        };
        let stdout = self.stdout.poll(cx, &mut self.chunk[..], &mut |bytes| hear(false, bytes));
        self.stderr.poll(cx, &mut self.chunk[..], &mut |bytes| hear(true, bytes)) || stdout
    }

    /// As [`poll`](Self::poll), of a process that runs no call, or of which nobody can say for which it prints: that
    /// goes to the log.
    pub fn poll_unattributed(&mut self, cx: &mut Context<'_>) {
        let (unattributed, tail) = (&mut self.unattributed, &mut self.printed.tail);
        self.stdout.poll(cx, &mut self.chunk[..], &mut |bytes| unattributed.take(false, bytes));
        self.stderr.poll(cx, &mut self.chunk[..], &mut |bytes| {
            tail.push(bytes);
            unattributed.take(true, bytes);
        });
    }

    /// Takes in what was printed since the last call ended, as far as the runtime has been told of it.
    pub fn settle(&mut self) {
        self.poll_unattributed(&mut Context::from_waker(Waker::noop()));
        self.unattributed.flush();
    }

    /// As [`poll`](Self::poll), with nothing kept here: `hear` is told whether it came on stderr.
    pub fn poll_each(&mut self, cx: &mut Context<'_>, hear: &mut dyn FnMut(bool, &[u8])) {
        self.stdout.poll(cx, &mut self.chunk[..], &mut |bytes| hear(false, bytes));
        self.stderr.poll(cx, &mut self.chunk[..], &mut |bytes| hear(true, bytes));
    }

    /// Takes in what was printed before a frame that has just been read.
    ///
    /// [`poll`](Self::poll) sees only what the runtime has been told of. When several frames are taken in
    /// one go, the last may be younger than that: a tool prints and returns while its progress is being
    /// read. So this asks the kernel, which costs a system call a pipe.
    pub fn catch_up(&mut self, listener: &mut OutputListener<'_>) {
        let printed = &mut self.printed;
        self.stdout.catch_up(&mut self.chunk[..], &mut |bytes| printed.take(false, bytes, listener));
        self.stderr.catch_up(&mut self.chunk[..], &mut |bytes| printed.take(true, bytes, listener));
    }

    /// Reports the lines that a call began and did not end.
    pub fn end_call(&mut self, listener: &mut OutputListener<'_>) {
        self.printed.end(listener);
    }

    /// The end of this call's stderr, `None` when it wrote nothing.
    pub fn stderr_tail(&self) -> Option<String> {
        self.printed.stderr_tail()
    }

    /// How much of the end of stderr is kept.
    pub fn tail_bytes_max(&self) -> usize {
        self.printed.tail.limit
    }

    /// How much of this call's stderr is held at present: a mark for [`stderr_since`](Self::stderr_since).
    pub fn stderr_length(&self) -> usize {
        self.printed.tail.bytes.len()
    }

    /// What stderr got since it was `mark` long; too little when it has been cut since.
    pub fn stderr_since(&self, mark: usize) -> &[u8] {
        self.printed.tail.bytes.get(mark..).unwrap_or_else(|| self.printed.tail.last())
    }
}

/// What one call prints, however it comes.
pub struct PrintedOutput {
    stdout: LineBuffer,
    stderr: LineBuffer,
    tail: StderrTail,
    allowance: LogAllowance,
}

impl PrintedOutput {
    pub fn new(tail_bytes_max: usize) -> Self {
        PrintedOutput {
            stdout: LineBuffer::stdout(),
            stderr: LineBuffer::stderr(),
            tail: StderrTail { bytes: Vec::new(), limit: tail_bytes_max },
            allowance: LogAllowance::new(),
        }
    }

    fn begin(&mut self) {
        self.tail.bytes.clear();
        self.stdout.line.clear();
        self.stderr.line.clear();
        self.allowance = LogAllowance::new();
    }

    /// Takes what was printed on standard error, or else on standard output.
    pub fn take(&mut self, on_stderr: bool, bytes: &[u8], listener: &mut OutputListener<'_>) {
        if on_stderr {
            self.tail.push(bytes);
        }
        let lines = if on_stderr { &mut self.stderr } else { &mut self.stdout };
        lines.take(bytes, &mut self.allowance, listener);
    }

    /// Notes bytes that the call has printed and that did not come here.
    pub fn leave_out(&mut self, bytes: u64) {
        self.allowance.left_out += bytes;
    }

    /// Reports the lines that the call began and did not end, and how much of the others was not reported.
    pub fn end(&mut self, listener: &mut OutputListener<'_>) {
        self.stdout.flush(&mut self.allowance, listener);
        self.stderr.flush(&mut self.allowance, listener);
        let left_out = std::mem::take(&mut self.allowance.left_out);
        if left_out > 0 {
            listener.events.left_out(left_out);
        }
    }

    /// The end of the call's stderr, `None` when it wrote nothing.
    pub fn stderr_tail(&self) -> Option<String> {
        self.tail.text()
    }
}

/// What is printed for no call, or nobody can say for which: a thread that a call has left, an import ahead of calls, C
/// code while several async calls run.
pub struct UnattributedOutput {
    log: bool,
    printed: Option<Box<PrintedOutput>>,
    /// When the allowance was last made new.
    since: Instant,
}

/// How long one allowance of a process is for, that prints for no call.
const UNATTRIBUTED_EVERY: Duration = Duration::from_mins(1);

impl UnattributedOutput {
    /// Nothing goes to the log unless `log` says so.
    pub fn new(log: bool) -> Self {
        UnattributedOutput { log, printed: None, since: Instant::now() }
    }

    pub fn take(&mut self, on_stderr: bool, bytes: &[u8]) {
        if !self.log || !tracing::enabled!(tracing::Level::INFO) {
            return;
        }
        let printed = self.printed.get_or_insert_with(|| {
            let mut printed = PrintedOutput::new(0);
            printed.allowance.bytes = UNATTRIBUTED_BYTES_MAX;
            Box::new(printed)
        });
        if self.since.elapsed() >= UNATTRIBUTED_EVERY {
            self.since = Instant::now();
            printed.allowance = LogAllowance { bytes: UNATTRIBUTED_BYTES_MAX, ..LogAllowance::new() };
        }
        let mut events = UnattributedLog;
        let mut listener = OutputListener { events: &mut events, level: Some(LogLevel::Info) };
        printed.take(on_stderr, bytes, &mut listener);
    }

    /// Reports the lines whose end has not come.
    pub fn flush(&mut self) {
        let Some(printed) = &mut self.printed else { return };
        let mut events = UnattributedLog;
        printed.end(&mut OutputListener { events: &mut events, level: Some(LogLevel::Info) });
    }
}

/// So much a minute of what is printed for no call goes to the log.
const UNATTRIBUTED_BYTES_MAX: usize = 64 << 10;

struct UnattributedLog;

impl EventSink for UnattributedLog {
    fn event(&mut self, event: Event) {
        if let Event::Log { logger, data, .. } = event {
            let text = serde_json::from_slice::<String>(&data).unwrap_or_default();
            tracing::info!(stream = logger.as_deref(), text, "printed for no call, or for one of several");
        }
    }

    fn left_out(&mut self, bytes: u64) {
        tracing::info!(bytes, "more was printed for no call than is shown");
    }
}

/// How much of a call's output may still become events.
struct LogAllowance {
    lines: u32,
    bytes: usize,
    /// Bytes that have become no events.
    left_out: u64,
}

impl LogAllowance {
    fn new() -> Self {
        LogAllowance { lines: LINES_PER_CALL_MAX, bytes: BYTES_PER_CALL_MAX, left_out: 0 }
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
struct StderrTail {
    bytes: Vec<u8>,
    limit: usize,
}

impl StderrTail {
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

/// One pipe; `None` once everyone has closed its other end.
struct OutputPipe(Option<pipe::Receiver>);

impl OutputPipe {
    fn new(pipe: OwnedFd) -> io::Result<Self> {
        Ok(OutputPipe(Some(pipe::Receiver::from_owned_fd(pipe)?)))
    }

    /// True when something was read.
    fn poll(&mut self, cx: &mut Context<'_>, chunk: &mut [u8], take: &mut dyn FnMut(&[u8])) -> bool {
        for turn in 0..CHUNKS_PER_POLL_MAX {
            let Some(pipe) = &mut self.0 else { return turn > 0 };
            let mut buffer = ReadBuf::new(chunk);
            match Pin::new(pipe).poll_read(cx, &mut buffer) {
                Poll::Pending => return turn > 0,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => take(buffer.filled()),
                Poll::Ready(_) => {
                    self.0 = None;
                    return turn > 0;
                }
            }
        }
        cx.waker().wake_by_ref();
        true
    }

    fn catch_up(&mut self, chunk: &mut [u8], take: &mut dyn FnMut(&[u8])) {
        for _ in 0..CHUNKS_PER_POLL_MAX {
            let Some(pipe) = &self.0 else { return };
            // An end or an error is for `poll` to find.
            let Ok(length @ 1..) = rustix::io::read(pipe, &mut *chunk) else { return };
            take(chunk.get(..length).unwrap_or_default());
        }
    }
}

/// Cuts what is printed into lines.
struct LineBuffer {
    name: &'static str,
    level: LogLevel,
    /// The beginning of a line whose end is still to come.
    line: Vec<u8>,
}

impl LineBuffer {
    fn stdout() -> Self {
        LineBuffer { name: "stdout", level: LogLevel::Info, line: Vec::new() }
    }

    fn stderr() -> Self {
        LineBuffer { name: "stderr", level: LogLevel::Warning, line: Vec::new() }
    }

    fn take(&mut self, mut rest: &[u8], allowance: &mut LogAllowance, listener: &mut OutputListener<'_>) {
        if listener.level.is_none_or(|least| self.level < least) {
            self.line.clear();
            return;
        }
        while allowance.lines > 0
            && let Some(end) = rest.iter().position(|byte| *byte == b'\n')
        {
            self.line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            self.flush(allowance, listener);
        }
        if allowance.lines == 0 {
            allowance.left_out += rest.len() as u64;
            return;
        }
        self.line.extend_from_slice(rest);
        if self.line.len() >= LINE_BYTES_MAX {
            self.flush(allowance, listener);
        }
    }

    /// Reports the line collected so far.
    fn flush(&mut self, allowance: &mut LogAllowance, listener: &mut OutputListener<'_>) {
        let line = as_left(&self.line);
        match allowance.take(line.len()) {
            _ if line.is_empty() => {}
            None => allowance.left_out += line.len() as u64,
            Some(fits) => {
                if !fits {
                    allowance.left_out += line.len() as u64;
                }
                let text = match fits {
                    true => String::from_utf8_lossy(line),
                    false => "… (more output is not shown)".into(),
                };
                listener.events.event(Event::Log {
                    level: self.level,
                    logger: Some(self.name.to_owned()),
                    data: Bytes::from(serde_json::Value::from(text).to_string()),
                });
            }
        }
        self.line.clear();
    }
}

/// A line as a terminal would be left with it: a progress bar is drawn over itself, again and again.
fn as_left(line: &[u8]) -> &[u8] {
    let mut rest = line;
    while let Some(before) = rest.strip_suffix(b"\r") {
        rest = before;
    }
    rest.rsplit(|byte| *byte == b'\r').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_last_bytes_and_never_more_than_twice_the_limit() {
        let mut tail = StderrTail { bytes: Vec::new(), limit: 4 };
        for byte in 0..100 {
            tail.push(&[byte]);
            assert!(tail.bytes.len() <= 8);
        }
        assert_eq!(tail.last(), [96, 97, 98, 99]);
    }

    #[test]
    fn after_the_last_line_allowed_one_notice_follows_and_then_silence() {
        let mut allowance = LogAllowance { lines: 3, bytes: 100, left_out: 0 };
        let taken: Vec<_> = (0..5).map(|_| allowance.take(10)).collect();
        assert_eq!(taken, [Some(true), Some(true), Some(false), None, None]);
    }

    #[test]
    fn of_a_progress_bar_the_last_state_is_reported_and_all_of_what_is_left_out_is_counted() {
        struct Kept(Vec<String>, u64);
        impl EventSink for Kept {
            fn event(&mut self, event: Event) {
                if let Event::Log { data, .. } = event {
                    self.0.push(serde_json::from_slice(&data).unwrap());
                }
            }
            fn left_out(&mut self, bytes: u64) {
                self.1 += bytes;
            }
        }
        let mut kept = Kept(Vec::new(), 0);
        let mut printed = PrintedOutput::new(4);
        let mut listener = OutputListener { events: &mut kept, level: Some(LogLevel::Info) };
        for piece in ["\r 10%", "\r 50%", "\r100%\n", "dos\r\n", "\n", "no end\r"] {
            printed.take(true, piece.as_bytes(), &mut listener);
        }
        printed.end(&mut listener);
        assert_eq!((&kept.0[..], kept.1), (&["100%", "dos", "no end"].map(str::to_owned)[..], 0));
        let mut listener = OutputListener { events: &mut kept, level: Some(LogLevel::Info) };
        printed.begin();
        let line = [b'x'; 99];
        for _ in 0..2 * LINES_PER_CALL_MAX {
            printed.take(false, &line, &mut listener);
            printed.take(false, b"\n", &mut listener);
        }
        printed.end(&mut listener);
        let shown = u64::from(LINES_PER_CALL_MAX) - 1;
        assert!(kept.1 >= (2 * u64::from(LINES_PER_CALL_MAX) - shown) * 99, "{}", kept.1);
        assert!(kept.1 <= (2 * u64::from(LINES_PER_CALL_MAX) - shown) * 100, "{}", kept.1);
    }

    #[test]
    fn long_output_is_cut_by_its_bytes_too() {
        let mut allowance = LogAllowance { lines: 100, bytes: 15, left_out: 0 };
        assert_eq!((allowance.take(10), allowance.take(10)), (Some(true), Some(false)));
        assert_eq!(allowance.take(1), None);
    }
}
