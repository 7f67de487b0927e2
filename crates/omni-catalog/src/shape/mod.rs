//! What of the catalogue is seen, by whom, and under which names: filters, overrides and profiles.
//!
//! Rules in, names and visibility out. Nothing here reads a file or knows a snapshot, so all of it is tested by tables.
//!
//! ```text
//! filter ── what nobody has            profile ── chosen once for a client
//!    │                                    │
//!    ▼                                    ▼
//! candidates ─▶ filters ─▶ wire names ─▶ aliases ─▶ Arrangement (list, and what each name means) + faults
//! ```

mod arrange;
mod candidate;
mod fault;
mod filter;
mod pattern;
mod rules;
mod setting;
mod warnings;

pub(crate) use arrange::Arrangement;
pub(crate) use candidate::Candidate;
pub(crate) use fault::Fault;
pub use fault::Faults;
pub use filter::{Filter, FilterRule};
pub use pattern::{ClientPattern, PatternError};
pub use rules::{Override, Overrides, Profile, ProfileId, Shape};
pub use setting::{Setting, Written};
pub(crate) use warnings::Warning;
