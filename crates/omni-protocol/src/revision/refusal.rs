//! What requests are refused with that a revision does not have, or has otherwise.

use serde_json::json;

use super::table::Revision;
use crate::task::TASKS_EXTENSION;
use crate::{ErrorCode, RpcError};

impl RpcError {
    /// The refusal of a method that this server does not have.
    pub fn method_not_found(method: &str) -> Self {
        method_not_found(method)
    }

    /// The refusal of a URI under which there is no resource.
    pub fn resource_not_found(revision: Revision, uri: &str, message: impl Into<String>) -> Self {
        let uri: String = uri.chars().take(1024).collect();
        RpcError::new(revision.unknown_resource(), message).with_data(json!({ "uri": uri }))
    }

    /// The refusal of a request in a session that there is not.
    pub fn unknown_session() -> Self {
        RpcError::new(ErrorCode::UnknownSession, "no such session; send `initialize` to open a new one")
    }

    /// The refusal of what only a client that has declared the extension for tasks is answered.
    pub fn tasks_undeclared() -> Self {
        let why = format!(
            "the request does not declare that its client takes tasks: `_meta` must have `extensions.{TASKS_EXTENSION}` \
             in its `io.modelcontextprotocol/clientCapabilities`"
        );
        let required = json!({ "extensions": { TASKS_EXTENSION: {} } });
        RpcError::new(ErrorCode::MissingCapability, why)
            .with_data(json!({ "requiredCapabilities": required }))
    }

    /// The refusal of a protocol version we do not speak; lists those we do.
    pub fn unsupported_version(requested: &str) -> Self {
        unsupported(requested)
    }
}

pub(super) fn invalid(message: impl Into<String>) -> RpcError {
    RpcError::new(ErrorCode::InvalidParams, message)
}

pub(super) fn method_not_found(method: &str) -> RpcError {
    let method: String = method.chars().take(100).collect();
    RpcError::new(ErrorCode::MethodNotFound, format!("method `{method}` not found"))
}

/// The refusal that lists what we speak.
pub(super) fn unsupported(requested: &str) -> RpcError {
    let requested: String = requested.chars().take(40).collect();
    let message = format!("protocol version `{requested}` is not supported in a request's `_meta`");
    let data = json!({ "supported": Revision::modern_names(), "requested": requested });
    RpcError::new(ErrorCode::UnsupportedVersion, message).with_data(data)
}
