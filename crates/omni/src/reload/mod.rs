//! How a server that runs is kept at what its folders are.
//!
//! ```text
//! omni-watch ─▶ CatalogLook (its thread: refresh, prepare) ─▶ Reloading (the front: renew, commit, tell clients)
//! ```
//!
//! The front does in one step what must not be seen half done: the new snapshot is in force and workers of the old code are
//! passed over, before the next request is looked at.

mod command;
mod control;
mod differences;
mod hangup;
mod kept_versions;
mod look;
mod service;

pub(crate) use command::run;
pub(crate) use hangup::Hangups;
pub(crate) use service::{Served, keep};
