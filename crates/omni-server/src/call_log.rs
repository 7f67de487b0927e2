//! What the log says of a call: one line when it has ended, and before that what it printed that no client hears.

use std::time::{Duration, Instant};

use bytes::Bytes;
use omni_call::{
    Answer, Ask, BoxFuture, Call, CallId, CallPort, CallRequest, CallResult, Event, EventSink, LogLevel,
    Outcome, OutcomeKind, Phase, RunSpec, ServerRequest, TaskSupport, Wants,
};

use crate::call_changes::CallChanges;

/// So much of what one call prints and logs goes to the log.
const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// How long a call waited for a process, and how long one had it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From its arrival until a process had it for the first time; all of it where none ever had.
    pub waiting: Duration,
    /// From then to its end, further attempts and the pauses between them included.
    pub running: Duration,
}

impl Timing {
    /// Adds it to a result, as `omni/timing` in its `_meta`.
    pub(crate) fn told(self, result: CallResult) -> CallResult {
        let (waiting, running) = (ms(self.waiting), ms(self.running));
        result.with_meta("omni/timing", &format!(r#"{{"waiting_ms":{waiting:?},"running_ms":{running:?}}}"#))
    }
}

/// Milliseconds, to the tenth.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Of what a client named, so much stands in the log.
const NAME_BYTES_MAX: usize = 128;

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}

/// Passes a call's events on and keeps what the log needs of them; those that change something for clients go no further.
/// Dropped before [`end`](Self::end), the call was cancelled, and the log says so.
pub(crate) struct CallLog<'a> {
    events: &'a mut dyn CallPort,
    /// The tool, or what the caller named.
    name: &'a str,
    /// MCP's method, where it is no tool call.
    method: Option<&'static str>,
    call: CallId,
    /// From which level on the client hears it; the log takes the rest.
    client: Option<LogLevel>,
    accepted: Instant,
    begun: Option<Instant>,
    /// What the log may still say of its output.
    room: usize,
    left_out: u64,
    ended: bool,
    /// `None` where that is its caller's to do.
    changes: Option<CallChanges<'a>>,
}

impl<'a> CallLog<'a> {
    /// `name` is the tool's, or what the caller named.
    pub(crate) fn new(
        call: &Call,
        name: &'a str,
        events: &'a mut dyn CallPort,
        changes: Option<CallChanges<'a>>,
    ) -> Self {
        let is_tool = matches!(call.request, CallRequest::Tool { .. });
        CallLog {
            events,
            name: cut(name),
            method: (!is_tool).then(|| call.request.method()),
            call: call.id,
            client: call.wants.log,
            accepted: call.deadline.accepted(),
            begun: None,
            room: OUTPUT_BYTES_MAX,
            left_out: 0,
            ended: false,
            changes,
        }
    }

    /// Which events a call must send, so that the client gets what it wants and the log the rest.
    pub(crate) fn wants(client: Wants, log_output: bool) -> Wants {
        if !log_output || !tracing::enabled!(tracing::Level::INFO) {
            return client;
        }
        let debug = tracing::enabled!(tracing::Level::DEBUG);
        let least = if debug { LogLevel::Debug } else { LogLevel::Info };
        Wants { log: Some(client.log.map_or(least, |level| level.min(least))), ..client }
    }

    /// The call has ended: its line is written, once it is known that it has changed nothing that there is not.
    pub(crate) fn end(mut self, outcome: &mut Outcome) -> Timing {
        if let Some(changes) = &mut self.changes {
            changes.judge(outcome);
        }
        self.ended = true;
        let timing = self.timing();
        // A call that ended in its executor had a process, unless its result came from the cache.
        let cached = outcome.phase == Phase::Queued && matches!(outcome.kind, OutcomeKind::Finished(_));
        let failed = matches!(&outcome.kind, OutcomeKind::Finished(result) if result.is_error());
        self.say_left_out();
        tracing::info!(
            tool = self.tool(),
            method = self.method,
            name = self.named(),
            kind = outcome.kind.name(),
            call = self.call.0,
            waiting_ms = ms(timing.waiting),
            running_ms = ms(timing.running),
            attempts = (outcome.attempt > 1).then_some(outcome.attempt),
            cached = cached.then_some(true),
            is_error = failed.then_some(true),
            "call"
        );
        timing
    }

    /// The call has ended, and somebody else has written its line.
    pub(crate) fn logged_elsewhere(mut self) {
        self.ended = true;
    }

    fn tool(&self) -> Option<&'a str> {
        self.method.is_none().then_some(self.name)
    }

    fn named(&self) -> Option<&'a str> {
        self.method.is_some().then_some(self.name)
    }

    fn timing(&self) -> Timing {
        let now = Instant::now();
        let begun = self.begun.unwrap_or(now);
        Timing {
            waiting: begun.saturating_duration_since(self.accepted),
            running: now.saturating_duration_since(begun),
        }
    }

    fn log(&mut self, level: LogLevel, logger: Option<&str>, data: &Bytes) {
        let text = match serde_json::from_slice::<String>(data) {
            Ok(text) => text,
            // Any other JSON is logged as it is.
            Err(_) => String::from_utf8_lossy(data).into_owned(),
        };
        if text.len() > self.room {
            // Once something was left out, nothing later is logged: what the log has is the beginning.
            self.room = 0;
            self.left_out += text.len() as u64;
            return;
        }
        self.room -= text.len();
        let (tool, name, call) = (self.tool(), self.named(), self.call.0);
        if level == LogLevel::Debug {
            tracing::debug!(tool, name, call, from = logger, text, "output");
        } else {
            let level = (level > LogLevel::Info && logger != Some("stderr")).then(|| level.name());
            tracing::info!(tool, name, call, from = logger, level, text, "output");
        }
    }

    fn say_left_out(&self) {
        if self.left_out > 0 {
            let (tool, name) = (self.tool(), self.named());
            let (call, bytes) = (self.call.0, self.left_out);
            tracing::info!(tool, name, call, bytes, "more output is left out");
        }
    }
}

impl EventSink for CallLog<'_> {
    fn event(&mut self, event: Event) {
        match &event {
            Event::Log { level, logger, data } if self.client.is_none_or(|least| *level < least) => {
                self.log(*level, logger.as_deref(), data);
            }
            Event::Progress { .. } | Event::Log { .. } => self.events.event(event),
            _ => {
                let left = match &mut self.changes {
                    Some(changes) => changes.take(event),
                    None => Some(event),
                };
                if let Some(event) = left {
                    self.events.event(event);
                }
            }
        }
    }

    fn alive(&mut self) {
        self.events.alive();
    }

    fn begun(&mut self) {
        self.begun.get_or_insert_with(Instant::now);
        self.events.begun();
    }

    fn left_out(&mut self, bytes: u64) {
        self.left_out += bytes;
        self.events.left_out(bytes);
    }
}

impl CallPort for CallLog<'_> {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        self.events.ask(ask)
    }

    fn can_be_asked(&self) -> bool {
        self.events.can_be_asked()
    }

    fn request(&mut self, request: ServerRequest) -> BoxFuture<'static, Answer> {
        self.events.request(request)
    }

    fn declare_task(&mut self, support: TaskSupport) -> bool {
        self.events.declare_task(support)
    }

    fn ending(&self, spec: &RunSpec) -> Option<BoxFuture<'static, OutcomeKind>> {
        self.events.ending(spec)
    }

    fn lost(&mut self) {
        self.events.lost();
    }
}

impl Drop for CallLog<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.say_left_out();
        let Timing { waiting, running } = self.timing();
        tracing::info!(
            tool = self.tool(),
            method = self.method,
            name = self.named(),
            kind = "cancelled",
            call = self.call.0,
            waiting_ms = ms(waiting),
            running_ms = ms(running),
            "call"
        );
    }
}
