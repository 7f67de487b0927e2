//! Tools that are functions of the server's own: a list that never changes.

use std::sync::Arc;

use omni_call::ExecutorKind;

use super::Source;
use crate::SourceSnapshot;
use crate::remote_list::NotAToolList;

/// A list that this program was built with.
#[derive(Debug)]
pub struct NativeSource {
    name: String,
    snapshot: Arc<SourceSnapshot>,
}

impl NativeSource {
    /// A source called `name` of these tools, described as for [`SourceSnapshot::of_remote_list`]. The name of each is the one by which
    /// the executor of such functions finds its own.
    ///
    /// # Errors
    ///
    /// When `list` is no such list.
    pub fn new(name: &str, list: &[u8]) -> Result<NativeSource, NotAToolList> {
        let snapshot = SourceSnapshot::of_remote_list(name, list, ExecutorKind::Native)?;
        Ok(NativeSource { name: name.to_owned(), snapshot: Arc::new(snapshot) })
    }
}

impl Source for NativeSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn snapshot(&self) -> Arc<SourceSnapshot> {
        Arc::clone(&self.snapshot)
    }
}
