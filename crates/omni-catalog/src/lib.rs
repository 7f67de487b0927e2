//! What exists: folders of skills, read without running them, and what others list, as an immutable snapshot that answers
//! lists from ready-made bytes and checks arguments before any Python is touched.
//!
//! ```text
//! folder ──▶ record (a skill) ──▶ manifest ──▶ served form ──▶ part ─┐
//!   front_matter, omni-scan          cached, and checked by           ├─▶ merge ──▶ snapshot ──▶ tool
//!                                    one look at each known path      │
//! a runner's lists (`described`, `items`) ──▶ served form ──▶ part ───┘
//! ```

mod catalog;
mod item_list;
mod kind;
mod merge;
mod pages;
mod part;
mod shape;
mod snapshot;
mod source;
mod tool;
mod tool_list;
mod validate;

mod asked;
mod change;
mod described;
mod folder;
mod front_matter;
mod home;
mod items;
mod list_shape;
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

pub use catalog::Catalog;
pub use change::{Change, ChangeKind, Plan};
pub use described::NotAList;
pub use diagnostic::{Diagnostic, Severity};
pub use folder::{SourceFile, sources};
pub use kind::Kind;
pub use list_shape::ListShape;
pub use named::NotNamed;
pub use names::NameStyle;
pub use pages::Page;
pub use part::Part;
pub use shape::{
    ClientPattern, Faults as ShapeFaults, Filter, FilterRule, Override, Overrides, PatternError, Profile,
    ProfileId, Setting, Shape, Written,
};
pub use similar::closest;
pub use skill::Skill;
pub use snapshot::{Filtered, Snapshot};
pub use source::folder::{FolderConfig, FolderSource};
pub use source::native::NativeSource;
pub use source::remote::{DescribeError, RemoteSource};
pub use source::{Refreshed, Source, SourceError};
pub use tool::{Origin, Tool};
pub use tool_list::ToolList;
pub use validate::{ArgumentFaults, Fault};
