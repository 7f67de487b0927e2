//! What the catalogue knew at one moment.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Diagnostic, Tool};

/// Which members of a tool's description a list carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListShape {
    /// Name, description and input schema.
    Basic,
    /// … and annotations.
    Annotated,
    /// … and title, output schema and `_meta`.
    Structured,
    /// … and icons: everything.
    All,
}

/// One page of the list.
#[derive(Clone, Debug)]
pub struct Page {
    /// A JSON array, brackets included.
    pub tools: Bytes,
    /// The number of the next page, if there is one.
    pub next: Option<usize>,
}

/// One skill, as its folder and front matter describe it.
#[derive(Clone, Debug)]
pub struct Skill {
    pub name: String,
    pub description: Option<String>,
}

#[derive(Debug, Default)]
pub struct Snapshot {
    diagnostics: Vec<Diagnostic>,
    skills: Vec<Skill>,
}

impl Snapshot {
    pub fn version(&self) -> &str {
        ""
    }
    pub fn tool_count(&self) -> usize {
        0
    }
    pub fn page(&self, _shape: ListShape, _n: usize) -> Option<Page> {
        None
    }
    pub fn page_all(&self, _shape: ListShape) -> Page {
        Page { tools: Bytes::from_static(b"[]"), next: None }
    }
    pub fn tool(&self, _name: &str) -> Option<Arc<Tool>> {
        None
    }
    pub fn suggest(&self, _name: &str) -> Option<String> {
        None
    }
    pub fn tools(&self) -> impl Iterator<Item = Arc<Tool>> {
        std::iter::empty()
    }
    pub fn skills(&self) -> &[Skill] {
        &self.skills
    }
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }
}
