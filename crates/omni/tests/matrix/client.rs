//! One client for both transports: start a call, wait for its one reply.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Folder, Http, PATIENCE, Reply, Stdio_};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    Stdio,
    Http,
}

pub(crate) enum Client {
    Stdio { client: Box<Stdio_>, next: u64 },
    Http(Arc<Http>),
}

/// A call whose reply has not been read.
pub(crate) enum Ticket {
    Stdio { id: u64, sent: Instant },
    Http(JoinHandle<(Reply, Duration)>),
}

impl Client {
    pub(crate) fn start(transport: Transport, folder: &Folder, arguments: &[&str]) -> Self {
        match transport {
            Transport::Stdio => {
                let client = Box::new(folder.stdio(arguments).initialised());
                Client::Stdio { client, next: 1_000 }
            }
            Transport::Http => Client::Http(Arc::new(folder.http(arguments))),
        }
    }

    pub(crate) fn begin(&mut self, tool: &str, arguments: Value) -> Ticket {
        match self {
            Client::Stdio { client, next } => {
                *next += 1;
                client.try_send(&json!({"jsonrpc": "2.0", "id": *next, "method": "tools/call",
                    "params": {"name": tool, "arguments": arguments}}));
                Ticket::Stdio { id: *next, sent: Instant::now() }
            }
            Client::Http(server) => {
                let server = Arc::clone(server);
                let params = json!({"name": tool, "arguments": arguments});
                Ticket::Http(std::thread::spawn(move || {
                    let sent = Instant::now();
                    let reply = server.modern("tools/call", params, &[]);
                    (reply, sent.elapsed())
                }))
            }
        }
    }

    /// The reply and how long it took, or what was wrong with it.
    pub(crate) fn finish(&mut self, ticket: Ticket) -> Result<(Value, Duration), String> {
        match (self, ticket) {
            (Client::Stdio { client, .. }, Ticket::Stdio { id, sent }) => {
                let reply = client.answer_within(id, PATIENCE)?;
                let took = sent.elapsed();
                if client.has_kept(id) {
                    return Err(format!("a second reply to {id}"));
                }
                Ok((reply, took))
            }
            (Client::Http(_), Ticket::Http(running)) => {
                let (reply, took) = running.join().map_err(|_| "no whole reply came".to_owned())?;
                Ok((only_reply(&reply)?, took))
            }
            _ => unreachable!("a ticket is redeemed where it was bought"),
        }
    }

    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Result<(Value, Duration), String> {
        let ticket = self.begin(tool, arguments);
        self.finish(ticket)
    }

    pub(crate) fn ping(&mut self) -> Result<(), String> {
        let answered = match self {
            Client::Stdio { client, next } => {
                *next += 1;
                client.try_send(&json!({"jsonrpc": "2.0", "id": *next, "method": "ping"}));
                client.answer_within(*next, PATIENCE)?
            }
            Client::Http(server) => server.modern("tools/list", json!({}), &[]).json(),
        };
        if answered.get("result").is_some() { Ok(()) } else { Err(format!("no pong: {answered}")) }
    }

    pub(crate) fn pid(&self) -> u32 {
        match self {
            Client::Stdio { client, .. } => client.child.id(),
            Client::Http(server) => server.child.id(),
        }
    }

    /// Ends the server and says what it still sent that nobody had asked for.
    pub(crate) fn close(self) -> Vec<Value> {
        match self {
            Client::Stdio { mut client, .. } => client.close(),
            Client::Http(_) => Vec::new(),
        }
    }
}

/// The one reply in an HTTP body, which may be a stream.
fn only_reply(reply: &Reply) -> Result<Value, String> {
    if reply.status != 200 {
        // Some errors of MCP have a status of their own.
        let error = serde_json::from_str(&reply.body).ok().filter(|body: &Value| body["error"].is_object());
        return error.ok_or_else(|| format!("status {}: {}", reply.status, reply.body));
    }
    if reply.header("content-type") != Some("text/event-stream") {
        return serde_json::from_str(&reply.body).map_err(|error| format!("{error}: {}", reply.body));
    }
    let mut replies: Vec<Value> =
        reply.events().into_iter().filter(|event| event.get("id").is_some()).collect();
    match (replies.pop(), replies.is_empty()) {
        (Some(reply), true) => Ok(reply),
        (None, _) => Err("a stream without a reply".to_owned()),
        (Some(_), false) => Err("a second reply in the stream".to_owned()),
    }
}

/// Whether the server still runs.
pub(crate) fn lives(pid: u32) -> bool {
    std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))
        .is_ok_and(|stat| !stat.contains(") Z "))
}
