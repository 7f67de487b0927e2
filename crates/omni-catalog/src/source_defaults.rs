//! What is the same for all tools of a source, and so is not said with each: their folder, their executor, the prefix of
//! their paths.

use std::path::Path;
use std::sync::Arc;

use omni_call::ExecutorKind;

/// What completes the tools of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceDefaults {
    /// What the paths of its tools and skills are relative to. Empty where there are none.
    pub(crate) dir: Arc<Path>,
    /// How tools are run that do not say it.
    pub(crate) default_executor: ExecutorKind,
    /// What stands before the paths of its files where they are shown beside those of other folders.
    pub(crate) prefix: Option<Arc<str>>,
}

impl SourceDefaults {
    pub(crate) fn folder(dir: Arc<Path>, shown: &str, default_executor: ExecutorKind) -> SourceDefaults {
        SourceDefaults { dir, default_executor, prefix: Some(shown.into()) }
    }

    /// Of tools that are no files here.
    pub(crate) fn without_folder(default_executor: ExecutorKind) -> SourceDefaults {
        SourceDefaults { dir: Path::new("").into(), default_executor, prefix: None }
    }

    pub(crate) fn is_folder(&self) -> bool {
        !self.dir.as_os_str().is_empty()
    }
}
