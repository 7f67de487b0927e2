//! A runner that somebody else started: its settings, and what is taken from it besides calls.

mod file;
mod health;
mod refresh;
mod settings;

pub(crate) use file::RunnerFile;
pub(crate) use health::Health;
pub(crate) use refresh::{RunnerListRefresher, ask_completions, refresh_lists};
pub(crate) use settings::RunnerSettings;
