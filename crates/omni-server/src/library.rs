//! Resources and prompts: the one trait behind which they are, and the answers that come from it.

use std::sync::Arc;

use bytes::Bytes;
use omni_call::BoxFuture;
use omni_protocol::{ErrorCode, Frame, GetPrompt, Id, ItemKind, Offers, Revision, RpcError, error_frame};

use crate::server::Server;

/// Whoever has resources and prompts to offer. The server knows nothing else of them.
///
/// Dropping a future gives its answer up. None may wait for ever.
pub trait Library: Send + Sync {
    /// What is offered at all. Asked once; methods of the rest are unknown to clients, and never called.
    fn offers(&self) -> Offers;

    /// All items of that kind: a JSON array of objects as the newest revision of MCP has them.
    fn list(&self, kind: ItemKind) -> BoxFuture<'_, Result<Bytes, LibraryError>>;

    fn read<'a>(&'a self, uri: &'a str) -> BoxFuture<'a, Result<Contents, LibraryError>>;

    /// `arguments` is a JSON object of strings.
    fn prompt<'a>(
        &'a self,
        name: &'a str,
        arguments: Option<Bytes>,
    ) -> BoxFuture<'a, Result<Prompt, LibraryError>>;
}

/// What a resource holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// A JSON array of text or binary contents.
    pub contents: Bytes,
    /// A JSON object.
    pub meta: Option<Bytes>,
}

/// A prompt with its arguments filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    pub description: Option<String>,
    /// A JSON array.
    pub messages: Bytes,
    /// A JSON object.
    pub meta: Option<Bytes>,
}

/// Why there is no answer. The text is for the client.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LibraryError {
    /// No such resource or prompt.
    #[error("{0}")]
    Unknown(String),
    /// A prompt's arguments are wrong.
    #[error("{0}")]
    BadArguments(String),
    /// Whoever has it cannot be reached, or failed.
    #[error("{0}")]
    Unavailable(String),
}

impl LibraryError {
    fn into_rpc(self, of_resource: Option<(Revision, &str)>) -> RpcError {
        match (self, of_resource) {
            (LibraryError::Unknown(why), Some((revision, uri))) => {
                RpcError::resource_not_found(revision, uri, why)
            }
            (LibraryError::Unknown(why) | LibraryError::BadArguments(why), _) => {
                RpcError::new(ErrorCode::InvalidParams, why)
            }
            (LibraryError::Unavailable(why), _) => {
                tracing::warn!(why, "a resource or prompt could not be had");
                RpcError::new(ErrorCode::Internal, why)
            }
        }
    }
}

/// What is asked of the library.
pub(crate) enum Asked {
    List { kind: ItemKind, cursor: Option<String> },
    Resource { uri: String },
    Prompt(GetPrompt),
}

/// Asks, and writes the answer.
pub(crate) async fn answer(
    server: Arc<Server>,
    library: Arc<dyn Library>,
    id: Id,
    revision: Revision,
    asked: Asked,
) -> Frame {
    let frame = match asked {
        Asked::List { cursor: Some(_), .. } => Err(RpcError::new(
            ErrorCode::InvalidParams,
            "`params.cursor` is not one of this list: it has one page; ask without a cursor",
        )),
        Asked::List { kind, cursor: None } => {
            let items = library.list(kind).await.map_err(|error| error.into_rpc(None));
            items.map(|items| server.encoder.items(&id, revision, kind, &items))
        }
        Asked::Resource { uri } => {
            let read = library.read(&uri).await.map_err(|error| error.into_rpc(Some((revision, &uri))));
            read.map(|read| server.encoder.contents(&id, revision, read.contents, read.meta.as_deref()))
        }
        Asked::Prompt(GetPrompt { name, arguments }) => {
            let prompt = library.prompt(&name, arguments).await.map_err(|error| error.into_rpc(None));
            prompt.map(|Prompt { description, messages, meta }| {
                server.encoder.prompt(&id, revision, description.as_deref(), messages, meta.as_deref())
            })
        }
    };
    frame.unwrap_or_else(|error| error_frame(Some(&id), &error))
}
