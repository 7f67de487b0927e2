//! Resources and prompts: the one trait behind which they are, and the answers that come from it.

use std::sync::Arc;

use bytes::Bytes;
use omni_call::BoxFuture;
use omni_protocol::{
    ErrorCode, Frame, GetPrompt, Id, ItemKind, ListKind, Offers, Revision, RpcError, error_frame,
};

use crate::dispatch::{Answer, Caller};
use crate::running::Running;
use crate::server::Server;

/// Whoever has resources and prompts to offer. The server knows nothing else of them.
///
/// Dropping a future gives its answer up. None may wait for ever.
pub trait Library: Send + Sync {
    /// What is offered at all. Asked once; methods of the rest are unknown to clients, and never called.
    fn offers(&self) -> Offers;

    /// The version of a list; two lists that show clients the same have the same. `None`, which is the default, when
    /// nobody can say whether it has changed: clients are then never told that it has. Whether there are versions must
    /// not change. After a new one, [`Server::catalog_checked`] is to be called.
    fn list_version(&self, _kind: ListKind) -> Option<Arc<str>> {
        None
    }

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

/// The methods of resources and prompts: in flight, unless the client's account is full.
pub(crate) fn answer(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    asked: Asked,
    caller: Caller,
) -> Answer {
    let Some(library) = server.library.clone() else {
        // Not reached: without a library the request was refused when it was read.
        return Answer::Refused(RpcError::new(ErrorCode::MethodNotFound, "method not found"));
    };
    let turn = match caller.share.turn() {
        Ok(turn) => turn,
        Err(overloaded) => return Answer::Refused(overloaded.into()),
    };
    if let Asked::List { kind, .. } = &asked {
        let kind = kind.list();
        caller.session.saw_list(kind, library.list_version(kind).as_deref());
    }
    let of = id.clone();
    let answer = ask(server.clone(), library, id.clone(), revision, asked);
    let answer = async move {
        match turn.wait().await {
            Ok(_permit) => answer.await,
            Err(overloaded) => error_frame(Some(&of), &overloaded.into()),
        }
    };
    Answer::Later(Running::new(id, answer, None))
}

/// Asks, and writes the answer.
async fn ask(
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
