//! How the list of a runner's tools is kept up to date: asked for at the start and then again and again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use omni_catalog::{Catalog, RemoteSource};
use omni_exec::{Listing, Runner};
use omni_server::Server;

/// The first pause after a runner did not answer; it doubles up to the ordinary one.
const RETRY_FIRST: Duration = Duration::from_millis(200);

/// Takes up the runner's list if it is another one; says whether clients see another. What the catalogue has stays
/// where that fails.
pub(crate) async fn look(
    runner: &Runner,
    source: &Arc<RemoteSource>,
    catalog: &Arc<Catalog>,
) -> Result<bool> {
    let told = told(runner, source).await;
    if let Err(error) = &told {
        source.failed(&format!("{error:#}"));
    }
    let catalog = Arc::clone(catalog);
    let changed = tokio::task::spawn_blocking(move || catalog.merge()).await.context("bug")??;
    told.map(|()| changed)
}

/// Asks the runner, and tells the source.
async fn told(runner: &Runner, source: &Arc<RemoteSource>) -> Result<()> {
    match runner.tools(source.etag().as_deref()).await? {
        Listing::New { etag, body } => {
            let source = Arc::clone(source);
            let taken = tokio::task::spawn_blocking(move || source.describe(&body, etag.as_deref()));
            taken.await.context("bug")?.context("the runner's list of tools is of no use")?;
        }
        _ => source.unchanged(),
    }
    Ok(())
}

/// Keeps a server's catalogue at what its runner lists, and tells the server.
pub(crate) struct Keeper {
    pub(crate) server: Arc<Server>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) source: Arc<RemoteSource>,
    pub(crate) runner: Arc<Runner>,
    /// The pause between two looks.
    pub(crate) refresh: Duration,
    /// Looks that failed since the last good one.
    pub(crate) failed: u32,
}

impl Keeper {
    /// One look. Lists that wait for it go on, whatever came of it.
    pub(crate) async fn look(&mut self) {
        let looked = look(&self.runner, &self.source, &self.catalog).await;
        let (runner, tools) = (self.runner.address(), self.catalog.snapshot().tool_count());
        match &looked {
            Ok(_) if self.failed > 0 => tracing::info!(%runner, tools, "the runner answers again"),
            Ok(true) => tracing::info!(%runner, tools, "the runner has another list of tools"),
            Ok(false) => {}
            Err(error) if self.failed == 0 => tracing::warn!(
                %runner, tools, error = format!("{error:#}"),
                "the runner's list of tools cannot be had; the last one is served, and calls will fail meanwhile"
            ),
            Err(error) => {
                tracing::debug!(%runner, error = format!("{error:#}"), "the runner still gives no list")
            }
        }
        self.failed = if looked.is_ok() { 0 } else { self.failed.saturating_add(1) };
        self.server.catalog_checked();
    }

    /// Looks for ever. Dropping the future stops it.
    pub(crate) async fn keep(mut self) {
        loop {
            tokio::time::sleep(self.pause()).await;
            self.look().await;
        }
    }

    fn pause(&self) -> Duration {
        match self.failed {
            0 => self.refresh,
            failed => RETRY_FIRST.saturating_mul(1 << (failed - 1).min(16)).min(self.refresh),
        }
    }
}
