//! Starting, watching and ending processes: the only crate that does. What is started here dies with the server, has
//! its output captured, and leaves nothing behind: neither processes nor temporary files.
#![allow(clippy::disallowed_methods, reason = "this is the crate that does it")]

mod config;
mod environment;
mod failures;
mod isolation;
mod launch;
mod namespaced;
mod orphan_reaper;
mod orphans;
mod output;
mod process;
mod process_table;
mod starter;
mod status_page;
mod temp;

pub use config::{Isolation, ProcessConfig, ProcessLimits};
pub use environment::path_folders;
pub use failures::{BackoffDelays, Failures};
pub use isolation::namespaces;
pub use launch::{launch, raise_descriptor_limit};
pub use output::{LINE_BYTES_MAX, Output, OutputListener, PrintedOutput, UnattributedOutput};
pub use process::{ExitStatus, Process, SHUTDOWN_GRACE, TERM_GRACE};
pub use process_table::{
    AdoptedExit, AdoptedProcess, PlainProgram, ProcessTable, StartError, StartedProcess, WorkerProgram,
};
pub use status_page::StatusPage;
pub use temp::{TempFolder, TempFolders};
