//! Whether a tool's processes get a process-id namespace of their own, and whether this machine lets them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Isolation;
use crate::launch::{ISOLATE, PROBE, RUN};

static FOUND: OnceLock<Result<(), String>> = OnceLock::new();

/// Whether programs can get process-id namespaces here; the error says what stands against it. Starts one, once per
/// process, which takes some milliseconds. `launcher` is the program that [`ProcessConfig`](crate::ProcessConfig) names so.
pub fn namespaces(launcher: &Path) -> Result<(), &'static str> {
    FOUND.get_or_init(|| probe(launcher)).as_ref().copied().map_err(String::as_str)
}

/// Whether the next process gets a namespace. Where it should and cannot, the log says so once.
pub(crate) async fn wanted(isolation: Isolation, launcher: &Path) -> bool {
    static SAID: AtomicBool = AtomicBool::new(false);
    if isolation == Isolation::None {
        return false;
    }
    let found = match FOUND.get() {
        Some(found) => found.clone(),
        None => {
            let launcher = launcher.to_owned();
            let looked = tokio::task::spawn_blocking(move || namespaces(&launcher).map_err(str::to_owned));
            looked.await.unwrap_or_else(|error| Err(error.to_string()))
        }
    };
    match found {
        Ok(()) => true,
        Err(reason) => {
            if !SAID.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    reason,
                    "tools run without process-id namespaces of their own; `omni doctor` says what that means"
                );
            }
            false
        }
    }
}

fn probe(launcher: &Path) -> Result<(), String> {
    let own = std::process::id();
    if !Path::new(&format!("/proc/{own}/task/{own}/children")).exists() {
        return Err("this kernel does not list the children of processes (CONFIG_PROC_CHILDREN)".to_owned());
    }
    let output = Command::new(launcher)
        .args(["__launch", RUN, &own.to_string(), ISOLATE, "/proc/self/exe", "__launch", PROBE])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{}` cannot be started: {error}", launcher.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.trim().lines().next_back().unwrap_or("the attempt ended without a word").to_owned())
}
