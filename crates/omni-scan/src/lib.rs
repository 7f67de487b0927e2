//! Which tools, resources, prompts and completions does a skill's Python source define, and what are their JSON Schemas?
//!
//! A pure function over source text: nothing is run, no file is read, hostile input costs bounded time.
//!
//! [`scan`] parses each file, resolves names through the skill's imports, reads the decorator's options, and
//! turns the signature into schemas that equal Pydantic's.

mod choices;
mod completion;
mod prompt;
mod resource;
mod tool;
mod tool_name;

mod app_config;
mod arguments;
mod completion_rules;
mod function_kind;
mod given_options;
mod resource_rules;
mod uri;

mod items;
mod scan;

mod compatibility;

mod decorators;
mod lookalike_decorators;
mod missed_tools;
mod options;
mod own_imports;
mod signature;

mod docstring;
mod types;

mod annotated;
mod library_types;
mod library_values;
mod library_versions;

mod field;
mod metadata;

mod class_kind;
mod classes;
mod enum_members;
mod enums;
mod functional_types;
mod models;

mod default_objects;
mod evaluator;
mod value;

mod reference;
mod schema;
mod schema_post;
mod titles;
mod type_ir;

mod package;
mod syntax;

mod diagnostic;
mod suggest;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub use app_config::app_member;
pub use choices::choices;
pub use compatibility::{FileCheck, Need, check_compatibility};
pub use completion::{Completion, CompletionOf};
pub use diagnostic::{Diagnostic, Severity};
pub use prompt::{Prompt, PromptArgument};
pub use resource::{CacheHint, CacheScope, Resource};
pub use scan::{Scan, Source, scan};
pub use tool::Tool;
pub use tool_name::is_tool_name;
