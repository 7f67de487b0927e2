//! What omni runs and obeys is what it wrote: its folders are the user's alone, and what was put there is not run.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::Folder;

const TOOLS: &str = r#"
@tool
def add(a: int) -> int:
    """Add one."""
    return a + 1
"#;

/// A folder whose cache is its own.
fn folder() -> Folder {
    let mut folder = Folder::new(TOOLS);
    folder.env.push(("OMNI_CACHE_DIR", folder.path("cache").display().to_string()));
    folder
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn add(folder: &Folder) -> String {
    let output = folder.run(&["call", "t.add", "a=41"]);
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Every file and folder below a folder.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() { found.extend(all(&path)) } else { found.push(path) }
    }
    found
}

fn named(folder: &Path, start: &str) -> PathBuf {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    names.into_iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with(start)).unwrap()
}

#[test]
fn what_omni_writes_is_for_its_user_alone_whatever_the_umask() {
    let mut folder = Folder::new(TOOLS);
    folder.env.push(("OMNI_CACHE_DIR", String::new()));
    for umask in ["000", "002", "077"] {
        let (home, cache) = (format!("home{umask}"), format!("home{umask}/.cache/omni"));
        let omni = folder.omni(&[]);
        let mut shell = Command::new("sh");
        let script = format!("umask {umask}; \"$0\" call t.add a=1 && \"$0\" trust omni.toml; \"$0\" list");
        shell.args(["-c", &script]).arg(omni.get_program()).current_dir(folder.dir.path());
        shell.env("HOME", folder.path(&home)).env_remove("OMNI_CACHE_DIR");
        for name in ["XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
            shell.env_remove(name);
        }
        let output = shell.output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("2\n"), "{}", stderr(&output));
        for path in all(&folder.path(&cache)) {
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            let wanted = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, wanted, "{umask}: {}", path.display());
        }
        assert!(all(&folder.path(&cache)).len() > 50, "the package, its bytecode, the catalogue");
    }
}

#[test]
fn what_was_put_beside_the_package_or_in_place_of_it_does_not_run() {
    let folder = folder();
    assert_eq!(add(&folder), "42\n");
    let package = named(&folder.path("cache"), "python-");
    let mark = folder.path("ran");
    let evil = format!("open({:?}, 'a').write(__name__)\n", mark.to_str().unwrap());
    // The bytecode of a module that is imported first of all, with the header that the interpreter looks for.
    let compile = "import importlib.util as u, marshal, sys\n\
                   source, target, evil = sys.argv[1:]\n\
                   head = open(target, 'rb').read(16)\n\
                   text = open(source).read() + evil\n\
                   open(target, 'wb').write(head + marshal.dumps(compile(text, source, 'exec')))\n";
    let source = package.join("omni/worker.py");
    let bytecode = named(&package.join("omni/__pycache__"), "worker.cpython");
    let forge = || {
        let mut python = Command::new("python3");
        python.args(["-c", compile]).args([&source, &bytecode]).arg(&evil);
        assert!(python.status().unwrap().success());
    };
    let plants: [&dyn Fn(); 6] = [
        &forge,
        &|| fs::write(package.join("json.py"), &evil).unwrap(),
        &|| fs::write(package.join("sitecustomize.py"), &evil).unwrap(),
        &|| fs::write(package.join("omni/_secret.py"), &evil).unwrap(),
        &|| {
            let text = fs::read_to_string(&source).unwrap();
            let size = text.len();
            let text = format!("{evil}{text}");
            fs::write(&source, &text[..size]).unwrap();
        },
        &|| {
            fs::rename(&package, folder.path("cache/elsewhere")).unwrap();
            symlink(folder.path("cache/elsewhere"), &package).unwrap();
            fs::write(package.join("sitecustomize.py"), &evil).unwrap();
        },
    ];
    for (number, plant) in plants.iter().enumerate() {
        plant();
        assert_eq!(add(&folder), "42\n", "plant {number}");
        assert!(!mark.exists(), "plant {number} ran: {}", fs::read_to_string(&mark).unwrap());
    }
    // The control: without the look at it, it would have run.
    forge();
    let control = Command::new("python3")
        .args(["-c", "import omni.worker"])
        .env("PYTHONPATH", &package)
        .status()
        .unwrap();
    assert!(control.success() && mark.exists(), "the forged bytecode is one that Python runs");
}

#[test]
fn without_a_home_a_folder_of_others_below_the_temporary_one_is_refused() {
    let folder = Folder::new(TOOLS);
    let temporary = folder.path("tmp");
    fs::create_dir(&temporary).unwrap();
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o1777)).unwrap();
    let list = || {
        let mut command = folder.omni(&["list"]);
        command.env_remove("HOME").env_remove("OMNI_CACHE_DIR").env("TMPDIR", &temporary);
        command.output().unwrap()
    };
    let output = list();
    assert!(output.status.success(), "{}", stderr(&output));
    let ours = named(&temporary, "omni-");
    assert_eq!(ours.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    fs::rename(&ours, folder.path("moved")).unwrap();
    symlink(folder.path("moved"), &ours).unwrap();
    let output = list();
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains("is a link") && stderr(&output).contains("set `HOME`"),
        "{}",
        stderr(&output)
    );
    fs::remove_file(&ours).unwrap();
    fs::create_dir(&ours).unwrap();
    if std::os::unix::fs::chown(&ours, Some(65_534), None).is_err() {
        eprintln!(
            "skipped in part: without_a_home_a_folder_of_others_below_the_temporary_one_is_refused needs root"
        );
        return;
    }
    fs::write(ours.join("omni.toml"), "executor = \"spawn\"\n").unwrap();
    let output = list();
    assert!(
        !output.status.success() && stderr(&output).contains("belongs to user 65534"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_cache_that_others_can_write_is_refused_with_the_way_out() {
    let folder = folder();
    assert_eq!(add(&folder), "42\n");
    let cache = folder.path("cache");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    for arguments in [&["list"][..], &["call", "t.add", "a=1"], &["doctor"], &["python-path"], &["sync"]] {
        let output = folder.run(arguments);
        let said = stderr(&output);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(
            said.contains("others can write in") && said.contains("--cache-dir"),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn the_users_own_settings_file_is_obeyed_only_while_nobody_else_can_write_it() {
    let folder = folder();
    folder.write("home/.config/omni/omni.toml", "timeout = 5\n");
    let file = folder.path("home/.config/omni/omni.toml");
    assert!(folder.run(&["list"]).status.success());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let output = folder.run(&["list"]);
    assert!(!output.status.success() && stderr(&output).contains("others can write"), "{}", stderr(&output));
}

/// What a tool that writes files answers, for one path.
fn write(folder: &Folder, executor: &str, path: &str) -> (bool, String) {
    let arguments =
        serde_json::json!({"path": path, "content": "pwned = 1\n", "mode": "overwrite"}).to_string();
    let output = folder.run(&["call", "files.write", "--args", &arguments, "--executor", executor]);
    (output.status.success(), stderr(&output))
}

#[test]
fn no_tool_of_ours_writes_what_omni_runs_or_obeys_whatever_runs_the_tool() {
    let mut folder = Folder::empty();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../skills/files");
    let copied = Command::new("cp").arg("-r").arg(shipped).arg(folder.path("files")).status().unwrap();
    assert!(copied.success());
    folder.write("skills/README", "");
    fs::rename(folder.path("files"), folder.path("skills/files")).unwrap();
    folder.env.push(("OMNI_CACHE_DIR", folder.path("cache").display().to_string()));
    // The Python in use is an environment of the project.
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--without-pip", ".venv"]).current_dir(folder.dir.path());
    assert!(venv.status().unwrap().success());
    folder.env.push(("OMNI_PYTHON", folder.path(".venv/bin/python").display().to_string()));
    let site = named(&folder.path(".venv/lib"), "python3").join("site-packages/evil.pth");
    folder.write("home/.local/state/omni/session.key", "");
    for executor in ["pool", "fork", "spawn", "embedded"] {
        for path in [
            "skills/files/scripts/files.py",
            "skills/new/scripts/new.py",
            "omni.toml",
            "cache/python.json",
            "cache/environments/x/bin/python",
            "home/.config/omni/omni.toml",
            "home/.local/state/omni/session.key",
            "home/.config/uv/uv.toml",
            "home/.config/pip/pip.conf",
            "home/.cache/uv/archive-v0/x/json.py",
            ".venv/pip.conf",
            ".venv/pyvenv.cfg",
            site.strip_prefix(folder.dir.path()).unwrap().to_str().unwrap(),
        ] {
            let (done, said) = write(&folder, executor, path);
            assert!(!done && said.contains("must not be written"), "{executor} {path}: {said}");
            assert!(!said.contains("does not run inside omni"), "{executor} {path}: {said}");
        }
        // A link out of the root, as environments have it.
        assert!(!write(&folder, executor, ".venv/bin/python").0);
        let (done, said) = write(&folder, executor, "src/main.py");
        assert!(done, "{executor}: {said}");
    }
    for path in ["omni.toml", "home/.config/omni", "home/.config/uv", "home/.config/pip", "home/.cache/uv"] {
        assert!(!folder.path(path).exists(), "{path}");
    }
    assert!(!site.exists());
}

/// What an interpreter finds before its own library, or is led by, need not be there yet.
#[test]
fn no_tool_of_ours_writes_what_a_python_looks_for_when_it_starts() {
    let mut folder = Folder::empty();
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--without-pip", ".venv"]).current_dir(folder.dir.path());
    assert!(venv.status().unwrap().success());
    let shim = folder.path("manager/shims/python3");
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", folder.path(".venv/bin/python").display());
    folder.write("manager/shims/python3", &script);
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    folder.env.push(("OMNI_PYTHON", shim.display().to_string()));
    for path in [
        "manager/shims/python3",
        "manager/libexec/start",
        ".venv/pyvenv.cfg",
        ".venv/bin/pyvenv.cfg",
        ".venv/bin/pybuilddir.txt",
        ".venv/bin/python3._pth",
    ] {
        let (done, said) = write(&folder, "pool", path);
        assert!(!done && said.contains("must not be written"), "{path}: {said}");
    }
    assert_eq!(fs::read_to_string(&shim).unwrap(), script);
    let (done, said) = write(&folder, "pool", "manager/other");
    assert!(done, "{said}");
}

#[test]
fn without_skills_here_none_can_be_written_that_the_next_start_would_find() {
    let folder = Folder::empty();
    let (done, said) = write(&folder, "pool", "skills/evil/scripts/evil.py");
    assert!(!done && said.contains("when it starts there"), "{said}");
    assert!(!folder.path("skills").exists(), "nor is the folder made");
    let (done, said) = write(&folder, "pool", "other/skills/fine.py");
    assert!(done, "{said}");
}

#[test]
fn the_doctor_names_what_lies_where_tools_write() {
    let folder = folder();
    add(&folder);
    let output = folder.run(&["doctor"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let warned =
        format!("warning[protected]: `{}`", fs::canonicalize(folder.path("cache")).unwrap().display());
    assert!(said.contains(&warned) && said.contains("lies beneath the root"), "{said}");
    assert!(said.contains("leave `skills` alone"), "{said}");
    let report: serde_json::Value =
        serde_json::from_slice(&folder.run(&["doctor", "--json"]).stdout).unwrap();
    assert_eq!(report["protected_within_root"].as_array().unwrap().len(), 2, "{report}");
    let elsewhere = tempfile::tempdir().unwrap();
    let root = elsewhere.path().to_str().unwrap();
    let said = String::from_utf8(folder.run(&["doctor", "--root", root]).stdout).unwrap();
    assert!(!said.contains("[protected]") && !said.contains("alone"), "{said}");
}
