//! The environments that skills need: which there are, where they lie and what makes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use omni_call::{ExecutorKind, Requirements, RunSpec, shown_path};
use omni_catalog::Snapshot;
use omni_environments::{EnvironmentConfig, Environments, StoredEnvironment, stored_environments};
use omni_process::ProcessConfig;

use crate::python::{self, Python};
use crate::settings::{EnvironmentSettings, Places};
use crate::user_dirs::UserDirs;

/// The folder of the environments within the cache.
pub(crate) fn folder(cache: &Path) -> PathBuf {
    cache.join("environments")
}

/// The program `uv`: the one that is named, else one that is found.
pub(crate) fn uv(settings: &EnvironmentSettings) -> Result<Option<PathBuf>> {
    let Some(named) = &settings.uv else {
        let folders = omni_process::path_folders();
        return Ok(omni_environments::find_uv(&folders, UserDirs::folder().as_deref()));
    };
    match python::locate(named) {
        Some(uv) => Ok(Some(uv)),
        None => bail!("`environments.uv = \"{}\"` in omni.toml: there is no such program", shown_path(named)),
    }
}

/// The environments below `cache`, made with what `settings` say. `builds_refused` is what to do about it where nothing
/// may be built from source. Starts nothing.
pub(crate) fn open(
    cache: &Path,
    settings: &EnvironmentSettings,
    builds_refused: Option<String>,
    process: ProcessConfig,
    python: &Python,
) -> Result<Environments> {
    let uv = uv(settings)?;
    let mut numbers = python.version.split('.').map(|number| number.parse().unwrap_or(0));
    let python_version = std::array::from_fn(|_| numbers.next().unwrap_or(0));
    Ok(Environments::new(EnvironmentConfig {
        folder: folder(cache),
        interpreter: python.executable.clone(),
        process,
        python_version,
        uv,
        install_args: settings.install_args.clone(),
        builds_refused,
        timeout: settings.timeout,
    }))
}

/// An environment that skills of a snapshot want.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) requirements: Requirements,
    /// Of the first of the skills.
    pub(crate) skill_dir: PathBuf,
    /// Folder names, sorted, each once.
    pub(crate) skills: Vec<String>,
}

/// Whether anything that is run has requirements. Parses all tools, resources and prompts: not for the thread that serves
/// clients.
pub(crate) fn any_required(snapshot: &Snapshot) -> bool {
    snapshot.run_specs().any(|spec| required(&spec).is_some())
}

/// Whether any needs a package. Parses all of them, like the above.
pub(crate) fn any_dependency(snapshot: &Snapshot) -> bool {
    snapshot.run_specs().any(|spec| required(&spec).is_some_and(|needs| !needs.dependencies.is_empty()))
}

/// What a tool, resource or prompt needs installed here. One that runs elsewhere, or inside the server, gets no environment.
pub(crate) fn required(spec: &RunSpec) -> Option<&Requirements> {
    spec.target
        .requirements()
        .filter(|_| !matches!(spec.executor, ExecutorKind::Embedded | ExecutorKind::Runner))
}

/// Whether there is anything to be said about environments: needed ones, or some in the cache.
pub(crate) fn any(snapshot: &Snapshot, places: &Places) -> bool {
    any_required(snapshot) || !stored_environments(&folder(&places.cache)).is_empty()
}

/// The environments that the tools, resources and prompts of a snapshot want, by their skills. Parses all of them.
pub(crate) fn wanted(snapshot: &Snapshot, environments: &Environments) -> Vec<Wanted> {
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    for spec in snapshot.run_specs() {
        let Some(requirements) = required(&spec).filter(|needs| environments.wanted(needs)) else { continue };
        let Some(skill_dir) = spec.target.dir() else { continue };
        let name = environments.name(requirements);
        let entry = wanted.entry(name.clone()).or_insert_with(|| Wanted {
            name,
            requirements: requirements.clone(),
            skill_dir: skill_dir.to_owned(),
            skills: Vec::new(),
        });
        if !entry.skills.contains(&spec.skill) {
            entry.skills.push(spec.skill.clone());
        }
    }
    let mut wanted: Vec<Wanted> = wanted.into_values().collect();
    wanted.sort_by(|a, b| a.skills.cmp(&b.skills));
    wanted
}

/// The environments that no skill needs any more: made for a skill of these folders that wants another one now, or for a
/// skill that is gone, or not whole. What was made for other folders of skills is theirs.
pub(crate) fn stale(
    stored: Vec<StoredEnvironment>,
    wanted: &[Wanted],
    skills: &[PathBuf],
) -> Vec<StoredEnvironment> {
    let needless = |stored: &StoredEnvironment| match &stored.made {
        Some(made) => {
            skills.iter().any(|skills| made.made_for.starts_with(skills)) || !made.made_for.exists()
        }
        None => true,
    };
    let unwanted = |stored: &StoredEnvironment| wanted.iter().all(|one| one.name != stored.name);
    stored.into_iter().filter(|stored| unwanted(stored) && needless(stored)).collect()
}

/// Makes the environments that the snapshot's tools want, one after the other. What fails is logged, and
/// told to the call that needs it.
pub(crate) async fn prepare_all(environments: &Environments, snapshot: Arc<Snapshot>) {
    let look = {
        let environments = environments.clone();
        move || wanted(&snapshot, &environments)
    };
    for one in tokio::task::spawn_blocking(look).await.unwrap_or_default() {
        if let Err(error) = environments.prepare(&one.requirements, &one.skill_dir, |_| {}).await {
            tracing::warn!(skills = one.skills.join(", "), %error, hint = error.hint, "no environment");
        }
    }
}
