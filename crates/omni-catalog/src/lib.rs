//! What exists: folders of skills, read without running them, and what others list, as an immutable snapshot that answers
//! lists from ready-made bytes and checks arguments before any Python is touched.
//!
//! ```text
//! folder ──▶ record (a skill) ──▶ manifest ──▶ encoded list ──▶ source snapshot ─┐
//!   front_matter, omni-scan          cached, and checked by                      ├─▶ merge ──▶ snapshot ──▶ tool
//!                                    one `stat` of each path                     │
//! a runner's lists (`remote_list`, `items`) ──▶ encoded list ──▶ source snapshot ┘
//! ```

mod catalog;
mod catalog_kind;
mod item;
mod item_detail;
mod item_facts;
mod item_list;
mod item_listing;
mod item_lists;
mod merge;
mod merged_items;
mod pages;
mod snapshot;
mod source;
mod source_snapshot;
mod tool;
mod tool_list;
mod tool_rules;
mod uri_form;
mod uri_template;
mod used;
mod validate;
mod visibility;

mod app_checks;
mod app_page_names;
mod app_pages;
mod client_lists;
mod encoded_items;
mod encoded_list;
mod field_reader;
mod folder;
mod folder_items;
mod front_matter;
mod header_parameters;
mod icon_files;
mod items;
mod list_fields;
mod list_index;
mod listing;
mod manifest;
mod manifest_diff;
mod name_findings;
mod named_items;
mod names;
mod own_words;
mod prompt_files;
mod prompt_names;
mod pyproject;
mod record;
mod remote_list;
mod remote_skills;
mod rescan;
mod resource_version;
mod seen_lists;
mod skill;
mod skill_file;
mod skill_items;
mod skill_lines;
mod skill_list;
mod skill_tags;
mod skill_uri;
mod some_names;
mod source_defaults;
mod unknown_name;

mod changed_tools;
mod checksummed_file;
mod file_stamps;
mod hidden_characters;
mod stamp;
mod store;

mod declared_tools;
mod diagnostic;
mod parallel;
mod requirements;
mod similar;
mod strict_json;
mod text_arguments;
mod usable_schemas;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub use catalog::{Catalog, PreparedSnapshot, RulesInForce};
pub use catalog_kind::CatalogKind;
pub use diagnostic::{Diagnostic, Severity};
pub use folder::code::{SkillCode, skill_code};
pub use folder::{SourceFile, sources};
pub use item::{ArgumentCompletion, Item};
pub use item_list::FoundResource;
pub use list_fields::ListFields;
pub use manifest_diff::{ChangeKind, ManifestChange, ManifestDiff};
pub use names::NameStyle;
pub use pages::Page;
pub use remote_list::NotAToolList;
pub use resource_version::ResourceVersion;
pub use seen_lists::SeenItems;
pub use similar::closest;
pub use skill::Skill;
pub use skill_file::SkillFile;
pub use skill_lines::{INSTRUCTIONS_CHARS_MAX, chars_of};
pub use skill_list::{ShownSkill, SkillList};
pub use skill_uri::{skill_file_uri, skill_uri};
pub use snapshot::{Filtered, Snapshot};
pub use source::folder::{FolderConfig, FolderSource};
pub use source::native::NativeSource;
pub use source::remote::{DescribeError, RemoteSource};
pub use source::{RefreshReport, Source, SourceError};
pub use source_snapshot::SourceSnapshot;
pub use tool::{Origin, Tool};
pub use tool_list::ToolList;
pub use tool_rules::{
    ClientPattern, Filter, FilterRule, Located, Override, Overrides, PatternError, Profile, ProfileId,
    RuleConflicts, SettingLocation, ToolRules,
};
pub use unknown_name::UnknownName;
pub use uri_form::normalized;
pub use validate::{ArgumentFault, ArgumentFaults};
pub use visibility::{NamedItem, TooManyChanges, Visibility};
