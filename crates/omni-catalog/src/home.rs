//! What the tools of a source say nothing of, because it is the same for all of them.

use std::path::Path;
use std::sync::Arc;

use omni_call::ExecutorKind;

/// What completes the tools of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    /// What the paths of its tools and skills are relative to. Empty where there are none.
    pub(crate) dir: Arc<Path>,
    /// How tools are run that do not say it.
    pub(crate) default_executor: ExecutorKind,
    /// What stands before the paths of its files where they are shown beside those of other folders.
    pub(crate) prefix: Option<Arc<str>>,
}

impl Home {
    pub(crate) fn folder(dir: Arc<Path>, shown: &str, default_executor: ExecutorKind) -> Home {
        Home { dir, default_executor, prefix: Some(shown.into()) }
    }

    /// Of tools that are no files here.
    pub(crate) fn elsewhere(default_executor: ExecutorKind) -> Home {
        Home { dir: Path::new("").into(), default_executor, prefix: None }
    }

    pub(crate) fn is_folder(&self) -> bool {
        !self.dir.as_os_str().is_empty()
    }
}
