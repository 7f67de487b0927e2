//! What a client asks for, whatever revision it asked in.

use bytes::Bytes;
use omni_call::{CompletionRequest, LogLevel};

use crate::RpcError;
use crate::asking::{ClientCapabilities, InputResponses};
use crate::message::Id;
use crate::method::Method;
use crate::revision::Revision;

/// One request, decoded. Handlers act on [`action`](Self::action) and hand `revision` back to the
/// [`Encoder`](crate::Encoder); they never look into it.
#[derive(Clone, Debug)]
pub struct Request {
    pub id: Id,
    pub revision: Revision,
    /// The method as the client wrote it, for whoever compares it with something else that it wrote.
    pub method: Box<str>,
    pub action: Action,
    pub meta: RequestMeta,
}

impl Request {
    /// Whether it opens a session that later requests are in.
    pub fn opens_session(&self) -> bool {
        matches!(self.action, Action::Initialize(_))
    }

    /// What it is about, where it names one thing.
    pub fn subject(&self) -> Option<RequestSubject<'_>> {
        self.action.subject()
    }

    /// Why its client may not ask it: it has not declared the extension that this is of.
    pub fn lacks_capability(&self) -> Option<RpcError> {
        (self.action.is_of_tasks() && !self.meta.takes_tasks).then(RpcError::tasks_undeclared)
    }

    /// The tool call that it is.
    pub fn tool_call(&self) -> Option<&CallTool> {
        match &self.action {
            Action::CallTool(call) => Some(call),
            _ => None,
        }
    }
}

/// What is asked: a method with its parameters, whatever revision they came in.
#[derive(Clone, Debug)]
pub enum Action {
    /// Opens the legacy era for this connection or session.
    Initialize(Initialize),
    /// `server/discover` of the modern era.
    Discover,
    Ping,
    ListTools {
        cursor: Option<String>,
    },
    CallTool(CallTool),
    /// `logging/setLevel` of the legacy era.
    SetLogLevel(LogLevel),
    /// `resources/list`, `resources/templates/list` or `prompts/list`.
    List {
        kind: ItemKind,
        cursor: Option<String>,
    },
    ReadResource {
        uri: String,
    },
    /// `resources/subscribe` of the legacy era.
    Subscribe {
        uri: String,
    },
    /// `resources/unsubscribe` of the legacy era.
    Unsubscribe {
        uri: String,
    },
    GetPrompt(GetPrompt),
    /// `completion/complete`.
    Complete(Box<CompletionRequest>),
    /// `subscriptions/listen` of the modern era: stays open and tells what changes.
    Listen(SubscriptionFilter),
    /// `skills/list` of the extension for skills.
    ListSkills {
        cursor: Option<String>,
    },
    /// `skills/get`: the skill of that `SKILL.md`.
    GetSkill {
        uri: String,
    },
    /// `resources/directory/read`: what lies directly in a folder of a skill.
    ReadDirectory {
        uri: String,
        cursor: Option<String>,
    },
    /// `tasks/get` of the extension for tasks: how far the task of that id is.
    GetTask {
        task: String,
    },
    /// `tasks/update`: answers to what it asks, each a JSON object by its question's key.
    UpdateTask {
        task: String,
        responses: Vec<(String, Bytes)>,
    },
    /// `tasks/cancel`.
    CancelTask {
        task: String,
    },
}

impl Action {
    /// The method by which it is asked.
    pub fn method(&self) -> Method {
        match self {
            Action::Initialize(_) => Method::Initialize,
            Action::Discover => Method::Discover,
            Action::Ping => Method::Ping,
            Action::ListTools { .. } => Method::ListTools,
            Action::CallTool(_) => Method::CallTool,
            Action::SetLogLevel(_) => Method::SetLogLevel,
            Action::List { kind: ItemKind::Resource, .. } => Method::ListResources,
            Action::List { kind: ItemKind::ResourceTemplate, .. } => Method::ListResourceTemplates,
            Action::List { kind: ItemKind::Prompt, .. } => Method::ListPrompts,
            Action::ReadResource { .. } => Method::ReadResource,
            Action::Subscribe { .. } => Method::Subscribe,
            Action::Unsubscribe { .. } => Method::Unsubscribe,
            Action::GetPrompt(_) => Method::GetPrompt,
            Action::Complete(_) => Method::Complete,
            Action::Listen(_) => Method::Listen,
            Action::ListSkills { .. } => Method::ListSkills,
            Action::GetSkill { .. } => Method::GetSkill,
            Action::ReadDirectory { .. } => Method::ReadDirectory,
            Action::GetTask { .. } => Method::GetTask,
            Action::UpdateTask { .. } => Method::UpdateTask,
            Action::CancelTask { .. } => Method::CancelTask,
        }
    }

    /// Whether a server that offers this knows the method at all. `offers` is asked only where it matters.
    pub fn offered(&self, offers: impl FnOnce() -> ServerCapabilities) -> bool {
        match self {
            Action::List { kind: ItemKind::Prompt, .. } | Action::GetPrompt(_) => offers().prompts,
            Action::List { kind: ItemKind::Resource | ItemKind::ResourceTemplate, .. }
            | Action::ReadResource { .. } => offers().resources,
            Action::Subscribe { .. } | Action::Unsubscribe { .. } => offers().subscribe,
            Action::Complete(_) => offers().completions,
            Action::ListSkills { .. } | Action::GetSkill { .. } | Action::ReadDirectory { .. } => {
                offers().skills
            }
            Action::GetTask { .. } | Action::UpdateTask { .. } | Action::CancelTask { .. } => offers().tasks,
            Action::Initialize(_)
            | Action::Discover
            | Action::Ping
            | Action::ListTools { .. }
            | Action::CallTool(_)
            | Action::SetLogLevel(_)
            | Action::Listen(_) => true,
        }
    }

    /// What it is about, where it names one thing that is carried out: a tool, a prompt or a resource. Such a request may be
    /// answered with a question.
    pub fn subject(&self) -> Option<RequestSubject<'_>> {
        match self {
            Action::CallTool(call) => Some(call.subject()),
            Action::GetPrompt(prompt) => Some(prompt.subject()),
            Action::ReadResource { uri } => {
                Some(RequestSubject { method: Method::ReadResource.name(), name: uri, arguments: None })
            }
            Action::Initialize(_)
            | Action::Discover
            | Action::Ping
            | Action::ListTools { .. }
            | Action::SetLogLevel(_)
            | Action::List { .. }
            | Action::Subscribe { .. }
            | Action::Unsubscribe { .. }
            // It is answered with values or an error, never with a question.
            | Action::Complete(_)
            | Action::Listen(_)
            | Action::ListSkills { .. }
            | Action::GetSkill { .. }
            | Action::ReadDirectory { .. }
            | Action::GetTask { .. }
            | Action::UpdateTask { .. }
            | Action::CancelTask { .. } => None,
        }
    }

    /// What of it Streamable HTTP wants in the header `Mcp-Name`, by which proxies route.
    pub fn routing_name(&self) -> Option<&str> {
        match self {
            Action::GetTask { task } | Action::UpdateTask { task, .. } | Action::CancelTask { task } => {
                Some(task)
            }
            _ => self.subject().map(|subject| subject.name),
        }
    }

    /// Whether only a client that has declared the extension for tasks may ask it.
    fn is_of_tasks(&self) -> bool {
        match self {
            Action::GetTask { .. } | Action::UpdateTask { .. } | Action::CancelTask { .. } => true,
            Action::Listen(wanted) => !wanted.tasks.is_empty(),
            _ => false,
        }
    }
}

/// Which optional features a server has. Tools and logging are always there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerCapabilities {
    pub resources: bool,
    /// Clients can be told of each change of a resource.
    pub subscribe: bool,
    pub prompts: bool,
    /// Arguments of prompts, or of templates, can be completed.
    pub completions: bool,
    /// The extension for skills, with directories.
    pub skills: bool,
    /// The extension for apps: a tool has a page that hosts show, or there is such a page.
    pub apps: bool,
    /// The extension for tasks.
    pub tasks: bool,
}

/// What a list other than that of the tools holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemKind {
    Resource,
    ResourceTemplate,
    Prompt,
}

impl ItemKind {
    /// The member of the result that holds the list.
    pub fn member(self) -> &'static str {
        match self {
            ItemKind::Resource => "resources",
            ItemKind::ResourceTemplate => "resourceTemplates",
            ItemKind::Prompt => "prompts",
        }
    }

    /// The list whose notification tells that this one has changed.
    pub fn list(self) -> ListKind {
        match self {
            ItemKind::Resource | ItemKind::ResourceTemplate => ListKind::Resources,
            ItemKind::Prompt => ListKind::Prompts,
        }
    }
}

/// A list that has a notification of its changes. Templates are told of with resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    Tools,
    Resources,
    Prompts,
}

impl ListKind {
    pub const ALL: [ListKind; 3] = [ListKind::Tools, ListKind::Resources, ListKind::Prompts];

    /// The capability that a server with such a list declares; its notification is named after it.
    pub fn feature(self) -> &'static str {
        match self {
            ListKind::Tools => "tools",
            ListKind::Resources => "resources",
            ListKind::Prompts => "prompts",
        }
    }

    /// The member of a subscription's filter that asks for its changes.
    pub(crate) fn filter_member(self) -> &'static str {
        match self {
            ListKind::Tools => "toolsListChanged",
            ListKind::Resources => "resourcesListChanged",
            ListKind::Prompts => "promptsListChanged",
        }
    }
}

/// The member of a subscription's filter that names single resources.
pub(crate) const RESOURCE_SUBSCRIPTIONS: &str = "resourceSubscriptions";

/// … and the one that names single tasks.
pub(crate) const TASK_SUBSCRIPTIONS: &str = "taskIds";

/// Some of the kinds of lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListKinds([bool; ListKind::ALL.len()]);

impl ListKinds {
    pub fn has(self, kind: ListKind) -> bool {
        self.0[kind as usize]
    }

    /// Those that are in both.
    pub fn and(self, other: ListKinds) -> ListKinds {
        ListKind::ALL.into_iter().filter(|kind| self.has(*kind) && other.has(*kind)).collect()
    }

    pub fn iter(self) -> impl Iterator<Item = ListKind> {
        ListKind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl FromIterator<ListKind> for ListKinds {
    fn from_iter<I: IntoIterator<Item = ListKind>>(kinds: I) -> Self {
        let mut set = ListKinds::default();
        for kind in kinds {
            set.0[kind as usize] = true;
        }
        set
    }
}

/// What a client wants to be told of by one subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionFilter {
    /// Lists whose changes it wants to hear of.
    pub lists: ListKinds,
    /// The URIs of resources whose changes it wants to hear of, each once, in the order in which they were named.
    pub resources: Vec<String>,
    /// The ids of tasks that it wants to hear of, in the same way.
    pub tasks: Vec<String>,
}

/// What a request is about, as far as one that is repeated must be about the same.
#[derive(Clone, Copy, Debug)]
pub struct RequestSubject<'a> {
    pub method: &'static str,
    /// A tool's or prompt's name, or a URI.
    pub name: &'a str,
    /// A JSON object as the client wrote it.
    pub arguments: Option<&'a Bytes>,
}

#[derive(Clone, Debug)]
pub struct Initialize {
    /// The revision we answer with: the client's own when we speak it, else our newest legacy one.
    pub agreed: Revision,
    pub client: ClientInfo,
    /// What the session's client may be asked.
    pub capabilities: ClientCapabilities,
}

#[derive(Clone, Debug)]
pub struct CallTool {
    pub name: String,
    /// A JSON object as the client wrote it.
    pub arguments: Option<Bytes>,
}

impl CallTool {
    pub fn subject(&self) -> RequestSubject<'_> {
        RequestSubject {
            method: Method::CallTool.name(),
            name: &self.name,
            arguments: self.arguments.as_ref(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct GetPrompt {
    pub name: String,
    /// A JSON object of strings as the client wrote it.
    pub arguments: Option<Bytes>,
}

impl GetPrompt {
    pub fn subject(&self) -> RequestSubject<'_> {
        RequestSubject {
            method: Method::GetPrompt.name(),
            name: &self.name,
            arguments: self.arguments.as_ref(),
        }
    }
}

/// What rides along with any request in `_meta`.
#[derive(Clone, Debug, Default)]
pub struct RequestMeta {
    /// The client wants progress under this token: a JSON string or number, as it was written.
    pub progress_token: Option<Bytes>,
    /// Log messages wanted for this one request (modern era).
    pub log_level: Option<LogLevel>,
    /// The client wants to know how long the call waited and ran: `omni/timing` in `_meta`.
    pub timing: bool,
    /// Who asks, when the request itself says so (modern era).
    pub client: Option<ClientInfo>,
    /// What the client may be asked, when the request itself says so (modern era).
    pub capabilities: ClientCapabilities,
    /// The client takes a task for an answer, when the request itself says so (modern era).
    pub takes_tasks: bool,
    /// The request was made before, and asked for something, which now comes with it (modern era).
    pub input_responses: Option<Box<InputResponses>>,
    /// Answers to questions that the request has not been asked yet, each a JSON object under the key that its tool will
    /// give the question (modern era).
    pub early_answers: Vec<(String, Bytes)>,
}

/// What a client says of itself. For logs, and for the few clients that need a special hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo {
    pub name: String,
    pub version: String,
}

impl ClientInfo {
    /// Whether this client reads only the first page of a list: it then gets everything on one.
    ///
    /// Gemini CLI asks once and never sends a cursor, so tools on later pages would be lost without a
    /// word.
    pub fn ignores_cursors(&self) -> bool {
        self.name.starts_with("gemini-cli-mcp-client")
    }
}

/// A notification that means something to us.
#[derive(Clone, Debug, PartialEq)]
pub enum Notification {
    Initialized,
    Cancelled(Cancelled),
    /// Any other one: accepted and ignored, as the specification asks.
    Other,
}

/// The client takes a request back.
#[derive(Clone, Debug, PartialEq)]
pub struct Cancelled {
    pub request: Id,
    /// For the log.
    pub reason: Option<String>,
}
