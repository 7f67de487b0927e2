//! The server inside the test: clients on byte pairs, an executor that the test scripts, time that stands still.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong")]

mod apps;
mod batches;
mod bounds;
mod cancels;
mod changes;
mod client_questions;
mod errors;
mod folder_items;
mod health;
mod interleavings;
mod items;
mod large_results;
mod nested;
mod profiles;
mod resume;
mod sessions;
mod shutdown;
mod skills;
mod sse;
mod stale;
mod start;
mod streams;
mod subscriptions;
mod tasks;
mod visibility;
mod visible_items;

use omni_testkit::{ScriptedExecutor, SkillFolder, StartedCalls, TestServer};

const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// A folder with one skill whose tools take anything.
fn one_skill() -> SkillFolder {
    SkillFolder::new().skill("t", &["run", "other"])
}

/// A server of [`one_skill`], and its calls, which the test answers.
fn scripted() -> (TestServer, StartedCalls) {
    let (executor, calls) = ScriptedExecutor::new();
    (TestServer::new(&one_skill(), executor), calls)
}
