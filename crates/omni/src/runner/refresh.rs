//! How a runner's lists are kept up to date: asked for at the start and then again and again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use bytes::Bytes;
use omni_catalog::{Catalog, CatalogKind, RemoteSource, Source};
use omni_exec::{Listing, Runner, RunnerError};
use omni_server::Server;
use serde::Deserialize;
use serde_json::Value;

/// The first pause after a runner did not answer; it doubles up to the ordinary one.
const RETRY_FIRST: Duration = Duration::from_millis(200);

/// Fetches those of the runner's lists that are served, and takes the ones that have changed; says whether clients see
/// another list. Where fetching a list fails, the catalogue keeps the one it has.
///
/// # Errors
///
/// When any list could not be had. The others have been taken up.
pub(crate) async fn refresh_lists(
    runner: &Runner,
    source: &Arc<RemoteSource>,
    catalog: &Arc<Catalog>,
) -> Result<bool> {
    // All at once: a runner that does not answer is waited for once, not once for each.
    let (tools, resources, prompts, ()) = tokio::join!(
        tools(runner, source),
        resources(runner, source),
        prompts(runner, source),
        ask_completions(runner, source)
    );
    let failed = [tools, resources, prompts].into_iter().filter_map(Result::err);
    let mut failed: Vec<String> = failed.map(|error| format!("{error:#}")).collect();
    // One that cannot be reached says so once.
    failed.dedup();
    let failed = failed.join("; ");
    match failed.is_empty() {
        true => source.unchanged(),
        false => source.failed(&failed),
    }
    let catalog = Arc::clone(catalog);
    let changed = tokio::task::spawn_blocking(move || catalog.merge()).await.context("bug")??;
    if failed.is_empty() { Ok(changed) } else { Err(anyhow!(failed)) }
}

async fn tools(runner: &Runner, source: &Arc<RemoteSource>) -> Result<()> {
    if !source.offers(CatalogKind::Tools) {
        return Ok(());
    }
    if let Listing::New { etag, body } = runner.tools(source.etag().as_deref()).await? {
        let source = Arc::clone(source);
        let taken = tokio::task::spawn_blocking(move || source.describe(&body, etag.as_deref()));
        taken.await.context("bug")?.context("the runner's list of tools is of no use")?;
    }
    Ok(())
}

async fn resources(runner: &Runner, source: &Arc<RemoteSource>) -> Result<()> {
    if !source.offers(CatalogKind::Resources) {
        return Ok(());
    }
    let body = or_none(runner.resources().await)?;
    describe(source, &[CatalogKind::Resources, CatalogKind::Templates], body).await
}

async fn prompts(runner: &Runner, source: &Arc<RemoteSource>) -> Result<()> {
    if !source.offers(CatalogKind::Prompts) {
        return Ok(());
    }
    let body = or_none(runner.prompts().await)?;
    describe(source, &[CatalogKind::Prompts], body).await
}

/// Asks the runner whether it completes arguments, where there may be some. What it said before holds while it cannot be
/// reached; that is no failure of its own, since its lists cannot be had then either.
pub(crate) async fn ask_completions(runner: &Runner, source: &Arc<RemoteSource>) {
    #[derive(Deserialize)]
    struct Health {
        #[serde(default)]
        completions: Value,
    }
    if !source.offers(CatalogKind::Resources) && !source.offers(CatalogKind::Prompts) {
        return;
    }
    let completes = match runner.health().await {
        Ok(said) => {
            serde_json::from_slice::<Health>(&said).is_ok_and(|said| said.completions == Value::Bool(true))
        }
        Err(RunnerError::Refused { .. }) => false,
        Err(error) => {
            tracing::debug!(%error, "the runner does not say whether it completes arguments");
            return;
        }
    };
    let source = Arc::clone(source);
    if let Err(error) = tokio::task::spawn_blocking(move || source.set_completes(completes)).await {
        tracing::error!(%error, "bug: taking note of what the runner completes failed");
    }
}

/// A runner without that route has none.
fn or_none(answer: Result<Bytes, RunnerError>) -> Result<Bytes, RunnerError> {
    match answer {
        Err(RunnerError::Refused { status: 404, .. }) => Ok(Bytes::from_static(b"{}")),
        other => other,
    }
}

async fn describe(source: &Arc<RemoteSource>, kinds: &'static [CatalogKind], body: Bytes) -> Result<()> {
    let source = Arc::clone(source);
    let taken = tokio::task::spawn_blocking(move || {
        kinds.iter().try_for_each(|kind| source.describe_items(*kind, &body).map(|_| ()))
    });
    taken.await.context("bug")?.map_err(|error| {
        let what = if kinds.contains(&CatalogKind::Prompts) { "prompts" } else { "resources" };
        Error::new(error).context(format!("the runner's list of {what} is of no use"))
    })
}

/// Keeps a server's catalogue at what its runner lists, and tells the server.
pub(crate) struct RunnerListRefresher {
    pub(crate) server: Arc<Server>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) source: Arc<RemoteSource>,
    pub(crate) runner: Arc<Runner>,
    /// The pause between two refreshes.
    pub(crate) refresh: Duration,
    /// Whether there has been a refresh.
    pub(crate) refreshed: bool,
    /// Refreshes that failed since the last good one.
    pub(crate) failed: u32,
}

impl RunnerListRefresher {
    /// One refresh. Lists that wait for it go on, whatever came of it.
    pub(crate) async fn refresh(&mut self) {
        self.refreshed = true;
        let refreshed = refresh_lists(&self.runner, &self.source, &self.catalog).await;
        let (runner, tools) = (self.runner.address(), self.catalog.snapshot().tool_count());
        match &refreshed {
            Ok(_) if self.failed > 0 => tracing::info!(%runner, tools, "the runner answers again"),
            Ok(true) => tracing::info!(%runner, tools, "the runner has other lists"),
            Ok(false) => {}
            Err(error) if self.failed == 0 && !self.source.is_known() => tracing::warn!(
                %runner, error = format!("{error:#}"),
                "the runner has never given a list here, so none of its tools are known"
            ),
            Err(error) if self.failed == 0 => tracing::warn!(
                %runner, tools, error = format!("{error:#}"),
                "not all that the runner lists can be had; its last lists are served, and calls may fail meanwhile"
            ),
            Err(error) => {
                tracing::debug!(%runner, error = format!("{error:#}"), "the runner still gives no list")
            }
        }
        self.failed = if refreshed.is_ok() { 0 } else { self.failed.saturating_add(1) };
        self.server.catalog_refreshed();
    }

    /// Refreshes for ever. Dropping the future stops it.
    pub(crate) async fn keep_refreshed(mut self) {
        loop {
            if self.refreshed {
                tokio::time::sleep(self.pause()).await;
            }
            self.refresh().await;
        }
    }

    fn pause(&self) -> Duration {
        match self.failed {
            0 => self.refresh,
            failed => RETRY_FIRST.saturating_mul(1 << (failed - 1).min(16)).min(self.refresh),
        }
    }
}
