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
    initialize_able(id, revision, json!({}))
}

/// The same from a client that declares these capabilities.
pub fn initialize_able(id: impl Into<Value>, revision: &str, capabilities: Value) -> Value {
    let client = json!({"name": "testkit", "version": "1"});
    let params = json!({"protocolVersion": revision, "capabilities": capabilities, "clientInfo": client});
    request(id, "initialize", params)
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
    if meta["io.modelcontextprotocol/clientCapabilities"].is_null() {
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    }
    request
}

/// The same request from a client that calls itself `name`: an `initialize`, or a request that [`modern`] has been
/// through.
pub fn from_client(mut request: Value, name: &str) -> Value {
    let client = json!({"name": name, "version": "1"});
    match request["method"].as_str() {
        Some("initialize") => request["params"]["clientInfo"] = client,
        _ => request["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] = client,
    }
    request
}

/// The same from a client that declares these capabilities.
pub fn modern_able(mut request: Value, capabilities: Value) -> Value {
    request["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities;
    modern(request)
}

/// The client's result for a request of the server.
pub fn reply(request: &Value, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": request["id"], "result": result})
}

/// The client's error for a request of the server.
pub fn reply_error(request: &Value, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": message}})
}

/// A request once more, as `id`, with answers to what its `answer` asked for: an object of them by their keys.
pub fn retry(request: &Value, id: impl Into<Value>, answer: &Value, answers: Value) -> Value {
    assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    let mut again = request.clone();
    again["id"] = id.into();
    again["params"]["requestState"] = answer["result"]["requestState"].clone();
    again["params"]["inputResponses"] = answers;
    again
}
