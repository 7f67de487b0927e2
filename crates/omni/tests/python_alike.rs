//! Does Python alone list the same tools as the server, when it imports the skills that the server reads?

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{Folder, without_page_links};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// What `python -m omni.describe` says of a folder of skills.
fn described_by_python(skills: &Path) -> Value {
    let output = Command::new("python3")
        .args(["-m", "omni.describe"])
        .arg(skills)
        .env("PYTHONPATH", workspace().join("python/src"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Compares lists, members and their order included, and what is known of running each tool.
fn assert_alike(folder: &Folder, skills: &Path) {
    let place = skills.to_str().unwrap();
    let mut client = folder.stdio(&["--skills", place, "--names", "dotted"]).initialised();
    let served = without_page_links(client.request("tools/list", json!({}))["result"]["tools"].take());
    let described = described_by_python(skills);
    let mut theirs = described["tools"].as_array().unwrap().clone();
    // What is off is described, and in no list before a call has shown it.
    theirs.retain(|tool| tool["omni"]["policy"]["enabled"] != false);
    let served = served.as_array().unwrap();
    assert!(!served.is_empty());
    let names = |tools: &[Value]| tools.iter().map(|tool| tool["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&theirs), names(served), "problems: {}", described["problems"]);
    for (ours, theirs) in served.iter().zip(&mut theirs) {
        let run = theirs.as_object_mut().unwrap().shift_remove("omni").unwrap();
        assert_eq!(theirs.to_string(), ours.to_string());
        let name = ours["name"].as_str().unwrap();
        let output = folder.run(&["describe", name, "--json", "--skills", place, "--names", "dotted"]);
        let known: Value = serde_json::from_slice(&output.stdout).unwrap();
        for member in ["skill", "async", "timeout_ms", "idle_timeout_ms", "function", "inject"] {
            assert_eq!(run[member], known[member], "`{member}` of `{name}`");
        }
        let file = format!("{}/{}", run["skill"].as_str().unwrap(), run["file"].as_str().unwrap());
        assert_eq!(Value::from(file), known["file"], "`{name}`");
    }
}

#[test]
fn the_shipped_skills_are_listed_alike_by_the_server_and_by_python_alone() {
    assert_alike(&Folder::new(""), &workspace().join("skills"));
}

#[test]
fn the_skills_of_the_conformance_suite_are_listed_alike() {
    assert_alike(&Folder::new(""), &workspace().join("conformance/skills"));
}

#[test]
fn what_skills_and_decorators_declare_is_listed_alike() {
    let folder = Folder::new(
        r#"
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Optional

class Colour(Enum):
    RED = "red"
    BLUE = "blue"

@dataclass
class Point:
    """Where."""
    x: int
    y: int = 0

@tool(title="Everything", read_only=True, open_world=False, timeout=1.5, idle_timeout=0, concurrency=2,
      retry_on=(OSError, ValueError), max_attempts=4, cache_ttl=60, task=True, affinity="session", category="demo",
      tags=["b", "a"], version="2", meta={"x": [1]}, icons=[{"src": "data:,"}])
def everything(a: int, b: "Optional[Point]" = None, c: Colour = Colour.RED, *, ctx: Context,
               d: Literal["x", 1] = "x") -> Point:
    """Do all.

    Args:
        a: A number.
        b: A point - or none.
    """

@tool(output_schema=None)
async def without_schema(value: dict[str, list[int]]) -> dict[str, int]:
    """Has none by choice."""

@tool(name="other.name", input_schema={"properties": {"q": {"type": "string"}}})
def named(**_): ...

@tool(name="same")
def own_schema(q: str = "x") -> list[Point]: ...

@tool
def same(): ...
"#,
    );
    folder.write("skills/t/scripts/_helper.py", "X = 1\n");
    folder.write(
        "skills/t/SKILL.md",
        "---\nname: t\ndescription: Tools.\ntimeout: 7\ntools:\n  - name: words\n    description: Count.\n    command: [wc, -w]\n    \
         read_only: true\n    input_schema: {properties: {text: {type: string}}, required: [text]}\n---\n",
    );
    folder.write("skills/flat/SKILL.md", "---\nname: flat\ndescription: Flat.\nflat: true\n---\n");
    folder.write("skills/flat/scripts/f.py", "from omni import tool\n@tool\ndef level(a: bytes): ...\n");
    folder.write("skills/broken/scripts/b.py", "from omni import tool\n@tool\ndef f(:\n");
    assert_alike(&folder, &folder.path("skills"));
}

/// One file each: what is doubtful about it, and whether its tools are there all the same.
const DOUBTFUL: [(&str, &str, bool); 14] = [
    ("unknown", "from omni import tool\n@tool(readonly=True)\ndef go(): ...\n", true),
    (
        "annotations",
        "from omni import tool\n@tool(annotations={\"readOnlyHint\": True})\ndef go(): ...\n",
        true,
    ),
    (
        "earlier",
        "from omni import skill_command\n@skill_command(autowire=True, variants=[])\ndef go(): ...\n",
        true,
    ),
    ("executor", "from omni import tool\n@tool(executor=\"thread\")\ndef go(): ...\n", true),
    ("value", "from omni import tool\n@tool(timeout=\"5\", tags=\"x\", read_only=1)\ndef go(): ...\n", true),
    ("alone", "from omni import tool\n@tool(\"go\")\ndef went(): ...\n", true),
    ("number", "from omni import tool\n@tool\ndef first(): ...\n@tool(5)\ndef go(): ...\n", false),
    ("two", "from omni import tool\n@tool(\"a\", \"b\")\ndef go(): ...\n", false),
    ("name", "from omni import tool, Tool\n@tool\ndef go(): ...\n", false),
    ("attribute", "import omni\n@omni.tool\ndef first(): ...\n@omni.tools\ndef go(): ...\n", false),
    ("guess", "from omni import tool\n@tool\ndef first(): ...\n@tools\ndef go(): ...\n", false),
    (
        "former",
        "from omni.foundation.api.decorators import skill_command\n@skill_command\ndef go(): ...\n",
        false,
    ),
    ("program", "from omni import tool\nif __name__ == \"__main__\":\n    @tool\n    def go(): ...\n", false),
    ("class", "from omni import tool\n@tool\nclass Go: ...\n", false),
];

#[test]
fn what_the_decorator_does_not_know_is_read_as_python_loads_it() {
    let folder = Folder::new("");
    let mut listed = Vec::new();
    for (skill, text, there) in DOUBTFUL {
        folder.write(&format!("skills/{skill}/scripts/a.py"), text);
        if there {
            listed.push(format!("{skill}.go"));
        }
    }
    listed.sort();
    let described = described_by_python(&folder.path("skills"));
    let names = |tools: &Value| {
        let names = tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&described["tools"]), listed, "{}", described["problems"]);
    let output = folder.run(&["list", "--json"]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(names(&list["tools"]), listed);
    let doctor = folder.run(&["doctor", "--json"]);
    let doctor: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    for (skill, ..) in DOUBTFUL {
        let found = doctor["diagnostics"].as_array().unwrap().iter();
        let found =
            found.filter(|found| found["skill"] == skill && found["file"] == format!("{skill}/scripts/a.py"));
        assert!(skill == "alone" || found.count() > 0, "{skill}: {doctor:#}");
    }
    // What is listed can be called.
    for (skill, ..) in DOUBTFUL.iter().filter(|(.., there)| *there) {
        let output = folder.run(&["call", &format!("{skill}.go")]);
        assert!(output.status.success(), "{skill}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn front_matter_with_a_fault_is_read_alike() {
    let folder = Folder::new("");
    let faults = [
        "description: Use when: x is meant",
        "description: @all of it",
        "description: `code` first",
        "description: *important* text",
        "description: \"half a quote",
        "description: [draft] of it",
        "description:Short",
        "  description: Moved",
        "metadata:\n\tversion: 1\ndescription: Tabs",
        "description:\u{a0}Blank",
        "description: Twice\ndescription: Other",
        "description: Short\nwords without a key",
        "metadata:\n  when: Use when: x",
    ];
    for (at, fault) in faults.iter().enumerate() {
        folder.write(
            &format!("skills/s{at}/SKILL.md"),
            &format!(
                "---\nname: s{at}\n{fault}\ntimeout: 7\ntools:\n  - name: words\n    description: Count: them\n    command: \
                 [wc, -w]\n    input_schema: {{properties: {{text: {{type: string}}}}}}\n---\n"
            ),
        );
    }
    for (skill, text) in
        [("open", "---\nname: open\nflat: true\n\n# Text\n"), ("dash", "\n----\nflat: true\n---\n")]
    {
        folder.write(&format!("skills/{skill}/SKILL.md"), text);
        let tool = format!("from omni import tool\n@tool\ndef {skill}_tool(): ...\n");
        folder.write(&format!("skills/{skill}/scripts/a.py"), &tool);
    }
    assert_alike(&folder, &folder.path("skills"));
    let listed = folder.run(&["list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["tools"].as_array().unwrap().len(), faults.len() + 2);
}
