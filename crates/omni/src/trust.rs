//! What of a working folder may say what is run: only what the user has trusted.
//!
//! A settings file is trusted as it is (by its content, at its place), a folder of skills by its place, since an author
//! saves every minute. What the user names (`--config`, `--skills`, …) needs no entry here.

mod command;
mod store;
mod verdict;

pub(crate) use command::run;
pub(crate) use store::{TrustStore, digest};
pub(crate) use verdict::{SETTINGS, SKILLS, Verdict, settings_place};
