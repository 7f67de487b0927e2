//! What a client and the log are told of how a call ended: the one place where an outcome becomes text.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::{ErrorDetail, Outcome, OutcomeKind, Phase};
use crate::{CallResult, ToolResult};

impl OutcomeKind {
    /// What happened to `tool`, with every word there is of it: for the log.
    pub fn in_full(&self, tool: &str) -> String {
        self.sentence(tool, ErrorDetail::Full)
    }

    /// One sentence for the model: what happened to `tool`, and what to do about it.
    fn sentence(&self, tool: &str, detail: ErrorDetail) -> String {
        match self {
            OutcomeKind::Finished(_) => format!("`{tool}` finished"),
            OutcomeKind::NotFound { message } => message.clone(),
            OutcomeKind::ToolError { message, intended: true, .. }
            | OutcomeKind::McpError { message, .. } => message.clone(),
            OutcomeKind::ToolError { kind, message, location, traceback, .. } => {
                let what = format!("`{tool}` raised `{kind}`{}", at(location.as_deref()));
                match detail {
                    ErrorDetail::Masked => format!("{what}; its message {WITHHELD}"),
                    _ if message.trim().is_empty() => format!("{what} without a message"),
                    _ => format!("{what}: {}", shown_message(message, detail, traceback.is_some())),
                }
            }
            OutcomeKind::BadResult { message } => format!("`{tool}` returned an unusable result: {message}"),
            // By the name that the caller knows the tool by, which whoever found the fault may not.
            OutcomeKind::InvalidArguments { message } => match message.split_once(NOT_CALLED) {
                Some((_, faults)) => format!("`{tool}{NOT_CALLED}{faults}"),
                None => message.clone(),
            },
            OutcomeKind::LoadError { kind, message, location, intended, traceback } => {
                let what = format!("`{tool}` could not be loaded: ");
                match detail {
                    ErrorDetail::Masked if !intended => {
                        format!("{what}`{kind}`{}; its message {WITHHELD}", at(location.as_deref()))
                    }
                    _ => format!("{what}{}", shown_message(message, detail, traceback.is_some())),
                }
            }
            OutcomeKind::Exited { code, message } => {
                let what = format!("`{tool}` ended its process with exit code {code}");
                match message {
                    Some(message) if detail != ErrorDetail::Masked => {
                        format!("{what}: {}", shown_message(message, detail, false))
                    }
                    _ => what,
                }
            }
            OutcomeKind::Signalled { signal } => {
                format!("`{tool}` was ended by signal {signal}{}", signal_name(*signal))
            }
            OutcomeKind::TimedOut { limit } => {
                format!(
                    "`{tool}` was stopped at its time limit of {}; `timeout=` allows more",
                    seconds(*limit)
                )
            }
            OutcomeKind::Idle { limit } => format!(
                "`{tool}` was stopped after {} without a sign of life: to print, to log, `progress()` or `heartbeat()` is \
                 one; `idle_timeout=` allows more",
                seconds(*limit)
            ),
            OutcomeKind::OutOfMemory { limit_bytes, message, location, traceback } => {
                let there_is = match limit_bytes {
                    Some(bytes) => format!("the {} MiB that a tool's process may have", bytes >> 20),
                    None => "this machine has left".to_owned(),
                };
                let what = format!("`{tool}` wanted more memory{} than {there_is}", at(location.as_deref()));
                match detail {
                    // Libraries say in it how much they wanted, and for what.
                    ErrorDetail::Message | ErrorDetail::Full if !message.trim().is_empty() => {
                        format!("{what}: {}", shown_message(message, detail, traceback.is_some()))
                    }
                    _ => what,
                }
            }
            OutcomeKind::OutputLimit { limit_bytes } => {
                format!("`{tool}` returned more than {limit_bytes} bytes; ask for less at a time")
            }
            OutcomeKind::Lost { message } => format!("the worker running `{tool}` was lost: {message}"),
            OutcomeKind::Cancelled => format!("`{tool}` was cancelled"),
            OutcomeKind::Shutdown => format!("`{tool}` was stopped because the server is shutting down"),
            OutcomeKind::Busy { retry_after } => {
                format!("no worker is free for `{tool}`; try again in {}", seconds(*retry_after))
            }
            OutcomeKind::Quarantined { retry_after } => format!(
                "`{tool}` crashed its process three times within a minute and is refused for now; try again in \
                 {}, and look at its code or its arguments first",
                seconds(*retry_after)
            ),
            OutcomeKind::WorkerStart { message, hint } => {
                format!("no process could be started for `{tool}`: {message} ({hint})")
            }
            OutcomeKind::Stale { .. } => format!(
                "`{tool}` was not run: the files of its skill changed each time it was about to begin; call it again \
                 once they are at rest"
            ),
        }
    }
}

impl Outcome {
    /// What a client is told of a resource, prompt or completion that it did not get: one sentence. `name` is what it
    /// asked for, or what was run for that.
    pub fn into_refusal(self, name: &str, detail: ErrorDetail) -> String {
        let mut text = match &self.kind {
            OutcomeKind::WorkerStart { message, hint } => format!("{message} ({hint})"),
            // Whoever asks for a tool's result can ask for less. A URI, a prompt and an argument are what they are.
            OutcomeKind::OutputLimit { limit_bytes } => format!(
                "`{name}` returned more than {limit_bytes} bytes; its author can have it return less, or `limits.result_mib` \
                 allow more"
            ),
            kind => kind.sentence(name, detail),
        };
        if self.is_starved() {
            text.push_str(STARVED);
        }
        if let Some(place) = self.stack.as_deref().and_then(innermost) {
            let _ = write!(text, "; Python was at {place}");
        }
        text
    }

    /// Out of time before a worker was free: not the tool's doing.
    fn is_starved(&self) -> bool {
        self.phase == Phase::Queued
            && matches!(self.kind, OutcomeKind::TimedOut { .. } | OutcomeKind::Idle { .. })
    }

    /// Turns the outcome into what the client is answered with. A failure becomes a result with
    /// `is_error`, a sentence that a model can act on, and `_meta` that a program can.
    pub fn into_result(mut self, tool: &str, detail: ErrorDetail) -> ToolResult {
        match self.worker.take() {
            None => self.into_plain_result(tool, detail),
            Some(findings) => self
                .into_plain_result(tool, detail)
                .with_meta("omni/worker", &format!(r#"{{"replaced":{findings}}}"#)),
        }
    }

    fn into_plain_result(self, tool: &str, detail: ErrorDetail) -> ToolResult {
        let mut text = self.kind.sentence(tool, detail);
        let kind = self.kind.name();
        let starved = self.is_starved();
        if starved {
            text.push_str(STARVED);
        }
        let retryable = starved || self.kind.retryable();
        let stderr = self.stderr.filter(|stderr| !stderr.trim().is_empty());
        let (written, withheld) = match stderr_shown(&self.kind, stderr.as_deref(), detail) {
            Shown::Nothing => (None, false),
            Shown::Tail(tail) => (Some(format!("last output on stderr:\n{tail}")), false),
            Shown::Withheld => (None, true),
        };
        let invalid = matches!(self.kind, OutcomeKind::InvalidArguments { .. });
        let traceback = match self.kind {
            // Of a program that has said on its output what went wrong.
            OutcomeKind::Finished(CallResult::Tool(result)) => {
                return match written {
                    Some(written) => result.with_text(&written),
                    None if withheld => result.with_text(&format!("what it wrote to stderr {WITHHELD}")),
                    None => result,
                };
            }
            OutcomeKind::ToolError { traceback, intended: false, .. }
            | OutcomeKind::LoadError { traceback, .. }
            | OutcomeKind::OutOfMemory { traceback, .. } => traceback.filter(|_| detail == ErrorDetail::Full),
            _ => None,
        };
        if withheld {
            let _ = write!(text, "; what it said {WITHHELD}");
        }
        if let Some(stack) = &self.stack {
            let _ = write!(text, "\n\nPython was here:\n{}", stack.trim_end());
        }
        if let Some(traceback) = &traceback {
            let _ = write!(text, "\n\n{}", traceback.trim_end());
        }
        if let Some(written) = written {
            let _ = write!(text, "\n\n{written}");
        }
        let mut failure = json!({
            "kind": kind,
            "phase": match self.phase {
                // Whatever of the types' own code has run to find out: the tool itself has not.
                _ if invalid => "validation",
                Phase::Queued => "queued",
                Phase::Starting => "starting",
                Phase::Started => "started",
            },
            "retryable": retryable,
            "elapsed_ms": u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            "attempt": self.attempt,
        });
        if let (Some(stack), Some(object)) = (self.stack, failure.as_object_mut()) {
            object.insert("stack".into(), stack.into());
        }
        ToolResult {
            content: json!([{"type": "text", "text": text}]).to_string().into(),
            structured: None,
            meta: Some(json!({ "omni/failure": failure }).to_string().into()),
            is_error: true,
        }
    }
}

/// What stands behind the name of a tool whose arguments are refused.
const NOT_CALLED: &str = "` was not called: ";

/// Where to read what a client is not shown.
const WITHHELD: &str = "is in the server's log (start omni with `--errors message` to see it here)";

/// What is said besides of a call that has waited for a worker until its time was over.
const STARVED: &str = "; it still waited for a worker, and no line of it has run";

/// Where Python was, of a stack as `faulthandler` writes it: `` `scripts/a.py:3` in `read` ``.
fn innermost(stack: &str) -> Option<String> {
    let line = stack.lines().find_map(|line| line.trim().strip_prefix("File \""))?;
    let (file, rest) = line.split_once("\", line ")?;
    let (number, function) = rest.split_once(" in ")?;
    Some(format!("`{file}:{number}` in `{function}`"))
}

fn at(location: Option<&str>) -> String {
    location.map(|at| format!(" at {at}")).unwrap_or_default()
}

/// An exception's message as a client reads it. With its traceback nothing is lost by cutting it.
fn shown_message(message: &str, detail: ErrorDetail, traced: bool) -> Cow<'_, str> {
    match detail {
        ErrorDetail::Full if !traced => message.into(),
        _ => cut(message, ErrorDetail::MESSAGE_BYTES_MAX),
    }
}

/// The start of a text, and how long all of it is; in all `bytes_max` bytes at most.
fn cut(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return text.into();
    }
    let note = format!("… (cut: it has {} characters)", text.chars().count());
    let end = text.floor_char_boundary(bytes_max.saturating_sub(note.len()));
    format!("{}{note}", &text[..end]).into()
}

/// What a client reads of a failed process's standard error.
enum Shown<'a> {
    Nothing,
    Tail(Cow<'a, str>),
    /// There is something that it may not read.
    Withheld,
}

fn stderr_shown<'a>(kind: &OutcomeKind, stderr: Option<&'a str>, detail: ErrorDetail) -> Shown<'a> {
    // What `sys.exit` said stands in the sentence, and Python writes it to standard error as well.
    let said = match kind {
        OutcomeKind::Exited { message, .. } => message.as_deref(),
        _ => None,
    };
    let stderr = stderr.filter(|stderr| said.is_none_or(|said| said.trim() != stderr.trim()));
    // Whether it is the process's own word on its end. An exception has a message of its own, and what was stopped at
    // its time limit has written what it writes when all is well.
    let last_word = match kind {
        OutcomeKind::Exited { .. }
        | OutcomeKind::Signalled { .. }
        | OutcomeKind::Lost { .. }
        | OutcomeKind::WorkerStart { .. }
        | OutcomeKind::Stale { .. } => true,
        OutcomeKind::Finished(result) => result.is_error(),
        _ => false,
    };
    match (detail, stderr) {
        (ErrorDetail::Masked, stderr) if last_word && (stderr.is_some() || said.is_some()) => Shown::Withheld,
        (ErrorDetail::Message, Some(stderr)) if last_word && said.is_none() => {
            Shown::Tail(tail(stderr.trim_end(), ErrorDetail::MESSAGE_BYTES_MAX))
        }
        (ErrorDetail::Full, Some(stderr)) if last_word || !matches!(kind, OutcomeKind::Finished(_)) => {
            Shown::Tail(stderr.trim_end().into())
        }
        _ => Shown::Nothing,
    }
}

/// The end of a text, from the start of a line where there is one; in all `bytes_max` bytes at most.
fn tail(text: &str, bytes_max: usize) -> Cow<'_, str> {
    const MARK: &str = "…";
    if text.len() <= bytes_max {
        return text.into();
    }
    let start = text.ceil_char_boundary(text.len() - bytes_max.saturating_sub(MARK.len() + 1));
    let rest = &text[start..];
    match rest.split_once('\n') {
        Some((_, lines)) if !lines.is_empty() => format!("{MARK}\n{lines}").into(),
        _ => format!("{MARK}{rest}").into(),
    }
}

fn seconds(duration: Duration) -> String {
    // Limits are as they were given; what is left of a pause has more digits than anybody wants.
    format!("{} s", (duration.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// The usual name of the signals that end Python processes, with a leading blank.
fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL: perhaps out of memory)",
        11 => " (SIGSEGV, a crash in native code)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised() -> Outcome {
        Outcome {
            kind: OutcomeKind::ToolError {
                kind: "KeyError".into(),
                bases: Box::new(["LookupError".into()]),
                message: "'secret'".into(),
                location: Some("scripts/a.py:3".into()),
                intended: false,
                traceback: Some("Traceback …".into()),
                undeclared: None,
            },
            phase: Phase::Started,
            elapsed: Duration::from_millis(12),
            attempt: 1,
            stack: None,
            stderr: Some("noise".into()),
            worker: None,
            died: false,
        }
    }

    fn text(result: &ToolResult) -> String {
        let content: serde_json::Value = serde_json::from_slice(&result.content).unwrap();
        content[0]["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_client_reads_as_much_of_an_exception_as_the_setting_says() {
        let masked = raised().into_result("a.b", ErrorDetail::Masked);
        assert!(!text(&masked).contains("secret"), "{}", text(&masked));
        assert!(text(&masked).contains("`KeyError` at scripts/a.py:3"));
        let message = text(&raised().into_result("a.b", ErrorDetail::Message));
        assert_eq!(message, "`a.b` raised `KeyError` at scripts/a.py:3: 'secret'");
        let full = raised().into_result("a.b", ErrorDetail::Full);
        assert!(text(&full).contains("'secret'") && text(&full).contains("Traceback"));
    }

    fn says(kind: OutcomeKind, stderr: Option<&str>, detail: ErrorDetail) -> String {
        text(&Outcome { kind, stderr: stderr.map(Into::into), ..raised() }.into_result("a.b", detail))
    }

    #[test]
    fn a_long_message_is_cut_between_characters_and_says_how_long_it_was() {
        for letter in ["x", "é", "日", "🙂"] {
            let message = letter.repeat(3000);
            let kind = OutcomeKind::ToolError {
                kind: "E".into(),
                bases: Box::default(),
                message,
                location: None,
                intended: false,
                traceback: None,
                undeclared: None,
            };
            let shown = says(kind.clone(), None, ErrorDetail::Message);
            let message = shown.strip_prefix("`a.b` raised `E`: ").unwrap();
            assert!(
                message.len() <= ErrorDetail::MESSAGE_BYTES_MAX && message.len() > 2040,
                "{}",
                message.len()
            );
            assert!(message.ends_with("… (cut: it has 3000 characters)"), "{message}");
            // Whoever says it again does not cut it again.
            assert_eq!(cut(message, ErrorDetail::MESSAGE_BYTES_MAX), message);
            assert!(
                says(kind, None, ErrorDetail::Full).ends_with(letter),
                "with no traceback it is all there is"
            );
        }
    }

    #[test]
    fn an_exception_without_words_ends_in_no_colon() {
        for message in ["", " \n"] {
            let Outcome { mut kind, .. } = raised();
            if let OutcomeKind::ToolError { message: own, .. } = &mut kind {
                *own = message.into();
            }
            let shown = says(kind, None, ErrorDetail::Message);
            assert_eq!(shown, "`a.b` raised `KeyError` at scripts/a.py:3 without a message");
        }
    }

    #[test]
    fn what_a_failed_process_wrote_last_reaches_whoever_may_read_messages() {
        let program = |is_error| {
            OutcomeKind::from(ToolResult {
                content: r#"[{"type":"text","text":"out"}]"#.into(),
                structured: None,
                meta: None,
                is_error,
            })
        };
        let exited =
            |message: Option<&str>| OutcomeKind::Exited { code: 3, message: message.map(Into::into) };
        let signalled = OutcomeKind::Signalled { signal: 6 };
        let long = format!("{}\nlast line\n", "noise and more noise\n".repeat(500));
        for (kind, stderr) in
            [(exited(None), "password"), (signalled.clone(), "password"), (exited(Some("password")), "")]
        {
            let masked = says(kind.clone(), Some(stderr), ErrorDetail::Masked);
            assert!(!masked.contains("password") && masked.contains("`--errors message`"), "{masked}");
            let message = says(kind, Some(stderr), ErrorDetail::Message);
            assert_eq!(message.matches("password").count(), 1, "{message}");
        }
        let shown = says(signalled, Some(&long), ErrorDetail::Message);
        assert!(shown.ends_with("noise and more noise\n\nlast line") && shown.len() < 2200, "{shown}");
        assert!(shown.contains("stderr:\n…\nnoise"), "a line is shown whole: {shown}");
        // Python writes the words to standard error too: they are read once.
        let once = says(exited(Some("no such note")), Some("no such note\n"), ErrorDetail::Full);
        assert_eq!(once, "`a.b` ended its process with exit code 3: no such note");
        let quiet = says(exited(None), Some("  \n"), ErrorDetail::Masked);
        assert_eq!(quiet, "`a.b` ended its process with exit code 3");
        for (is_error, detail, blocks) in [
            (true, ErrorDetail::Message, 2),
            (true, ErrorDetail::Masked, 2),
            (true, ErrorDetail::Full, 2),
            (false, ErrorDetail::Full, 1),
        ] {
            let outcome = Outcome { kind: program(is_error), ..raised() };
            let content = outcome.into_result("a.b", detail).content;
            let content: serde_json::Value = serde_json::from_slice(&content).unwrap();
            assert_eq!(content.as_array().unwrap().len(), blocks, "{content}");
            let noisy = content.to_string().contains("noise");
            assert_eq!(noisy, is_error && detail != ErrorDetail::Masked, "{content}");
        }
    }

    #[test]
    fn a_tool_that_was_not_called_has_the_name_by_which_it_was_to_be() {
        let kind =
            OutcomeKind::InvalidArguments { message: "`t.x` was not called: `b` was not called: c".into() };
        assert_eq!(says(kind, None, ErrorDetail::Masked), "`a.b` was not called: `b` was not called: c");
    }

    #[test]
    fn a_load_error_is_masked_unless_it_is_our_own_word_on_the_source() {
        let load = |intended| OutcomeKind::LoadError {
            kind: "RuntimeError".into(),
            message: "`scripts/a.py:3`: RuntimeError: secret".into(),
            location: Some("scripts/a.py:3".into()),
            intended,
            traceback: None,
        };
        let masked = says(load(false), None, ErrorDetail::Masked);
        assert!(
            !masked.contains("secret") && masked.contains("`RuntimeError` at scripts/a.py:3"),
            "{masked}"
        );
        assert!(says(load(false), None, ErrorDetail::Message).contains("secret"));
        assert!(says(load(true), None, ErrorDetail::Masked).contains("secret"));
    }

    #[test]
    fn a_member_is_added_to_whatever_meta_there_is() {
        for (meta, expected) in [
            (None, r#"{"omni/attempt":2}"#),
            (Some("{}"), r#"{"omni/attempt":2}"#),
            (Some(r#" { "a": {"b": 1} } "#), r#"{"omni/attempt":2,"a": {"b": 1} }"#),
        ] {
            let meta = meta.map(Into::into);
            let result = ToolResult { content: "[]".into(), structured: None, meta, is_error: false };
            let meta = result.with_meta("omni/attempt", "2").meta.unwrap();
            assert_eq!(std::str::from_utf8(&meta).unwrap(), expected);
            assert!(serde_json::from_slice::<serde_json::Value>(&meta).is_ok());
        }
    }

    #[test]
    fn what_a_call_did_to_its_worker_stands_in_every_kind_of_result() {
        let finished = OutcomeKind::from(ToolResult {
            content: "[]".into(),
            structured: None,
            meta: Some(r#"{"own":1}"#.into()),
            is_error: false,
        });
        for kind in [finished, OutcomeKind::Idle { limit: Duration::from_secs(1) }] {
            let outcome = Outcome { kind, worker: Some(r#"["x"]"#.into()), ..raised() };
            let meta = outcome.into_result("a.b", ErrorDetail::Masked).meta.unwrap();
            let meta: serde_json::Value = serde_json::from_slice(&meta).unwrap();
            assert_eq!(meta["omni/worker"], json!({"replaced": ["x"]}));
        }
    }

    #[test]
    fn a_failure_says_its_kind_and_phase_to_programs() {
        let result = raised().into_result("a.b", ErrorDetail::Masked);
        let meta: serde_json::Value = serde_json::from_slice(&result.meta.unwrap()).unwrap();
        assert_eq!(
            meta["omni/failure"],
            json!({"kind": "tool_error", "phase": "started", "retryable": false, "elapsed_ms": 12, "attempt": 1})
        );
        assert!(result.is_error);
    }

    /// What both languages must know, as the one file has it.
    fn shared() -> serde_json::Value {
        serde_json::from_str(include_str!("../../../../conformance/shared.json")).unwrap()
    }

    #[test]
    fn the_sentences_are_those_that_python_says() {
        let limit = Duration::from_millis(1500);
        let message = || "m".to_owned();
        let raised = |intended, message: &str| OutcomeKind::ToolError {
            kind: "KeyError".into(),
            bases: Box::default(),
            message: message.into(),
            location: Some("a.py:3".into()),
            intended,
            traceback: None,
            undeclared: None,
        };
        let out_of_memory = |limit_bytes, message: &str| OutcomeKind::OutOfMemory {
            limit_bytes,
            message: message.into(),
            location: Some("a.py:3".into()),
            traceback: None,
        };
        let load_error = |intended| OutcomeKind::LoadError {
            kind: "KeyError".into(),
            message: message(),
            location: Some("a.py:3".into()),
            intended,
            traceback: None,
        };
        let shared = shared();
        let outcomes = &shared["outcomes"];
        let mut said = Vec::new();
        for (form, kind) in [
            ("tool_error", raised(false, "m")),
            ("tool_error message", raised(false, "m")),
            ("tool_error message empty", raised(false, "")),
            ("tool_error intended", raised(true, "m")),
            ("not_found", OutcomeKind::NotFound { message: message() }),
            ("mcp_error", OutcomeKind::McpError { code: -32603, message: message(), data: None }),
            ("bad_result", OutcomeKind::BadResult { message: message() }),
            ("invalid_arguments", OutcomeKind::InvalidArguments { message: message() }),
            ("load_error", load_error(false)),
            ("load_error message", load_error(false)),
            ("load_error intended", load_error(true)),
            ("exited", OutcomeKind::Exited { code: 3, message: None }),
            ("exited message", OutcomeKind::Exited { code: 3, message: Some("m".into()) }),
            ("signalled", OutcomeKind::Signalled { signal: 11 }),
            ("timeout_total", OutcomeKind::TimedOut { limit }),
            ("timeout_idle", OutcomeKind::Idle { limit }),
            ("oom", out_of_memory(None, "")),
            ("oom limited", out_of_memory(Some(7 << 20), "")),
            ("oom message", out_of_memory(None, "m")),
            ("oom limited message", out_of_memory(Some(7 << 20), "m")),
            ("output_limit", OutcomeKind::OutputLimit { limit_bytes: 9 }),
            ("lost", OutcomeKind::Lost { message: message() }),
            ("cancelled", OutcomeKind::Cancelled),
            ("shutdown", OutcomeKind::Shutdown),
            ("busy", OutcomeKind::Busy { retry_after: limit }),
            ("quarantined", OutcomeKind::Quarantined { retry_after: limit }),
            ("worker_start", OutcomeKind::WorkerStart { message: message(), hint: "h".into() }),
            ("stale", OutcomeKind::Stale { otherwise: None }),
        ] {
            let name = kind.name();
            assert_eq!(form.split(' ').next(), Some(name));
            let detail = if form.contains("message") { ErrorDetail::Message } else { ErrorDetail::Masked };
            let mut sentence = outcomes["sentences"][form].as_str().expect(form).to_owned();
            for (place, value) in [
                ("{tool}", "a.b"),
                ("{class}", "KeyError"),
                ("{at}", " at a.py:3"),
                ("{message}", "m"),
                ("{hint}", "h"),
                ("{code}", "3"),
                ("{signal}", "11"),
                ("{name}", outcomes["signals"]["11"].as_str().unwrap()),
                ("{limit}", "1.5 s"),
                ("{mib}", "7"),
                ("{bytes}", "9"),
            ] {
                sentence = sentence.replace(place, value);
            }
            assert_eq!(kind.sentence("a.b", detail), sentence, "{form}");
            let retryable = outcomes["retryable"].as_array().unwrap().iter().any(|one| one == name);
            assert_eq!(kind.retryable(), retryable, "{form}");
            said.push(form);
        }
        let known: Vec<&String> = outcomes["sentences"].as_object().unwrap().keys().collect();
        assert_eq!(known.len(), said.len(), "{known:?}");
        for signal in 1..32 {
            let name = outcomes["signals"][signal.to_string()].as_str().unwrap_or_default();
            assert_eq!(signal_name(signal), name, "{signal}");
        }
        assert_eq!(outcomes["withheld"], WITHHELD);
        assert_eq!(outcomes["message_bytes_max"], ErrorDetail::MESSAGE_BYTES_MAX);
        let cut = outcomes["cut"].as_str().unwrap().replace("{count}", "3000");
        assert!(super::cut(&"x".repeat(3000), 100).ends_with(&cut));
        assert_eq!(shared["error_details"], json!(ErrorDetail::ALL.map(ErrorDetail::name)));
        let waited = Outcome::unstarted(OutcomeKind::TimedOut { limit }, limit);
        let waited = text(&waited.into_result("a.b", ErrorDetail::Masked));
        assert!(waited.ends_with(outcomes["starved"].as_str().unwrap()), "{waited}");
    }

    #[test]
    fn what_skills_may_declare_is_what_python_takes() {
        use crate::{LogLevel, Policy};
        let shared = shared();
        assert_eq!(shared["levels"], json!(LogLevel::ALL.map(LogLevel::name)));
        let retried = Policy { retry_on: vec!["OSError".into()], ..Policy::default() };
        let repeatable = Policy { repeatable: true, ..Policy::default() };
        assert_eq!(shared["retry"]["attempts_default"], retried.attempts_max());
        assert_eq!(shared["retry"]["attempts_repeatable"], repeatable.attempts_max());
    }
}
