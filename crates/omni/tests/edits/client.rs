//! The clients of a run: fifty calls a second, the notifications that come meanwhile, and a list when it is asked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::history::Answer;
use crate::support::{Http, PATIENCE, Stdio_};
use crate::world::{Next, Sent, World, read_answer};

/// One call each.
const PACE: Duration = Duration::from_millis(20);

/// Calls under way at most over HTTP, where each has a connection.
const CONNECTIONS: usize = 24;

pub(crate) trait Client {
    /// All tools, as a list shows them now.
    fn tools(&self) -> Value;

    /// Waits for the answers that are still to come, once the world has stopped. The server is stopped.
    fn finish(self: Box<Self>);
}

fn tools_of(reply: &Value) -> Value {
    assert!(reply["result"]["tools"].is_array(), "no list: {reply}");
    reply["result"]["tools"].clone()
}

/// A client on standard input and output, of the newest legacy revision.
pub(crate) struct OverStdio {
    lists: Sender<Sender<Value>>,
    thread: JoinHandle<()>,
}

impl OverStdio {
    pub(crate) fn start(client: Stdio_, world: Arc<World>) -> Self {
        let (lists, wanted) = channel();
        let thread = spawn(move || {
            Conversation { client, world, wanted, calls: HashMap::new(), asked: HashMap::new(), id: 0 }
                .hold();
        });
        OverStdio { lists, thread }
    }
}

impl Client for OverStdio {
    fn tools(&self) -> Value {
        let (sender, answer) = channel();
        self.lists.send(sender).expect("the client runs");
        tools_of(&answer.recv_timeout(PATIENCE).expect("a list"))
    }

    fn finish(self: Box<Self>) {
        self.thread.join().expect("the client has not panicked");
    }
}

struct Conversation {
    client: Stdio_,
    world: Arc<World>,
    /// Who wants a list.
    wanted: Receiver<Sender<Value>>,
    calls: HashMap<u64, Sent>,
    asked: HashMap<u64, Sender<Value>>,
    id: u64,
}

impl Conversation {
    fn hold(mut self) {
        let mut due = Instant::now();
        let mut last_answer = Instant::now();
        let mut stopped = false;
        while !stopped || !self.calls.is_empty() {
            if !stopped && Instant::now() >= due {
                due += PACE;
                match self.world.next_call() {
                    Next::Call(call) => self.call(call),
                    Next::Nothing => {}
                    Next::Stop => (stopped, last_answer) = (true, Instant::now()),
                }
            }
            while let Ok(wants) = self.wanted.try_recv() {
                self.id += 1;
                self.client.send(&json!({"jsonrpc": "2.0", "id": self.id, "method": "tools/list"}));
                self.asked.insert(self.id, wants);
            }
            let pause = due.saturating_duration_since(Instant::now()).min(PACE / 4);
            match self.client.next_within(pause) {
                Ok(message) => {
                    last_answer = Instant::now();
                    self.take(&message);
                }
                // Without a pause there is no time to read; with calls to come and none answered it is over.
                Err(_) if last_answer.elapsed() > PATIENCE => break,
                Err(_) => {}
            }
        }
        for (_, call) in self.calls.drain() {
            self.world.answered(&call, &Answer::Failed("no answer".to_owned()));
        }
        self.client.close();
    }

    fn call(&mut self, call: Sent) {
        self.id += 1;
        self.client.call(self.id, &call.tool, json!({}));
        self.calls.insert(self.id, call);
    }

    fn take(&mut self, message: &Value) {
        if let Some(method) = message["method"].as_str() {
            return self.world.heard(method);
        }
        let id = message["id"].as_u64().expect("an id of ours");
        if let Some(call) = self.calls.remove(&id) {
            self.world.answered(&call, &read_answer(message));
        } else if let Some(wants) = self.asked.remove(&id) {
            let _ = wants.send(message.clone());
        }
    }
}

/// Clients over HTTP, of the modern revision.
pub(crate) struct OverHttp {
    server: Arc<Http>,
    callers: Vec<JoinHandle<()>>,
    listener: JoinHandle<()>,
}

impl OverHttp {
    pub(crate) fn start(server: Http, world: &Arc<World>) -> Self {
        let server = Arc::new(server);
        let listener = listen(&server, Arc::clone(world));
        let (sender, calls) = channel();
        let calls = Arc::new(std::sync::Mutex::new(calls));
        let mut callers: Vec<JoinHandle<()>> = (0..CONNECTIONS)
            .map(|_| {
                let (server, world, calls) = (Arc::clone(&server), Arc::clone(world), Arc::clone(&calls));
                spawn(move || {
                    loop {
                        let next = calls.lock().expect("no caller has panicked").recv();
                        let Ok(call) = next else { return };
                        world.answered(&call, &call_over(&server, &call));
                    }
                })
            })
            .collect();
        let world = Arc::clone(world);
        callers.push(spawn(move || {
            let mut due = Instant::now();
            loop {
                match world.next_call() {
                    Next::Call(call) => sender.send(call).expect("callers wait for calls"),
                    Next::Nothing => {}
                    Next::Stop => return,
                }
                due += PACE;
                sleep(due.saturating_duration_since(Instant::now()));
            }
        }));
        OverHttp { server, callers, listener }
    }
}

impl Client for OverHttp {
    fn tools(&self) -> Value {
        tools_of(&self.server.modern("tools/list", json!({}), &[]).json())
    }

    fn finish(self: Box<Self>) {
        for caller in self.callers {
            caller.join().expect("the caller has not panicked");
        }
        self.server.stop();
        self.listener.join().expect("the listener has not panicked");
    }
}

fn call_over(server: &Http, call: &Sent) -> Answer {
    let reply = server.modern("tools/call", json!({"name": call.tool, "arguments": {}}), &[]);
    let streamed = reply.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
    let message = if streamed { reply.events().pop() } else { serde_json::from_str(&reply.body).ok() };
    message.map_or_else(|| Answer::Failed(format!("{reply:?}")), |message| read_answer(&message))
}

/// Takes the notifications of a subscription, once it is acknowledged.
fn listen(server: &Arc<Http>, world: Arc<World>) -> JoinHandle<()> {
    let everything = json!({"notifications": {
        "toolsListChanged": true, "resourcesListChanged": true, "promptsListChanged": true}});
    let mut stream = server.open_modern("subscriptions/listen", everything);
    let acknowledged = stream.next().expect("an acknowledgement");
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    spawn(move || {
        while let Some(message) = stream.next() {
            if let Some(method) = message["method"].as_str() {
                world.heard(method);
            }
        }
    })
}
