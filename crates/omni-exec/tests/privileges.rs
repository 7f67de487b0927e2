//! Whether what a tool starts can gain rights: a set-user-id program runs as whoever starts it.

mod support;

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use omni_call::{ProgramInput, ProgramOutput, ProgramSpec, Way};
use omni_exec::{ExecConfig, Isolation};
use serde_json::json;
use support::{Lab, text};

const NOBODY: u32 = 65534;

/// What each way of running a tool starts processes with.
const WAYS: [Way; 5] = [Way::Pool, Way::Spawn, Way::Zygote, Way::Prewarmed, Way::Recycled];

fn lab(way: Way, isolation: Isolation) -> Lab {
    let change = move |config: &mut ExecConfig| config.isolation = isolation;
    match way {
        Way::Pool => Lab::pool_with(change),
        way => Lab::spawn_with(change).with_way(way),
    }
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
    for way in WAYS {
        for isolation in [Isolation::Auto, Isolation::None] {
            let lab = lab(way, isolation);
            let folder = tempfile::tempdir().expect("a temporary folder");
            let own = rustix::process::getuid().as_raw();
            let other = program_of_another_user(folder.path());
            let program = other.clone().unwrap_or_else(|| "/usr/bin/id".into());
            let said = lab.call_in("hostile.py", "gains").args(&json!({"program": program})).value().await;
            // With isolation off the same program does gain: so it was no mount that stopped it.
            let gained = other.is_some() && isolation == Isolation::None;
            let uid = if gained { NOBODY } else { own };
            let expected = json!({"uid": uid, "forbidden": isolation == Isolation::Auto});
            assert_eq!(said, expected, "{way:?}, {isolation:?}");
            lab.finish().await;
        }
    }
}

#[tokio::test]
async fn a_program_that_is_a_tool_gains_nothing_either() {
    for (isolation, forbidden) in [(Isolation::Auto, "1"), (Isolation::None, "0")] {
        let lab = lab(Way::Spawn, isolation);
        let mut request = lab.call("program");
        request.spec.program = Some(ProgramSpec {
            argv: ["grep", "NoNewPrivs", "/proc/self/status"].map(str::to_owned).into(),
            input: ProgramInput::Stdin,
            output: ProgramOutput::Text,
            cwd: None,
            env: Default::default(),
        });
        assert!(text(&request.run().await).ends_with(forbidden), "{isolation:?}");
        lab.finish().await;
    }
}
