//! What exists: a folder of skills, read without running it, as an immutable snapshot that answers
//! `tools/list` from ready-made bytes and checks arguments before any Python is touched.

mod catalog;
mod diagnostic;
mod snapshot;
mod tool;
mod validate;

pub use catalog::{Catalog, CatalogConfig, CatalogError, Refreshed};
pub use diagnostic::{Diagnostic, Severity};
pub use snapshot::{ListShape, Page, Skill, Snapshot};
pub use tool::{Origin, Tool};
pub use validate::ArgumentFaults;
