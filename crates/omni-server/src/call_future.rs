//! The future of a request, and how it ends.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;

use omni_protocol::Frame;

/// The future of a request. It knows nothing of who waits for the answer.
pub(crate) type CallFuture = Pin<Box<dyn Future<Output = CallEnd> + Send>>;

/// Its answer, if it has one.
pub(crate) type CallEnd = Result<Option<Frame>, Panic>;

/// What a panic carried.
pub(crate) type Panic = Box<dyn Any + Send>;
