//! What skills need installed: environments that are made once with `uv`, or with `python -m venv` and pip where there
//! is none, kept on disk, and shared by all skills and servers that need the same.
//!
//! The programs that make them are processes of [`omni_process`]: they end with the server, and with their time.

mod build;
mod config;
mod environments;
mod error;
mod installer;
mod installer_output;
mod sources;
mod store;
mod variables;

pub use build::last_failure;
pub use config::EnvironmentConfig;
pub use environments::{Environments, NoEnvironment};
pub use error::EnvironmentError;
pub use installer::find_uv;
pub use installer_output::BuildProgress;
pub use store::{Environment, EnvironmentManifest, StoredEnvironment, stored_environments};
