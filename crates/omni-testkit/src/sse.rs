//! A client over HTTP+SSE.

use serde_json::Value;

use crate::{EventStream, HttpClient, HttpReply, messages};

/// A session over HTTP+SSE: its stream, and another connection for its posts. Dropping it closes both.
pub struct SseClient {
    /// What the server says.
    pub stream: EventStream,
    /// Where messages are posted, as the first event said it.
    pub endpoint: String,
    posts: HttpClient,
    _listening: HttpClient,
}

impl SseClient {
    pub(crate) async fn open(mut listening: HttpClient, posts: HttpClient) -> Self {
        let reply = listening.send_to("/sse", "GET", &[("accept", "text/event-stream")], "").await.unwrap();
        let mut stream = EventStream::of(reply);
        let event = stream.next_text().await.expect("an endpoint");
        let data = event.strip_prefix("event: endpoint\ndata: ").expect(&event);
        let endpoint = format!("/{}", data.trim_end());
        SseClient { stream, endpoint, posts, _listening: listening }
    }

    /// Posts bytes as they are, and gives the reply.
    pub async fn post_bytes(&mut self, body: impl Into<bytes::Bytes>) -> HttpReply {
        self.posts.ask(&self.endpoint, "POST", &[], body).await
    }

    /// Posts a message, which must be accepted.
    pub async fn send(&mut self, message: &Value) {
        let reply = self.post_bytes(message.to_string()).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (202, 0), "{reply:?}");
    }

    /// The next message of the stream.
    pub async fn next(&mut self) -> Value {
        self.stream.next().await.expect("the stream goes on")
    }

    /// Sends a request, and gives the next message, which must be its answer.
    pub async fn request(&mut self, request: &Value) -> Value {
        self.send(request).await;
        let answer = self.next().await;
        assert_eq!(answer["id"], request["id"], "{answer}");
        answer
    }

    /// Agrees on a revision.
    pub async fn initialize(&mut self, revision: &str) -> Value {
        self.initialize_able(revision, serde_json::json!({})).await
    }

    /// The same, declaring these capabilities.
    pub async fn initialize_able(&mut self, revision: &str, capabilities: Value) -> Value {
        self.request(&messages::initialize_able("initialize", revision, capabilities)).await
    }
}
