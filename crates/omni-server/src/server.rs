//! What method leads where: the answer to any request, for every transport.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use omni_call::{CallId, Executor, LogLevel};
use omni_catalog::{Catalog, ListShape, Snapshot};
use omni_protocol::{
    Action, Encoder, ErrorCode, Frame, Id, Offers, RawRequest, Rejected, Request, Revision, RpcError,
    ToolFields, Topics, error_frame,
};
use tokio::sync::{Semaphore, watch};

use crate::admission::{Admission, Share};
use crate::call::ToolCall;
use crate::changes::{self, Changes, Told};
use crate::config::ServerConfig;
use crate::library::{self, Asked, Library};
use crate::running::{EventQueue, Running};

/// How long the first list waits for the check of a cached catalogue against its folder. Ordinary folders
/// take a few milliseconds, so their first list is exact.
const CHECK_WAIT: Duration = Duration::from_millis(50);

/// A value of 4 MiB can take 100 MB when it is read.
const LARGE_CHECKS_MAX: usize = 2;

/// The part of the server that all transports share.
pub struct Server {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) encoder: Arc<Encoder>,
    pub(crate) config: ServerConfig,
    pub(crate) changes: Changes,
    pub(crate) admission: Arc<Admission>,
    pub(crate) library: Option<Arc<dyn Library>>,
    offers: Offers,
    next_call: AtomicU64,
    pub(crate) checked: watch::Sender<bool>,
    /// Large values that are checked against a schema at once: read, one takes many times its bytes.
    pub(crate) large_checks: Arc<Semaphore>,
}

/// Who sent a request, as far as its answer depends on it.
#[derive(Clone)]
pub(crate) struct Caller {
    /// Whose account a call is on.
    pub(crate) share: Share,
    /// Names the session for tools; empty in the modern era.
    pub(crate) session: Arc<str>,
    /// What `logging/setLevel` asked for.
    pub(crate) log_level: Option<LogLevel>,
    pub(crate) ignores_cursors: bool,
    /// Which list of tools it knows.
    pub(crate) told: Told,
    /// Notifications can reach this client before its answer.
    pub(crate) takes_events: bool,
}

/// The answer to a request: there at once, or on its way.
pub(crate) enum Answer {
    Now(Frame),
    /// There is no room for it, also not to wait in.
    Refused(Frame),
    Later(Running),
}

impl Server {
    /// A server that answers from `catalog` and runs tools by `executor`; resources and prompts come from
    /// `library`, and without one there are none. Nothing runs yet: [`check_catalog`](Self::check_catalog), or
    /// [`catalog_checked`](Self::catalog_checked), must be called once for lists and calls to be exact.
    pub fn new(
        catalog: Arc<Catalog>,
        executor: Arc<dyn Executor>,
        library: Option<Arc<dyn Library>>,
        config: ServerConfig,
    ) -> Arc<Self> {
        let offers = library.as_ref().map(|library| library.offers()).unwrap_or_default();
        let encoder = Arc::new(Encoder::new(&config.implementation, config.instructions.clone(), offers));
        let admission = Admission::new(&config.limits, config.connection_descriptors);
        let changes = Changes::new(catalog.snapshot().version());
        Arc::new(Server {
            catalog,
            executor,
            encoder,
            config,
            changes,
            admission,
            library,
            offers,
            next_call: AtomicU64::new(1),
            checked: watch::Sender::new(false),
            large_checks: Arc::new(Semaphore::new(LARGE_CHECKS_MAX)),
        })
    }

    /// Brings the catalogue up to date with its folder, off the front's thread, and lets waiting lists go.
    /// Clients that know another list are told. A folder that cannot be read leaves the cached catalogue in force
    /// and is logged.
    pub async fn check_catalog(&self) {
        let catalog = self.catalog.clone();
        match tokio::task::spawn_blocking(move || catalog.refresh().map(|_| ())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the skills folder could not be read"),
            Err(error) => tracing::error!(%error, "bug: reading the skills folder failed"),
        }
        self.catalog_checked();
    }

    /// Takes note that the catalogue is what it should be: waiting lists go, and clients that know another list
    /// of tools are told. To be called after whoever keeps the catalogue has looked, found something new or not.
    pub fn catalog_checked(&self) {
        self.changes.set(self.catalog.snapshot().version());
        self.checked.send_replace(true);
    }

    /// The catalogue as it stands.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.catalog.snapshot()
    }

    /// Waits until the catalogue is good to serve from: checked, or cached and past the wait.
    pub(crate) async fn catalog_ready(&self) {
        if *self.checked.borrow() {
            return;
        }
        let mut checked = self.checked.subscribe();
        let wait = checked.wait_for(|checked| *checked);
        if self.catalog.has_cached() {
            let _ = tokio::time::timeout(CHECK_WAIT, wait).await;
        } else {
            let _ = wait.await;
        }
    }

    pub(crate) fn next_call_id(&self) -> CallId {
        CallId(self.next_call.fetch_add(1, Ordering::Relaxed))
    }

    /// Reads a request. A method of a feature that is not offered is as unknown as any other.
    pub(crate) fn read(&self, raw: RawRequest, session: Option<Revision>) -> Result<Request, Rejected> {
        self.read_in(raw, || Ok(session))
    }

    /// Reads a request whose session is looked up only if its era has sessions.
    pub(crate) fn read_in(
        &self,
        raw: RawRequest,
        session: impl FnOnce() -> Result<Option<Revision>, RpcError>,
    ) -> Result<Request, Rejected> {
        let method = raw.method.clone();
        let request = Request::read_in(raw, session)?;
        if request.action.offered(self.offers) {
            return Ok(request);
        }
        Err(Rejected { id: Some(request.id), error: RpcError::method_not_found(&method) })
    }

    /// Answers one request. Only tool calls, and lists before the catalogue is checked, take time.
    /// `initialize` and `logging/setLevel` are answered here; their effect on a session is the transport's.
    pub(crate) fn answer(self: &Arc<Self>, request: Request, caller: Caller) -> Answer {
        let Request { id, revision, action, meta } = request;
        match action {
            Action::Initialize(initialize) => Answer::Now(self.encoder.initialized(&id, initialize.agreed)),
            Action::Discover => Answer::Now(self.encoder.discovered(&id, revision)),
            Action::Ping | Action::SetLogLevel(_) => Answer::Now(self.encoder.empty(&id, revision)),
            Action::ListTools { cursor } => {
                let whole =
                    caller.ignores_cursors || meta.client.is_some_and(|client| client.ignores_cursors());
                let told = caller.told;
                if *self.checked.borrow() {
                    return Answer::Now(self.list_tools(&id, revision, cursor.as_deref(), whole, &told));
                }
                let server = self.clone();
                let list = {
                    let id = id.clone();
                    async move {
                        server.catalog_ready().await;
                        server.list_tools(&id, revision, cursor.as_deref(), whole, &told)
                    }
                };
                Answer::Later(Running::new(id, list, None))
            }
            Action::CallTool(call) => {
                let turn = match caller.share.turn() {
                    Ok(turn) => turn,
                    Err(overloaded) => return Answer::Refused(error_frame(Some(&id), &overloaded.into())),
                };
                let wants_events =
                    meta.progress_token.is_some() || meta.log_level.or(caller.log_level).is_some();
                let queue = (caller.takes_events && wants_events).then(|| Arc::new(EventQueue::default()));
                let accepted = Instant::now();
                let call =
                    ToolCall { id: id.clone(), revision, call, meta, caller, accepted, queue: queue.clone() };
                Answer::Later(Running::new(id, call.run(self.clone(), turn), queue))
            }
            Action::List { kind, cursor } => self.ask(id, revision, Asked::List { kind, cursor }, &caller),
            Action::ReadResource { uri } => self.ask(id, revision, Asked::Resource { uri }, &caller),
            Action::GetPrompt(prompt) => self.ask(id, revision, Asked::Prompt(prompt), &caller),
            Action::Listen(topics) => self.subscribe(id, revision, topics, caller.takes_events),
        }
    }

    fn ask(self: &Arc<Self>, id: Id, revision: Revision, asked: Asked, caller: &Caller) -> Answer {
        // Without a library the request was refused when it was read.
        let Some(library) = self.library.clone() else {
            let error = RpcError::new(ErrorCode::MethodNotFound, "method not found");
            return Answer::Now(error_frame(Some(&id), &error));
        };
        let turn = match caller.share.turn() {
            Ok(turn) => turn,
            Err(overloaded) => return Answer::Refused(error_frame(Some(&id), &overloaded.into())),
        };
        let answer = library::answer(self.clone(), library, id.clone(), revision, asked);
        let of = id.clone();
        let answer = async move {
            match turn.wait().await {
                Ok(_permit) => answer.await,
                Err(overloaded) => error_frame(Some(&of), &overloaded.into()),
            }
        };
        Answer::Later(Running::new(id, answer, None))
    }

    fn subscribe(self: &Arc<Self>, id: Id, revision: Revision, topics: Topics, takes_events: bool) -> Answer {
        if !takes_events {
            let why = "a subscription is a stream: `Accept` must allow `text/event-stream`";
            return Answer::Now(error_frame(Some(&id), &RpcError::new(ErrorCode::InvalidRequest, why)));
        }
        let queue = Arc::new(EventQueue::default());
        let stream = changes::subscription(self.clone(), id.clone(), revision, topics, queue.clone());
        Answer::Later(Running::new(id, stream, Some(queue)))
    }

    fn list_tools(
        &self,
        id: &Id,
        revision: Revision,
        cursor: Option<&str>,
        whole: bool,
        told: &Told,
    ) -> Frame {
        let snapshot = self.catalog.snapshot();
        told.shown(snapshot.version());
        let shape = list_shape(revision.tool_fields());
        if whole {
            return self.encoder.tools(id, revision, snapshot.page_all(shape).tools, None);
        }
        // A cursor names the snapshot it walks, or pages of two lists could be mixed.
        let stamp = snapshot.version().get(..16).unwrap_or(snapshot.version());
        let page = match cursor {
            None => Some(0),
            Some(cursor) => cursor
                .split_once('.')
                .filter(|(_, of)| *of == stamp)
                .and_then(|(page, _)| page.parse::<usize>().ok()),
        };
        let Some(page) = page.and_then(|page| snapshot.page(shape, page)) else {
            let message = "`params.cursor` is not one of this list: the list may have changed; \
                           start again without a cursor";
            return error_frame(Some(id), &RpcError::new(ErrorCode::InvalidParams, message));
        };
        let next = page.next.map(|next| format!("{next}.{stamp}"));
        self.encoder.tools(id, revision, page.tools, next.as_deref())
    }
}

fn list_shape(fields: ToolFields) -> ListShape {
    match fields {
        ToolFields::Basic => ListShape::Basic,
        ToolFields::Annotated => ListShape::Annotated,
        ToolFields::Structured => ListShape::Structured,
        ToolFields::All => ListShape::All,
    }
}
