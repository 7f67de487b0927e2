//! The log of a server, written by a thread of its own: the thread that serves everyone never waits for whoever reads
//! standard error.

use std::io::Write;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So much waits to be written at most. Lines beyond are counted, and the count is written when there is room.
const BYTES_MAX: usize = 1 << 20;

/// After a write the thread waits this long for more, so that many lines a second cost one wake-up and one write.
const GATHER: Duration = Duration::from_millis(10);

/// Lines on their way to a slow reader.
pub(crate) struct LogBuffer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when there is something to write while the writer sleeps.
    more: Condvar,
    /// Notified when all is written.
    done: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    dropped: u64,
    asleep: bool,
    writing: bool,
    /// Somebody waits until all is written.
    urgent: bool,
}

impl LogBuffer {
    /// Starts the thread that writes to `out`. An error of `out` loses what was to be written: there is no other place to report it.
    pub(crate) fn start(out: impl Write + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        std::thread::Builder::new().name("omni-log".into()).spawn(move || own.write_all(out))?;
        Ok(LogBuffer(shared))
    }

    /// Takes one whole line. Never waits for the reader; where too much waits already, the line is only counted.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut state = self.0.lock();
        if state.lines.len() + line.len() > BYTES_MAX {
            state.dropped += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        if mem::take(&mut state.asleep) {
            drop(state);
            self.0.more.notify_one();
        }
    }

    /// Waits until all is written that was taken, or `patience` is over. False when it was.
    pub(crate) fn flush(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut state = self.0.lock();
        while !state.lines.is_empty() || state.writing || state.dropped > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state.urgent = true;
            state.asleep = false;
            self.0.more.notify_one();
            state = self.0.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        let mut state = self.lock();
        loop {
            while state.lines.is_empty() && state.dropped == 0 {
                state.urgent = false;
                state.asleep = true;
                self.done.notify_all();
                state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.asleep = false;
            state.writing = true;
            mem::swap(&mut lines, &mut state.lines);
            let dropped = mem::take(&mut state.dropped);
            drop(state);
            if dropped > 0 {
                lines.extend_from_slice(lost(dropped).as_bytes());
            }
            let _ = out.write_all(&lines).and_then(|()| out.flush());
            lines.clear();
            state = self.lock();
            state.writing = false;
            if !state.urgent {
                // The writer is awake, so a line that is added meanwhile need not wake it.
                state = self.more.wait_timeout(state, GATHER).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

fn lost(lines: u64) -> String {
    format!("omni: {lines} lines of the log are lost here: standard error was read too slowly\n")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc;

    use super::*;
    use crate::captured_output::CapturedOutput;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_was_taken_is_there_after_a_flush_in_the_order_in_which_it_came() {
        let kept = CapturedOutput::default();
        let log = LogBuffer::start(kept.clone()).unwrap();
        let mut expected = String::new();
        for n in 0..10_000 {
            let line = format!("line {n}\n");
            log.push(line.as_bytes());
            expected.push_str(&line);
        }
        assert!(log.flush(LONG));
        assert!(log.flush(LONG), "with nothing to write it is done");
        assert_eq!(kept.text(), expected);
    }

    /// Takes nothing before it is told to.
    struct Blocked(mpsc::Receiver<()>, CapturedOutput);

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_stands_still_holds_nobody_up_and_learns_how_many_lines_were_lost() {
        let (go_on, wait) = mpsc::channel();
        let kept = CapturedOutput::default();
        let log = LogBuffer::start(Blocked(wait, kept.clone())).unwrap();
        let line = [&[b'x'; 99][..], b"\n"].concat();
        let count = 3 * BYTES_MAX / line.len();
        for _ in 0..count {
            log.push(&line);
        }
        assert!(!log.flush(Duration::from_millis(20)));
        drop(go_on);
        assert!(log.flush(LONG));
        let text = kept.text();
        let written = text.lines().filter(|line| line.starts_with('x')).count();
        let lost: usize = text
            .lines()
            .filter_map(|line| line.strip_prefix("omni: ")?.split_once(' ')?.0.parse::<usize>().ok())
            .sum();
        assert!(lost > 0);
        assert_eq!(written + lost, count);
    }
}
