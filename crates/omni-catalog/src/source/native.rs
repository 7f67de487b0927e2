//! Tools that are functions of the server's own: a list that never changes.

use std::sync::Arc;

use omni_call::ExecutorKind;

use super::Source;
use crate::Part;
use crate::described::NotAList;

/// A list that this program was built with.
#[derive(Debug)]
pub struct NativeSource {
    name: String,
    part: Arc<Part>,
}

impl NativeSource {
    /// A source called `name` of these tools, described as for [`Part::described`]. The name of each is the one by which
    /// the executor of such functions finds its own.
    ///
    /// # Errors
    ///
    /// When `list` is no such list.
    pub fn new(name: &str, list: &[u8]) -> Result<NativeSource, NotAList> {
        let part = Part::described(name, list, ExecutorKind::Native)?;
        Ok(NativeSource { name: name.to_owned(), part: Arc::new(part) })
    }
}

impl Source for NativeSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn part(&self) -> Arc<Part> {
        Arc::clone(&self.part)
    }
}
