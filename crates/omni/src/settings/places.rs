//! Where everything is: folders, settings file and runner, from flags, environment and `omni.toml`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use omni_call::{ExecutorKind, shown_path};
use omni_catalog::{Catalog, FolderConfig, FolderSource, NameStyle, RemoteSource, Shape, Source, closest};
use omni_exec::Protected;

use super::file::File;
use super::in_force::{InForce, SkillsFrom, Standing, found_skills};
use super::skills::{Named, SHIPPED};
use crate::args::{Names, PlaceArguments};
use crate::cache::{self, Cache};
use crate::home::Home;
use crate::log;
use crate::native::NativeTools;
use crate::protected::Obeyed;
use crate::runner::{RunnerSettings, ToolsFrom};
use crate::trust::Store;
use crate::variables;

/// Where everything is, for every command.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) skills: PathBuf,
    /// The one skill in it that is served, where not all are.
    pub(crate) only: Option<String>,
    pub(crate) root: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) runner: Option<RunnerSettings>,
    /// How lists name the tools.
    pub(crate) names: NameStyle,
    /// What is seen of the tools, and by whom.
    pub(crate) shape: Shape,
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
        let named = match arguments.skills.as_ref().or(file.skills_dir.as_ref()) {
            Some(path) => {
                let written = written("skills", "skills_dir", arguments.skills.is_some(), path);
                Some(Named::find(path, &written)?)
            }
            None => None,
        };
        let found = if named.is_none() { found_skills(&here) } else { None };
        let has_skills = named.is_some() || found.is_some();
        let runner = RunnerSettings::resolve(&arguments.runner, file.runner.as_ref(), has_skills)?;
        let is_shipped = matches!((&named, &found), (None, None) | (Some(Named::Shipped), _));
        let Cache { folder: cache, shipped } =
            cache::open(&home, arguments.cache_dir.as_deref(), is_shipped)?;
        let is_named = named.is_some();
        let (skills, only, from) = match (named, found, shipped) {
            (Some(Named::Folder(skills)), ..) => (skills, None, SkillsFrom::Named),
            (Some(Named::Skill { parent, name }), ..) => (parent, Some(name), SkillsFrom::Named),
            (None, Some(found), _) => {
                let skills = existing_dir(&found, "`./skills`")?;
                let from = SkillsFrom::found(&skills, &store);
                (skills, None, from)
            }
            (_, _, Some(shipped)) => (shipped, None, SkillsFrom::Shipped { named: is_named }),
            (_, None, None) | (Some(Named::Shipped), ..) => {
                bail!("a bug: the shipped skills were not laid out")
            }
        };
        let served = only.as_ref().map_or_else(|| skills.clone(), |only| skills.join(only));
        let protected = Obeyed {
            home: &home,
            here: &here,
            root: &root,
            cache: &cache,
            skills: Some(&*served).filter(|_| !is_shipped),
            skills_named: matches!(from, SkillsFrom::Named),
            config: arguments.config.as_deref(),
        }
        .protected();
        let (file, standing) = in_force.standing(from, &store);
        if let Some(level) = &file.log_level {
            log::by_settings(level).map_err(anyhow::Error::msg)?;
        }
        standing.say_ignored();
        let names = arguments.names.or(file.names).map(Names::style).unwrap_or_default();
        let shape = match &arguments.profile {
            Some(profile) => of_profile(file.shape(names)?, profile)?,
            None => file.shape(names)?,
        };
        Ok(Places {
            skills,
            only,
            root,
            cache,
            state: home.state,
            runner,
            names,
            shape,
            file,
            protected,
            standing,
        })
    }

    /// The runner, when the list of tools is its own.
    pub(crate) fn lister(&self) -> Option<&RunnerSettings> {
        self.runner.as_ref().filter(|runner| runner.tools == ToolsFrom::Runner)
    }

    /// Who lists the tools: a folder's path, or a runner's address.
    pub(crate) fn source(&self) -> String {
        match self.lister() {
            Some(runner) => runner.address.to_string(),
            None if self.standing.are_shipped() => format!("omni itself (`--skills {SHIPPED}`)"),
            None => shown_path(&self.served()),
        }
    }

    /// The folder that is served: of skills, or of the one.
    pub(crate) fn served(&self) -> PathBuf {
        self.only.as_ref().map_or_else(|| self.skills.clone(), |only| self.skills.join(only))
    }

    /// The path to a file of the skills folder as a person can open it from where they are. Of the skills that come with
    /// omni, whose folder has a name that changes with each version, it is `shipped/…`.
    pub(crate) fn shown(&self, file: &str) -> PathBuf {
        if self.standing.are_shipped() {
            return Path::new(SHIPPED).join(file);
        }
        let path = self.skills.join(file);
        let here = std::env::current_dir().unwrap_or_default();
        // The skills folder is without links, so the current folder has to be compared without, too.
        let here = here.canonicalize().unwrap_or(here);
        path.strip_prefix(&here).map(Path::to_owned).unwrap_or(path)
    }

    /// The catalogue of these places, with nothing looked at yet but the cache. `executor` is the one named for
    /// tools that name none.
    pub(crate) fn catalog(&self, executor: Option<ExecutorKind>) -> Result<Sources> {
        if let Some(runner) = self.lister() {
            let runner = Arc::new(runner.source(Some(&self.cache), self.names));
            let catalog = self.catalog_of(vec![runner.clone()])?;
            return Ok(Sources { catalog, folders: Vec::new(), runner: Some(runner) });
        }
        let default_executor = match (&self.runner, executor) {
            (Some(_), None) => ExecutorKind::Runner,
            (_, kind) => kind.unwrap_or_default(),
        };
        let config = FolderConfig {
            skills_dir: self.skills.clone(),
            only: self.only.clone(),
            name: self.standing.are_shipped().then(|| SHIPPED.to_owned()),
            cache_dir: Some(self.cache.clone()),
            default_executor,
            names: self.names,
        };
        let folder = Arc::new(FolderSource::open(config).context("there are no skills to read")?);
        let catalog = self.catalog_of(vec![folder.clone()])?;
        Ok(Sources { catalog, folders: vec![folder], runner: None })
    }

    /// The catalogue of these sources, and behind them of omni's own tools.
    fn catalog_of(&self, mut sources: Vec<Arc<dyn Source>>) -> Result<Arc<Catalog>> {
        if let Some(native) = NativeTools::named(&self.file.native_tools)?.source()? {
            sources.push(Arc::new(native));
        }
        Ok(Arc::new(Catalog::new(sources, self.seen())?))
    }

    fn seen(&self) -> Shape {
        match self.names {
            NameStyle::Canonical => self.shape.filters_alone(),
            NameStyle::Underscore | NameStyle::Dotted => self.shape.clone(),
        }
    }
}

/// What is seen with one profile for all.
fn of_profile(shape: Shape, profile: &str) -> Result<Shape> {
    let names: Vec<String> = shape.profile_names().map(str::to_owned).collect();
    let names = || names.iter().map(String::as_str);
    match shape.only(profile) {
        Some(shape) => Ok(shape),
        None => {
            let help = match closest(profile, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("those there are: {}", names().collect::<Vec<_>>().join(", ")),
            };
            bail!(
                "{}: there is no `[profiles.{profile}]` in omni.toml; {help}",
                variables::written("profile", profile)
            )
        }
    }
}

/// The catalogue of some places, and its sources as what they are.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) folders: Vec<Arc<FolderSource>>,
    /// A runner's own lists, where they are served.
    pub(crate) runner: Option<Arc<RemoteSource>>,
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
