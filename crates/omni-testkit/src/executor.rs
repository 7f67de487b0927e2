//! An executor whose calls do what the test says, when it says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use omni_call::{
    Answer, Ask, AskMethod, BoxFuture, Call, CallPort, Event, Executor, LogLevel, Outcome, OutcomeKind,
    Phase, ServerMethod, ServerRequest, ToolResult,
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

/// Runs nothing. Each call is handed to the test, which answers it; or, with [`echoing`](Self::echoing) and
/// [`answering`](Self::answering), each is answered at once.
pub struct ScriptedExecutor {
    script: Script,
    stopping: watch::Sender<bool>,
    running: Arc<AtomicUsize>,
}

enum Script {
    /// The test answers.
    Started(mpsc::UnboundedSender<RunningCall>),
    /// This does.
    Answers(Box<dyn Fn(&Call) -> Outcome + Send + Sync>),
}

/// The calls that have reached the executor, in order.
pub struct StartedCalls(mpsc::UnboundedReceiver<RunningCall>);

/// One call at the executor: the test's end of it.
///
/// Dropping it without an answer ends the call as lost.
pub struct RunningCall {
    pub call: Call,
    steps: mpsc::UnboundedSender<Step>,
    /// Closed when the server has dropped the call.
    dropped: watch::Receiver<()>,
}

/// A question that a scripted tool has asked. Dropping it takes the question back.
pub struct OpenQuestion(oneshot::Receiver<Answer>);

enum Step {
    Event(Event),
    Begun,
    Ask(Ask, oneshot::Sender<Answer>),
    Request(ServerRequest, oneshot::Sender<Answer>),
    End(Box<Outcome>),
}

/// Counts a call for as long as its future lives.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ScriptedExecutor {
    /// An executor whose calls the test answers.
    pub fn new() -> (Arc<Self>, StartedCalls) {
        let (started, calls) = mpsc::unbounded_channel();
        (Arc::new(Self::with(Script::Started(started))), StartedCalls(calls))
    }

    /// An executor that answers each call at once with its arguments, as text.
    pub fn echoing() -> Arc<Self> {
        Self::answering(|call| finished(text(call.arguments())).kind)
    }

    /// An executor whose calls end at once, as `answer` says.
    pub fn answering(answer: impl Fn(&Call) -> OutcomeKind + Send + Sync + 'static) -> Arc<Self> {
        Self::concluding(move |call| outcome(answer(call)))
    }

    /// An executor whose calls end at once, with exactly this outcome.
    pub fn concluding(answer: impl Fn(&Call) -> Outcome + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self::with(Script::Answers(Box::new(answer))))
    }

    fn with(script: Script) -> Self {
        ScriptedExecutor { script, stopping: watch::Sender::new(false), running: Arc::default() }
    }

    /// Calls that have begun and are neither answered nor dropped.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }
}

impl Executor for ScriptedExecutor {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        self.running.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(self.running.clone());
        Box::pin(async move {
            let _counted = counted;
            let started = match &self.script {
                Script::Started(started) => started,
                Script::Answers(answer) => return answer(&call),
            };
            let (steps, mut next) = mpsc::unbounded_channel();
            let (_alive, dropped) = watch::channel(());
            let mut stopping = self.stopping.subscribe();
            let mut questions = FuturesUnordered::new();
            started.send(RunningCall { call, steps, dropped }).expect("the test holds the started calls");
            loop {
                tokio::select! {
                    biased;
                    step = next.recv() => match step {
                        Some(Step::Event(event)) => {
                            events.alive();
                            events.event(event);
                        }
                        Some(Step::Begun) => {
                            questions.clear();
                            events.begun();
                        }
                        Some(Step::Ask(ask, answer)) => {
                            events.alive();
                            let coming = events.ask(ask);
                            questions.push(hand_over(coming, answer));
                        }
                        Some(Step::Request(request, answer)) => {
                            events.alive();
                            let coming = events.request(request);
                            questions.push(hand_over(coming, answer));
                        }
                        Some(Step::End(outcome)) => return *outcome,
                        None => return outcome(OutcomeKind::Lost { message: "the test let go of it".into() }),
                    },
                    Some(()) = questions.next(), if !questions.is_empty() => {}
                    _ = stopping.wait_for(|stopping| *stopping) => return outcome(OutcomeKind::Shutdown),
                }
            }
        })
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.stopping.send_replace(true);
        Box::pin(std::future::ready(()))
    }
}

/// Hands an answer to whoever waits for it, as long as somebody does.
async fn hand_over(coming: BoxFuture<'static, Answer>, mut answer: oneshot::Sender<Answer>) {
    tokio::select! {
        biased;
        () = answer.closed() => {}
        came = coming => drop(answer.send(came)),
    }
}

impl StartedCalls {
    /// The next call that reaches the executor.
    pub async fn next(&mut self) -> RunningCall {
        crate::wait::expect("a call at the executor", self.0.recv()).await.expect("the executor is alive")
    }

    /// The next call that has reached the executor by now.
    pub fn try_next(&mut self) -> Option<RunningCall> {
        self.0.try_recv().ok()
    }
}

impl RunningCall {
    /// The arguments, as the tool would get them.
    pub fn arguments(&self) -> Value {
        serde_json::from_slice(self.call.arguments()).unwrap()
    }

    /// The tool tells something. False when nobody listens any more, since the call was dropped.
    pub fn event(&self, event: Event) -> bool {
        self.steps.send(Step::Event(event)).is_ok()
    }

    /// The tool reports progress.
    pub fn progress(&self, value: f64, total: Option<f64>) -> bool {
        self.event(Event::Progress { value, total, message: None })
    }

    /// The tool writes a log message.
    pub fn log(&self, level: LogLevel, data: &Value) -> bool {
        self.event(Event::Log { level, logger: None, data: data.to_string().into() })
    }

    /// A process has the call, another one than before if it is told again: what that had asked is asked no more.
    pub fn begun(&self) -> bool {
        self.steps.send(Step::Begun).is_ok()
    }

    /// The tool asks its client something. Nobody hears of it when the call was dropped.
    pub fn ask(&self, method: AskMethod, params: &Value) -> OpenQuestion {
        self.ask_as(None, method, params)
    }

    /// The tool asks its client something under a key of its own.
    pub fn ask_as(&self, key: Option<&str>, method: AskMethod, params: &Value) -> OpenQuestion {
        let (answer, coming) = oneshot::channel();
        let ask = Ask { key: key.map(Box::from), method, params: params.to_string().into() };
        let _ = self.steps.send(Step::Ask(ask, answer));
        OpenQuestion(coming)
    }

    /// The tool wants something of the server, with so much of its time left.
    pub fn request(&self, method: ServerMethod, params: &Value, remaining: Option<Duration>) -> OpenQuestion {
        let (answer, coming) = oneshot::channel();
        let params = params.to_string().into();
        let request = ServerRequest { method, params, remaining, child: Arc::default() };
        let _ = self.steps.send(Step::Request(request, answer));
        OpenQuestion(coming)
    }

    /// The tool calls another, without a limit of time.
    pub fn call_tool(&self, name: &str, arguments: &Value) -> OpenQuestion {
        self.request(ServerMethod::CallTool, &json!({"name": name, "arguments": arguments}), None)
    }

    /// The tool returns this text. False when the call was dropped.
    pub fn finish(self, text: &str) -> bool {
        self.conclude(finished(text.to_owned()))
    }

    /// The call ends in this way. False when it was dropped.
    pub fn end(self, kind: OutcomeKind) -> bool {
        self.conclude(outcome(kind))
    }

    /// The tool's process dies of a signal, with no other call in it. False when the call was dropped.
    pub fn crash(self) -> bool {
        self.conclude(crashed())
    }

    /// The call has exactly this outcome. False when it was dropped.
    pub fn conclude(self, outcome: Outcome) -> bool {
        self.steps.send(Step::End(Box::new(outcome))).is_ok()
    }

    /// Waits until the server has dropped the call: it is cancelled, or answered.
    pub async fn dropped(&mut self) {
        crate::wait::expect("the end of the call", async { while self.dropped.changed().await.is_ok() {} })
            .await;
    }
}

impl OpenQuestion {
    /// The answer, once it is there. Panics when the call ends before.
    pub async fn answer(self) -> Answer {
        crate::wait::expect("an answer", self.0).await.expect("the call has ended with its question open")
    }

    /// The client's result, which must be one.
    pub async fn result(self) -> Value {
        match self.answer().await {
            Answer::Result(result) => serde_json::from_slice(&result).unwrap(),
            refused @ Answer::Refused { .. } => panic!("{refused:?}"),
        }
    }

    /// The answer, if it is there.
    pub fn answer_now(&mut self) -> Option<Answer> {
        self.0.try_recv().ok()
    }

    /// Whether there is no answer yet, and there may be one.
    pub fn is_open(&mut self) -> bool {
        matches!(self.0.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }
}

/// A call that was the end of its process, which it had to itself, by a segmentation fault.
pub fn crashed() -> Outcome {
    Outcome { died: true, ..outcome(OutcomeKind::Signalled { signal: 11 }) }
}

fn outcome(kind: OutcomeKind) -> Outcome {
    Outcome { phase: Phase::Started, attempt: 1, ..Outcome::unstarted(kind, Duration::ZERO) }
}

fn finished(text: String) -> Outcome {
    let content = json!([{"type": "text", "text": text}]).to_string().into();
    outcome(ToolResult { content, structured: None, meta: None, is_error: false }.into())
}

fn text(arguments: &Bytes) -> String {
    String::from_utf8(arguments.to_vec()).unwrap()
}
