//! Has skills loaded by an interpreter in a process of its own, and hears what it found.
#![expect(
    clippy::disallowed_methods,
    reason = "an interpreter is asked about itself before there is anything to supervise"
)]

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use omni_call::shown_path;

/// Seconds that loading one skill may take.
const SECONDS: &str = "30";

/// Memory for addresses of such a process, and seconds of processor time, in Python. What a skill starts inherits them.
const LIMITED: &str = "
import resource, runpy, sys
def limit(name, most):
    soft, hard = resource.getrlimit(name)
    if hard == resource.RLIM_INFINITY or hard > most:
        resource.setrlimit(name, (most, most))
limit(resource.RLIMIT_AS, 8 << 30)
limit(resource.RLIMIT_CPU, 600)
limit(resource.RLIMIT_CORE, 0)
sys.argv = ['omni.describe.child', *sys.argv[1:]]
runpy.run_module('omni.describe.child', run_name='__main__', alter_sys=True)
";

/// Returns what the process says: a line of JSON for each skill, see `omni.describe.child`. It ends each skill after a
/// time, and itself, with whatever the skills started, when its standard input ends: so when this process does.
pub(crate) fn describe(
    interpreter: &Path,
    package: &Path,
    skills: &Path,
    folders: &[String],
) -> Result<String> {
    let folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    let mut child = Command::new(interpreter)
        .args(["-c", LIMITED])
        .arg(skills)
        .arg(SECONDS)
        .args(folders)
        .env("PYTHONPATH", package)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // What a file prints when it is loaded is not reported.
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("`{}` could not be started", shown_path(interpreter)))?;
    let mut said = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut said)
            .context("what the process that loads the skills says could not be read")?;
    }
    drop(child.stdin.take());
    child.wait().context("the process that loads the skills could not be waited for")?;
    Ok(said)
}
