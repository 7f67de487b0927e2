//! Which tools does a skill's Python source define, and what are their JSON Schemas?
//!
//! A pure function over source text: nothing is run, no file is read, hostile input costs bounded time.
//!
//! [`scan`] parses each file, resolves names through the skill's imports, reads the decorator's options, and
//! turns the signature into schemas that equal Pydantic's.

mod tool;
mod tool_name;

mod scan;

mod check;
mod newer;

mod decorators;
mod lookalike;
mod options;
mod overlooked;
mod own_imports;
mod signature;

mod docstring;
mod types;

mod known;
mod library;
mod library_values;
mod peel;

mod field;
mod metadata;

mod classes;
mod enum_members;
mod enums;
mod family;
mod made;
mod models;

mod evaluator;
mod instance;
mod value;

mod core;
mod finish;
mod reference;
mod schema;
mod titles;

mod package;
mod syntax;

mod diagnostic;
mod suggest;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub use check::{FileCheck, Need, check};
pub use diagnostic::{Diagnostic, Severity};
pub use scan::{Scan, Source, scan};
pub use tool::Tool;
pub use tool_name::is_tool_name;
