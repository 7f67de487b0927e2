//! `native`: tools that are functions of this program, by name. Starts no process.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use omni_call::{
    BoxFuture, Call, CallPort, Event, EventSink, Executor, Outcome, OutcomeKind, Phase, Target, ToolResult,
};
use tokio::sync::watch;
use tokio::time::sleep_until;

use crate::outcome::{outcome, unstarted};
use crate::within::expired;

/// A function of this program that is called as a tool.
///
/// It runs on the thread that serves all clients, so what takes longer than a millisecond belongs in
/// `tokio::task::spawn_blocking`.
pub trait NativeTool: Send + Sync {
    /// Runs one call. `arguments` is a JSON object that fits the tool's input schema. `said` takes progress and log
    /// messages; each of them is a sign of life.
    ///
    /// Dropping the future cancels the call.
    ///
    /// # Errors
    ///
    /// A sentence for whoever made the call, who reads it whatever the settings say of errors.
    fn call<'a>(
        &'a self,
        arguments: Bytes,
        said: &'a mut dyn EventSink,
    ) -> BoxFuture<'a, Result<ToolResult, String>>;
}

/// Runs each call as a future of its caller's task, within the call's time limits.
///
/// A panic of a function fails its own call only. How many calls run at once is bounded by the server and by each
/// tool's policy, not here. Needs a tokio runtime while calls run.
pub struct Native {
    tools: BTreeMap<String, Arc<dyn NativeTool>>,
    result_bytes_max: usize,
    closed: watch::Sender<bool>,
}

impl Native {
    /// An executor of these functions, each by the name that a target has for it. A part of a result may have
    /// `result_bytes_max` bytes.
    pub fn new(tools: BTreeMap<String, Arc<dyn NativeTool>>, result_bytes_max: usize) -> Self {
        Native { tools, result_bytes_max, closed: watch::Sender::new(false) }
    }

    async fn run_open(
        &self,
        tool: Arc<dyn NativeTool>,
        mut call: Call,
        events: &mut dyn CallPort,
    ) -> Outcome {
        let mut closed = self.closed.subscribe();
        events.begun();
        let kind = tokio::select! {
            biased;
            kind = self.finish(&*tool, &mut call, events) => kind,
            _ = closed.wait_for(|closed| *closed) => OutcomeKind::Shutdown,
        };
        outcome(&call, kind, Phase::Started, 1)
    }

    /// Runs the function until it returns or the call's time is up.
    async fn finish(&self, tool: &dyn NativeTool, call: &mut Call, events: &mut dyn CallPort) -> OutcomeKind {
        let last_sign = Mutex::new(None);
        let mut said = LastSignSink { events, last_sign: &last_sign };
        let arguments = call.arguments().clone();
        let mut running = pin!(async { tool.call(arguments, &mut said).await });
        // Unwind safety: after a panic the future is dropped and nothing of it is used.
        let mut guarded = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Some),
            Err(_) => Poll::Ready(None),
        });
        loop {
            let next = call.deadline.next();
            let alarm = async {
                match next {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                answer = &mut guarded => return self.outcome_kind(answer),
                () = alarm => {
                    if let Some(at) = last_sign.lock().unwrap_or_else(PoisonError::into_inner).take() {
                        call.deadline.beat(at);
                    }
                    if let Some(expiry) = call.deadline.expired(Instant::now()) {
                        return expired(expiry);
                    }
                }
            }
        }
    }

    /// The kind of outcome that the function's answer is; `None` stands for a panic.
    fn outcome_kind(&self, answer: Option<Result<ToolResult, String>>) -> OutcomeKind {
        let limit_bytes = self.result_bytes_max;
        match answer {
            Some(Ok(result))
                if result.content.len() > limit_bytes
                    || result.structured.as_ref().is_some_and(|part| part.len() > limit_bytes) =>
            {
                OutcomeKind::OutputLimit { limit_bytes }
            }
            Some(Ok(result)) => result.into(),
            Some(Err(message)) => OutcomeKind::tool_error("ToolError", message, None),
            None => OutcomeKind::Lost {
                message: "it panicked, which is a bug in omni: please report it".to_owned(),
            },
        }
    }
}

/// Passes on what a function says, and notes when it did, as its last sign of life.
struct LastSignSink<'a> {
    events: &'a mut dyn CallPort,
    last_sign: &'a Mutex<Option<Instant>>,
}

impl EventSink for LastSignSink<'_> {
    fn event(&mut self, event: Event) {
        self.alive();
        self.events.event(event);
    }

    fn alive(&mut self) {
        *self.last_sign.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.events.alive();
    }
}

impl Executor for Native {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        let refused = |outcome| -> BoxFuture<'a, Outcome> { Box::pin(std::future::ready(outcome)) };
        if *self.closed.borrow() {
            return refused(unstarted(&call, OutcomeKind::Shutdown));
        }
        let tool = match &call.spec.target {
            Target::Native { name } => self.tools.get(name),
            Target::Python(_) | Target::Program(_) | Target::File(_) | Target::Remote { .. } => None,
        };
        match tool {
            Some(tool) => Box::pin(self.run_open(Arc::clone(tool), call, events)),
            None => {
                let message = format!("this server has no function for `{}`", call.spec.tool);
                let hint = "it is switched on with `native_tools` in omni.toml".to_owned();
                refused(unstarted(&call, OutcomeKind::WorkerStart { message, hint }))
            }
        }
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.closed.send_replace(true);
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use omni_call::{CallId, CallRequest, CallResult, Deadline, NoClient, RunSpec, Wants};

    use super::*;

    const LIMIT: usize = 100;

    /// Several times the idle limit of the tests.
    const LONG: Duration = Duration::from_millis(100);

    /// What a test's function does.
    enum Does {
        Echoes,
        Fails,
        Panics,
        Waits,
        /// Says something every millisecond for so long, then answers.
        Talks(Duration),
    }

    impl NativeTool for Does {
        fn call<'a>(
            &'a self,
            arguments: Bytes,
            said: &'a mut dyn EventSink,
        ) -> BoxFuture<'a, Result<ToolResult, String>> {
            Box::pin(async move {
                match self {
                    Does::Echoes => Ok(ToolResult::of_json(std::str::from_utf8(&arguments).unwrap())),
                    Does::Fails => Err("the moon is not full".to_owned()),
                    Does::Panics => panic!("as it was told"),
                    Does::Waits => std::future::pending().await,
                    Does::Talks(long) => {
                        let began = Instant::now();
                        while began.elapsed() < *long {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                            said.event(Event::Progress { value: 1.0, total: None, message: None });
                        }
                        Ok(ToolResult::of_json("{}"))
                    }
                }
            })
        }
    }

    fn native() -> Native {
        let tools: [(&str, Does); 5] = [
            ("echo", Does::Echoes),
            ("fail", Does::Fails),
            ("panic", Does::Panics),
            ("wait", Does::Waits),
            ("talk", Does::Talks(LONG)),
        ];
        let table =
            tools.into_iter().map(|(name, does)| (name.to_owned(), Arc::new(does) as Arc<dyn NativeTool>));
        Native::new(table.collect(), LIMIT)
    }

    fn call(target: Target, arguments: String, total: Option<Duration>, idle: Option<Duration>) -> Call {
        Call {
            id: CallId(1),
            spec: Arc::new(RunSpec::new("omni", "c", target)),
            request: CallRequest::tool(arguments),
            deadline: Deadline::new(Instant::now(), total, idle),
            wants: Wants::default(),
            session: "".into(),
            affinity: None,
            origin: None,
            parent: None,
        }
    }

    fn named(name: &str) -> Target {
        Target::Native { name: name.to_owned() }
    }

    async fn outcome_kind(name: &str, arguments: &str) -> OutcomeKind {
        native().run(call(named(name), arguments.to_owned(), None, None), &mut NoClient).await.kind
    }

    #[tokio::test]
    async fn a_function_is_found_by_its_name_and_gets_the_arguments() {
        let OutcomeKind::Finished(CallResult::Tool(result)) = outcome_kind("echo", r#"{"a":1}"#).await else {
            panic!()
        };
        assert_eq!(result.structured.as_deref(), Some(br#"{"a":1}"#.as_slice()));
        assert_eq!(result.content, r#"[{"type":"text","text":"{\"a\":1}"}]"#);
        let other = outcome_kind("nothing", "{}").await;
        assert!(
            matches!(&other, OutcomeKind::WorkerStart { message, .. } if message.contains("omni.c")),
            "{other:?}"
        );
    }

    #[tokio::test]
    async fn an_error_is_the_caller_s_to_read_and_a_panic_costs_its_own_call() {
        let failed = outcome_kind("fail", "{}").await;
        assert!(
            matches!(&failed, OutcomeKind::ToolError { message, intended: true, .. } if message.contains("moon")),
            "{failed:?}"
        );
        let native = native();
        let run =
            async |name| native.run(call(named(name), "{}".into(), None, None), &mut NoClient).await.kind;
        assert!(matches!(run("panic").await, OutcomeKind::Lost { .. }));
        assert!(matches!(run("echo").await, OutcomeKind::Finished(_)));
    }

    #[tokio::test]
    async fn a_result_larger_than_allowed_is_none() {
        let arguments = format!(r#"{{"a":"{}"}}"#, "x".repeat(LIMIT));
        assert_eq!(outcome_kind("echo", &arguments).await, OutcomeKind::OutputLimit { limit_bytes: LIMIT });
    }

    #[tokio::test]
    async fn time_limits_hold_and_whoever_speaks_is_not_idle() {
        let native = native();
        let limit = Duration::from_millis(20);
        let run = async |name, total, idle| {
            native.run(call(named(name), "{}".into(), total, idle), &mut NoClient).await.kind
        };
        assert_eq!(run("wait", Some(limit), None).await, OutcomeKind::TimedOut { limit });
        assert_eq!(run("wait", None, Some(limit)).await, OutcomeKind::Idle { limit });
        assert!(matches!(run("talk", None, Some(limit)).await, OutcomeKind::Finished(_)));
    }

    #[tokio::test]
    async fn shutting_down_ends_what_runs_and_refuses_what_comes() {
        let native = Arc::new(native());
        let running = {
            let native = Arc::clone(&native);
            tokio::spawn(async move {
                native.run(call(named("wait"), "{}".into(), None, None), &mut NoClient).await.kind
            })
        };
        tokio::task::yield_now().await;
        native.shut_down().await;
        assert_eq!(running.await.unwrap(), OutcomeKind::Shutdown);
        let late = native.run(call(named("echo"), "{}".into(), None, None), &mut NoClient).await;
        assert_eq!((late.kind, late.phase), (OutcomeKind::Shutdown, Phase::Queued));
    }
}
