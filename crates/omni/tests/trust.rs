//! A cloned project runs nothing by itself: what is planted in the folder omni is started in, and what lets it run.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::Folder;

/// A project by a hostile author. Whatever it gets started leaves a file `started/NAME`.
struct Clone {
    folder: Folder,
}

impl Clone {
    fn new() -> Clone {
        let clone = Clone { folder: Folder::empty() };
        fs::create_dir(clone.folder.path("started")).unwrap();
        fs::create_dir(clone.folder.path("proj")).unwrap();
        clone
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path("proj").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        self.folder.write(&format!("proj/{name}"), text);
    }

    /// Python that says that it ran.
    fn python(&self, name: &str) -> String {
        format!(
            "open({:?}, 'w').close()\n",
            self.folder.path(&format!("started/{name}")).display().to_string()
        )
    }

    /// A program that says that it ran, and is of no other use.
    fn program(&self, path: &str, name: &str) {
        let mark = self.folder.path(&format!("started/{name}"));
        self.write(path, &format!("#!/bin/sh\n: > '{}'\nexit 1\n", mark.display()));
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Everything that somebody might start without being asked to.
    fn plant(&self) {
        for (path, name) in [
            ("evil-python", "omni-toml-python"),
            (".venv/bin/python", "venv-python"),
            ("venv/bin/python3", "venv-python3"),
            ("python3", "path-python3"),
            ("python", "path-python"),
            ("uv", "path-uv"),
            ("git", "path-git"),
            ("evil-uv", "omni-toml-uv"),
            (".git/hooks/post-checkout", "git-hook"),
        ] {
            self.program(path, name);
        }
        for module in ["omni", "json", "sitecustomize", "usercustomize", "conftest", "setup", "pip", "venv"] {
            self.write(&format!("{module}.py"), &self.python(module));
        }
        self.write("evil.pth", &format!("import os; {}", self.python("pth")));
        self.write(".python-version", "../../../../../../../..\n3.99.0\n");
        self.write(".tool-versions", "python path:.\n");
        self.write(".env", "OMNI_PYTHON=./evil-python\n");
        self.write("uv.toml", "index-url = \"http://127.0.0.1:9/simple\"\n");
        self.write("pip.conf", "[global]\nindex-url = http://127.0.0.1:9/simple\n");
        self.write("backend/backend.py", &self.python("build-backend"));
        let build = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\"backend\"]\n\
                     [project]\nname = \"evil\"\nversion = \"1\"\n";
        self.write("pyproject.toml", build);
        self.write(
            "omni.toml",
            "python = \"./evil-python\"\nexecutor = \"spawn\"\nenv = [\"EVIL\"]\nskills_dir = \"skills\"\n\
             [skills.a]\nallow = true\n[environments]\nuv = \"./evil-uv\"\ninstall_args = [\"-e\", \".\"]\n",
        );
        let here = self.path("").display().to_string();
        let skill = |name: &str, front: &str, head: &str| {
            self.write(
                &format!("skills/{name}/SKILL.md"),
                &format!("---\nname: {name}\ndescription: Tools.\n{front}---\n"),
            );
            let source = format!(
                "{head}from omni import tool\n{}\n\n@tool\ndef run() -> str:\n    \"\"\"Run.\"\"\"\n    return \"ran\"\n",
                self.python(&format!("import-{name}"))
            );
            self.write(&format!("skills/{name}/scripts/{name}.py"), &source);
        };
        skill("a", "preload: true\n", "");
        skill("inside", "executor: embedded\npreload: true\n", "");
        let block = format!("# /// script\n# dependencies = [\"evil @ file://{here}\"]\n# ///\n");
        skill("pep", "preload: true\n", &block);
        skill("locked", "", "");
        self.write(
            "skills/locked/pyproject.toml",
            &format!("{build}dependencies = [\"evil\"]\n[tool.uv.sources]\nevil = {{ path = \"{here}\" }}\n"),
        );
        self.write(
            "skills/locked/uv.lock",
            &format!("version = 1\n[[package]]\nname = \"evil\"\nversion = \"1\"\nsource = {{ directory = \"{here}\" }}\n"),
        );
    }

    /// `omni` started in the project by somebody who names nothing, with a `PATH` that has the working folder in it.
    fn omni(&self, arguments: &[&str]) -> Command {
        let mut command = self.folder.omni(arguments);
        let path = std::env::var("PATH").unwrap();
        command
            .current_dir(self.path(""))
            .env("PATH", format!(".::{path}:"))
            .env("OMNI_CACHE_DIR", self.folder.path("cache"))
            .env_remove("OMNI_SKILLS")
            .env_remove("OMNI_CONFIG");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.omni(arguments).stdin(Stdio::null()).output().unwrap()
    }

    fn started(&self) -> Vec<String> {
        let all = fs::read_dir(self.folder.path("started")).unwrap();
        let mut names: Vec<String> =
            all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// What a run says on stderr.
    fn said(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.run(arguments).stderr).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// What `omni doctor` says of trust.
    fn trusts(&self) -> Value {
        self.json(&["doctor", "--json"])["trust"].clone()
    }
}

/// A stdio client that shakes hands, lists and leaves.
fn list_over_stdio(clone: &Clone) {
    let mut child = clone
        .omni(&["mcp"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let messages = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
            "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}),
    ];
    let text: String = messages.iter().map(|message| format!("{message}\n")).collect();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), text.as_bytes()).unwrap();
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    let (said, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(said.contains("a_run") && said.contains("pep_run"), "{said}{told}");
    assert!(told.contains("proj/skills") && told.contains("omni trust"), "announced by name: {told}");
}

/// A server on HTTP that has warmed up, and is stopped.
fn serve_over_http(clone: &Clone) {
    let mut child = clone
        .omni(&["mcp", "--transport", "http", "--port", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let url = lines.find(|line| line.as_ref().unwrap().contains("http://127.0.0.1"));
    assert!(url.is_some(), "it serves");
    // What it does ahead it does now: an environment or an import would be begun within this.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    child.wait().unwrap();
}

#[test]
fn nothing_that_is_planted_in_a_project_is_started_by_itself() {
    let clone = Clone::new();
    clone.plant();
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["describe", "a.run"],
        &["doctor"],
        &["doctor", "--json"],
        &["sync", "--check"],
        &["sync", "--dry-run"],
        &["sync"],
        &["trust", "--list"],
        &["python-path"],
    ] {
        clone.run(arguments);
        assert_eq!(clone.started(), Vec::<String>::new(), "{arguments:?}");
    }
    list_over_stdio(&clone);
    assert_eq!(clone.started(), Vec::<String>::new(), "stdio");
    serve_over_http(&clone);
    assert_eq!(clone.started(), Vec::<String>::new(), "http");
    // The controls. A call is the client's act: it runs its own skill, and nothing else that lies there.
    let called = clone.run(&["call", "a.run"]);
    assert!(called.status.success(), "{}", String::from_utf8_lossy(&called.stderr));
    assert_eq!(clone.started(), ["import-a"]);
    // With trust the settings hold, and what they name is started.
    fs::remove_file(clone.folder.path("started/import-a")).unwrap();
    assert!(clone.run(&["trust"]).status.success());
    clone.run(&["doctor"]);
    assert_eq!(clone.started(), ["omni-toml-python"]);
    // What lies there does run for whoever looks for it there.
    let path = std::env::join_paths([clone.path("")]).unwrap();
    for program in ["python3", "uv", "git"] {
        let _ = Command::new("/usr/bin/env").arg(program).env("PATH", &path).stderr(Stdio::null()).status();
    }
    let _ = Command::new("/bin/sh")
        .args(["-c", ".venv/bin/python; .git/hooks/post-checkout"])
        .current_dir(clone.path(""))
        .status();
    assert_eq!(
        clone.started(),
        ["git-hook", "omni-toml-python", "path-git", "path-python3", "path-uv", "venv-python"]
    );
}

#[test]
fn trusted_skills_are_imported_ahead_and_built_from_where_they_say() {
    let clone = Clone::new();
    clone.plant();
    fs::remove_file(clone.path("omni.toml")).unwrap();
    let refused = clone.run(&["sync"]);
    let said = String::from_utf8(refused.stdout).unwrap();
    assert!(
        said.contains("evil @ file://") && said.contains("--allow-build") && said.contains("omni trust"),
        "{said}"
    );
    assert!(said.contains("uv.lock") && refused.status.code() == Some(1), "{said}");
    assert_eq!(clone.started(), Vec::<String>::new());
    assert!(clone.run(&["trust", "skills"]).status.success());
    serve_over_http(&clone);
    assert!(clone.started().contains(&"import-a".to_owned()), "preloaded: {:?}", clone.started());
    let allowed = clone.said(&["sync"]);
    assert!(allowed.contains("built from source") && allowed.contains("takes `evil @ file://"), "{allowed}");
    assert!(clone.started().contains(&"build-backend".to_owned()), "built: {:?}", clone.started());
}

#[test]
fn a_tool_does_not_run_inside_the_server_without_trust() {
    let clone = Clone::new();
    clone.plant();
    let said = clone.said(&["call", "inside.run"]);
    assert!(said.contains("inside the server") && said.contains("omni trust"), "{said}");
    assert_eq!(clone.started(), Vec::<String>::new());
}

#[test]
fn what_is_ignored_is_said_once_with_the_command_that_allows_it() {
    let clone = Clone::new();
    clone.write(
        "omni.toml",
        "timeout = 5\npython = \"./x\"\nfilter = [\"files\"]\n[skills.\"a\\u001b[2J\"]\nx = 1\n",
    );
    let said = clone.said(&["list"]);
    assert_eq!(said.matches("is not trusted").count(), 1, "{said}");
    assert!(said.contains("`python`") && said.contains("`[skills.a\\u{1b}[2J]`"), "{said}");
    assert!(said.contains("omni trust ") && !said.contains("`timeout`"), "{said}");
    // It may leave tools out.
    let listed = String::from_utf8(clone.run(&["list"]).stdout).unwrap();
    assert!(
        listed.contains("text.count") && !listed.lines().any(|line| line.starts_with("files.")),
        "{listed}"
    );
    let trust = clone.trusts();
    assert_eq!(trust["settings"]["trust"], "not_trusted");
    assert_eq!(trust["skills"], "shipped");
    let named = clone.said(&["list", "--config", "omni.toml"]);
    assert!(!named.contains("not trusted"), "{named}");
}

#[test]
fn settings_are_trusted_as_they_are_and_skills_where_they_are() {
    let clone = Clone::new();
    clone.write("omni.toml", "errors = \"full\"\n");
    clone.write("skills/a/scripts/a.py", "");
    assert!(clone.run(&["trust"]).status.success());
    let trust = clone.trusts();
    assert_eq!((&trust["settings"]["trust"], &trust["skills"]), (&json!("trusted"), &json!("trusted")));
    clone.write("omni.toml", "errors = \"full\"\nenv = [\"TOKEN\"]\n");
    clone.write("skills/a/scripts/a.py", "# edited\n");
    let trust = clone.trusts();
    assert_eq!((&trust["settings"]["trust"], &trust["skills"]), (&json!("changed"), &json!("trusted")));
    assert_eq!(clone.json(&["trust", "--list", "--json"])["entries"].as_array().unwrap().len(), 2);
    assert!(clone.run(&["trust", "--revoke"]).status.success());
    assert_eq!(clone.trusts()["skills"], "not_trusted");
    assert_eq!(clone.run(&["trust", "--revoke"]).status.code(), Some(1));
}

#[test]
fn links_copies_and_renames_inherit_no_trust() {
    let clone = Clone::new();
    clone.write("good/omni.toml", "python = \".venv/bin/python\"\n");
    clone.write("good/skills/a/scripts/a.py", "");
    assert!(clone.run(&["trust", "good"]).status.success());
    let from = |folder: &str| -> Value {
        let mut command = clone.omni(&["doctor", "--json"]);
        let output = command.current_dir(clone.path(folder)).stdin(Stdio::null()).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["trust"].clone()
    };
    assert_eq!(from("good")["settings"]["trust"], "trusted");
    assert_eq!(from("good/skills/..")["settings"]["trust"], "trusted", "the same place, written otherwise");
    // A link to the trusted file, and a copy of it: their relative paths would be read in another folder.
    fs::create_dir(clone.path("linked")).unwrap();
    symlink(clone.path("good/omni.toml"), clone.path("linked/omni.toml")).unwrap();
    assert_eq!(from("linked")["settings"]["trust"], "not_trusted");
    clone.write("copied/omni.toml", "python = \".venv/bin/python\"\n");
    clone.write("copied/skills/a/scripts/a.py", "");
    assert_eq!(from("copied")["settings"]["trust"], "not_trusted");
    // A folder in another one that is trusted, and one of another case.
    clone.write("good/skills/a/skills/x/scripts/x.py", "");
    assert_eq!(from("good/skills/a")["skills"], "not_trusted");
    // The trusted folder is replaced by a link.
    fs::rename(clone.path("good/skills"), clone.path("moved")).unwrap();
    symlink(clone.path("copied/skills"), clone.path("good/skills")).unwrap();
    assert_eq!(from("good")["skills"], "not_trusted");
    // Its parent is.
    fs::rename(clone.path("good"), clone.path("gone")).unwrap();
    symlink(clone.path("copied"), clone.path("good")).unwrap();
    assert_eq!(from("good")["settings"]["trust"], "not_trusted");
}

#[test]
fn what_everybody_can_change_is_not_trusted() {
    let clone = Clone::new();
    clone.write("skills/a/scripts/a.py", "");
    assert!(clone.run(&["trust"]).status.success());
    fs::set_permissions(clone.path("skills"), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(clone.trusts()["skills"], "open_to_everybody");
    let refused = clone.said(&["trust"]);
    assert!(refused.contains("chmod o-w"), "{refused}");
}

#[test]
fn a_store_that_cannot_be_believed_trusts_nothing_and_is_written_anew() {
    let clone = Clone::new();
    clone.write("skills/a/scripts/a.py", "");
    assert!(clone.run(&["trust"]).status.success());
    let store = clone.folder.path("home/.local/state/omni/trust.json");
    assert_eq!(fs::metadata(&store).unwrap().permissions().mode() & 0o777, 0o600);
    let good = fs::read(&store).unwrap();
    let elsewhere = clone.path("elsewhere.json");
    for damage in ["cut", "other format", "open", "link", "second name", "folder"] {
        let _ = fs::remove_file(&store);
        match damage {
            "cut" => fs::write(&store, &good[..good.len() / 2]).unwrap(),
            "other format" => fs::write(&store, b"{\"format\": 9, \"entries\": []}").unwrap(),
            "folder" => fs::create_dir(&store).unwrap(),
            "link" => {
                fs::write(&elsewhere, &good).unwrap();
                symlink(&elsewhere, &store).unwrap();
            }
            "second name" => fs::hard_link(&elsewhere, &store).unwrap(),
            _ => {
                fs::write(&store, &good).unwrap();
                fs::set_permissions(&store, fs::Permissions::from_mode(0o666)).unwrap();
            }
        }
        let trust = clone.trusts();
        assert_eq!(trust["skills"], "not_trusted", "{damage}");
        assert!(trust["problem"].as_str().unwrap().contains("trust.json"), "{damage}: {trust}");
        if damage == "folder" {
            fs::remove_dir(&store).unwrap();
        }
        assert!(clone.run(&["trust"]).status.success(), "{damage}");
        assert_eq!(clone.trusts()["skills"], "trusted", "{damage}");
    }
}

#[test]
fn limits_of_an_untrusted_file_hold_only_where_they_are_lower() {
    let clone = Clone::new();
    let home = clone.folder.path("home/.config/omni/omni.toml");
    fs::create_dir_all(home.parent().unwrap()).unwrap();
    fs::write(&home, "timeout = 1\n").unwrap();
    clone.write(
        "skills/a/scripts/a.py",
        "import time\nfrom omni import tool\n\n\n@tool\ndef naps(seconds: float) -> str:\n    \"\"\"Nap.\"\"\"\n    time.sleep(seconds)\n    return \"rested\"\n",
    );
    // The user's own limit stays in force beside a file that would raise it.
    clone.write("omni.toml", "timeout = 0\n");
    assert_eq!(clone.run(&["call", "a.naps", "seconds=30"]).status.code(), Some(124));
    fs::write(&home, "").unwrap();
    clone.write("omni.toml", "timeout = 1\n");
    assert_eq!(clone.run(&["call", "a.naps", "seconds=30"]).status.code(), Some(124));
    assert!(!clone.said(&["list"]).contains("trust"), "what is obeyed is not spoken of");
}
