//! Settings: environment variables and `omni.toml`, and that each mistake is answered with what was written and where.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::Output;

use support::Folder;

const TOOLS: &str = "@tool\ndef hi() -> str:\n    \"Say hi.\"\n    return 'hi'\n";

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Each variable with a value that cannot be meant, a command that reads it, and words of the answer.
const WRONG: &[(&str, &str, &[&str], &str)] = &[
    ("OMNI_CACHE_DIR", "omni.toml", &["list"], "is not a folder"),
    ("OMNI_CONFIG", "nowhere.toml", &["list"], "there is no such file"),
    ("OMNI_ERRORS", "loud", &["call", "t.hi"], "`masked`"),
    ("OMNI_EXECUTOR", "thread", &["call", "t.hi"], "`fork`"),
    ("OMNI_HOST", "no.such.host.invalid", &["mcp", "--transport", "http", "--port", "0"], "cannot listen"),
    ("OMNI_IDLE_TIMEOUT", "soon", &["call", "t.hi"], "no number of seconds"),
    ("OMNI_ISOLATION", "full", &["call", "t.hi"], "`auto`"),
    ("OMNI_LOG", "loud", &["list"], "`debug`"),
    ("OMNI_LOG_FORMAT", "xml", &["list"], "`json`"),
    ("OMNI_PORT", "70000", &["mcp"], "no port from 0 to 65535"),
    ("OMNI_PYTHON", "/nowhere/python3", &["call", "t.hi"], "there is no such program"),
    ("OMNI_ROOT", "nowhere", &["list"], "there is no such folder"),
    ("OMNI_RUNNER", "ftp://x", &["list"], "begins with neither"),
    ("OMNI_RUNNER_PROMPTS", "some", &["list"], "`forward`"),
    ("OMNI_RUNNER_REFRESH", "0", &["list", "--runner", "unix:/nowhere"], "from 0.1 to a day"),
    ("OMNI_RUNNER_RESOURCES", "some", &["list"], "`forward`"),
    ("OMNI_SKILLS", "nowhere", &["list"], "there is no such folder"),
    ("OMNI_TIMEOUT", "-1", &["call", "t.hi"], "from 0 to a year"),
    ("OMNI_TOOLS", "runner", &["list"], "needs a runner"),
    ("OMNI_TRANSPORT", "pigeon", &["mcp"], "`stdio`"),
    ("OMNI_WORKERS", "5..2", &["call", "t.hi"], "MIN <= MAX"),
];

#[test]
fn what_is_wrong_with_a_variable_is_said_of_the_variable() {
    let folder = Folder::new(TOOLS);
    folder.write("omni.toml", "");
    for (variable, value, arguments, expected) in WRONG {
        let output = folder.omni(arguments).env(variable, value).output().unwrap();
        let said = stderr(&output) + &stdout(&output);
        assert!(!output.status.success(), "{variable}={value}: {said}");
        assert!(said.contains(&format!("{variable}={value}")), "{variable} is not named: {said}");
        assert!(said.contains(expected), "{variable}: {expected} in {said}");
        let flag = format!("--{} {value}", variable["OMNI_".len()..].to_lowercase().replace('_', "-"));
        assert!(!said.contains(&flag), "nobody wrote {flag}: {said}");
        // The control: the same as a flag is said of the flag.
        if !variable.starts_with("OMNI_LOG") {
            let flag = flag.split_once(' ').unwrap().0;
            let mut words: Vec<&str> = arguments.to_vec();
            let joined = format!("{flag}={value}");
            words.push(&joined);
            let output = folder.omni(&words).env_remove(variable).output().unwrap();
            let said = stderr(&output) + &stdout(&output);
            assert!(said.contains(flag) && !said.contains(variable), "{flag}: {said}");
        }
    }
}

#[test]
fn every_variable_that_help_names_is_tried_above() {
    let folder = Folder::new(TOOLS);
    let mut named: Vec<String> = ["OMNI_LOG".to_owned(), "OMNI_LOG_FORMAT".to_owned()].into();
    for command in ["mcp", "runner", "call", "list", "describe", "sync", "doctor", "trust", "python-path"] {
        let help = stdout(&folder.run(&[command, "--help"]));
        named.extend(
            help.split("[env: ")
                .skip(1)
                .map(|rest| rest.split(['=', ']']).next().unwrap_or_default().to_owned()),
        );
    }
    named.sort();
    named.dedup();
    let tried: Vec<&str> = WRONG.iter().map(|(name, ..)| *name).collect();
    assert_eq!(named, tried);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let folder = Folder::new(TOOLS);
    let others = [
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "XDG_DATA_HOME",
        "TMPDIR",
        "NO_COLOR",
        "UV_CONFIG_FILE",
        "PIP_CONFIG_FILE",
        "PYENV_VERSION",
        "VIRTUAL_ENV",
        "LANG",
        "LC_ALL",
    ];
    let all = WRONG.iter().map(|(name, ..)| *name).filter(|name| *name != "OMNI_CACHE_DIR");
    let empty: Vec<(&str, &str)> = all.chain(others).map(|name| (name, "")).collect();
    let mut call = folder.omni(&["call", "t.hi", "--skills", "skills"]);
    let output = call.envs(empty.iter().copied()).output().unwrap();
    assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("hi\n", ""));
    for name in empty.iter().map(|(name, _)| name) {
        let output = folder.omni(&["list", "--skills", "skills"]).env(name, "").output().unwrap();
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{name}");
        assert!(stdout(&output).contains("t.hi"), "{name}");
    }
    let output = folder.omni(&["call", "t.hi"]).env("OMNI_CACHE_DIR", "").output().unwrap();
    assert_eq!(stdout(&output), "hi\n", "{}", stderr(&output));
    assert!(folder.path("home/.cache/omni").is_dir(), "the usual place");
}

#[test]
fn an_empty_path_is_no_path_to_the_working_folder() {
    let folder = Folder::new(TOOLS);
    folder.write("python3", "#!/bin/sh\ntouch started\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path("python3"), mode).unwrap();
    for path in ["", ".", ":"] {
        let _ = folder.omni(&["call", "t.hi"]).env("PATH", path).output().unwrap();
        assert!(!folder.path("started").exists(), "PATH={path:?}");
    }
}

#[test]
fn a_variable_that_is_no_text_is_named_and_shown_as_text() {
    let folder = Folder::new(TOOLS);
    let latin = OsString::from_vec(b"caf\xe9".to_vec());
    for (variable, arguments) in [
        ("OMNI_TIMEOUT", &["call", "t.hi"][..]),
        ("OMNI_LOG", &["list"]),
        ("OMNI_WORKERS", &["call", "t.hi"]),
    ] {
        let output = folder.omni(arguments).env(variable, &latin).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains(variable) && stderr(&output).contains("UTF-8"),
            "{}",
            stderr(&output)
        );
    }
    let output = folder.omni(&["list"]).env("OMNI_SKILLS", "a\u{1b}[2J\u{202e}b").output().unwrap();
    assert!(stderr(&output).contains("OMNI_SKILLS") && !stderr(&output).contains(['\u{1b}', '\u{202e}']));
}

#[test]
fn a_flag_is_obeyed_whatever_its_variable_holds() {
    let folder = Folder::new(TOOLS);
    for (variable, value) in [("OMNI_TIMEOUT", "soon"), ("OMNI_WORKERS", "many")] {
        let flag = if variable == "OMNI_TIMEOUT" { ["--timeout", "60"] } else { ["--workers", "1..2"] };
        let output = folder.omni(&["call", "t.hi"]).args(flag).env(variable, value).output().unwrap();
        assert_eq!(stdout(&output), "hi\n", "{variable}: {}", stderr(&output));
    }
}
