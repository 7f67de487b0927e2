//! Which folders of skills are served, in their order.

use std::path::{Path, PathBuf};

use anyhow::Result;
use omni_call::shown_path;
use omni_watch::Tree;

use super::skills_path::{SHIPPED, SkillsPath};
use crate::args::FolderArguments;
use crate::variables;

/// One folder of skills, or one skill of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SkillsFolder {
    /// Without links.
    pub(crate) skills: PathBuf,
    /// The one skill in it that is served, where not all are.
    pub(crate) only: Option<String>,
    /// It is the one that comes with omni.
    pub(crate) is_shipped: bool,
}

impl SkillsFolder {
    /// The folder that is served: of skills, or of the one.
    pub(crate) fn served(&self) -> PathBuf {
        self.only.as_ref().map_or_else(|| self.skills.clone(), |only| self.skills.join(only))
    }

    /// What is watched, so that edits of it are seen.
    pub(crate) fn tree(&self) -> Tree {
        Tree { path: self.skills.clone(), only: self.only.as_ref().map(Into::into) }
    }

    /// What `--skills` would name it by.
    pub(crate) fn named(&self) -> PathBuf {
        if self.is_shipped { PathBuf::from(SHIPPED) } else { self.served() }
    }

    /// The same for people.
    pub(super) fn shown(&self) -> String {
        match self.is_shipped {
            true => format!("omni itself (`--skills {SHIPPED}`)"),
            false => shown_path(&self.served()),
        }
    }
}

/// What the user names: by flags or the variable, else in the settings file. What is named twice is served once.
///
/// # Errors
///
/// As for [`SkillsPath::find`] of each.
pub(super) fn named(arguments: &FolderArguments, in_file: &[PathBuf]) -> Result<Vec<SkillsPath>> {
    let by_variable: Vec<PathBuf>;
    let (paths, is_argument) = match arguments.skills.as_slice() {
        [] => (in_file, false),
        [one] if variables::set_by_variable("skills") => {
            by_variable = std::env::split_paths(one).filter(|path| !path.as_os_str().is_empty()).collect();
            (&*by_variable, true)
        }
        several => (several, true),
    };
    let mut all = Vec::new();
    for path in paths {
        let named = SkillsPath::find(path, &written(path, is_argument))?;
        if !all.contains(&named) {
            all.push(named);
        }
    }
    Ok(all)
}

/// A path as whoever gave it wrote it.
fn written(path: &Path, is_argument: bool) -> String {
    match is_argument {
        true => variables::written("skills", shown_path(path)),
        false => format!("`skills_dir = \"{}\"` in omni.toml", shown_path(path)),
    }
}
