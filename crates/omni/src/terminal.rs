//! What people and programs are shown: everything that omni writes to its standard output and error, but for the
//! protocol.
//!
//! Descriptions, names, results and errors are text of others. Here, in one place, whatever a reader would not see in
//! them is written by its number, so that no command can forget it.

use std::io::{self, IsTerminal as _, Write};
use std::sync::OnceLock;
use std::time::Duration;

use omni_call::{shown, shown_bytes, shown_json, shown_line};
use serde::Serialize;

use crate::log_buffer::LogBuffer;

/// A stream of text for people, escaped line by line. What is left of a line when this is dropped is written then.
pub(crate) struct Output {
    inner: Box<dyn Write>,
    is_terminal: bool,
    /// Looked at as a whole: what a character does may depend on the next one.
    line: Vec<u8>,
}

/// A line is cut here: whoever prints megabytes without an end must not keep them in memory.
const LINE_BYTES_MAX: usize = 1 << 20;

impl Output {
    /// Standard output.
    pub(crate) fn standard() -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        Output::new(Box::new(stdout.lock()), is_terminal)
    }

    /// Standard error. A line is written with one call, so that lines of two threads do not mix.
    pub(crate) fn error() -> Self {
        let stderr = io::stderr();
        let is_terminal = stderr.is_terminal();
        Output::new(Box::new(stderr), is_terminal)
    }

    /// What `file` leads to.
    pub(crate) fn file(file: std::fs::File) -> Self {
        let is_terminal = file.is_terminal();
        Output::new(Box::new(file), is_terminal)
    }

    fn new(inner: Box<dyn Write>, is_terminal: bool) -> Self {
        Output { inner, is_terminal, line: Vec::new() }
    }

    /// Writes one line of JSON, in which hidden characters are written as `\u202e`.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.flush_line()?;
        let mut text = shown_json(&serde_json::to_string(value)?).into_owned();
        text.push('\n');
        self.inner.write_all(text.as_bytes())
    }

    /// Writes a text that a tool returned and a line end: to a program byte for byte, to a person so that every
    /// character is seen.
    pub(crate) fn result(&mut self, text: &str) -> io::Result<()> {
        self.flush_line()?;
        if self.is_terminal {
            writeln!(self.inner, "{}", shown(text))
        } else {
            writeln!(self.inner, "{text}")
        }
    }

    fn flush_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() { Ok(()) } else { self.inner.write_all(shown_bytes(&line).as_bytes()) }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (lines, rest) = bytes.split_at(end);
        self.line.extend_from_slice(lines);
        if !lines.is_empty() || self.line.len() > LINE_BYTES_MAX {
            self.flush_line()?;
        }
        self.line.extend_from_slice(rest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flush_line()?;
        self.inner.flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // An error shows when the output is flushed.
        let _ = self.flush();
    }
}

/// Writes a line for people to standard error. Nobody may be listening; that is no reason to fail.
pub(crate) fn say(text: &str) {
    // What was logged before must be written before.
    flush_log(Duration::from_millis(100));
    let _ = writeln!(Output::error(), "{text}");
}

/// Writes an error with its causes to standard error. Further lines of it are indented, so that none looks like an
/// error of its own.
pub(crate) fn say_error(error: &anyhow::Error) {
    say(&format!("error: {}", indented(&format!("{error:#}"))));
}

/// A text of others within a text of ours: all lines but the first begin with two blanks.
pub(crate) fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n  ")
}

/// An operating system's error in its words alone: its number tells a person nothing.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// Whether standard error is a terminal.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Draws a line of standard error anew, and leaves the cursor in it. For terminals only.
pub(crate) fn redraw(line: &str) {
    // A line of progress that cannot be drawn does no harm.
    let _ = io::stderr().write_all(format!("\r\x1b[2K{}", shown_line(line)).as_bytes());
}

/// Where the log of a server waits to be written.
static BUFFER: OnceLock<LogBuffer> = OnceLock::new();

/// From now on a thread of its own writes the log. Where there can be none, it is written as before.
pub(crate) fn buffer_log() {
    if let Ok(buffer) = LogBuffer::start(io::stderr()) {
        let _ = BUFFER.set(buffer);
    }
}

/// How long the end of the process waits for the rest of the log to be written.
pub(crate) const LOG_FLUSH_WAIT: Duration = Duration::from_secs(1);

/// Has all of the log written that waits, if that takes no longer than `patience`.
pub(crate) fn flush_log(patience: Duration) {
    if let Some(buffer) = BUFFER.get() {
        buffer.flush(patience);
    }
}

/// Where the log goes. Its text has been through [`shown_line`] when it comes here; colours are ours.
pub(crate) struct Log;

impl Write for Log {
    /// Takes a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match BUFFER.get() {
            Some(buffer) => buffer.push(line),
            None => io::stderr().write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a log of JSON goes: each event comes with one call.
pub(crate) struct JsonLog;

impl Write for JsonLog {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        Log.write_all(shown_json(&text).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::captured_output::CapturedOutput;

    fn written(is_terminal: bool, write: impl FnOnce(&mut Output)) -> String {
        let kept = CapturedOutput::default();
        write(&mut Output::new(Box::new(kept.clone()), is_terminal));
        kept.text()
    }

    #[test]
    fn a_character_is_judged_by_what_follows_it_however_it_is_written() {
        let text = written(true, |out| {
            for part in ["a\x1b", "[2J 👩\u{200d}", "💻 \u{200d}", "x\nrest"] {
                out.write_all(part.as_bytes()).unwrap();
            }
            out.write_all(&"é".as_bytes()[..1]).unwrap();
            out.write_all(&"é".as_bytes()[1..]).unwrap();
        });
        assert_eq!(text, "a\\x1b[2J 👩\u{200d}💻 \\u{200d}x\nresté");
    }

    #[test]
    fn a_result_is_escaped_for_people_and_left_alone_for_programs() {
        let result = "one\x1b]0;title\x07\n\ttwo\u{202e}";
        assert_eq!(
            written(true, |out| out.result(result).unwrap()),
            "one\\x1b]0;title\\x07\n\ttwo\\u{202e}\n"
        );
        assert_eq!(written(false, |out| out.result(result).unwrap()), format!("{result}\n"));
    }

    #[test]
    fn json_stays_json() {
        let value = serde_json::json!({"a": "\u{202e}\u{9b}"});
        let text = written(false, |out| out.json(&value).unwrap());
        assert_eq!(text, "{\"a\":\"\\u202e\\u009b\"}\n");
    }
}
