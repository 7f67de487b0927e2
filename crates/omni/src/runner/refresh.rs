//! How the list of a runner's tools is kept up to date: asked for at the start and then again and again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use omni_catalog::Catalog;
use omni_exec::{Listing, Runner};
use omni_server::Server;

/// The first pause after a runner did not answer; it doubles up to the ordinary one.
const RETRY_FIRST: Duration = Duration::from_millis(200);

/// Takes up the runner's list if it is another one; says whether clients see another. What the catalogue has stays
/// where that fails.
pub(crate) async fn look(runner: &Runner, catalog: &Arc<Catalog>) -> Result<bool> {
    let Listing::New { etag, body } = runner.tools(catalog.etag().as_deref()).await? else {
        return Ok(false);
    };
    let catalog = Arc::clone(catalog);
    let taken = tokio::task::spawn_blocking(move || catalog.describe(&body, etag.as_deref()));
    let refreshed = taken.await.context("bug")?.context("the runner's list of tools is of no use")?;
    Ok(refreshed.changed)
}

/// Keeps a server's catalogue at what its runner lists, and tells the server.
pub(crate) struct Keeper {
    pub(crate) server: Arc<Server>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) runner: Arc<Runner>,
    /// The pause between two looks.
    pub(crate) refresh: Duration,
    /// Looks that failed since the last good one.
    pub(crate) failed: u32,
}

impl Keeper {
    /// One look. Lists that wait for it go on, whatever came of it.
    pub(crate) async fn look(&mut self) {
        let looked = look(&self.runner, &self.catalog).await;
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
