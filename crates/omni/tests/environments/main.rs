//! Skills with dependencies of their own, through the whole binary, with packages made here: no network.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a panic is how a test fails, and its output is read"
)]

mod aside;
mod lab;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use lab::{Lab, TELLS, uv};
use serde_json::{Value, json};
use support::{kind, text, wait_file, wait_gone};

#[test]
fn two_skills_with_conflicting_versions_of_one_package_both_work() {
    for lab in Lab::each() {
        lab.skill("old", "conflict==1.0");
        lab.skill("new", "conflict>=2");
        let mut client = lab.serve();
        client.call("a", "old.tell", json!({}));
        client.call("b", "new.tell", json!({}));
        assert_eq!(text(&client.answer("a")["result"]), "1.0");
        assert_eq!(text(&client.answer("b")["result"]), "2.0");
        // Again, in the environments' warm workers.
        assert_eq!(text(&client.result("old.tell", json!({}))), "1.0");
        assert_eq!(text(&client.result("new.tell", json!({}))), "2.0");
        client.close();

        let made = lab.made();
        assert_eq!(made.len(), 2);
        // A second server finds them, and could not make them anew.
        fs::remove_dir_all(lab.folder.path("wheels")).unwrap();
        let mut client = lab.serve();
        assert_eq!(text(&client.result("old.tell", json!({}))), "1.0");
        assert_eq!(text(&client.result("new.tell", json!({}))), "2.0");
        client.close();
        assert_eq!(lab.made(), made);
    }
}

#[test]
fn scripts_of_one_skill_have_each_what_their_block_asks_for_by_every_executor() {
    let lab = Lab::each().pop().unwrap();
    let executors = [("pool", "1.0"), ("spawn", "2.0"), ("fork", "1.0")];
    for (executor, version) in executors.into_iter().chain([("embedded", "2.0")]) {
        let source = TELLS
            .replace("@tool", &format!("@tool(executor=\"{executor}\")"))
            .replace("tell(", &format!("{executor}("));
        let block = format!("# /// script\n# dependencies = [\"conflict=={version}\"]\n# ///\n");
        lab.files("each", TELLS);
        lab.folder.write(&format!("skills/each/scripts/{executor}.py"), &(block + &source));
    }
    let mut client = lab.serve();
    for (executor, version) in executors {
        assert_eq!(text(&client.result(&format!("each.{executor}"), json!({}))), version, "{executor}");
    }
    let inside = client.result("each.embedded", json!({}));
    assert!(text(&inside).contains("`scripts/embedded.py`"), "the server's own process has none: {inside}");
    let without = client.result("each.tell", json!({}));
    assert_eq!(kind(&without), "load_error", "a file without a block has none of it: {without}");
    client.close();
    assert_eq!(lab.made().len(), 2);
}

#[test]
fn a_package_named_by_its_file_is_installed_from_there() {
    for lab in Lab::each() {
        let wheel = lab.folder.path("wheels/conflict-1.0-py3-none-any.whl");
        lab.skill("direct", &format!("conflict @ file://{}", wheel.display()));
        assert_eq!(lab.said(&["call", "direct.tell"]), "1.0\n");
    }
}

#[test]
fn an_interpreter_without_pip_brings_one_into_the_environment() {
    let lab = Lab::new(None);
    lab.skill("direct", "conflict==1.0");
    let base = lab.folder.path("base");
    let made = Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(&base).status();
    assert!(made.unwrap().success());
    let python = base.join("bin/python");
    assert_eq!(lab.said(&["call", "direct.tell", "--python", python.to_str().unwrap()]), "1.0\n");
    let pip = |folder: &PathBuf| folder.join("bin/pip").exists();
    assert!(lab.made().iter().all(pip), "{:?}", lab.made());
    assert_eq!(lab.said(&["call", "direct.tell"]), "1.0\n");
    assert_eq!(lab.made().iter().filter(|folder| pip(folder)).count(), 1, "the other one needs none");
}

#[test]
fn over_http_they_are_made_before_anybody_calls() {
    let lab = Lab::each().pop().unwrap();
    lab.skill("ahead", "conflict==1.0");
    let cache = lab.folder.path("cache");
    let server = lab.folder.http(&["--cache-dir", cache.to_str().unwrap()]);
    let began = Instant::now();
    while lab.made().is_empty() {
        assert!(began.elapsed() < support::PATIENCE, "nothing was made");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(server);
}

#[test]
fn a_lock_decides_the_version() {
    let Some(uv) = uv() else { return println!("no `uv`: nothing can be locked") };
    for with_uv in [true, false] {
        let lab = Lab::new(with_uv.then(|| uv.clone()));
        lab.skill("locked", "conflict");
        let project = lab.folder.path("skills/locked");
        let locked = Command::new(&uv)
            .args(["lock", "--no-index", "--upgrade-package", "conflict==1.0", "--find-links"])
            .arg(lab.folder.path("wheels"))
            .current_dir(&project)
            .env("UV_CACHE_DIR", lab.folder.path("uv-cache"))
            .output()
            .unwrap();
        assert!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
        assert_eq!(lab.said(&["call", "locked.tell"]), "1.0\n", "uv: {with_uv}");
        fs::remove_file(project.join("uv.lock")).unwrap();
        assert_eq!(lab.said(&["call", "locked.tell"]), "2.0\n", "the newest, without a lock");
    }
}

#[test]
fn what_cannot_be_installed_is_one_clear_error_and_the_neighbours_work() {
    for lab in Lab::each() {
        lab.skill("broken", "conflict==9.9");
        lab.skill("good", "conflict==1.0");
        let mut client = lab.serve();
        let result = client.result("broken.tell", json!({}));
        assert_eq!(kind(&result), "worker_start");
        let said = text(&result);
        for part in ["`pyproject.toml`", "`conflict==9.9`", "pip install", ".log", "check the dependencies"] {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert_eq!(text(&client.result("good.tell", json!({}))), "1.0");
        client.close();
        let doctor = lab.said(&["doctor"]);
        assert!(doctor.contains("it could not be made the last time"), "{doctor}");
        assert_eq!(lab.run(&["doctor", "--strict"]).status.code(), Some(1));
        // Once it can be, it is.
        lab.wheel("9.9");
        assert_eq!(lab.said(&["call", "broken.tell"]), "9.9\n");
    }
}

#[test]
fn what_failed_is_not_tried_again_at_every_call() {
    let mut lab = Lab::new(None);
    lab.fake_uv("echo x >> \"$HOME/tried\"\necho 'error: no such thing as conflict' >&2\nexit 1");
    lab.skill("broken", "conflict");
    fs::create_dir_all(lab.folder.path("home")).unwrap();
    let mut client = lab.serve();
    for _ in 0..5 {
        let result = client.result("broken.tell", json!({}));
        assert!(text(&result).contains("no such thing as conflict"), "{result}");
    }
    client.close();
    assert_eq!(fs::read_to_string(lab.folder.path("home/tried")).unwrap(), "x\n");
}

#[test]
fn a_server_killed_while_it_installs_leaves_no_process_and_nothing_that_is_taken_for_whole() {
    let mut lab = Lab::new(None);
    let real = std::mem::take(&mut lab.uv);
    // Leaves half an environment behind, and a child in a session of its own.
    lab.fake_uv(
        "for word; do case \"$word\" in */bin/python) python=$word;; esac; done\nmkdir -p \"${python%/bin/python}/half\"\nsetsid sleep 3600 &\necho $! > \"$HOME/child.new\"\nmv \"$HOME/child.new\" \"$HOME/child\"\nexec sleep 3600",
    );
    lab.skill("slow", "conflict==1.0");
    fs::create_dir_all(lab.folder.path("home")).unwrap();
    let mut client = lab.serve();
    client.call("a", "slow.tell", json!({}));
    let child: u32 = wait_file(&lab.folder.path("home/child")).trim().parse().unwrap();
    let processes = support::descendants(client.child.id());
    assert!(processes.len() >= 2, "{processes:?}");
    client.child.kill().unwrap();
    client.child.wait().unwrap();
    processes.into_iter().chain([child]).for_each(wait_gone);
    let half = |lab: &Lab| {
        let all = fs::read_dir(lab.folder.path("cache/environments")).unwrap().flatten();
        all.filter(|entry| entry.path().join("half").exists()).count()
    };
    assert_eq!((half(&lab), lab.made().len()), (1, 0));
    // The next one begins anew, with an installer that works.
    lab.uv = real;
    lab.settings("");
    assert_eq!(lab.said(&["call", "slow.tell"]), "1.0\n");
    assert_eq!((half(&lab), lab.made().len()), (0, 1));
}

#[test]
fn a_client_that_leaves_while_something_is_installed_leaves_no_installer_behind() {
    let mut lab = Lab::new(None);
    lab.fake_uv("echo $$ > \"$HOME/installer\"\nexec sleep 3600");
    lab.skill("slow", "conflict==1.0");
    fs::create_dir_all(lab.folder.path("home")).unwrap();
    let mut client = lab.serve();
    client.call("a", "slow.tell", json!({}));
    let installer = wait_file(&lab.folder.path("home/installer")).trim().parse().unwrap();
    client.close();
    wait_gone(installer);
    assert!(lab.made().is_empty());
}

#[test]
fn a_machine_without_python_syncs_what_needs_no_package() {
    let lab = Lab::new(None);
    lab.files("plain", TELLS);
    lab.folder.write("skills/plain/pyproject.toml", "[project]\nrequires-python = \">=3.9\"\n");
    let sync = || lab.command(&["sync"]).env("PATH", "/nowhere").output().unwrap();
    assert!(sync().status.success());
    lab.skill("plain", "conflict");
    let output = sync();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("no `python3` on the PATH"), "{said}");
}

#[test]
fn two_servers_that_want_the_same_environment_make_it_once() {
    let lab = Lab::new(None);
    lab.skill("shared", "conflict==1.0");
    let mut clients = [lab.serve(), lab.serve(), lab.serve()];
    for client in &mut clients {
        client.call("a", "shared.tell", json!({}));
    }
    for client in &mut clients {
        assert_eq!(text(&client.answer("a")["result"]), "1.0");
        client.close();
    }
    assert_eq!(lab.made().len(), 1);
}

#[test]
fn a_client_that_asked_for_progress_hears_of_the_installation() {
    let mut lab = Lab::new(None);
    // Goes on when the client has heard of the step.
    lab.fake_uv(
        "wait_for() { while [ ! -e \"$HOME/$1\" ]; do sleep 0.02; done; }\necho 'Resolved 2 packages in 1ms'\nwait_for one\necho ' Downloaded conflict'\nwait_for two",
    );
    lab.files("slow", &TELLS.replace("import conflict\n", "").replace("conflict.VERSION", "'x'"));
    lab.folder.write("skills/slow/pyproject.toml", "[project]\ndependencies = [\"conflict\"]\n");
    let mut client = lab.serve();
    client.send(&json!({"jsonrpc": "2.0", "id": "a", "method": "tools/call",
        "params": {"name": "slow.tell", "arguments": {}, "_meta": {"progressToken": "p"}}}));
    let mut last = 0.0;
    for (expected, then) in [
        ("making the environment", None),
        ("2 packages, downloading", Some("home/one")),
        ("downloaded conflict (1 of 2)", Some("home/two")),
    ] {
        let heard = client.wait_for(|message| message["params"]["message"] == expected);
        let value = heard["params"]["progress"].as_f64().unwrap();
        assert!(value > last && value < 1.0, "{heard}");
        last = value;
        if let Some(then) = then {
            lab.folder.write(then, "x");
        }
    }
    assert_eq!(text(&client.answer("a")["result"]), "x");
    client.close();
}

#[test]
fn a_call_whose_time_is_up_does_not_wait_for_the_installation() {
    let mut lab = Lab::new(None);
    lab.fake_uv("exec sleep 3600");
    lab.skill("slow", "conflict==1.0");
    let output = lab.run(&["call", "slow.tell", "--timeout", "2"]);
    assert_eq!(output.status.code(), Some(124), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_installer_may_be_silent_for_longer_than_a_tool_but_not_for_ever() {
    let mut lab = Lab::new(None);
    lab.fake_uv("sleep 4");
    lab.files("slow", &TELLS.replace("import conflict\n", "").replace("conflict.VERSION", "'x'"));
    lab.folder.write("skills/slow/pyproject.toml", "[project]\ndependencies = [\"conflict\"]\n");
    assert_eq!(lab.said(&["call", "slow.tell", "--idle-timeout", "1"]), "x\n");

    lab.fake_uv("echo $$ > \"$HOME/installer\"\nexec sleep 3600");
    lab.settings("timeout = 1\n");
    lab.folder.write("skills/slow/pyproject.toml", "[project]\ndependencies = [\"conflict>1\"]\n");
    fs::create_dir_all(lab.folder.path("home")).unwrap();
    let mut client = lab.serve();
    let result = client.result("slow.tell", json!({}));
    assert!(text(&result).contains("was not made within 1 s"), "{result}");
    if let Ok(installer) = fs::read_to_string(lab.folder.path("home/installer")) {
        wait_gone(installer.trim().parse().unwrap());
    }
    client.close();
}

#[test]
fn programs_of_a_skill_find_its_environment_first() {
    let lab = Lab::each().pop().unwrap();
    lab.skill("tells", "conflict==2.0");
    lab.folder.write(
        "skills/tells/SKILL.md",
        "---\nname: tells\ndescription: Tells.\ntools:\n  - name: program\n    description: Tell it.\n    command: [python, -c, \"import conflict, os; print(conflict.VERSION, os.environ['VIRTUAL_ENV'])\"]\n---\n",
    );
    let said = lab.said(&["call", "tells.program"]);
    let made = lab.made();
    assert_eq!(said, format!("2.0 {}\n", made[0].display()));
}

#[test]
fn a_python_that_is_there_already_needs_no_environment() {
    let lab = Lab::new(None);
    lab.files(
        "plain",
        "from omni import tool\n\n\n@tool\ndef one() -> int:\n    \"\"\"One.\"\"\"\n    return 1\n",
    );
    lab.folder
        .write("skills/plain/pyproject.toml", "[project]\nname = \"plain\"\nrequires-python = \">=3.9\"\n");
    assert_eq!(lab.said(&["call", "plain.one"]), "1\n");
    assert!(!lab.folder.path("cache/environments").exists());

    lab.folder.write("skills/plain/pyproject.toml", "[project]\nrequires-python = \">=3.39\"\n");
    let output = lab.run(&["call", "plain.one"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("wants Python `>=3.39`") && said.contains("install `uv`"), "{said}");
}

#[test]
fn sync_makes_them_ahead_doctor_shows_them_and_prune_removes_what_nobody_needs() {
    let lab = Lab::each().pop().unwrap();
    lab.skill("old", "conflict==1.0");
    lab.skill("twin", "conflict==1.0");
    lab.skill("new", "conflict==2.0");
    let planned = lab.said(&["sync", "--dry-run"]);
    assert!(planned.contains("+ skill old") && lab.made().is_empty(), "{planned}");
    let doctor = lab.said(&["doctor"]);
    assert!(doctor.contains("environment of old, twin: not made yet"), "{doctor}");

    let made = lab.said(&["sync"]);
    assert!(made.contains("environment of new: made in") && made.contains("of old, twin: made in"), "{made}");
    let report: Value = serde_json::from_str(&lab.said(&["sync", "--json"])).unwrap();
    let states: Vec<_> = report["environments"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["ready", "ready"]);
    let doctor = lab.said(&["doctor"]);
    assert!(
        doctor.contains("environment of new: ready, Python 3") && doctor.contains("1 package, "),
        "{doctor}"
    );
    assert!(doctor.contains("installed by uv") || doctor.contains("installed by pip"), "{doctor}");

    lab.skill("new", "conflict==1.0");
    // A server waits but a moment for the look at what has changed since; here it has been looked at before.
    lab.said(&["list"]);
    let mut client = lab.serve();
    assert_eq!(text(&client.result("new.tell", json!({}))), "1.0");
    assert_eq!(lab.made().len(), 2);
    let doctor = lab.said(&["doctor"]);
    assert!(doctor.contains("1 environment") && doctor.contains("omni sync --prune"), "{doctor}");
    let pruned = lab.said(&["sync", "--prune"]);
    assert!(pruned.contains("removed ("), "{pruned}");
    assert_eq!(lab.made().len(), 1);
    assert_eq!(text(&client.result("new.tell", json!({}))), "1.0");
    client.close();
}

#[test]
fn a_cache_that_was_cleared_costs_time_and_no_call() {
    let lab = Lab::each().pop().unwrap();
    lab.files("slow", &TELLS.replace("@tool", "@tool(executor=\"spawn\")"));
    lab.folder.write("skills/slow/pyproject.toml", "[project]\ndependencies = [\"conflict==1.0\"]\n");
    let mut client = lab.serve();
    assert_eq!(text(&client.result("slow.tell", json!({}))), "1.0");
    fs::remove_dir_all(lab.folder.path("cache/environments")).unwrap();
    assert_eq!(text(&client.result("slow.tell", json!({}))), "1.0");
    client.close();
}

#[test]
fn settings_that_cannot_be_are_named() {
    let lab = Lab::new(None);
    lab.skill("old", "conflict==1.0");
    for (text, named) in [
        ("[environments]\nuv = \"/nowhere/uv\"\n", "environments.uv"),
        ("[environments]\ntimeout = 0\n", "environments.timeout"),
        ("[environments]\ntimeuot = 3\n", "timeuot"),
    ] {
        lab.folder.write("omni.toml", text);
        let output = lab.run(&["call", "old.tell"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(named), "{said}");
    }
}

#[test]
fn the_package_of_the_way_back_is_installed_ahead_and_is_nobodys_leftover() {
    for lab in Lab::each() {
        // One that only has the name: the SDK itself is not ours to try here.
        lab.wheel_of("mcp", "2.3.0");
        let path = lab.said(&["python-path", "--with-mcp"]);
        assert_eq!(path, lab.said(&["python-path", "--with-mcp"]), "it is there already");
        let import = "import mcp, omni.inprocess; print(mcp.VERSION)";
        let done =
            Command::new("python3").args(["-c", import]).env("PYTHONPATH", path.trim_end()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), "2.3.0\n", "{done:?}");
        assert_eq!(lab.made().len(), 1);
        lab.said(&["sync", "--prune"]);
        assert_eq!(lab.made().len(), 1, "no skill needs it, and it is kept");
        let nothing = Lab::new(lab.uv.clone()).run(&["python-path", "--with-mcp"]);
        let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
        assert!(!nothing.status.success() && nothing.stdout.is_empty(), "{said}");
        assert!(said.contains("`mcp==2.3.0` could not be installed"), "{said}");
    }
}
