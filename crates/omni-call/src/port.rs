//! What a running call has to do with its client: events go up, questions go up and their answers come down.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{BoxFuture, ChildStatus, LogLevel, OutcomeKind, RunSpec, TaskSupport};

/// Where what a running call says goes. No method may block: the executor reads its worker on the same thread.
pub trait EventSink: Send {
    /// The tool said something.
    fn event(&mut self, event: Event);

    /// The tool gave a sign of life: its idle clock has just been restarted. An event may follow that says more.
    /// For callers that keep such a clock of their own; the rest need nothing here.
    fn alive(&mut self) {}

    /// A process has the call now: what came before was waiting. Told once for each attempt.
    fn begun(&mut self) {}

    /// The call has ended, and so many bytes of what it printed have become no events.
    fn left_out(&mut self, _bytes: u64) {}
}

/// The client of one running call, as its executor sees it: it hears, and it can be asked.
pub trait CallPort: EventSink {
    /// The tool wants to know something of its client. The tool waits for the answer; other calls must not, nor other
    /// questions of the same call, so an executor polls the future beside whatever else it waits for.
    ///
    /// The future resolves also when the question can be answered no more: a client that cannot be asked, has
    /// gone away or refuses is an [`Answer::Refused`]. Dropping it takes the question back. While a question is
    /// open both clocks of the call's deadline stand still, since a person may be thinking, and the call counts nowhere
    /// among those that run. So the port has to end a question that nobody answers: it bounds how long that may take.
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer>;

    /// Whether asking can lead to anything. Where it cannot, for the whole call, an executor may have the tool told so
    /// without asking, and treat the call like one that has nothing to ask.
    fn can_be_asked(&self) -> bool {
        true
    }

    /// The tool wants something of the server itself: another tool called, a resource read, a value that is kept for
    /// its client. As with [`ask`](Self::ask), the tool waits and others do not, the future resolves always, and
    /// dropping it takes the request back. While one is open the call's idle clock stands still, since what the request
    /// sets going has clocks of its own.
    ///
    /// Refused by default: there is no server behind most ports.
    fn request(&mut self, request: ServerRequest) -> BoxFuture<'static, Answer> {
        Box::pin(std::future::ready(Answer::no_server(request.method)))
    }

    /// It is known now, before anything runs, what the tool's author has declared of tasks. `false` where the tool runs as
    /// a task alone, and this call can become none.
    fn declare_task(&mut self, _support: TaskSupport) -> bool {
        true
    }

    /// Resolves when a call of `spec` is to end in that way whatever its tool does, since its client cannot go on with it;
    /// `None` where that does not happen. For whoever has an executor run the call: executors need not ask.
    fn ending(&self, _spec: &RunSpec) -> Option<BoxFuture<'static, OutcomeKind>> {
        None
    }

    /// The call has ended because its process is gone, and it may be run again. For callers that run it again when they
    /// want to know what comes of it; the rest need nothing here.
    fn lost(&mut self) {}
}

/// Something a running tool said before its result. The last two are no matter of what a caller wants to hear: they are
/// never left out, however fast they come.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// How far the tool has got. Counts as a sign of life.
    Progress { value: f64, total: Option<f64>, message: Option<String> },
    /// A log message of the tool, or a line it printed (`logger` is then `stdout` or `stderr`).
    Log {
        level: LogLevel,
        logger: Option<String>,
        /// Any JSON value, as the tool gave it.
        data: Bytes,
    },
    /// The content of a resource of the call's source has changed: who has subscribed to it is to be told.
    ResourceUpdated { uri: String },
    /// The call's client is to have what a name of the call's source means from now on, or not to have it any more: a
    /// tool, a prompt, a resource or a template, or all that fit a pattern.
    Visibility { name: String, shown: bool },
}

impl Event {
    /// The name or URI of an [`ResourceUpdated`](Self::ResourceUpdated) or [`Visibility`](Self::Visibility), at most, in
    /// bytes. Python refuses longer ones before they are sent.
    pub const NAME_BYTES_MAX: usize = 8 << 10;

    /// Whether it may be left out where a listener is too slow: it only tells how the call gets on.
    pub fn may_be_lost(&self) -> bool {
        match self {
            Event::Progress { .. } | Event::Log { .. } => true,
            Event::ResourceUpdated { .. } | Event::Visibility { .. } => false,
        }
    }
}

/// One question of a tool to its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What the tool calls the question: 1 to [`KEY_BYTES_MAX`](Self::KEY_BYTES_MAX) bytes, and no other open question of
    /// its call has it. A client whose answers come with a request of its own finds the question by it; without one
    /// the server names it.
    pub key: Option<Box<str>>,
    pub method: AskMethod,
    /// A JSON object: the parameters that MCP gives the method.
    pub params: Bytes,
}

impl Ask {
    /// The parameters at most, in bytes. Python refuses larger ones before they are sent.
    pub const BYTES_MAX: usize = 1 << 20;

    /// The [`key`](Self::key) at most, in bytes. Python refuses longer ones before they are sent.
    pub const KEY_BYTES_MAX: usize = 128;

    /// Questions of one call at most that wait for an answer at the same time. Python refuses more before they are sent.
    pub const OPEN_MAX: usize = 16;
}

/// What a server may ask of a client, by MCP's names for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AskMethod {
    /// Something of the person: a form, or a page to visit.
    Elicit,
    /// A completion of the client's model.
    Sample,
    /// The folders that the client works in.
    ListRoots,
}

impl AskMethod {
    pub const ALL: [AskMethod; 3] = [AskMethod::Elicit, AskMethod::Sample, AskMethod::ListRoots];

    /// The method on every wire.
    pub fn name(self) -> &'static str {
        match self {
            AskMethod::Elicit => "elicitation/create",
            AskMethod::Sample => "sampling/createMessage",
            AskMethod::ListRoots => "roots/list",
        }
    }

    /// The method of that name, if it is one that can be asked.
    pub fn from_name(name: &str) -> Option<AskMethod> {
        AskMethod::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// One request of a running tool that the server answers by itself, whatever the client can be asked.
#[derive(Clone, Debug)]
pub struct ServerRequest {
    pub method: ServerMethod,
    /// A JSON object, of [`Ask::BYTES_MAX`] at most.
    pub params: Bytes,
    /// What was left of the tool's total time when it made the request; `None` without a limit. What the request sets
    /// going gets no more.
    pub remaining: Option<Duration>,
    /// What the tool's call is told of what the request sets going.
    pub child: Arc<ChildStatus>,
}

/// What a tool may want of the server that runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerMethod {
    /// A call of another tool, as MCP has it: `name`, `arguments`. Answered with MCP's result of a call.
    CallTool,
    /// The reading of a resource, as MCP has it: `uri`. Answered with MCP's result.
    ReadResource,
    /// A value that was kept: `key`, `handle`. Answered with `value`, where there is one.
    GetState,
    /// A value to keep: `key`, `handle`, `value`; without a value what is kept goes. Answered with an empty object.
    SetState,
    /// That its call becomes a task now, where its client takes tasks. Answered with `task`, which says whether it does.
    BecomeTask,
}

impl ServerMethod {
    pub const ALL: [ServerMethod; 5] = [
        ServerMethod::CallTool,
        ServerMethod::ReadResource,
        ServerMethod::GetState,
        ServerMethod::SetState,
        ServerMethod::BecomeTask,
    ];

    /// The method on the wires of workers and runners.
    pub fn name(self) -> &'static str {
        match self {
            ServerMethod::CallTool => "tools/call",
            ServerMethod::ReadResource => "resources/read",
            ServerMethod::GetState => "omni/state/get",
            ServerMethod::SetState => "omni/state/set",
            ServerMethod::BecomeTask => "omni/task/become",
        }
    }

    /// The method of that name, if the server answers it.
    pub fn from_name(name: &str) -> Option<ServerMethod> {
        ServerMethod::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The client's result: a JSON object as it wrote it. That a person declined is one too.
    Result(Bytes),
    /// There is none.
    Refused { why: AskRefusal, message: String },
}

/// Why a question has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskRefusal {
    /// The client did not declare that it can be asked that, or nobody is there who could be.
    Unsupported,
    /// The client answered with an error.
    Failed,
    /// The client went away, or the answer did not come in time.
    Gone,
}

impl AskRefusal {
    pub const ALL: [AskRefusal; 3] = [AskRefusal::Unsupported, AskRefusal::Failed, AskRefusal::Gone];

    /// The name on the wires of workers and runners.
    pub fn name(self) -> &'static str {
        match self {
            AskRefusal::Unsupported => "unsupported",
            AskRefusal::Failed => "failed",
            AskRefusal::Gone => "gone",
        }
    }

    /// The reason of that name.
    pub fn from_name(name: &str) -> Option<AskRefusal> {
        AskRefusal::ALL.into_iter().find(|why| why.name() == name)
    }
}

impl Answer {
    /// A result at most, in bytes: what is larger is told to the tool as a failure.
    pub const BYTES_MAX: usize = 4 << 20;

    /// What is told of why there is no result, at most.
    pub const MESSAGE_BYTES_MAX: usize = 8 << 10;

    /// The answer where nobody can be asked.
    pub fn unsupported(method: AskMethod) -> Answer {
        let message = format!("this call's client cannot be asked `{}`", method.name());
        Answer::Refused { why: AskRefusal::Unsupported, message }
    }

    /// The answer where no server would do what is wanted.
    pub fn no_server(method: ServerMethod) -> Answer {
        let message = format!("no server answers `{}` here", method.name());
        Answer::Refused { why: AskRefusal::Unsupported, message }
    }
}

/// The port of a call that has no client: nobody hears its events, and its questions are refused.
pub struct NoClient;

impl EventSink for NoClient {
    fn event(&mut self, _event: Event) {}
}

impl CallPort for NoClient {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        Box::pin(std::future::ready(Answer::unsupported(ask.method)))
    }

    fn can_be_asked(&self) -> bool {
        false
    }
}
