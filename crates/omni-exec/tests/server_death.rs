//! What is left when the server is killed and can do nothing any more.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic here is the report of a failure")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use omni_process::TempFolders;
use support::{Lab, lives, wait_until};

/// Set for the process that plays the server.
const ROLE: &str = "OMNI_EXEC_TEST_SERVER";

/// Where its tools' temporary folders are.
const TEMP: &str = "OMNI_EXEC_TEST_TEMP";

#[tokio::test]
async fn a_killed_server_leaves_neither_workers_nor_what_their_tools_started() {
    if std::env::var_os(ROLE).is_some() {
        return serve_until_killed().await;
    }
    let test = "a_killed_server_leaves_neither_workers_nor_what_their_tools_started";
    let temp = tempfile::tempdir().unwrap();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, "1")
        .env(TEMP, temp.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let pids: Vec<i32> = loop {
        let line = lines.next().expect("the server ended by itself").unwrap();
        if let Some((_, pids)) = line.split_once("running ").filter(|(_, pids)| pids.starts_with('[')) {
            break serde_json::from_str(pids).unwrap();
        }
    };
    assert!(pids.iter().all(|pid| lives(*pid)));
    let folders = || std::fs::read_dir(temp.path()).unwrap().count();
    assert_eq!(folders(), 1, "the server has a folder for temporary files");
    server.kill().unwrap();
    server.wait().unwrap();
    for pid in pids {
        wait_until(&format!("process {pid} to end"), || !lives(pid)).await;
    }
    wait_until("the temporary files to go", || folders() == 0).await;
}

/// Runs a tool with children and says which processes there are.
async fn serve_until_killed() {
    let temp = std::env::var_os(TEMP).unwrap().into();
    let lab = Lab::pool_with(|config| config.process.temp = TempFolders::below(temp));
    let request = lab.call("starts_children").context();
    let mut running = request.start();
    let said = running.first_log().await;
    let mut pids = said["children"].as_array().unwrap().clone();
    pids.push(said["pid"].clone());
    announce(&format!("running {}", serde_json::to_string(&pids).unwrap()));
    std::future::pending::<()>().await;
}

#[expect(clippy::print_stdout, reason = "this is how the test learns of the processes")]
fn announce(line: &str) {
    println!("{line}");
}
