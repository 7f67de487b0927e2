//! Where everything is: folders, settings file and runner, from flags, environment and `omni.toml`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use omni_call::{ExecutorKind, shown_path};
use omni_catalog::{
    Catalog, FolderConfig, FolderSource, NameStyle, NativeSource, RemoteSource, Skill, Source, ToolRules,
    closest,
};
use omni_exec::Protected;
use serde_json::Value;

use super::settings_file::SettingsFile;
use super::settings_status::{SettingsInForce, SettingsStatus, SkillsFrom, found_skills};
use super::skills_folders::{self, SkillsFolder};
use super::skills_path::{SHIPPED, SkillsPath};
use crate::args::{Names, PlaceArguments, ToolsFrom};
use crate::cache::{self, Cache};
use crate::log;
use crate::native::NativeTools;
use crate::protected::ProtectedPlaces;
use crate::runner::RunnerSettings;
use crate::trust::TrustStore;
use crate::user_dirs::UserDirs;
use crate::variables;

/// Where everything is, for every command.
#[derive(Debug)]
pub(crate) struct Places {
    /// The folders of skills, in their order; never none. Where a runner lists all tools, they are not served.
    all_folders: Vec<SkillsFolder>,
    pub(crate) root: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) runner: Option<RunnerSettings>,
    /// How lists name the tools.
    pub(crate) names: NameStyle,
    /// Whether the tool is listed by which a model reads skills.
    pub(crate) skill_read: bool,
    /// What is seen of the tools, and by whom.
    pub(crate) rules: ToolRules,
    pub(crate) file: SettingsFile,
    /// What omni runs and obeys, but for the interpreter: no tool may write there.
    pub(crate) protected: Vec<Protected>,
    /// How much of this the user has trusted.
    pub(crate) settings_status: SettingsStatus,
}

impl Places {
    /// Says on stderr what is ignored of a settings file that nobody has trusted, so once for each command.
    pub(crate) fn resolve(arguments: &PlaceArguments) -> Result<Self> {
        let home = UserDirs::find();
        home.check()?;
        let here = std::env::current_dir()
            .context("the current folder cannot be read; change to one that exists")?;
        let store = TrustStore::read(&home.state);
        let in_force = SettingsInForce::find(arguments, &here, &home, &store)?;
        let file = &in_force.file;
        let root = arguments.root.clone().or(file.root.clone()).unwrap_or(here.clone());
        let root = existing_dir(&root, &written("root", "root", arguments.root.is_some(), &root))?;
        let named = skills_folders::named(&arguments.folders, &file.skills_dir.0)?;
        let found = if named.is_empty() { found_skills(&here) } else { None };
        let has_skills = !named.is_empty() || found.is_some();
        let runner = RunnerSettings::resolve(&arguments.runner, file.runner.as_ref(), has_skills)?;
        let wants_shipped = !has_skills || named.contains(&SkillsPath::Shipped);
        let Cache { folder: cache, shipped } =
            cache::open(&home, arguments.cache_dir.as_deref(), wants_shipped)?;
        let (all_folders, from) = folders_of_skills(named, found, shipped.as_deref(), &store)?;
        let own = all_folders.iter().filter(|folder| !folder.is_shipped);
        let protected = ProtectedPlaces {
            home: &home,
            here: &here,
            root: &root,
            cache: &cache,
            skills: &own.map(SkillsFolder::served).collect::<Vec<_>>(),
            skills_named: matches!(from, SkillsFrom::Named),
            config: arguments.config.as_deref(),
        }
        .protected();
        let (file, settings_status) = in_force.status(from, &store);
        if let Some(level) = &file.log_level {
            log::by_settings(Some(level)).map_err(anyhow::Error::msg)?;
        }
        settings_status.say_ignored();
        let (names, rules) = names_and_rules(arguments, &file)?;
        Ok(Places {
            all_folders,
            root,
            cache,
            state: home.state,
            runner,
            names,
            skill_read: arguments.skill_read.or(file.skill_read).unwrap_or(true),
            rules,
            file,
            protected,
            settings_status,
        })
    }

    /// The runner, when its own tools are listed.
    pub(crate) fn lister(&self) -> Option<&RunnerSettings> {
        self.runner.as_ref().filter(|runner| runner.lists_tools())
    }

    /// The folder of the store that all servers of this user share.
    pub(crate) fn store(&self) -> PathBuf {
        self.state.join("store")
    }

    /// The folders of skills that are served, in their order; none where a runner lists all tools.
    pub(crate) fn folders(&self) -> &[SkillsFolder] {
        match self.runner.as_ref().is_some_and(|runner| runner.tools == ToolsFrom::Runner) {
            true => &[],
            false => &self.all_folders,
        }
    }

    /// Whether tools that name no executor run here, and not at a runner.
    pub(crate) fn runs_here(&self) -> bool {
        self.runner.as_ref().is_none_or(|runner| runner.tools == ToolsFrom::Both)
    }

    /// The folder where a new skill would go.
    pub(crate) fn own_skills(&self) -> &Path {
        let own = self.all_folders.iter().find(|folder| !folder.is_shipped);
        own.or(self.all_folders.first()).map_or(Path::new(""), |folder| &folder.skills)
    }

    /// Who lists the tools: folders' paths, a runner's address.
    pub(crate) fn source(&self) -> String {
        let folders = self.folders().iter().map(SkillsFolder::shown);
        let runner = self.lister().map(|runner| runner.address.to_string());
        let all: Vec<String> = folders.chain(runner).collect();
        all.join(", ")
    }

    /// The paths of the folders that are served, or `shipped`, for programs: one alone, or a list.
    pub(crate) fn skills_json(&self) -> Value {
        let mut paths: Vec<Value> =
            self.folders().iter().map(|folder| folder.named().to_string_lossy().into()).collect();
        if paths.len() == 1 { paths.remove(0) } else { paths.into() }
    }

    /// The path to a file that the catalogue names, as a person can open it from where they are. Of the skills that come
    /// with omni, whose folder has a name that changes with each version, it is `shipped/…`. What is no file, such as a
    /// place in a runner's list, is as it was.
    pub(crate) fn shown(&self, file: &str) -> PathBuf {
        let path = match self.folders() {
            [] => return file.into(),
            _ if self.runner.as_ref().is_some_and(|runner| file.starts_with(&runner.address.to_string())) => {
                return file.into();
            }
            [only] if only.is_shipped => return Path::new(SHIPPED).join(file),
            [only] => only.skills.join(file),
            // Of several, the catalogue says which.
            _ => file.into(),
        };
        let here = std::env::current_dir().unwrap_or_default();
        // The skills folder is without links, so the current folder has to be compared without, too.
        let here = here.canonicalize().unwrap_or(here);
        path.strip_prefix(&here).map(Path::to_owned).unwrap_or(path)
    }

    /// The path to a file of a skill as the catalogue names it: below its folder of skills, where there is one of them, else
    /// with that folder. `path` begins with the skill's own folder.
    pub(crate) fn file_of(&self, skill: &Skill, path: &str) -> String {
        let folders = self.folders();
        let of = folders.iter().find(|folder| skill.path.parent() == Some(&*folder.skills));
        match of {
            Some(of) if folders.len() > 1 && of.is_shipped => format!("{SHIPPED}/{path}"),
            Some(of) if folders.len() > 1 => format!("{}/{path}", of.skills.to_string_lossy()),
            _ => path.to_owned(),
        }
    }

    /// The catalogue of these places, with nothing looked at yet but the cache. `executor` is the one named for
    /// tools that name none.
    pub(crate) fn catalog(&self, executor: Option<ExecutorKind>) -> Result<Sources> {
        self.catalog_of_all(executor, None)
    }

    /// The same as clients are served it: with the tool by which a model reads skills, unless the settings leave that out.
    pub(crate) fn served_catalog(&self, executor: Option<ExecutorKind>) -> Result<Sources> {
        let own = self.skill_read.then(|| Arc::from(omni_server::skill_reader_list().to_string()));
        self.catalog_of_all(executor, own)
    }

    /// `own_tools` are listed with those of the first folder, whose list is then served as it lies.
    fn catalog_of_all(
        &self,
        executor: Option<ExecutorKind>,
        mut own_tools: Option<Arc<str>>,
    ) -> Result<Sources> {
        let default_executor = match executor {
            None if !self.runs_here() => ExecutorKind::Runner,
            kind => kind.unwrap_or_default(),
        };
        let mut open = |folder: &SkillsFolder| {
            let config = FolderConfig {
                skills_dir: folder.skills.clone(),
                only: folder.only.clone(),
                name: folder.is_shipped.then(|| SHIPPED.to_owned()),
                cache_dir: Some(self.cache.clone()),
                default_executor,
                own_tools: own_tools.take(),
                names: self.names,
            };
            FolderSource::open(config).map(Arc::new).context("there are no skills to read")
        };
        let runner = self.runner.as_ref().and_then(|runner| runner.source(&self.cache, self.names));
        let runner = runner.map(Arc::new);
        let mut sources: Vec<Arc<dyn Source>> = Vec::new();
        for folder in self.folders() {
            sources.push(open(folder)?);
        }
        // Last: skills in folders here win over tools of the same name that a runner begins to list.
        if let Some(runner) = &runner {
            sources.push(runner.clone());
        }
        // Without a folder there is no list that they could lie in.
        if let Some(own) = own_tools {
            sources.push(Arc::new(NativeSource::new("skill_read", own.as_bytes())?));
        }
        let catalog = self.catalog_of(sources)?;
        Ok(Sources { catalog, runner })
    }

    /// The catalogue of these sources, and behind them of omni's own tools.
    fn catalog_of(&self, mut sources: Vec<Arc<dyn Source>>) -> Result<Arc<Catalog>> {
        if let Some(native) = NativeTools::named(&self.file.native_tools)?.source()? {
            sources.push(Arc::new(native));
        }
        Ok(Arc::new(Catalog::new(sources, self.seen())?))
    }

    fn seen(&self) -> ToolRules {
        match self.names {
            NameStyle::Canonical => self.rules.filters_alone(),
            NameStyle::Underscore | NameStyle::Dotted => self.rules.clone(),
        }
    }
}

/// The folders of skills in their order, and how they came to be served: those that were `named`, then the one that was
/// `found` in the working folder, and for want of either the one that comes with omni, which was laid out at `shipped`.
fn folders_of_skills(
    named: Vec<SkillsPath>,
    found: Option<PathBuf>,
    shipped: Option<&Path>,
    store: &TrustStore,
) -> Result<(Vec<SkillsFolder>, SkillsFrom)> {
    let is_named = !named.is_empty();
    // With nothing named, that is so of all.
    let are_shipped = found.is_none() && named.iter().all(|named| *named == SkillsPath::Shipped);
    let laid_out = || {
        let skills = shipped.context("a bug: the shipped skills were not laid out")?.to_owned();
        Ok::<_, anyhow::Error>(SkillsFolder { skills, only: None, is_shipped: true })
    };
    let mut folders = Vec::new();
    for named in named {
        folders.push(match named {
            SkillsPath::Shipped => laid_out()?,
            SkillsPath::Folder(skills) => SkillsFolder { skills, only: None, is_shipped: false },
            SkillsPath::Skill { parent, name } => {
                SkillsFolder { skills: parent, only: Some(name), is_shipped: false }
            }
        });
    }
    let from = match found {
        Some(found) => {
            let skills = existing_dir(&found, "`./skills`")?;
            let from = SkillsFrom::found(&skills, store);
            folders.push(SkillsFolder { skills, only: None, is_shipped: false });
            from
        }
        None if are_shipped => SkillsFrom::Shipped { named: is_named },
        None => SkillsFrom::Named,
    };
    if folders.is_empty() {
        folders.push(laid_out()?);
    }
    Ok((folders, from))
}

/// How lists name the tools, and what is seen of them and by whom: as the command line says, else `file`.
pub(super) fn names_and_rules(
    arguments: &PlaceArguments,
    file: &SettingsFile,
) -> Result<(NameStyle, ToolRules)> {
    let names = arguments.names.or(file.names).map(Names::style).unwrap_or_default();
    let rules = file.tool_rules(names)?;
    let rules = match &arguments.profile {
        Some(profile) => of_profile(rules, profile)?,
        None => rules,
    };
    Ok((names, rules))
}

/// What is seen with one profile for all.
fn of_profile(rules: ToolRules, profile: &str) -> Result<ToolRules> {
    let names: Vec<String> = rules.profile_names().map(str::to_owned).collect();
    let names = || names.iter().map(String::as_str);
    match rules.only(profile) {
        Some(rules) => Ok(rules),
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
