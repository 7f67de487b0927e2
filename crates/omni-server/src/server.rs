//! What all clients share: the catalogue, the executor, the library, the account of what they hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use omni_call::{CallId, Executor};
use omni_catalog::{Catalog, ProfileId, Snapshot};
use omni_protocol::{ClientInfo, Encoder, ListKind, ListKinds, Offers};
use tokio::sync::{Semaphore, watch};

use crate::admission::Admission;
use crate::changes::{Changes, InForce, ListVersions};
use crate::config::ServerConfig;
use crate::library::Library;
use crate::session::Session;

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
    pub(crate) offers: Offers,
    /// The lists whose changes clients can be told of.
    pub(crate) told: ListKinds,
    next_call: AtomicU64,
    pub(crate) checked: watch::Sender<bool>,
    /// Large values that are checked against a schema at once: read, one takes many times its bytes.
    pub(crate) large_checks: Arc<Semaphore>,
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
        let versions = list_versions(&catalog, library.as_deref());
        let everybodys = versions.of(ProfileId::EVERYBODY);
        let told = ListKind::ALL.into_iter().filter(|kind| everybodys.get(*kind).is_some()).collect();
        let encoder = Encoder::new(&config.implementation, config.instructions.clone(), offers, told);
        let encoder = Arc::new(encoder);
        let admission = Admission::new(&config.limits, config.connection_descriptors);
        let changes = Changes::new(versions);
        Arc::new(Server {
            catalog,
            executor,
            encoder,
            config,
            changes,
            admission,
            library,
            offers,
            told,
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
        self.changes.set(list_versions(&self.catalog, self.library.as_deref()));
        self.checked.send_replace(true);
    }

    /// The catalogue as it stands.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.catalog.snapshot()
    }

    /// What a client sees that says who it is, in a session or with a request of its own; without that, what its session
    /// does. Costs nothing where all see the same.
    pub(crate) fn profile_of(&self, client: Option<&ClientInfo>, session: &Session) -> ProfileId {
        let shape = self.catalog.shape();
        if shape.is_one() {
            return ProfileId::EVERYBODY;
        }
        let principal = || session.principal.profile_text();
        match client {
            Some(client) => shape.choose(Some(&client.name), &principal()),
            None if session.revision().is_some() => session.profile(),
            None => shape.choose(None, &principal()),
        }
    }

    pub(crate) fn catalog_is_checked(&self) -> bool {
        *self.checked.borrow()
    }

    /// Waits until the catalogue is good to serve from: checked, or cached and past the wait.
    pub(crate) async fn catalog_ready(&self) {
        if self.catalog_is_checked() {
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
}

/// The version of each list in force, that of tools by profile.
fn list_versions(catalog: &Catalog, library: Option<&dyn Library>) -> InForce {
    let others = ListVersions::of(|kind| match kind {
        ListKind::Tools => None,
        ListKind::Resources | ListKind::Prompts => library?.list_version(kind),
    });
    InForce::new(others, catalog.snapshot().versions().map(Arc::from).collect())
}
