//! Whose modules a process of a tool imports: the project's folder, in which it works, is not on its path.
#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic here is the report of a failure")]

mod support;

use std::fs;
use std::process::Command;

use serde_json::json;
use support::{Lab, python};

/// Everything that is imported before a tool's own file, and what Python imports by itself.
const PLANTED: [&str; 9] =
    ["omni", "json", "socket", "select", "mmap", "faulthandler", "sitecustomize", "usercustomize", "runpy"];

/// Puts a module of each name into the project's folder; each leaves a file when it runs.
fn plant(lab: &Lab) {
    for name in PLANTED {
        let started = lab.root().join(format!("started-{name}"));
        let text = format!("open({:?}, 'w').close()\n", started.display().to_string());
        fs::write(lab.root().join(format!("{name}.py")), text).unwrap();
    }
}

fn started(lab: &Lab) -> Vec<String> {
    let names = fs::read_dir(lab.root()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> =
        names.filter_map(|name| Some(name.to_str()?.strip_prefix("started-")?.to_owned())).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_module_in_the_projects_folder_stands_in_for_none_of_ours() {
    let labs = [Lab::pool(), Lab::spawn(), Lab::fork()];
    for lab in labs {
        plant(&lab);
        let answer = lab.call("echo").args(&json!({"text": "a"})).value().await;
        assert_eq!((answer, started(&lab)), (json!("a"), vec![]));
        // The control: what is planted does run for a Python that looks there.
        let run = Command::new(python()).args(["-c", "import omni, json"]).current_dir(lab.root()).status();
        assert!(run.unwrap().success());
        assert_eq!(started(&lab), ["json", "omni"]);
        lab.finish().await;
    }
}
