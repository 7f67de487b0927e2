//! Starting, watching and ending processes: the only crate that does. What is started here dies with the server, has
//! its output captured, and leaves nothing behind: neither processes nor temporary files.
#![allow(clippy::disallowed_methods, reason = "this is the crate that does it")]

mod children;
mod config;
mod environment;
mod failures;
mod inside;
mod isolation;
mod keeper;
mod launch;
mod output;
mod page;
mod process;
mod starter;
mod sweep;
mod temp;

pub use children::{Children, Foreground, Foreign, ForeignEnd, Program, StartError, Started};
pub use config::{Isolation, ProcessConfig, ProcessLimits};
pub use environment::path_folders;
pub use failures::{Failures, Pace};
pub use isolation::namespaces;
pub use launch::{launch, raise_descriptor_limit};
pub use output::{Aside, Listener, Output, Printed};
pub use page::StatusPage;
pub use process::{Exit, Process, TERM_GRACE};
pub use temp::{TempFolder, TempFolders};
