//! Requirements that change while their skill is served: a new environment is made, and the one before serves meanwhile.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::lab::Lab;
use crate::support::{PATIENCE, Stdio_, text, wait_gone, wait_until};

/// Tells what it imports, and which process it is.
fn tells(of: &str) -> String {
    format!(
        "import os\n\nfrom omni import tool\nimport {of}\n\n\n@tool\ndef tell() -> str:\n    \"\"\"Tell the version.\"\"\"\n    \
         return f\"{{{of}.VERSION}} {{os.getpid()}}\"\n"
    )
}

/// Packages are installed when the test says so.
struct Gated {
    lab: Lab,
}

impl Gated {
    /// The installer puts `NAME==VERSION` into the environment once there is a file `may-VERSION`, from the wheels.
    fn new() -> Gated {
        let mut lab = Lab::new(None);
        lab.fake_uv(
            r#"for word; do
  case "$word" in
    */bin/python) python=$word ;;
    *==*) name=${word%%==*} version=${word##*==} ;;
  esac
done
echo "$version" >> "$HOME/asked"
while [ ! -e "$HOME/may-$version" ]; do sleep 0.02; done
for site in "${python%/bin/python}"/lib/python3*/site-packages; do :; done
wheel="$HOME/../wheels/$name-$version-py3-none-any.whl"
if [ ! -e "$wheel" ]; then echo "error: there is no $name $version" >&2; exit 1; fi
exec "$python" -m zipfile -e "$wheel" "$site""#,
        );
        fs::create_dir_all(lab.folder.path("home")).unwrap();
        Gated { lab }
    }

    fn allow(&self, version: &str) {
        self.lab.folder.write(&format!("home/may-{version}"), "");
    }

    /// How often the installer was asked for that version.
    fn asked(&self, version: &str) -> usize {
        let asked = fs::read_to_string(self.lab.folder.path("home/asked")).unwrap_or_default();
        asked.lines().filter(|line| *line == version).count()
    }

    fn wait_asked(&self, version: &str, times: usize) {
        wait_until(&format!("version {version} to be installed"), || self.asked(version) >= times);
    }

    fn requires(&self, dependency: &str) {
        let text = format!("[project]\nname = \"s\"\nversion = \"0\"\ndependencies = [\"{dependency}\"]\n");
        self.lab.folder.write("skills/s/pyproject.toml", &text);
    }

    fn code(&self, source: &str) {
        self.lab.files("s", source);
    }
}

/// The version that the tool tells, and the process that it runs in.
#[track_caller]
fn told(client: &mut Stdio_) -> (String, u32) {
    let result = client.result("s.tell", json!({}));
    let (version, pid) = text(&result).split_once(' ').unwrap_or_else(|| panic!("{result}"));
    (version.to_owned(), pid.parse().unwrap())
}

/// Calls until that version is told. None of the calls may fail.
#[track_caller]
fn call_until(client: &mut Stdio_, version: &str) -> u32 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (told, pid) = told(client);
        if told == version {
            return pid;
        }
        assert!(Instant::now() < deadline, "still {told}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_environment_before_serves_until_the_new_one_is_ready_and_goes_then() {
    let gated = Gated::new();
    gated.code(&tells("conflict"));
    gated.requires("conflict==1.0");
    gated.allow("1.0");
    let mut client = gated.lab.serve();
    let (version, old) = told(&mut client);
    assert_eq!(version, "1.0");

    gated.requires("conflict==2.0");
    // Nobody has to call for it.
    gated.wait_asked("2.0", 1);
    for _ in 0..5 {
        assert_eq!(told(&mut client).0, "1.0");
    }
    gated.allow("2.0");
    call_until(&mut client, "2.0");
    for _ in 0..10 {
        assert_eq!(told(&mut client).0, "2.0", "a call that came after it was ready");
    }
    wait_gone(old);
    assert_eq!(gated.lab.made().len(), 2);
    wait_until("the old one to be nobody's", || {
        gated.lab.said(&["sync", "--prune"]);
        gated.lab.made().len() == 1
    });
    assert_eq!(told(&mut client).0, "2.0");
    client.close();
    assert_eq!((gated.asked("1.0"), gated.asked("2.0")), (1, 1));
}

#[test]
fn a_call_that_runs_in_the_old_environment_ends_there() {
    let gated = Gated::new();
    let source = tells("conflict").replace(
        "    return",
        "    open(os.environ[\"HOME\"] + \"/runs\", \"w\").write(\"x\")\n    while not os.path.exists(os.environ[\"HOME\"] + \"/end\"):\n        time.sleep(0.01)\n    return",
    );
    gated.code(&source.replace("import os\n", "import os\nimport time\n"));
    gated.requires("conflict==1.0");
    gated.allow("1.0");
    gated.allow("2.0");
    let mut client = gated.lab.serve();
    client.call("a", "s.tell", json!({}));
    wait_until("the call to run", || gated.lab.folder.path("home/runs").exists());
    gated.requires("conflict==2.0");
    wait_until("the new environment", || gated.lab.made().len() == 2);
    gated.lab.folder.write("home/end", "");
    let answered = client.answer("a");
    assert!(text(&answered["result"]).starts_with("1.0 "), "{answered}");
    call_until(&mut client, "2.0");
    client.close();
}

#[test]
fn code_that_came_with_new_requirements_waits_for_them() {
    let gated = Gated::new();
    gated.lab.wheel_of("another", "3.0");
    gated.code(&tells("conflict"));
    gated.requires("conflict==1.0");
    gated.allow("1.0");
    let mut client = gated.lab.serve();
    assert_eq!(told(&mut client).0, "1.0");

    gated.requires("another==3.0");
    gated.code(&tells("another"));
    gated.wait_asked("3.0", 1);
    client.call("a", "s.tell", json!({}));
    // The answer to another request comes first: the call waits.
    client.request("ping", json!({}));
    assert!(!client.has_kept("a"));
    gated.allow("3.0");
    let answered: Value = client.answer("a");
    assert!(text(&answered["result"]).starts_with("3.0 "), "{answered}");
    client.close();
}

#[test]
fn what_cannot_be_made_leaves_the_one_before_and_is_tried_again_with_the_next_change() {
    let gated = Gated::new();
    gated.code(&tells("conflict"));
    gated.requires("conflict==1.0");
    for version in ["1.0", "2.0", "9.9"] {
        gated.allow(version);
    }
    let mut client = gated.lab.serve();
    assert_eq!(told(&mut client).0, "1.0");

    gated.requires("conflict==9.9");
    gated.wait_asked("9.9", 1);
    wait_until("doctor to say so", || {
        let doctor = gated.lab.said(&["doctor"]);
        doctor.contains("it could not be made the last time") && doctor.contains("there is no conflict 9.9")
    });
    for _ in 0..3 {
        assert_eq!(told(&mut client).0, "1.0");
    }
    assert_eq!(gated.asked("9.9"), 1, "not at each call");

    // Code alone is served where it can be, and the change is a reason to try again.
    gated.code(&tells("conflict").replace(".VERSION}", ".VERSION}b"));
    gated.wait_asked("9.9", 2);
    call_until(&mut client, "1.0b");

    gated.lab.wheel("9.9");
    gated.code(&tells("conflict").replace(".VERSION}", ".VERSION}c"));
    call_until(&mut client, "9.9c");
    gated.requires("conflict==2.0");
    call_until(&mut client, "2.0c");
    client.close();
}

#[test]
fn a_skill_that_needed_nothing_runs_without_until_it_is_installed_and_again_when_it_needs_nothing_any_more() {
    let gated = Gated::new();
    gated.code("import sys, os\nfrom omni import tool\n\n\n@tool\ndef tell() -> str:\n    \"\"\"Tell.\"\"\"\n    return f\"{sys.prefix != sys.base_prefix} {os.getpid()}\"\n");
    let mut client = gated.lab.serve();
    let plain = told(&mut client).0;
    if plain == "True" {
        println!(
            "skipped: the Python of the tests is in an environment itself, so the two cannot be told apart"
        );
        return;
    }
    gated.requires("conflict==1.0");
    gated.wait_asked("1.0", 1);
    assert_eq!(told(&mut client).0, plain);
    gated.allow("1.0");
    let inside = call_until(&mut client, "True");
    fs::remove_file(gated.lab.folder.path("skills/s/pyproject.toml")).unwrap();
    call_until(&mut client, "False");
    wait_gone(inside);
    client.close();
}

#[test]
fn a_skill_of_resources_and_prompts_alone_moves_to_its_new_environment_as_tools_do() {
    let source = "\
import os

import conflict
from omni import completion, prompt, resource


@resource(\"s://version\")
def version() -> str:
    return f\"{conflict.VERSION} {os.getpid()}\"


@prompt
def ask(what: str) -> str:
    return f\"{conflict.VERSION} {what}\"


@completion(\"what\", prompt=ask)
def whats(value: str) -> list:
    return [conflict.VERSION]
";
    let gated = Gated::new();
    gated.code(source);
    gated.requires("conflict==1.0");
    gated.allow("1.0");
    let mut client = gated.lab.serve();
    let read = |client: &mut Stdio_| {
        let answer = client.request("resources/read", json!({"uri": "s://version"}));
        answer["result"]["contents"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    let others = |client: &mut Stdio_| {
        let filled = client.request("prompts/get", json!({"name": "s.ask", "arguments": {"what": "x"}}));
        let reference = json!({"type": "ref/prompt", "name": "s.ask"});
        let params = json!({"ref": reference, "argument": {"name": "what", "value": ""}});
        let completed = client.request("completion/complete", params);
        (
            filled["result"]["messages"][0]["content"]["text"].clone(),
            completed["result"]["completion"]["values"][0].clone(),
        )
    };
    let first = read(&mut client);
    let (version, old) = first.split_once(' ').unwrap();
    assert_eq!(version, "1.0");
    gated.requires("conflict==2.0");
    // Nobody has to ask for it.
    gated.wait_asked("2.0", 1);
    assert!(read(&mut client).starts_with("1.0 "));
    assert_eq!(others(&mut client), (json!("1.0 x"), json!("1.0")));
    gated.allow("2.0");
    wait_until("the new environment to serve", || read(&mut client).starts_with("2.0 "));
    assert_eq!(others(&mut client), (json!("2.0 x"), json!("2.0")));
    wait_gone(old.parse().unwrap());
    client.close();
    assert_eq!((gated.asked("1.0"), gated.asked("2.0")), (1, 1));
}
