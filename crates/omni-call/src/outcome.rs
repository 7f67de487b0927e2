//! How a call ended, as data, and the one place where that becomes text for a model.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::TempFiles;

/// What a call's caller is answered with: the parts of an MCP `CallToolResult`, each as raw JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// A JSON array of content blocks.
    pub content: Bytes,
    /// The structured content, any JSON value.
    pub structured: Option<Bytes>,
    /// A JSON object for the result's `_meta`.
    pub meta: Option<Bytes>,
    pub is_error: bool,
}

impl ToolResult {
    /// Adds one member to the result's `_meta`; `value` is JSON text.
    #[must_use]
    pub fn with_meta(mut self, name: &str, value: &str) -> Self {
        let own = self.meta.as_deref().and_then(|meta| std::str::from_utf8(meta).ok()).unwrap_or("{}");
        // What is left of the object behind its opening brace.
        let members = own.trim().trim_start_matches('{').trim_start();
        let comma = if members == "}" { "" } else { "," };
        self.meta = Some(format!(r#"{{"{name}":{value}{comma}{members}"#).into());
        self
    }

    /// Adds a text behind what the result says.
    pub fn with_text(mut self, text: &str) -> Self {
        let block = serde_json::json!({"type": "text", "text": text});
        let own = std::str::from_utf8(&self.content).unwrap_or("[]").trim_end();
        // What is before the array's closing bracket.
        let blocks = own.strip_suffix(']').unwrap_or("[").trim_end();
        let comma = if blocks == "[" { "" } else { "," };
        self.content = format!("{blocks}{comma}{block}]").into();
        self
    }

    /// Says of temporary files that the result names that they do not last, in a text and in `_meta`.
    pub fn naming(self, files: &TempFiles) -> Self {
        let meta = serde_json::to_string(files).unwrap_or_default();
        self.with_text(&files.sentence()).with_meta("omni/temp", &meta)
    }
}

/// One finished call.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub ending: Ending,
    pub phase: Phase,
    /// From acceptance to the end.
    pub elapsed: Duration,
    /// Counted from 1.
    pub attempt: u32,
    /// Python's stack at the moment a deadline struck, innermost frame last.
    pub stack: Option<String>,
    /// The end of what the process wrote to stderr, kept when it failed.
    pub stderr: Option<String>,
    /// Why the process that ran the call serves no other: a JSON array of findings.
    pub worker: Option<Box<str>>,
}

/// The ways a call can end. Matched without a wildcard everywhere, so a new way is a compile error until
/// each reader has thought about it.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The tool returned.
    Finished(ToolResult),
    /// The tool raised. `kind` is the exception's class, `bases` the classes above it, nearest first,
    /// `location` its `file:line` in the skill.
    ToolError {
        kind: String,
        bases: Box<[String]>,
        message: String,
        location: Option<String>,
        /// The author raised it for the client to read (`ToolError`): shown whatever the settings say.
        intended: bool,
        traceback: Option<String>,
    },
    /// The tool returned something that cannot be a result, or that breaks its output schema.
    BadResult { message: String },
    /// The skill's file could not be imported, or lacks the function.
    LoadError { message: String, traceback: Option<String> },
    /// The tool ended its interpreter (`sys.exit`, `os._exit`).
    Exited { code: i32 },
    /// A signal ended the process: a segmentation fault, an abort, the kernel's out-of-memory killer.
    Signalled { signal: i32 },
    /// The total time limit struck.
    TimedOut { limit: Duration },
    /// The tool was silent for longer than the idle limit.
    Idle { limit: Duration },
    /// There was no memory for what the tool wanted. `limit_bytes` is the limit of its process, if it has one.
    OutOfMemory { limit_bytes: Option<u64> },
    /// The result was larger than a result may be.
    OutputLimit { limit_bytes: usize },
    /// The worker broke the wire protocol, or closed its channel without ending.
    Lost { message: String },
    /// The caller went away or took the call back.
    Cancelled,
    /// The server is stopping.
    Shutdown,
    /// The queue is full.
    Busy { retry_after: Duration },
    /// The tool killed several workers in a short time and is refused for a while.
    Quarantined { retry_after: Duration },
    /// No worker could be started. `hint` says what to do about it.
    WorkerStart { message: String, hint: String },
}

/// How far a call had come. Before `Started` no line of the tool has run, so a retry is always safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Queued,
    Starting,
    Started,
}

/// How much of an exception's text a client may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorDetail {
    /// The exception's class and place; its message only when the author meant it for the client. An
    /// exception text can hold a password, a path or a row of somebody's data.
    #[default]
    Masked,
    /// Message and traceback too.
    Full,
}

impl Ending {
    /// The name in `_meta.kind`, in logs and in the reference table.
    pub fn kind(&self) -> &'static str {
        match self {
            Ending::Finished(_) => "finished",
            Ending::ToolError { .. } => "tool_error",
            Ending::BadResult { .. } => "bad_result",
            Ending::LoadError { .. } => "load_error",
            Ending::Exited { .. } => "exited",
            Ending::Signalled { .. } => "signalled",
            Ending::TimedOut { .. } => "timeout_total",
            Ending::Idle { .. } => "timeout_idle",
            Ending::OutOfMemory { .. } => "oom",
            Ending::OutputLimit { .. } => "output_limit",
            Ending::Lost { .. } => "lost",
            Ending::Cancelled => "cancelled",
            Ending::Shutdown => "shutdown",
            Ending::Busy { .. } => "busy",
            Ending::Quarantined { .. } => "quarantined",
            Ending::WorkerStart { .. } => "worker_start",
        }
    }

    /// Whether the same call may succeed if it is sent again unchanged.
    fn retryable(&self) -> bool {
        match self {
            Ending::Busy { .. }
            | Ending::Quarantined { .. }
            | Ending::Shutdown
            | Ending::Lost { .. }
            | Ending::WorkerStart { .. } => true,
            Ending::Finished(_)
            | Ending::ToolError { .. }
            | Ending::BadResult { .. }
            | Ending::LoadError { .. }
            | Ending::Exited { .. }
            | Ending::Signalled { .. }
            | Ending::TimedOut { .. }
            | Ending::Idle { .. }
            | Ending::OutOfMemory { .. }
            | Ending::OutputLimit { .. }
            | Ending::Cancelled => false,
        }
    }

    /// One sentence for the model: what happened to `tool`, and what to do about it.
    fn sentence(&self, tool: &str, detail: ErrorDetail) -> String {
        match self {
            Ending::Finished(_) => format!("`{tool}` finished"),
            Ending::ToolError { message, intended: true, .. } => message.clone(),
            Ending::ToolError { kind, message, location, .. } => {
                let at = location.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
                match detail {
                    ErrorDetail::Full => format!("`{tool}` raised `{kind}`{at}: {message}"),
                    ErrorDetail::Masked => format!(
                        "`{tool}` raised `{kind}`{at}; its message is in the server's log (start omni with \
                         `--errors full` to see it here)"
                    ),
                }
            }
            Ending::BadResult { message } => format!("`{tool}` returned an unusable result: {message}"),
            Ending::LoadError { message, .. } => format!("`{tool}` could not be loaded: {message}"),
            Ending::Exited { code } => format!("`{tool}` ended its process with exit code {code}"),
            Ending::Signalled { signal } => {
                format!("`{tool}` was ended by signal {signal}{}", signal_name(*signal))
            }
            Ending::TimedOut { limit } => {
                format!("`{tool}` was stopped at its time limit of {}", seconds(*limit))
            }
            Ending::Idle { limit } => format!(
                "`{tool}` was stopped after {} without a sign of life (progress or heartbeat)",
                seconds(*limit)
            ),
            Ending::OutOfMemory { limit_bytes: Some(bytes) } => format!(
                "`{tool}` wanted more memory than the {} MiB that a tool's process may have",
                bytes >> 20
            ),
            Ending::OutOfMemory { limit_bytes: None } => {
                format!("`{tool}` wanted more memory than this machine has left")
            }
            Ending::OutputLimit { limit_bytes } => {
                format!("`{tool}` returned more than {limit_bytes} bytes; ask for less at a time")
            }
            Ending::Lost { message } => format!("the worker running `{tool}` was lost: {message}"),
            Ending::Cancelled => format!("`{tool}` was cancelled"),
            Ending::Shutdown => format!("`{tool}` was stopped because the server is shutting down"),
            Ending::Busy { retry_after } => {
                format!("no worker is free for `{tool}`; try again in {}", seconds(*retry_after))
            }
            Ending::Quarantined { retry_after } => format!(
                "`{tool}` crashed its process three times within a minute and is refused for now; try again in \
                 {}, and look at its code or its arguments first",
                seconds(*retry_after)
            ),
            Ending::WorkerStart { message, hint } => {
                format!("no process could be started for `{tool}`: {message} ({hint})")
            }
        }
    }
}

impl Outcome {
    /// A call that ended before a worker took it.
    pub fn unstarted(ending: Ending, elapsed: Duration) -> Self {
        Outcome { ending, phase: Phase::Queued, elapsed, attempt: 1, stack: None, stderr: None, worker: None }
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
        let mut text = self.ending.sentence(tool, detail);
        let kind = self.ending.kind();
        // Out of time before a worker was free: not the tool's doing.
        let starved = self.phase == Phase::Queued
            && matches!(self.ending, Ending::TimedOut { .. } | Ending::Idle { .. });
        if starved {
            text.push_str("; it still waited for a worker, and no line of it has run");
        }
        let retryable = starved || self.ending.retryable();
        let traceback = match self.ending {
            Ending::Finished(result) => return result,
            Ending::ToolError { traceback, intended: false, .. } | Ending::LoadError { traceback, .. } => {
                traceback.filter(|_| detail == ErrorDetail::Full)
            }
            _ => None,
        };
        if let Some(stack) = &self.stack {
            let _ = write!(text, "\n\nPython was here:\n{}", stack.trim_end());
        }
        if let Some(traceback) = &traceback {
            let _ = write!(text, "\n\n{}", traceback.trim_end());
        }
        if let Some(stderr) = self.stderr.filter(|_| detail == ErrorDetail::Full) {
            let _ = write!(text, "\n\nlast output on stderr:\n{}", stderr.trim_end());
        }
        let mut failure = json!({
            "kind": kind,
            "phase": match self.phase {
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
            ending: Ending::ToolError {
                kind: "KeyError".into(),
                bases: Box::new(["LookupError".into()]),
                message: "'secret'".into(),
                location: Some("scripts/a.py:3".into()),
                intended: false,
                traceback: Some("Traceback …".into()),
            },
            phase: Phase::Started,
            elapsed: Duration::from_millis(12),
            attempt: 1,
            stack: None,
            stderr: Some("noise".into()),
            worker: None,
        }
    }

    fn text(result: &ToolResult) -> String {
        let content: serde_json::Value = serde_json::from_slice(&result.content).unwrap();
        content[0]["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn an_unintended_exception_is_masked_unless_configured() {
        let masked = raised().into_result("a.b", ErrorDetail::Masked);
        assert!(!text(&masked).contains("secret"), "{}", text(&masked));
        assert!(text(&masked).contains("`KeyError` at scripts/a.py:3"));
        let full = raised().into_result("a.b", ErrorDetail::Full);
        assert!(text(&full).contains("'secret'") && text(&full).contains("Traceback"));
    }

    #[test]
    fn a_member_is_added_to_whatever_meta_there_is() {
        for (meta, expected) in [
            (None, r#"{"omni/attempt":2}"#),
            (Some("{}"), r#"{"omni/attempt":2}"#),
            (Some(r#" { "a": {"b": 1} } "#), r#"{"omni/attempt":2,"a": {"b": 1} }"#),
        ] {
            let meta = meta.map(|meta| Bytes::from_static(str::as_bytes(meta)));
            let result = ToolResult { content: "[]".into(), structured: None, meta, is_error: false };
            let meta = result.with_meta("omni/attempt", "2").meta.unwrap();
            assert_eq!(std::str::from_utf8(&meta).unwrap(), expected);
            assert!(serde_json::from_slice::<serde_json::Value>(&meta).is_ok());
        }
    }

    #[test]
    fn what_a_call_did_to_its_worker_stands_in_every_kind_of_result() {
        let finished = Ending::Finished(ToolResult {
            content: "[]".into(),
            structured: None,
            meta: Some(r#"{"own":1}"#.into()),
            is_error: false,
        });
        for ending in [finished, Ending::Idle { limit: Duration::from_secs(1) }] {
            let outcome = Outcome { ending, worker: Some(r#"["x"]"#.into()), ..raised() };
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
        serde_json::from_str(include_str!("../../../conformance/shared.json")).unwrap()
    }

    #[test]
    fn the_sentences_are_those_that_python_says() {
        let limit = Duration::from_millis(1500);
        let message = || "m".to_owned();
        let raised = |intended| Ending::ToolError {
            kind: "KeyError".into(),
            bases: Box::default(),
            message: message(),
            location: Some("a.py:3".into()),
            intended,
            traceback: None,
        };
        let shared = shared();
        let outcomes = &shared["outcomes"];
        let mut said = Vec::new();
        for (form, ending) in [
            ("tool_error", raised(false)),
            ("tool_error full", raised(false)),
            ("tool_error intended", raised(true)),
            ("bad_result", Ending::BadResult { message: message() }),
            ("load_error", Ending::LoadError { message: message(), traceback: None }),
            ("exited", Ending::Exited { code: 3 }),
            ("signalled", Ending::Signalled { signal: 11 }),
            ("timeout_total", Ending::TimedOut { limit }),
            ("timeout_idle", Ending::Idle { limit }),
            ("oom", Ending::OutOfMemory { limit_bytes: None }),
            ("oom limited", Ending::OutOfMemory { limit_bytes: Some(7 << 20) }),
            ("output_limit", Ending::OutputLimit { limit_bytes: 9 }),
            ("lost", Ending::Lost { message: message() }),
            ("cancelled", Ending::Cancelled),
            ("shutdown", Ending::Shutdown),
            ("busy", Ending::Busy { retry_after: limit }),
            ("quarantined", Ending::Quarantined { retry_after: limit }),
            ("worker_start", Ending::WorkerStart { message: message(), hint: "h".into() }),
        ] {
            let kind = ending.kind();
            assert_eq!(form.split(' ').next(), Some(kind));
            let detail = if form.ends_with("full") { ErrorDetail::Full } else { ErrorDetail::Masked };
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
            assert_eq!(ending.sentence("a.b", detail), sentence, "{form}");
            let retryable = outcomes["retryable"].as_array().unwrap().iter().any(|one| one == kind);
            assert_eq!(ending.retryable(), retryable, "{form}");
            said.push(form);
        }
        let known: Vec<&String> = outcomes["sentences"].as_object().unwrap().keys().collect();
        assert_eq!(known.len(), said.len(), "{known:?}");
        for signal in 1..32 {
            let name = outcomes["signals"][signal.to_string()].as_str().unwrap_or_default();
            assert_eq!(signal_name(signal), name, "{signal}");
        }
        let waited = Outcome::unstarted(Ending::TimedOut { limit }, limit);
        let waited = text(&waited.into_result("a.b", ErrorDetail::Masked));
        assert!(waited.ends_with(outcomes["starved"].as_str().unwrap()), "{waited}");
    }

    #[test]
    fn what_skills_may_declare_is_what_python_takes() {
        use crate::{Affinity, ExecutorKind, ForkSettings, LogLevel, Policy};
        let shared = shared();
        assert_eq!(shared["executors"], json!(ExecutorKind::ALL.map(ExecutorKind::name)));
        assert_eq!(shared["affinities"], json!(Affinity::ALL.map(Affinity::name)));
        assert_eq!(shared["levels"], json!(LogLevel::ALL.map(LogLevel::name)));
        let options = &shared["options"];
        assert_eq!(options["attempts_max"], Policy::ATTEMPTS_MAX);
        assert_eq!(options["concurrency_max"], Policy::CONCURRENCY_MAX);
        assert_eq!(options["ahead_max"], ForkSettings::AHEAD_MAX);
        assert_eq!(options["calls_max"], ForkSettings::CALLS_MAX);
        let retried = Policy { retry_on: vec!["OSError".into()], ..Policy::default() };
        let repeatable = Policy { repeatable: true, ..Policy::default() };
        assert_eq!(shared["retry"]["attempts_default"], retried.attempts_max());
        assert_eq!(shared["retry"]["attempts_repeatable"], repeatable.attempts_max());
    }
}
