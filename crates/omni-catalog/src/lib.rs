//! What exists: a folder of skills, read without running it, as an immutable snapshot that answers
//! `tools/list` from ready-made bytes and checks arguments before any Python is touched.
//!
//! ```text
//! folder ──▶ record (a skill) ──▶ manifest ──▶ served form ──▶ snapshot ──▶ tool
//!   front_matter, omni-scan          cached, and checked by one look at each known path
//! ```
//!
//! Or the tools that somebody else describes (`described`): a list, checked, in the same served form.

mod catalog;
mod shape;
mod snapshot;
mod tool;
mod validate;

mod change;
mod described;
mod exclude;
mod folder;
mod front_matter;
mod listing;
mod manifest;
mod mirrored;
mod name_findings;
mod named;
mod names;
mod pyproject;
mod record;
mod rescan;
mod served;
mod skill;

mod hidden;
mod known;
mod sealed;
mod stamp;
mod store;

mod diagnostic;
mod parallel;
mod programs;
mod requirements;
mod similar;
mod strict_json;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub use catalog::{Catalog, CatalogConfig, CatalogError, DescribeError, Refreshed};
pub use change::{Change, ChangeKind, Plan};
pub use described::NotAList;
pub use diagnostic::{Diagnostic, Severity};
pub use exclude::Exclude;
pub use folder::{SourceFile, sources};
pub use named::NotNamed;
pub use names::NameStyle;
pub use shape::{
    Arrangement, Candidate, ClientPattern, Fault as ShapeFault, Faults as ShapeFaults, Filter, FilterRule,
    Override, Overrides, PatternError, Profile, ProfileId, Setting, Shape, Shown, Warning as ShapeWarning,
    Written,
};
pub use similar::closest;
pub use skill::Skill;
pub use snapshot::{ListShape, Page, Snapshot};
pub use tool::{Origin, Tool};
pub use validate::{ArgumentFaults, Fault};
