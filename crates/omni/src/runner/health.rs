//! What `omni doctor` says of a runner: whether it answers, and whether it has the tools that are listed here.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use omni_call::ExecutorKind;
use omni_catalog::{Catalog, CatalogKind, NameStyle, RemoteSource, Snapshot, Tool, ToolRules};
use omni_exec::{Listing, Runner};
use serde_json::Value;

use super::refresh::refresh_lists;
use super::settings::RunnerSettings;
use crate::settings::Sources;

/// A runner that answers.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Health {
    /// Its `/health`.
    pub(crate) reply: Value,
    /// Tools that are listed here to run there, and that it does not have.
    pub(crate) lacks: BTreeSet<String>,
    /// Tools whose arguments it describes in another way.
    pub(crate) differs: BTreeSet<String>,
}

impl Health {
    /// Asks a runner. Where its own list is in use, `catalog` is brought up to date; else it is compared.
    pub(crate) async fn ask(settings: &RunnerSettings, sources: &Sources) -> Result<Health> {
        let runner = settings.connect();
        let reply = serde_json::from_slice(&runner.health().await?)?;
        let mut health = Health { reply, lacks: BTreeSet::new(), differs: BTreeSet::new() };
        match &sources.runner {
            Some(source) if settings.lists_tools() => {
                refresh_lists(&runner, source, &sources.catalog).await?;
            }
            _ => {
                let there = listed(settings, &runner).await?;
                health.compare(&sources.catalog.snapshot(), &there);
            }
        }
        Ok(health)
    }

    fn compare(&mut self, here: &Snapshot, there: &Snapshot) {
        for tool in here.tools().filter(|tool| tool.spec.executor == ExecutorKind::Runner) {
            match there.tool(tool.name()) {
                None => {
                    self.lacks.insert(tool.name().to_owned());
                }
                Some(other) if arguments(&tool) != arguments(&other) => {
                    self.differs.insert(tool.name().to_owned());
                }
                Some(_) => {}
            }
        }
    }
}

/// Its list, read afresh and kept nowhere.
async fn listed(settings: &RunnerSettings, runner: &Runner) -> Result<Arc<Snapshot>> {
    let names = NameStyle::Canonical;
    let name = settings.address.to_string();
    let source = RemoteSource::new(&name, None, names, ExecutorKind::Runner, &[CatalogKind::Tools]);
    if let Listing::New { body, .. } = runner.tools(None).await? {
        source.describe(&body, None).context("its list of tools is of no use")?;
    }
    Ok(Catalog::new(vec![Arc::new(source)], ToolRules::plain(names))?.snapshot())
}

/// What a tool takes, with the order of members left out.
fn arguments(tool: &Tool) -> Value {
    serde_json::from_str(tool.input_schema().get()).unwrap_or_default()
}
