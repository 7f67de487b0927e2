//! The events and the end of a call as lines of the contract. Text only, no I/O.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use omni_call::{Ask, CallResult, Event, Outcome, OutcomeKind, Phase, ServerRequest, ToolResult};
use serde::Serialize;
use serde_json::value::RawValue;

/// Lines of a call that wait to be sent to its caller, each with its line end.
#[derive(Debug, Default)]
pub(super) struct LineQueue {
    text: Vec<u8>,
    /// Lines in `text`.
    count: usize,
    dropped: usize,
}

/// The queue that a call writes to and its connection reads from.
pub(super) type SharedLineQueue = Arc<Mutex<LineQueue>>;

pub(super) fn lock(waiting: &Mutex<LineQueue>) -> MutexGuard<'_, LineQueue> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lines that wait for a caller at most. One that reads slower than its tool talks loses those beyond, and is told.
const WAITING_MAX: usize = 1_000;

/// The same for what changes what clients see, which a caller must not miss.
const CHANGES_WAITING_MAX: usize = 4 * WAITING_MAX;

impl LineQueue {
    pub(super) fn take(&mut self) -> Bytes {
        self.count = 0;
        std::mem::take(&mut self.text).into()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// A sign of life. None is added to a full queue: one of those that wait is enough.
    pub(super) fn beat(&mut self, id: u64) {
        if self.count < WAITING_MAX {
            self.push(beat_line(id).as_bytes());
        }
    }

    pub(super) fn event(&mut self, id: u64, event: &Event) {
        let max = if event.may_be_lost() { WAITING_MAX } else { CHANGES_WAITING_MAX };
        if self.count >= max {
            self.dropped += 1;
            return;
        }
        match event {
            Event::Progress { value, total, message } => {
                // Progress is a sign of life by itself, so one that waits right before it is dropped.
                let beat = format!("{}\n", beat_line(id));
                if let Some(rest) = self.text.len().checked_sub(beat.len())
                    && self.text.ends_with(beat.as_bytes())
                {
                    self.text.truncate(rest);
                    self.count -= 1;
                }
                let body = Progress { id, value: *value, total: *total, message: message.as_deref() };
                self.say("progress", &body);
            }
            Event::Log { level, logger, data } => {
                let data = raw(data);
                self.say("log", &Log { id, level: level.name(), logger: logger.as_deref(), data: &data });
            }
            Event::ResourceUpdated { uri } => self.say("resource_updated", &ResourceUpdated { id, uri }),
            Event::Visibility { name, shown } => {
                self.say(if *shown { "show" } else { "hide" }, &Named { id, name });
            }
        }
    }

    /// A question. None is left out: a call has few open.
    pub(super) fn ask(&mut self, id: u64, number: u64, ask: &Ask) {
        let (method, params) = (ask.method.name(), raw(&ask.params));
        let key = ask.key.as_deref();
        self.say("ask", &Question { id, ask: number, key, method, params: &params });
    }

    /// The same for the server that the call is of.
    pub(super) fn request(&mut self, id: u64, number: u64, request: &ServerRequest) {
        let (method, params) = (request.method.name(), raw(&request.params));
        self.say("ask", &Question { id, ask: number, key: None, method, params: &params });
    }

    /// A question is taken back.
    pub(super) fn retract(&mut self, id: u64, number: u64) {
        self.push(format!(r#"{{"retract":{{"id":{id},"ask":{number}}}}}"#).as_bytes());
    }

    /// The last lines of a call that has run, or was refused by the executor.
    pub(super) fn end(&mut self, id: u64, outcome: Outcome) {
        if self.dropped > 0 {
            let data =
                format!("\"{} messages of this call were dropped: you read too slowly\"", self.dropped);
            let data = RawValue::from_string(data).unwrap_or_default();
            self.say("log", &Log { id, level: "warning", logger: Some("omni"), data: &data });
        }
        // A result says so by itself.
        if outcome.phase == Phase::Started && !matches!(outcome.kind, OutcomeKind::Finished(_)) {
            self.push(format!(r#"{{"started":{{"id":{id}}}}}"#).as_bytes());
        }
        let Outcome { kind, stack, stderr, worker, .. } = outcome;
        match kind {
            OutcomeKind::Finished(CallResult::Tool(result)) => {
                self.result(id, &result, worker.as_deref(), stderr.as_deref());
            }
            kind => {
                let tainted = worker.map(|findings| raw(findings.as_bytes()));
                self.say("error", &Failure { stack, stderr, tainted, ..Failure::of(id, kind) });
            }
        }
    }

    /// What a tool returned; its parts are passed on as they are.
    ///
    /// `stderr` is what a program wrote whose output says that it failed.
    fn result(&mut self, id: u64, result: &ToolResult, worker: Option<&str>, stderr: Option<&str>) {
        let mut line = format!(r#"{{"result":{{"id":{id},"content":"#).into_bytes();
        line.extend_from_slice(raw(&result.content).get().as_bytes());
        for (name, part) in [("structured", &result.structured), ("meta", &result.meta)] {
            if let Some(part) = part {
                line.extend_from_slice(format!(",\"{name}\":").as_bytes());
                line.extend_from_slice(raw(part).get().as_bytes());
            }
        }
        if result.is_error {
            line.extend_from_slice(b",\"is_error\":true");
        }
        if let Some(stderr) = stderr {
            line.extend_from_slice(b",\"stderr\":");
            line.extend_from_slice(serde_json::Value::from(stderr).to_string().as_bytes());
        }
        if let Some(worker) = worker {
            line.extend_from_slice(b",\"tainted\":");
            line.extend_from_slice(raw(worker.as_bytes()).get().as_bytes());
        }
        line.extend_from_slice(b"}}");
        self.push(&line);
    }

    fn say(&mut self, kind: &str, body: &impl Serialize) {
        if let Ok(body) = serde_json::to_string(body) {
            self.push(format!(r#"{{"{kind}":{body}}}"#).as_bytes());
        }
    }

    fn push(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        self.count += 1;
    }
}

fn beat_line(id: u64) -> String {
    format!(r#"{{"beat":{{"id":{id}}}}}"#)
}

/// What the body of an `error` says of a call that failed, for an answer that has no lines.
pub(super) fn failure(outcome: &Outcome) -> serde_json::Value {
    let tainted = outcome.worker.as_ref().map(|findings| raw(findings.as_bytes()));
    let (stack, stderr) = (outcome.stack.clone(), outcome.stderr.clone());
    let failure = Failure { stack, stderr, tainted, ..Failure::of(0, outcome.kind.clone()) };
    serde_json::to_value(failure).unwrap_or_default()
}

/// A part that is JSON already. One with a line break would be two lines, so it is written anew; what is no JSON, which
/// no executor gives, becomes null.
fn raw(part: &[u8]) -> Box<RawValue> {
    let text = std::str::from_utf8(part).unwrap_or("null");
    if memchr::memchr2(b'\n', b'\r', part).is_none() {
        return RawValue::from_string(text.to_owned()).unwrap_or_default();
    }
    let value = serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
    serde_json::value::to_raw_value(&value).unwrap_or_default()
}

#[derive(Serialize)]
struct Progress<'a> {
    id: u64,
    value: f64,
    total: Option<f64>,
    message: Option<&'a str>,
}

#[derive(Serialize)]
struct ResourceUpdated<'a> {
    id: u64,
    uri: &'a str,
}

/// The body of a `show` or `hide`.
#[derive(Serialize)]
struct Named<'a> {
    id: u64,
    name: &'a str,
}

#[derive(Serialize)]
struct Question<'a> {
    id: u64,
    ask: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    method: &'static str,
    params: &'a RawValue,
}

#[derive(Serialize)]
struct Log<'a> {
    id: u64,
    level: &'a str,
    logger: Option<&'a str>,
    data: &'a RawValue,
}

/// The body of an `error`.
#[derive(Default, Serialize)]
struct Failure {
    id: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bases: Option<Box<[String]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intended: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceback: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capability: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tainted: Option<Box<RawValue>>,
}

impl Failure {
    fn of(id: u64, kind: OutcomeKind) -> Self {
        let failure = Failure { id, kind: kind.name(), ..Failure::default() };
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).ok();
        match kind {
            OutcomeKind::McpError { code, message, data } => Failure {
                code: Some(code),
                message: Some(message),
                data: data.and_then(|data| serde_json::from_slice(&data).ok()),
                ..failure
            },
            OutcomeKind::ToolError { kind, bases, message, location, intended, traceback, undeclared } => {
                Failure {
                    class: Some(kind),
                    bases: Some(bases),
                    message: Some(message),
                    location,
                    intended: Some(intended),
                    traceback,
                    capability: undeclared.map(omni_call::Question::capability),
                    ..failure
                }
            }
            OutcomeKind::NotFound { message }
            | OutcomeKind::BadResult { message }
            | OutcomeKind::InvalidArguments { message }
            | OutcomeKind::Lost { message } => Failure { message: Some(message), ..failure },
            OutcomeKind::LoadError { kind, message, location, intended, traceback } => Failure {
                class: Some(kind),
                message: Some(message),
                location,
                intended: Some(intended),
                traceback,
                ..failure
            },
            // The class says that its process may have lived through it: whether it did is kept count of here, where a
            // tool that ends too many processes is refused.
            OutcomeKind::Exited { code, message } => {
                Failure { class: Some("SystemExit".into()), code: Some(code), message, ..failure }
            }
            OutcomeKind::Signalled { signal } => Failure { signal: Some(signal), ..failure },
            OutcomeKind::TimedOut { limit } | OutcomeKind::Idle { limit } => {
                Failure { limit_ms: ms(limit), ..failure }
            }
            OutcomeKind::OutOfMemory { limit_bytes, message, location, traceback } => {
                Failure { limit_bytes, message: Some(message), location, traceback, ..failure }
            }
            OutcomeKind::OutputLimit { limit_bytes } => {
                let message = format!("its result is longer than {limit_bytes} bytes");
                Failure { message: Some(message), ..failure }
            }
            OutcomeKind::Busy { retry_after } | OutcomeKind::Quarantined { retry_after } => {
                Failure { retry_after_ms: ms(retry_after), ..failure }
            }
            OutcomeKind::WorkerStart { mut message, hint } => {
                let _ = write!(message, "; {hint}");
                Failure { message: Some(message), ..failure }
            }
            // Nobody reads the end of a call that was taken back; a result is no failure.
            OutcomeKind::Cancelled
            | OutcomeKind::Shutdown
            | OutcomeKind::Finished(_)
            | OutcomeKind::Stale { .. } => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use omni_call::LogLevel;
    use serde_json::{Value, json};

    use super::*;
    use crate::runner::all_contract_cases;

    fn case(name: &str) -> Value {
        let case = all_contract_cases().find(|case| case["name"] == name).expect(name);
        assert_eq!(case["written_by_omni"], true, "{name}");
        serde_json::from_str(case["text"].as_str().unwrap()).unwrap()
    }

    fn last(
        kind: OutcomeKind,
        stack: Option<&str>,
        stderr: Option<&str>,
        worker: Option<&str>,
    ) -> Vec<Value> {
        let outcome = Outcome {
            stack: stack.map(str::to_owned),
            stderr: stderr.map(str::to_owned),
            worker: worker.map(Into::into),
            phase: Phase::Starting,
            ..Outcome::unstarted(kind, Duration::ZERO)
        };
        let mut lines = LineQueue::default();
        lines.end(7, outcome);
        read(&mut lines)
    }

    fn read(lines: &mut LineQueue) -> Vec<Value> {
        let text = lines.take();
        let text = std::str::from_utf8(&text).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn result(content: &str) -> ToolResult {
        let content = Bytes::from(content.to_owned());
        ToolResult { content, structured: None, meta: None, is_error: false }
    }

    #[test]
    fn endings_are_written_as_the_contracts_cases_have_them() {
        let raised = |kind: &str, bases: &[&str], message: &str| OutcomeKind::ToolError {
            kind: kind.into(),
            bases: bases.iter().map(|&base| base.into()).collect(),
            message: message.into(),
            location: Some("scripts/a.py:3".into()),
            intended: false,
            traceback: Some("Traceback (most recent call last):\n".into()),
            undeclared: None,
        };
        let structured = ToolResult {
            structured: Some(r#"{"result":3}"#.into()),
            meta: Some(r#"{"k":1}"#.into()),
            ..result("[]")
        };
        let protocol_error = OutcomeKind::McpError {
            code: -31001,
            message: "the archive is read-only".into(),
            data: Some(Bytes::from_static(br#"{"archive":1}"#)),
        };
        let limit = Duration::from_millis;
        let stack = "  File \"scripts/a.py\", line 3 in f";
        let tainted = "[\"`os.getcwd` was replaced\"]";
        for (name, said) in [
            (
                "an_exception",
                last(raised("KeyError", &["LookupError", "Exception"], "'a'"), None, None, None),
            ),
            ("a_signal", last(OutcomeKind::Signalled { signal: 11 }, None, Some("Fatal Python error"), None)),
            (
                "a_total_time_limit_with_the_stack",
                last(OutcomeKind::TimedOut { limit: limit(1500) }, Some(stack), None, None),
            ),
            ("an_idle_time_limit", last(OutcomeKind::Idle { limit: limit(250) }, None, None, None)),
            (
                "a_lost_worker",
                last(OutcomeKind::Lost { message: "it broke the wire".into() }, None, None, None),
            ),
            ("no_place", last(OutcomeKind::Busy { retry_after: limit(2000) }, None, None, None)),
            (
                "a_tool_that_crashed_too_often",
                last(OutcomeKind::Quarantined { retry_after: limit(60_000) }, None, None, None),
            ),
            ("the_runner_ends", last(OutcomeKind::Shutdown, None, None, None)),
            ("an_error_of_the_protocol", last(protocol_error, None, None, None)),
            (
                "a_result_of_text",
                last(
                    OutcomeKind::from(result("[{\"type\":\"text\",\"text\":\"naïve 🦀\\n\"}]")),
                    None,
                    None,
                    None,
                ),
            ),
            (
                "a_result_with_structured_content_and_meta",
                last(OutcomeKind::from(structured), None, None, None),
            ),
            (
                "a_result_that_is_an_error",
                last(OutcomeKind::from(ToolResult { is_error: true, ..result("[]") }), None, None, None),
            ),
            (
                "a_result_of_a_call_that_changed_its_worker",
                last(OutcomeKind::from(result("[]")), None, None, Some(tainted)),
            ),
        ] {
            assert_eq!(said, [case(name)], "{name}");
        }
    }

    #[test]
    fn events_are_written_as_the_contracts_cases_have_them() {
        let mut lines = LineQueue::default();
        lines.beat(7);
        lines.beat(7);
        let progress = |value, total: Option<f64>, message: Option<&str>| Event::Progress {
            value,
            total,
            message: message.map(str::to_owned),
        };
        lines.event(7, &progress(1.0, Some(10.0), Some("page \"1\"")));
        lines.event(7, &progress(0.25, None, None));
        let data = Bytes::from_static(b"{\n\"rows\": [1,2]}");
        lines.event(7, &Event::Log { level: LogLevel::Error, logger: Some("db".into()), data });
        lines.event(7, &Event::ResourceUpdated { uri: "omni://skill/notes/today?q=\"1\"".into() });
        lines.event(7, &Event::Visibility { name: "notes.save".into(), shown: true });
        lines.event(7, &Event::Visibility { name: "notes.*".into(), shown: false });
        let names = [
            "a_beat",
            "progress",
            "progress_of_unknown_extent",
            "a_log_message",
            "a_resource_that_was_updated",
            "a_tool_to_show",
            "a_tool_to_hide",
        ];
        let expected = names.map(case);
        assert_eq!(read(&mut lines), expected, "a line break in what a tool says is none on the wire");
    }

    #[test]
    fn a_call_that_had_begun_says_so_before_it_says_how_it_failed() {
        let mut lines = LineQueue::default();
        let outcome = Outcome::unstarted(OutcomeKind::Exited { code: 3, message: None }, Duration::ZERO);
        lines.end(7, Outcome { phase: Phase::Started, ..outcome });
        let said = read(&mut lines);
        assert_eq!(said[0], case("started"));
        assert_eq!(said[1], json!({"error": {"id": 7, "kind": "exited", "class": "SystemExit", "code": 3}}));
    }

    #[test]
    fn what_a_slow_reader_loses_is_counted_and_its_last_line_never_is_lost() {
        let mut lines = LineQueue::default();
        for value in 0..2_000 {
            lines.event(7, &Event::Progress { value: value.into(), total: None, message: None });
        }
        lines.end(7, Outcome::unstarted(OutcomeKind::Shutdown, Duration::ZERO));
        let said = read(&mut lines);
        assert_eq!(said.len(), WAITING_MAX + 2);
        assert!(said[WAITING_MAX]["log"]["data"].as_str().unwrap().starts_with("1000 messages"));
        assert_eq!(said[WAITING_MAX + 1], case("the_runner_ends"));
        // What others have to be told of is not lost with them.
        for value in 0..2_000 {
            lines.event(7, &Event::Progress { value: value.into(), total: None, message: None });
        }
        lines.event(7, &Event::ResourceUpdated { uri: "x:1".into() });
        assert_eq!(read(&mut lines).last(), Some(&json!({"resource_updated": {"id": 7, "uri": "x:1"}})));
    }
}
