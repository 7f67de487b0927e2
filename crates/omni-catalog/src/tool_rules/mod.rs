//! Which tools each client sees, and under which names: filters, overrides and profiles.
//!
//! Rules in, names and visibility out. Nothing here reads a file or knows a snapshot, so all of it is tested by tables.
//!
//! ```text
//! filter ── what nobody has            profile ── chosen once for a client
//!    │                                    │
//!    ▼                                    ▼
//! all tools ─▶ filters ─▶ wire names ─▶ aliases ─▶ ProfileTools (list, and what each name means) + conflicts
//! ```

mod conflicts;
mod filter;
mod location;
mod pattern;
mod profile_tools;
mod rules;
mod tool_facts;
mod warnings;

pub(crate) use conflicts::RuleConflict;
pub use conflicts::RuleConflicts;
pub use filter::{Filter, FilterRule};
pub use location::{Located, SettingLocation};
pub use pattern::{ClientPattern, PatternError};
pub(crate) use profile_tools::ProfileTools;
pub use rules::{Override, Overrides, Profile, ProfileId, ToolRules};
pub(crate) use tool_facts::ToolFacts;
pub(crate) use warnings::RuleWarning;
