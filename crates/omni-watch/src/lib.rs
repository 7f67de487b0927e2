//! When has something changed in these folders, and when has it been quiet again?
//!
//! It knows folders, files and time, and nothing of what is made of them: whoever wants to know is a [`Look`], which is
//! called on the watcher's own thread. In reading order:
//!
//! ```text
//! kernel events ─▶ Kernel ─▶ Watches (which folder of whom) ─▶ names (does it matter?) ─▶ Settle (is it over?) ─▶ Look
//!      walk ─▶ which folders are watched, found anew where folders came or went
//! ```

mod filesystem;
mod kernel;
mod names;
mod settle;
mod walk;
mod watched;
mod watcher;
mod watches;

pub use filesystem::without_events;
pub use settle::Settle;
pub use walk::Tree;
pub use watched::{Watched, Why};
pub use watcher::{Config, Look, Mode, Pace, Watcher};
