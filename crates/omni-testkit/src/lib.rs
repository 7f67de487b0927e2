//! A whole server inside one test: no port, no process, no Python, and a clock that the test turns.
//!
//! A [`SkillFolder`] says which tools there are, a [`ScriptedExecutor`] what becomes of their calls, a [`TestServer`]
//! joins both, and a [`StdioClient`] or an [`HttpClient`] speaks to it over a pair of byte streams in memory. In a
//! test with `#[tokio::test(start_paused = true)]` time stands still while anybody works, and jumps to the next timer
//! when nobody does, so a wait of 30 seconds takes none.
//!
//! For tests only, so everything here panics when it does not get what the test wants.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod escapes;
mod executor;
mod http;
mod messages;
mod server;
mod skill_folder;
mod sse;
mod stdio;
mod wait;
mod wire_check;

pub use escapes::path_escapes;
pub use executor::{OpenQuestion, RunningCall, ScriptedExecutor, StartedCalls, crashed};
pub use http::{EventStream, HttpClient, HttpReply, ServerEvent};
pub use messages::{
    call_tool, cancelled, from_client, initialize, initialize_able, modern, modern_able, notification, reply,
    reply_error, request, retry,
};
pub use server::{TestServer, TestServerBuilder};
pub use skill_folder::SkillFolder;
pub use sse::SseClient;
pub use stdio::StdioClient;
pub use wire_check::{Schema, WireCheck};
