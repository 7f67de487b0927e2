//! What is asked of a runner that somebody else started, from flags, environment, `omni.toml` and defaults.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use omni_call::ExecutorKind;
use omni_catalog::{CatalogKind, NameStyle, RemoteSource};
use omni_exec::{Runner, RunnerAddress, RunnerConfig};
use omni_server::ServerCapabilities;

use super::file::RunnerFile;
use crate::args::{Offer, RunnerArguments, ToolsFrom};
use crate::settings::{ExecBounds, default_seconds};
use crate::variables;

/// A runner, and what is asked of it.
#[derive(Clone, Debug)]
pub(crate) struct RunnerSettings {
    pub(crate) address: RunnerAddress,
    pub(crate) tools: ToolsFrom,
    pub(crate) resources: Offer,
    pub(crate) prompts: Offer,
    /// How long after one refresh of its lists the next one comes.
    pub(crate) refresh: Duration,
}

impl RunnerSettings {
    /// `None` when no runner is named. The list of tools is the folder's where one was chosen (`has_skills`).
    pub(crate) fn resolve(
        arguments: &RunnerArguments,
        file: Option<&RunnerFile>,
        has_skills: bool,
    ) -> Result<Option<Self>> {
        let file = file.map(|file| file.0.clone()).unwrap_or_default();
        let from_file = arguments.runner.is_none();
        let Some(address) = arguments.runner.clone().or(file.address) else {
            let asked = arguments.tools.or(file.tools);
            if let Some(from @ (ToolsFrom::Runner | ToolsFrom::Both)) = asked {
                let from = if from == ToolsFrom::Both { "both" } else { "runner" };
                let written = match arguments.tools {
                    Some(_) => variables::written("tools", from),
                    None => format!("`runner.tools = \"{from}\"` in omni.toml"),
                };
                bail!("{written} needs a runner: name its address with `--runner`");
            }
            return Ok(None);
        };
        let default = if has_skills { ToolsFrom::Manifest } else { ToolsFrom::Runner };
        let refresh = match (arguments.runner_refresh, file.refresh) {
            // Asking costs a runner next to nothing: it answers that nothing has changed.
            (None, None) => Duration::from_secs_f64(default_seconds("runner.refresh")),
            (Some(seconds), _) => pause(seconds, &variables::written("runner-refresh", seconds))?,
            (None, Some(seconds)) => pause(seconds, &format!("`runner.refresh = {seconds}` in omni.toml"))?,
        };
        let written = match from_file {
            true => format!("`runner = \"{address}\"` in omni.toml"),
            false => variables::written("runner", &address),
        };
        Ok(Some(RunnerSettings {
            address: address.parse().map_err(|error| anyhow!("{written}: {error}"))?,
            tools: arguments.tools.or(file.tools).unwrap_or(default),
            resources: arguments.runner_resources.or(file.resources).unwrap_or_default(),
            prompts: arguments.runner_prompts.or(file.prompts).unwrap_or_default(),
            refresh,
        }))
    }

    /// The way to it for its lists, not yet connected.
    pub(crate) fn connect(&self) -> Arc<Runner> {
        Arc::new(Runner::new(RunnerConfig::new(self.address.clone())))
    }

    /// The way to it for calls, whose results are bounded.
    pub(crate) fn connect_with(&self, bounds: &ExecBounds) -> Arc<Runner> {
        let mut config = RunnerConfig::new(self.address.clone());
        bounds.apply_to_runner(&mut config);
        Arc::new(Runner::new(config))
    }

    /// Whether its own list of tools is served.
    pub(crate) fn lists_tools(&self) -> bool {
        self.tools != ToolsFrom::Manifest
    }

    /// Its own lists that are served, as the cache has them; `None` where none is.
    pub(crate) fn source(&self, cache: &Path, names: NameStyle) -> Option<RemoteSource> {
        let mut offers = Vec::new();
        if self.lists_tools() {
            offers.push(CatalogKind::Tools);
        }
        if self.resources == Offer::Forward {
            offers.extend([CatalogKind::Resources, CatalogKind::Templates]);
        }
        if self.prompts == Offer::Forward {
            offers.push(CatalogKind::Prompts);
        }
        let name = self.address.to_string();
        (!offers.is_empty())
            .then(|| RemoteSource::new(&name, Some(cache), names, ExecutorKind::Runner, &offers))
    }

    /// What clients are told that there is none of.
    pub(crate) fn empty(&self) -> ServerCapabilities {
        let (resources, prompts) = (self.resources == Offer::Empty, self.prompts == Offer::Empty);
        ServerCapabilities { resources, prompts, ..ServerCapabilities::default() }
    }
}

/// The pause between two refreshes.
fn pause(seconds: f64, written: &str) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|pause| (Duration::from_millis(100)..=Duration::from_hours(24)).contains(pause))
        .ok_or_else(|| anyhow!("{written} is not a number of seconds from 0.1 to a day"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    fn read(text: &str) -> Result<RunnerFile, toml::de::Error> {
        #[derive(Debug, Deserialize)]
        struct File {
            runner: RunnerFile,
        }
        toml::from_str::<File>(text).map(|file| file.runner)
    }

    #[test]
    fn the_list_of_tools_is_the_folders_where_there_is_one_and_the_runners_elsewhere() {
        let file = read("runner = \"unix:/run/a.sock\"").unwrap();
        let resolve = |arguments: &RunnerArguments, has_skills| {
            RunnerSettings::resolve(arguments, Some(&file), has_skills).unwrap().unwrap()
        };
        let nothing = RunnerArguments::default();
        assert_eq!(resolve(&nothing, true).tools, ToolsFrom::Manifest);
        assert_eq!(resolve(&nothing, false).tools, ToolsFrom::Runner);
        let flags = RunnerArguments {
            runner: Some("http://localhost:9".into()),
            tools: Some(ToolsFrom::Runner),
            runner_prompts: Some(Offer::Off),
            ..RunnerArguments::default()
        };
        let settings = resolve(&flags, true);
        assert_eq!(settings.address.to_string(), "http://localhost:9", "a flag wins over the file");
        assert_eq!((settings.tools, settings.resources), (ToolsFrom::Runner, Offer::Forward));
        assert_eq!((settings.prompts, settings.refresh), (Offer::Off, Duration::from_secs(10)));
    }

    #[test]
    fn the_file_may_have_a_table_and_a_wrong_key_or_value_is_named() {
        let file = read("[runner]\naddress = \"unix:/r\"\nresources = \"empty\"\nrefresh = 0.5").unwrap();
        let settings =
            RunnerSettings::resolve(&RunnerArguments::default(), Some(&file), true).unwrap().unwrap();
        assert_eq!((settings.resources, settings.refresh), (Offer::Empty, Duration::from_millis(500)));
        assert!(read("[runner]\nadress = \"x\"").unwrap_err().to_string().contains("adress"));
        for (text, named) in [
            ("runner = \"ftp://x\"", "ftp://x"),
            ("[runner]\naddress = \"unix:/r\"\nrefresh = 0", "runner.refresh = 0"),
        ] {
            let file = read(text).unwrap();
            let error = RunnerSettings::resolve(&RunnerArguments::default(), Some(&file), true).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn a_list_of_a_runner_needs_a_runner() {
        assert!(RunnerSettings::resolve(&RunnerArguments::default(), None, true).unwrap().is_none());
        let flags = RunnerArguments { tools: Some(ToolsFrom::Runner), ..RunnerArguments::default() };
        let error = RunnerSettings::resolve(&flags, None, true).unwrap_err();
        assert!(error.to_string().contains("--runner"), "{error}");
    }
}
