//! Where everything is: folders, settings file and runner, from flags, environment and `omni.toml`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use omni_call::{ExecutorKind, shown_path};
use omni_catalog::{Catalog, CatalogConfig, Exclude};
use omni_exec::Protected;

use super::file::File;
use super::in_force::{InForce, SkillsFrom, Standing, found_skills};
use crate::args::PlaceArguments;
use crate::cache::{self, Cache};
use crate::home::Home;
use crate::protected::Obeyed;
use crate::runner::{RunnerSettings, ToolsFrom};
use crate::trust::Store;
use crate::variables;

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
    /// How much of this the user has trusted.
    pub(crate) standing: Standing,
}

impl Places {
    /// Says on stderr what is ignored of a settings file that nobody has trusted, so once for each command.
    pub(crate) fn resolve(arguments: &PlaceArguments) -> Result<Self> {
        let home = Home::find();
        home.check()?;
        let here = std::env::current_dir()
            .context("the current folder cannot be read; change to one that exists")?;
        let store = Store::read(&home.state);
        let in_force = InForce::find(arguments, &here, &home, &store)?;
        let file = &in_force.file;
        let root = arguments.root.clone().or(file.root.clone()).unwrap_or(here.clone());
        let root = existing_dir(&root, &written("root", "root", arguments.root.is_some(), &root))?;
        let named = arguments.skills.clone().or(file.skills_dir.clone());
        let found = if named.is_none() { found_skills(&here) } else { None };
        let has_skills = named.is_some() || found.is_some();
        let runner = RunnerSettings::resolve(&arguments.runner, file.runner.as_ref(), has_skills)?;
        let is_shipped = named.is_none() && found.is_none();
        let Cache { folder: cache, shipped } =
            cache::open(&home, arguments.cache_dir.as_deref(), is_shipped)?;
        let (skills, from) = match (named, found, shipped) {
            (Some(named), ..) => {
                let written = written("skills", "skills_dir", arguments.skills.is_some(), &named);
                (existing_dir(&named, &written)?, SkillsFrom::Named)
            }
            (None, Some(found), _) => {
                let skills = existing_dir(&found, "`./skills`")?;
                let from = SkillsFrom::found(&skills, &store);
                (skills, from)
            }
            (None, None, Some(shipped)) => (shipped, SkillsFrom::Shipped),
            (None, None, None) => bail!("a bug: the shipped skills were not laid out"),
        };
        let protected = Obeyed {
            home: &home,
            here: &here,
            root: &root,
            cache: &cache,
            skills: &skills,
            skills_named: matches!(from, SkillsFrom::Named),
            config: arguments.config.as_deref(),
        }
        .protected();
        let (file, standing) = in_force.standing(from, &store);
        standing.say_ignored();
        Ok(Places { skills, root, cache, state: home.state, runner, file, protected, standing })
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
            return Ok(runner.catalog(&self.cache)?.excluding(self.exclude()));
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
        Ok(Catalog::open(config).context("there are no skills to read")?.excluding(self.exclude()))
    }

    fn exclude(&self) -> Exclude {
        Exclude::new(self.file.exclude.clone())
    }
}

/// A path as whoever gave it wrote it: by a flag, its variable, or the key of the settings file.
fn written(flag: &str, key: &str, is_argument: bool, path: &Path) -> String {
    match is_argument {
        true => variables::written(flag, shown_path(path)),
        false => format!("`{key} = \"{}\"` in omni.toml", shown_path(path)),
    }
}

fn existing_dir(path: &Path, written: &str) -> Result<PathBuf> {
    match path.canonicalize() {
        Ok(real) if real.is_dir() => Ok(real),
        Ok(_) => bail!("{written}: that is not a folder"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("{written}: there is no such folder; create it or name another")
        }
        Err(error) => Err(error).with_context(|| format!("{written} cannot be opened")),
    }
}
