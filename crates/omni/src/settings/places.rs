//! Where everything is: folders, settings file and runner, from flags, environment and `omni.toml`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use omni_call::{ExecutorKind, shown_path};
use omni_catalog::{Catalog, CatalogConfig};
use omni_exec::Protected;

use super::file::{File, read_file};
use crate::args::PlaceArguments;
use crate::assets;
use crate::home::Home;
use crate::protected::Obeyed;
use crate::runner::{RunnerSettings, ToolsFrom};

/// Where everything is, for every command.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) skills: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) runner: Option<RunnerSettings>,
    pub(crate) file: File,
    /// What omni runs and obeys, but for the interpreter: no tool may write there.
    pub(crate) protected: Vec<Protected>,
}

impl Places {
    pub(crate) fn resolve(arguments: &PlaceArguments) -> Result<Self> {
        let home = Home::find();
        home.check()?;
        let here = std::env::current_dir()
            .context("the current folder cannot be read; change to one that exists")?;
        let (file, file_dir) = match settings_file(arguments, &here, &home)? {
            Some(path) => {
                let dir = path.parent().unwrap_or(&here).to_owned();
                (read_file(&path)?, dir)
            }
            None => (File::default(), here.clone()),
        };
        let cache = home.open_cache(arguments.cache_dir.as_deref())?;
        let root = arguments
            .root
            .clone()
            .or(file.root.as_ref().map(|root| file_dir.join(root)))
            .unwrap_or(here.clone());
        let root = existing_dir(&root, "--root")?;
        let named = arguments.skills.clone().or(file.skills_dir.as_ref().map(|skills| file_dir.join(skills)));
        let skills_named = named.is_some();
        let chosen = named.or(Some(here.join("skills")).filter(|skills| skills.is_dir()));
        let runner = RunnerSettings::resolve(&arguments.runner, file.runner.as_ref(), chosen.is_some())?;
        let skills = match chosen {
            Some(skills) => existing_dir(&skills, "--skills")?,
            None => assets::shipped_skills(&cache)?,
        };
        let protected = Obeyed {
            home: &home,
            here: &here,
            root: &root,
            cache: &cache,
            skills: &skills,
            skills_named,
            config: arguments.config.as_deref(),
        }
        .protected();
        Ok(Places { skills, root, cache, state: home.state, runner, file, protected })
    }

    /// The runner, when the list of tools is its own.
    pub(crate) fn lister(&self) -> Option<&RunnerSettings> {
        self.runner.as_ref().filter(|runner| runner.tools == ToolsFrom::Runner)
    }

    /// Who lists the tools: a folder's path, or a runner's address.
    pub(crate) fn source(&self) -> String {
        match self.lister() {
            Some(runner) => runner.address.to_string(),
            None => shown_path(&self.skills),
        }
    }

    /// The catalogue of these places, with nothing looked at yet but the cache. `executor` is the one named for
    /// tools that name none.
    pub(crate) fn catalog(&self, executor: Option<ExecutorKind>) -> Result<Catalog> {
        if let Some(runner) = self.lister() {
            return runner.catalog(&self.cache);
        }
        let default_executor = match (&self.runner, executor) {
            (Some(_), None) => ExecutorKind::Runner,
            (_, kind) => kind.unwrap_or_default(),
        };
        let config = CatalogConfig {
            skills_dir: self.skills.clone(),
            cache_dir: Some(self.cache.clone()),
            default_executor,
        };
        Catalog::open(config).context("there are no skills to read")
    }
}

fn settings_file(arguments: &PlaceArguments, here: &Path, home: &Home) -> Result<Option<PathBuf>> {
    if let Some(path) = &arguments.config {
        if !path.is_file() {
            bail!("`--config {}`: there is no such file", shown_path(path));
        }
        return Ok(Some(std::path::absolute(path)?));
    }
    let candidates = [here.join("omni.toml"), home.config.join("omni.toml")];
    Ok(candidates.into_iter().find(|path| path.is_file()))
}

fn existing_dir(path: &Path, setting: &str) -> Result<PathBuf> {
    match path.canonicalize() {
        Ok(real) if real.is_dir() => Ok(real),
        Ok(_) => bail!("`{setting} {}`: that is not a folder", shown_path(path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("`{setting} {}`: there is no such folder; create it or name another", shown_path(path))
        }
        Err(error) => {
            Err(error).with_context(|| format!("`{setting} {}` cannot be opened", shown_path(path)))
        }
    }
}
