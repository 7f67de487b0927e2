//! The future of a request, and how it ends.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;

use omni_protocol::{ErrorCode, Frame, Id, RpcError, error_frame};

use crate::random::random_hex;

/// The future of a request. It knows nothing of who waits for the answer.
pub(crate) type CallFuture = Pin<Box<dyn Future<Output = CallEnd> + Send>>;

/// Its answer, if it has one.
pub(crate) type CallEnd = Result<Option<Frame>, Panic>;

/// What a panic carried.
pub(crate) type Panic = Box<dyn Any + Send>;

/// A panic of ours costs this one request: the client gets a number that stands in the log too.
pub(crate) fn bug(request: &Id, panic: &(dyn Any + Send)) -> Frame {
    let what = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    let incident = random_hex::<4>();
    tracing::error!(incident, id = ?request, panic = what.unwrap_or("unknown"), "bug: a request panicked");
    let message = format!("internal error; look for incident {incident} in the server's log");
    error_frame(Some(request), &RpcError::new(ErrorCode::Internal, message))
}
