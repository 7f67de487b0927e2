//! The messages that tests send, as JSON.

use serde_json::{Value, json};

/// A request of the JSON-RPC envelope.
pub fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// A notification of the JSON-RPC envelope.
pub fn notification(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// `initialize` for a revision that has sessions.
pub fn initialize(id: impl Into<Value>, revision: &str) -> Value {
    let client = json!({"name": "testkit", "version": "1"});
    request(id, "initialize", json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": client}))
}

/// `tools/call` in a session. [`modern`] makes it a request of the revision without sessions.
pub fn call_tool(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    request(id, "tools/call", json!({"name": tool, "arguments": arguments}))
}

/// `notifications/cancelled` for the request of that id.
pub fn cancelled(id: impl Into<Value>) -> Value {
    notification("notifications/cancelled", json!({"requestId": id.into()}))
}

/// The same request with what revision 2026-07-28 wants in its `_meta`; what stands there already stays.
pub fn modern(mut request: Value) -> Value {
    let meta = &mut request["params"]["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    request
}
