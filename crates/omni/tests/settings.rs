//! Settings: environment variables and `omni.toml`, and that each mistake is answered with what was written and where.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Output, Stdio};

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
    ("OMNI_LOG_OUTPUT", "maybe", &["mcp"], "`true`"),
    ("OMNI_NAMES", "camel", &["list"], "`dotted`"),
    ("OMNI_PORT", "70000", &["mcp"], "no port from 0 to 65535"),
    ("OMNI_PROFILE", "nobody", &["list"], "no `[profiles.nobody]`"),
    ("OMNI_PYTHON", "/nowhere/python3", &["call", "t.hi"], "there is no such program"),
    ("OMNI_ROOT", "nowhere", &["list"], "there is no such folder"),
    ("OMNI_RUNNER", "ftp://x", &["list"], "begins with neither"),
    ("OMNI_RUNNER_PROMPTS", "some", &["list"], "`forward`"),
    ("OMNI_RUNNER_REFRESH", "0", &["list", "--runner", "unix:/nowhere"], "from 0.1 to a day"),
    ("OMNI_RUNNER_RESOURCES", "some", &["list"], "`forward`"),
    ("OMNI_SKILLS", "nowhere", &["list"], "there is no such folder"),
    ("OMNI_SKILL_READ", "maybe", &["list"], "`true`"),
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
        if !["OMNI_LOG", "OMNI_LOG_FORMAT"].contains(variable) {
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
    // By itself: no other program is on these paths either, and it is not started in this folder.
    folder.write("python3", &format!("#!/bin/sh\n: > '{}'\n", folder.path("started").display()));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path("python3"), mode).unwrap();
    for path in ["", ".", ":"] {
        folder.omni(&["call", "t.hi"]).env("PATH", path).output().unwrap();
        assert!(!folder.path("started").exists(), "PATH={path:?}");
    }
    // The control: where the folder is named, its program is started.
    folder.omni(&["call", "t.hi"]).env("PATH", folder.dir.path()).output().unwrap();
    assert!(folder.path("started").exists());
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

/// Lines of `omni.toml`, and what the answer must name besides file and line.
const MISTAKES: &[(&str, usize, &str)] = &[
    ("timeuot = 5", 1, "did you mean `timeout`?"),
    ("\n\nidle-timeout = 5", 3, "did you mean `idle_timeout`?"),
    ("[http]\nprot = 1", 2, "did you mean `port`?"),
    ("port = 8000", 1, "it belongs in the table `[http]`"),
    ("allow_hosts = ['x']", 1, "it belongs in the table `[http]`"),
    ("[http]\nallow_unauthenticated = true", 2, "a flag of `omni mcp` only"),
    ("[http]\ntransport = 'http'", 2, "stands before all tables"),
    ("transport = 'pigeon'", 1, "`stdio`"),
    ("transport = 3", 1, "transport = 3"),
    ("[http]\nport = 70000", 2, "port = 70000"),
    ("[http]\nport = '8000'", 2, "port = '8000'"),
    ("[http]\nport = -1", 2, "port = -1"),
    ("[http]\nhost = 1", 2, "host = 1"),
    ("[http]\nunix = 1", 2, "unix = 1"),
    ("unix = 'omni.sock'", 1, "it belongs in the table `[http]`"),
    ("[http]\nhost = ''", 2, "no address"),
    ("[http]\nallow_hosts = 'x'", 2, "write `allow_hosts = ['x']`"),
    ("[http]\nallow_hosts = ['a b']", 2, "a b"),
    ("[http]\nallow_origins = ['x']", 2, "http.allow_origins"),
    ("[http.tokens.a]\nfile = 'x'\ncalls = 0", 3, "calls = 0"),
    ("[http.tokens.a]\nfile = 'x'\ncommand = ['y']", 1, "leave one of them out"),
    ("[http.tokens.a]\nfile = 'x'\nprofile = 'p'", 3, "there is no `[profiles.p]`"),
    ("[[http.tokens]]\nfile = 'x'", 1, "write `[http.tokens.NAME]`"),
    ("skills = 'shipped'", 1, "the folder of skills is `skills_dir`"),
    ("timeout = -1", 1, "`timeout = -1` is not a number of seconds"),
    ("\nidle_timeout = nan", 2, "`idle_timeout = NaN`"),
    ("executor = 'thread'", 1, "`fork`"),
    ("workers = '5..2'", 1, "MIN <= MAX"),
    ("[workers]\nmax_age = 3", 2, "10 or more"),
    ("[limits]\nopen_files = 3", 2, "64 or more"),
    ("[fork]\ncalls = 0", 2, "is not from"),
    ("[fork]\nprocesses = 0", 2, "is not from 1 to 1024"),
    ("[spawn]\nprocesses = -1", 2, "is not from 1 to 1024"),
    ("[queue]\ncalls = 0", 2, "is not from 1"),
    ("[limits]\nresult_mib = 257", 2, "is not from 1 to 256"),
    ("[workers]\nready_timeout = 0", 2, "is not from 1 to 3600"),
    ("grace = -1", 1, "from 0 to a day"),
    ("[embedded]\nthreads = 0", 2, "is not from 1"),
    ("[admission]\ncalls = 0", 2, "is not from 1"),
    ("[tasks]\nkeep = 59", 2, "is not from 60"),
    ("[environments]\ntimeout = -3", 2, "is not a number of seconds"),
    ("runner = 'ftp://x'", 1, "begins with neither"),
    ("timeout = = 3", 1, "timeout = = 3"),
];

#[test]
fn each_mistake_in_a_settings_file_is_answered_with_its_line_and_what_was_meant() {
    let folder = Folder::new(TOOLS);
    let path = folder.path("omni.toml").display().to_string();
    for (text, line, expected) in MISTAKES {
        folder.write("omni.toml", &format!("{text}\n"));
        for command in [&["list"][..], &["doctor"], &["mcp"]] {
            let output = folder.run(command);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{text}: {said}");
            assert!(said.starts_with("error: ") && said.trim_end().lines().count() == 1, "{text}: {said}");
            assert!(said.contains(&format!("{path}:{line}")), "{text}: {said}");
            assert!(said.contains(expected), "{text}: {expected} in {said}");
            assert!(!said.contains("--"), "nobody wrote a flag: {text}: {said}");
        }
    }
}

#[test]
fn how_clients_reach_the_server_is_said_by_flag_then_variable_then_file() {
    let mut folder = Folder::new(TOOLS);
    folder.write(
        "omni.toml",
        "transport = \"http\"\n[http]\nhost = \"127.0.0.2\"\nport = 0\nallow_hosts = [\"mcp.example.com\"]\n\
         allow_origins = [\"https://app.example.com\"]\n",
    );
    let started = |arguments: &[&str]| {
        let mut words = vec!["mcp"];
        words.extend(arguments);
        support::Http::of(folder.omni(&words))
    };
    let server = started(&[]);
    assert_eq!(server.address.ip().to_string(), "127.0.0.2");
    let named = [("Host", "mcp.example.com"), ("Origin", "https://app.example.com")];
    assert_eq!(server.modern("tools/list", serde_json::json!({}), &named).status, 200);
    let foreign = [("Host", "other.example.com")];
    assert_eq!(server.modern("tools/list", serde_json::json!({}), &foreign).status, 403);
    // What others may reach keeps what exceptions say to itself, by whatever setting that is.
    assert!(server.announced.contains("errors = masked"), "{}", server.announced);
    drop(server);
    assert_eq!(started(&["--host", "127.0.0.3"]).address.ip().to_string(), "127.0.0.3");
    folder.env.push(("OMNI_HOST", "127.0.0.4".into()));
    let server = support::Http::of(folder.omni(&["mcp"]));
    assert_eq!(server.address.ip().to_string(), "127.0.0.4");
    drop(server);
    // A flag wins over the file's transport too.
    let mut client = folder.stdio(&["--transport", "stdio"]).initialised();
    assert_eq!(
        client.request("tools/list", serde_json::json!({}))["result"]["tools"].as_array().unwrap().len(),
        1
    );
    client.close();
    folder.write("omni.toml", "transport = \"http\"\n[http]\nhost = \"0.0.0.0\"\nport = 0\n");
    folder.env.clear();
    let said = stderr(&folder.run(&["mcp"]));
    assert!(
        said.contains("`http.host = \"0.0.0.0\"` in omni.toml") && said.contains("--allow-unauth"),
        "{said}"
    );
}

#[test]
fn a_file_that_nobody_has_trusted_opens_no_door() {
    let folder = Folder::new(TOOLS);
    folder.write(
        "here/omni.toml",
        "transport = \"http\"\n[http]\nport = 0\nallow_hosts = [\"evil.example\"]\n",
    );
    let mut command = folder.omni(&["mcp"]);
    command.current_dir(folder.path("here")).env("OMNI_SKILLS", folder.path("skills"));
    let mut client = support::Stdio_::of(command).initialised();
    assert_eq!(
        client.request("tools/list", serde_json::json!({}))["result"]["tools"].as_array().unwrap().len(),
        1
    );
    client.close();
    let doctor = folder.omni(&["doctor"]).current_dir(folder.path("here")).output().unwrap();
    assert!(
        stdout(&doctor).contains("`transport`") && stdout(&doctor).contains("`http`"),
        "{}",
        stdout(&doctor)
    );
}

#[test]
fn a_variable_that_tools_lack_is_answered_with_the_flag_that_passes_it_on() {
    let folder = Folder::new(
        "import os\n@tool\ndef item() -> str:\n    'Get.'\n    return os.environ['SERVICE_KEY']\n\
         @tool\nasync def later() -> str:\n    'Get.'\n    return os.environ['SERVICE_KEY']\n\
         @tool\ndef raw() -> str:\n    'Get.'\n    return os.environb[b'SERVICE_KEY'].decode()\n\
         @tool\ndef popped() -> str:\n    'Get.'\n    return os.environ.pop('SERVICE_KEY')\n\
         @tool\ndef gone() -> str:\n    'Get.'\n    del os.environ['SERVICE_KEY']\n    return 'v'\n\
         @tool\ndef other() -> str:\n    'A dictionary of its own.'\n    return {}['SERVICE_KEY']\n",
    );
    folder.write("skills/first/SKILL.md", "---\nname: first\ndescription: Imports.\n---\n");
    folder.write(
        "skills/first/scripts/first.py",
        "import os\nfrom omni import tool\n\nKEY = os.environ['SERVICE_KEY']\n\n\n@tool\ndef told() -> str:\n    'Tell.'\n    return KEY\n",
    );
    for executor in ["pool", "fork", "spawn", "embedded"] {
        for tool in ["t.item", "t.later", "t.raw", "t.popped", "t.gone", "first.told"] {
            let words = ["call", tool, "--executor", executor];
            let lacking = folder.omni(&words).env("SERVICE_KEY", "v").output().unwrap();
            let said = stderr(&lacking);
            assert!(said.contains("start the server with `--env SERVICE_KEY`"), "{words:?}: {said}");
            if executor == "pool" {
                let had = folder
                    .omni(&words)
                    .args(["--env", "SERVICE_KEY"])
                    .env("SERVICE_KEY", "v")
                    .output()
                    .unwrap();
                assert_eq!(stdout(&had), "v\n", "{words:?}: {}", stderr(&had));
            }
        }
    }
    assert!(!stderr(&folder.run(&["call", "t.other"])).contains("--env"));
}

#[test]
fn what_env_names_is_a_name_and_a_variable_that_is_not_there_is_warned_of() {
    let folder = Folder::new(TOOLS);
    let said = stderr(&folder.run(&["call", "t.hi", "--env", "SERVICE_KEY=s3cret"]));
    assert!(said.contains("`--env SERVICE_KEY=…`") && said.contains("name alone"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    folder.write("omni.toml", "env = ['SERVICE_KEY=s3cret']\n");
    let said = stderr(&folder.run(&["list"]));
    assert!(said.contains("name alone") && !said.contains("s3cret"), "{said}");
    fs_remove(&folder);
    let output = folder.run(&["call", "t.hi", "--env", "NO_SUCH_KEY"]);
    assert_eq!(stdout(&output), "hi\n");
    assert!(stderr(&output).contains("warning: `--env` names `NO_SUCH_KEY`"), "{}", stderr(&output));
    let output =
        folder.omni(&["call", "t.hi", "--env", "SERVICE_KEY"]).env("SERVICE_KEY", "v").output().unwrap();
    assert_eq!(stderr(&output), "");
}

fn fs_remove(folder: &Folder) {
    std::fs::remove_file(folder.path("omni.toml")).unwrap();
}

#[test]
fn flags_that_mean_nothing_on_stdio_are_named() {
    let folder = Folder::new(TOOLS);
    let said = |arguments: &[&str]| stderr(&folder.omni(arguments).stdin(Stdio::null()).output().unwrap());
    let flags = said(&["mcp", "--port", "8000", "--allow-host", "x.example"]);
    assert!(flags.contains("no effect without `--transport http`"), "{flags}");
    assert!(flags.contains("`--port`, `--allow-host`") && !flags.contains("`--host`"), "{flags}");
    assert!(!said(&["mcp"]).contains("no effect"));
}
