//! Who has something to offer: a folder of skills, a runner's list, tools of our own. Each gives one snapshot, and the catalogue merges them.

pub(crate) mod folder;
mod last_good;
pub(crate) mod native;
pub(crate) mod remote;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use omni_call::RunSpec;

use crate::manifest_diff::ManifestDiff;
use crate::{CatalogKind, SourceSnapshot};

/// A place that tools, resources and prompts come from. The catalogue asks nothing else of it, and knows no kind of source
/// by name: a new one is a new implementation, and the wiring.
///
/// Every method may be called from any thread. Only [`refresh`](Self::refresh) and [`diff`](Self::diff) may block.
pub trait Source: fmt::Debug + Send + Sync {
    /// What people call it: a folder's path, a runner's address. Stands in findings and in the log.
    fn name(&self) -> &str;

    /// Its last good snapshot, at once. A source that has failed since gives the same one, with a finding that says so.
    fn snapshot(&self) -> Arc<SourceSnapshot>;

    /// Whether it may ever have any of this kind: what clients are told before anything is known. Default: tools and
    /// skills.
    fn offers(&self, kind: CatalogKind) -> bool {
        matches!(kind, CatalogKind::Tools | CatalogKind::Skills)
    }

    /// How a resource of it is read and a prompt of it filled in: what such a call says to the executor. Default: it has
    /// neither.
    fn items_spec(&self) -> Option<Arc<RunSpec>> {
        None
    }

    /// Whether arguments of its prompts and templates can be completed, at the moment. Default: they cannot.
    fn completes(&self) -> bool {
        false
    }

    /// Looks whether there is another snapshot, and makes it the one that [`snapshot`](Self::snapshot) gives. Blocks. Default: there
    /// is nothing to look at, because the source is told, or never changes.
    ///
    /// `served` is the snapshot of it that clients are served now, where an edit that breaks something shall cost them
    /// nothing: what it has of the broken part then stays until that is mended.
    ///
    /// # Errors
    ///
    /// When the source can no longer be read. Its snapshot is then the last good one, with a finding.
    fn refresh(&self, served: Option<&SourceSnapshot>) -> Result<RefreshReport, SourceError> {
        let _ = served;
        Ok(RefreshReport::default())
    }

    /// What a refresh would change in what is kept of this source, without changing anything. Blocks. Default: nothing.
    ///
    /// # Errors
    ///
    /// As for [`refresh`](Self::refresh).
    fn diff(&self) -> Result<ManifestDiff, SourceError> {
        Ok(ManifestDiff::default())
    }

    /// Where its manifest is kept, if it has one and it is kept anywhere. Default: nowhere.
    fn manifest_path(&self) -> Option<PathBuf> {
        None
    }
}

/// What a refresh found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefreshReport {
    /// A list that clients see differs from the one before: of tools, resources, templates or prompts.
    pub changed: bool,
    /// A new snapshot is in force, be it only because a tool's body changed.
    pub replaced: bool,
    /// Skills in the folders.
    pub skills: usize,
    /// Files and folders that one system call each was spent on.
    pub paths_checked: usize,
    /// Skills whose files were read because something about them looked different.
    pub read: usize,
    /// Skills of those whose content had changed, so that they were scanned.
    pub scanned: usize,
}

impl RefreshReport {
    /// Both together; what clients see is whoever merges them to say.
    pub(crate) fn and(self, other: RefreshReport) -> RefreshReport {
        RefreshReport {
            changed: self.changed || other.changed,
            replaced: self.replaced || other.replaced,
            skills: self.skills + other.skills,
            paths_checked: self.paths_checked + other.paths_checked,
            read: self.read + other.read,
            scanned: self.scanned + other.scanned,
        }
    }
}

/// Why a source has nothing, or nothing new.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("the skills folder `{}` cannot be read", path.display())]
    SkillsDir { path: PathBuf, source: io::Error },
    #[error("`{}` is not a folder of skills, but a file", path.display())]
    NotAFolder { path: PathBuf },
    #[error("the skills in `{source_name}` describe more than 4 GiB of tools")]
    TooLarge { source_name: String },
    #[error("there are {count} sources of tools, and no more than {max} are served")]
    TooMany { count: usize, max: usize },
}
