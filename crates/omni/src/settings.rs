//! Settings from flags, environment, file and defaults, resolved once, in that order.

mod admission;
mod bounds;
mod embedded;
mod environments;
mod file;
mod folders;
mod fork;
mod in_force;
mod keys;
mod limits;
mod lines;
mod mistake;
mod narrowing;
mod page;
mod places;
mod run;
mod seconds;
mod serve;
mod shape;
mod skills;
mod workers;

pub(crate) use bounds::ExecBounds;
pub(crate) use environments::EnvironmentSettings;
pub(crate) use file::Checked;
pub(crate) use folders::SkillsPlace;
pub(crate) use keys::default_seconds;
pub(crate) use page::page;
pub(crate) use places::{Places, Sources};
pub(crate) use run::{IDLE_TIMEOUT_DEFAULT, RunSettings, TIMEOUT_DEFAULT, time_limit};
pub(crate) use seconds::grace;
pub(crate) use serve::ServeSettings;
pub(crate) use skills::SHIPPED;
