//! Whether what a tool starts can gain rights: a set-user-id program runs as whoever starts it.

mod support;

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use omni_process::Isolation;
use serde_json::json;
use support::{Lab, ProcessKind, text};

const NOBODY: u32 = 65534;

fn lab(process: ProcessKind, isolation: Isolation) -> Lab {
    Lab::of(process, |config| config.process.isolation = isolation)
}

/// A program that says who it is and runs as somebody else: `None` where we may not make one.
#[expect(clippy::print_stderr, reason = "says which half has proved nothing")]
fn program_of_another_user(folder: &Path) -> Option<PathBuf> {
    if !rustix::process::getuid().is_root() {
        eprintln!("not tested here: only root can make a set-user-id program of another user");
        return None;
    }
    let program = folder.join("who");
    std::fs::copy("/usr/bin/id", &program).expect("`id` can be copied");
    chown(&program, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o4755)).expect("a mode can be set");
    Some(program)
}

#[tokio::test]
async fn a_set_user_id_program_gains_nothing_unless_isolation_is_off() {
    for process in ProcessKind::ALL {
        for isolation in [Isolation::Auto, Isolation::None] {
            let lab = lab(process, isolation);
            let folder = tempfile::tempdir().expect("a temporary folder");
            let own = rustix::process::getuid().as_raw();
            let other = program_of_another_user(folder.path());
            let program = other.clone().unwrap_or_else(|| "/usr/bin/id".into());
            let said = lab.call_in("hostile.py", "gains").args(&json!({"program": program})).value().await;
            // With isolation off the same program does gain: so it was no mount that stopped it.
            let gained = other.is_some() && isolation == Isolation::None;
            let uid = if gained { NOBODY } else { own };
            let expected = json!({"uid": uid, "forbidden": isolation == Isolation::Auto});
            assert_eq!(said, expected, "{process:?}, {isolation:?}");
            lab.finish().await;
        }
    }
}

#[tokio::test]
async fn a_program_that_is_a_tool_gains_nothing_either() {
    for (isolation, forbidden) in [(Isolation::Auto, "1"), (Isolation::None, "0")] {
        let lab = lab(ProcessKind::Spawn, isolation);
        let request = lab.call("program").program(&["grep", "NoNewPrivs", "/proc/self/status"]);
        assert!(text(&request.run().await).ends_with(forbidden), "{isolation:?}");
        lab.finish().await;
    }
}
