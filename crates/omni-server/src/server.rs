//! What all clients share: the catalogue, the executor, the account of what they hold.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use omni_call::{CallId, Executor};
use omni_catalog::{Catalog, CatalogKind, ProfileId, Snapshot};
use omni_protocol::{CacheScope, ClientInfo, Encoder, ListKind, ListKinds, ServerCapabilities};
use tokio::sync::{Semaphore, watch};

use crate::admission::Admission;
use crate::authentication::Identity;
use crate::call_client::AskingCalls;
use crate::client_views::ClientViews;
use crate::config::ServerConfig;
use crate::list_changes::{CurrentVersions, LISTED, ListChanges, ListVersions, list_of};
use crate::reload::{LiveSettings, Reload};
use crate::resource_updates::ResourceUpdates;
use crate::session::Session;
use crate::tasks::Tasks;
use crate::tool_state::ToolStates;

/// How long what comes first waits for a folder whose catalogue is cached. To find that nothing differs takes a few
/// milliseconds, and what differs is read as at a start without a cache; only a file system that hangs, or many thousands of
/// files that are all new, take longer.
const FOLDERS_WAIT: Duration = Duration::from_secs(5);

/// How long it then waits for sources that are somewhere else, such as a runner, when their last lists are known.
const SOURCES_WAIT: Duration = Duration::from_millis(50);

/// A value of 4 MiB can take 100 MB when it is read.
const LARGE_CHECKS_MAX: usize = 2;

/// How far the first refresh has come.
#[derive(Clone, Copy, Debug, Default)]
struct Refreshed {
    /// The catalogue has what lies in the folders, and no longer what a cache says of them.
    folders: bool,
    /// The lists of which every source has been asked.
    lists: ListKinds,
}

/// The part of the server that all transports share.
pub struct Server {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) encoder: Arc<Encoder>,
    /// As it was at the start: what may change since is in [`live`](Self::live).
    pub(crate) config: ServerConfig,
    live: ArcSwap<LiveSettings>,
    reload: OnceLock<Arc<dyn Reload>>,
    pub(crate) changes: ListChanges,
    /// Which resources clients have subscribed to.
    pub(crate) updates: Arc<ResourceUpdates>,
    /// What clients without a session see otherwise than everybody.
    pub(crate) views: ClientViews,
    /// What tools keep for their clients.
    pub(crate) states: Arc<ToolStates>,
    pub(crate) admission: Arc<Admission>,
    /// Calls that outlive their requests; `None` where that is not offered.
    pub(crate) tasks: Option<Arc<Tasks>>,
    /// The calls that wait for a reply to a request of ours.
    pub(crate) asking: Arc<AskingCalls>,
    /// Without completions, which sources may have at one time and not at another.
    offers: ServerCapabilities,
    /// The lists whose changes clients can be told of.
    pub(crate) announced: ListKinds,
    next_call: AtomicU64,
    refreshed: watch::Sender<Refreshed>,
    /// Large values that are checked against a schema at once: read, one takes many times its bytes.
    pub(crate) large_checks: Arc<Semaphore>,
}

impl Server {
    /// A server that answers from `catalog`, and runs by `executor` what that has. Nothing runs yet:
    /// [`refresh_catalog`](Self::refresh_catalog), or [`catalog_refreshed`](Self::catalog_refreshed), must be called once for
    /// lists and calls to be exact.
    pub fn new(catalog: Arc<Catalog>, executor: Arc<dyn Executor>, config: ServerConfig) -> Arc<Self> {
        let has_resources = catalog.offers(CatalogKind::Resources) || catalog.offers(CatalogKind::Templates);
        let has_prompts = catalog.offers(CatalogKind::Prompts);
        // A list that is empty for good does not change.
        let announced = ListKind::ALL.into_iter().filter(|kind| match kind {
            ListKind::Tools => true,
            ListKind::Resources => has_resources,
            ListKind::Prompts => has_prompts,
        });
        let announced = announced.collect();
        let offers = ServerCapabilities {
            // A result that is kept is one.
            resources: has_resources || config.empty.resources || config.stored_results.is_some(),
            subscribe: has_resources,
            prompts: has_prompts || config.empty.prompts,
            completions: false,
            skills: catalog.offers(CatalogKind::Skills) && has_resources,
            apps: false,
            tasks: config.tasks.is_some(),
        };
        let versions = list_versions(&catalog);
        let encoder = Encoder::new(&config.implementation, announced);
        let encoder = Arc::new(encoder);
        let tasks = config.tasks.clone().map(|tasks| Tasks::new(tasks, encoder.clone()));
        let admission = Admission::new(&config.limits, config.connection_descriptors);
        let changes = ListChanges::new(versions);
        Arc::new(Server {
            catalog,
            executor,
            encoder,
            live: ArcSwap::from_pointee(LiveSettings::of(&config)),
            reload: OnceLock::new(),
            tasks,
            config,
            changes,
            updates: Arc::default(),
            views: ClientViews::default(),
            states: Arc::default(),
            admission,
            asking: Arc::default(),
            offers,
            announced,
            next_call: AtomicU64::new(1),
            refreshed: watch::Sender::default(),
            large_checks: Arc::new(Semaphore::new(LARGE_CHECKS_MAX)),
        })
    }

    /// The server stops: tasks whose calls run are ended, and it is stored that they were; to be called once nothing is served
    /// any more, while executors still are there.
    pub async fn close_tasks(&self) {
        if let Some(tasks) = &self.tasks {
            tasks.close().await;
        }
    }

    /// Brings the catalogue up to date with its folder, off the front's thread, and lets waiting lists go.
    /// Clients that know another list are told. A folder that cannot be read leaves the cached catalogue in force
    /// and is logged.
    pub async fn refresh_catalog(&self) {
        let catalog = self.catalog.clone();
        match tokio::task::spawn_blocking(move || catalog.refresh().map(|_| ())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the skills folder could not be read"),
            Err(error) => tracing::error!(%error, "bug: reading the skills folder failed"),
        }
        self.catalog_refreshed();
    }

    /// Takes note that the catalogue is what it should be: waiting lists go, and clients that know another list
    /// are told. To be called after whoever keeps the catalogue has looked, found something new or not.
    pub fn catalog_refreshed(&self) {
        self.catalog_changed();
        self.refreshed.send_replace(Refreshed { folders: true, lists: ListKind::ALL.into_iter().collect() });
    }

    /// Takes note that the folders have been looked at, where other sources have still to be asked: what waits for folders
    /// alone goes.
    pub fn folders_refreshed(&self) {
        self.refreshed.send_modify(|refreshed| refreshed.folders = true);
    }

    /// The same for tools alone, where sources have still to be asked for resources and prompts.
    pub fn tools_refreshed(&self) {
        self.catalog_changed();
        let with_tools = |lists: ListKinds| lists.iter().chain([ListKind::Tools]).collect();
        self.refreshed.send_modify(|now| *now = Refreshed { folders: true, lists: with_tools(now.lists) });
    }

    /// Tells clients of lists and resources that are others now. Lists that wait until their sources have been asked go on
    /// waiting.
    pub fn catalog_changed(&self) {
        self.changes.set(list_versions(&self.catalog));
        self.updates.catalog_changed(&self.catalog);
    }

    /// Has somebody keep the catalogue up to date. The first who is named does.
    pub fn set_reload(&self, reload: Arc<dyn Reload>) {
        let _ = self.reload.set(reload);
    }

    /// Waits until the catalogue is what the folders are, in a quiet moment: for a call that found another version of its
    /// skill than the catalogue has. Where nobody keeps the catalogue up to date, it is refreshed at once.
    pub async fn settled(&self) {
        match self.reload.get() {
            Some(reload) => reload.settled().await,
            None => self.refresh_catalog().await,
        }
    }

    /// The settings in force.
    pub fn live(&self) -> LiveSettings {
        **self.live.load()
    }

    /// Makes other settings those in force. Calls that run keep theirs.
    pub fn set_live(&self, live: LiveSettings) {
        self.live.store(Arc::new(live));
    }

    /// What is offered besides tools, at the moment.
    pub(crate) fn offers(&self) -> ServerCapabilities {
        ServerCapabilities { completions: self.catalog.completes(), ..self.offers }
    }

    /// What is served.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The catalogue as it stands.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.catalog.snapshot()
    }

    /// What a client sees that says who it is, in a session or with a request of its own; without that, what its session
    /// does. Costs nothing where all see the same.
    pub(crate) fn profile_of(&self, client: Option<&ClientInfo>, session: &Session) -> ProfileId {
        let rules = self.catalog.rules();
        if rules.is_one() {
            return ProfileId::EVERYBODY;
        }
        // What credentials say goes before what profiles match.
        if let Some(id) = session.assigned_profile.as_deref().and_then(|name| rules.id(name)) {
            return id;
        }
        let principal = || session.principal.profile_text();
        match client {
            Some(client) => rules.choose(Some(&client.name), &principal()),
            None if session.revision().is_some() => session.profile(),
            None => rules.choose(None, &principal()),
        }
    }

    /// Who may be given what one client was given: that client alone where it may be another for the next one, by what calls
    /// have shown (`differs`) or by profiles, of which a shared cache knows nothing.
    pub(crate) fn cache_scope(&self, differs: bool) -> CacheScope {
        match differs || !self.catalog.rules().is_one() {
            true => CacheScope::Private,
            false => CacheScope::Public,
        }
    }

    /// What a profile is called; `None` where all clients see the same.
    pub(crate) fn profile_name(&self, profile: ProfileId) -> Option<String> {
        let rules = self.catalog.rules();
        (!rules.is_one()).then(|| rules.name(profile).to_owned())
    }

    /// How many tools a client sees that has said nothing of itself; `None` until the tools are known.
    pub(crate) fn tools_seen_by(&self, asker: &Identity) -> Option<usize> {
        self.is_refreshed(ListKind::Tools).then(|| {
            let profile = self.profile_of(None, &Session::of_request(asker));
            self.snapshot().for_profile(profile).tool_count()
        })
    }

    /// Whether every source has been asked for that list since the start.
    pub(crate) fn is_refreshed(&self, list: ListKind) -> bool {
        self.refreshed.borrow().lists.has(list)
    }

    /// Waits until the catalogue is good to serve that list from: refreshed, or cached and past the wait.
    pub(crate) async fn catalog_ready(&self, list: ListKind) {
        if self.is_refreshed(list) {
            return;
        }
        let mut refreshed = self.refreshed.subscribe();
        let mut kinds = LISTED.into_iter().filter(|kind| list_of(*kind) == list);
        if !kinds.all(|kind| self.catalog.has_cached(kind)) {
            let _ = refreshed.wait_for(|refreshed| refreshed.lists.has(list)).await;
            return;
        }
        self.folders_ready().await;
        let wait = refreshed.wait_for(|refreshed| refreshed.lists.has(list));
        let _ = tokio::time::timeout(SOURCES_WAIT, wait).await;
    }

    /// Waits until the catalogue has what lies in the folders, but not for long.
    pub(crate) async fn folders_ready(&self) {
        let _ = tokio::time::timeout(FOLDERS_WAIT, self.folders_read()).await;
    }

    /// Waits until the catalogue has what lies in the folders. `false` where it had that at once, so that another look at it
    /// finds nothing new.
    pub(crate) async fn folders_read(&self) -> bool {
        if self.refreshed.borrow().folders {
            return false;
        }
        let _ = self.refreshed.subscribe().wait_for(|refreshed| refreshed.folders).await;
        true
    }

    pub(crate) fn next_call_id(&self) -> CallId {
        CallId(self.next_call.fetch_add(1, Ordering::Relaxed))
    }
}

/// The version of each list in force, by profile.
fn list_versions(catalog: &Catalog) -> CurrentVersions {
    let snapshot = catalog.snapshot();
    let of = |id| ListVersions::of(|kind| Some(snapshot.version_for(id, kind).into()));
    CurrentVersions::new(snapshot.profiles().map(of).collect())
}
