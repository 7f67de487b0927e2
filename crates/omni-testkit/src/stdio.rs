//! A client on stdio.

use std::collections::VecDeque;
use std::io;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;

use crate::{WireCheck, messages};

/// One client on stdio, which sends and reads lines, and panics at one that is no message of its revision. Dropping it
/// closes both ends.
pub struct StdioClient {
    input: Option<WriteHalf<DuplexStream>>,
    output: Lines<BufReader<ReadHalf<DuplexStream>>>,
    /// What was read while something else was waited for.
    passed: VecDeque<Value>,
    served: JoinHandle<io::Result<()>>,
    check: WireCheck,
}

impl StdioClient {
    pub(crate) fn new(stream: DuplexStream, served: JoinHandle<io::Result<()>>) -> Self {
        let (output, input) = tokio::io::split(stream);
        let output = BufReader::new(output).lines();
        StdioClient {
            input: Some(input),
            output,
            passed: VecDeque::new(),
            served,
            check: WireCheck::default(),
        }
    }

    /// Sends one message.
    pub async fn send(&mut self, message: &Value) {
        self.send_bytes(format!("{message}\n").as_bytes()).await;
    }

    /// Sends bytes as they are: half a line, or what is none.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.check.sent(bytes);
        self.input.as_mut().expect("the input is open").write_all(bytes).await.unwrap();
    }

    /// The next message of the server, in the order in which it sent them.
    pub async fn next(&mut self) -> Value {
        match self.passed.pop_front() {
            Some(message) => message,
            None => self.read().await.expect("the server closed its output"),
        }
    }

    /// The next line, or `None` when the server has closed its output.
    async fn read(&mut self) -> Option<Value> {
        let line = crate::wait::expect("a message", self.output.next_line()).await.unwrap()?;
        let message = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
        let faults = self.check.received(&message);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        Some(message)
    }

    /// Sends a request and waits for its answer; what comes before is kept for [`next`](Self::next).
    pub async fn request(&mut self, request: &Value) -> Value {
        self.send(request).await;
        self.answer(&request["id"]).await
    }

    /// The answer under that id; what comes before is kept for [`next`](Self::next).
    pub async fn answer(&mut self, id: &Value) -> Value {
        let answers = |message: &Value| message.get("method").is_none() && message["id"] == *id;
        if let Some(at) = self.passed.iter().position(answers) {
            return self.passed.remove(at).unwrap();
        }
        loop {
            let message = self.read().await.expect("the server closed its output before it answered");
            if answers(&message) {
                return message;
            }
            self.passed.push_back(message);
        }
    }

    /// The server's next request of that method; what comes before is kept for [`next`](Self::next).
    pub async fn asked(&mut self, method: &str) -> Value {
        let asks = |message: &Value| message["method"] == method && message.get("id").is_some();
        if let Some(at) = self.passed.iter().position(asks) {
            return self.passed.remove(at).unwrap();
        }
        loop {
            let message = self.read().await.expect("the server closed its output before it asked");
            if asks(&message) {
                return message;
            }
            self.passed.push_back(message);
        }
    }

    /// Opens a session of that revision and gives the answer to `initialize`.
    pub async fn initialize(&mut self, revision: &str) -> Value {
        self.initialize_able(revision, serde_json::json!({})).await
    }

    /// The same, declaring these capabilities.
    pub async fn initialize_able(&mut self, revision: &str, capabilities: Value) -> Value {
        let hello = messages::initialize_able("initialize", revision, capabilities);
        let answer = self.request(&hello).await;
        assert_eq!(answer["result"]["protocolVersion"], revision, "{answer}");
        self.send(&messages::notification("notifications/initialized", serde_json::json!({}))).await;
        answer
    }

    /// Ends the input, and gives what the server still says and how it ended.
    pub async fn close(mut self) -> (Vec<Value>, io::Result<()>) {
        self.check.sent_end();
        self.input.take().unwrap().shutdown().await.unwrap();
        let rest = self.rest().await;
        (rest, self.served.await.unwrap())
    }

    /// All that the server says until it closes its output.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut rest: Vec<Value> = self.passed.drain(..).collect();
        while let Some(message) = self.read().await {
            rest.push(message);
        }
        rest
    }

    /// How the server's side ended, once its output is closed.
    pub async fn ended(self) -> io::Result<()> {
        self.served.await.unwrap()
    }
}
