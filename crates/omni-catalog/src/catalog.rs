//! How the snapshot in force is found, checked against the folder and replaced.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::Snapshot;

/// Where the skills are, and where what was read from them may be kept.
#[derive(Clone, Debug)]
pub struct CatalogConfig {
    pub skills_dir: PathBuf,
    /// `None` keeps nothing between two starts.
    pub cache_dir: Option<PathBuf>,
}

/// The skills of one folder. Shared in an `Arc`; every method may be called from any thread.
#[derive(Debug)]
pub struct Catalog {
    config: CatalogConfig,
    current: ArcSwap<Snapshot>,
}

/// What a [`Catalog::refresh`] found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// The tool list that clients see differs from the one before.
    pub changed: bool,
}

/// Why there is no catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("the skills folder `{path}` cannot be read")]
    SkillsDir { path: PathBuf, source: std::io::Error },
    #[error("the skills folder `{path}` is not a folder")]
    NotAFolder { path: PathBuf },
}

impl Catalog {
    pub fn open(config: CatalogConfig) -> Result<Catalog, CatalogError> {
        Ok(Catalog { config, current: ArcSwap::default() })
    }
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }
    pub fn has_cached(&self) -> bool {
        self.config.cache_dir.is_some()
    }
    pub fn refresh(&self) -> Result<Refreshed, CatalogError> {
        Ok(Refreshed::default())
    }
}
