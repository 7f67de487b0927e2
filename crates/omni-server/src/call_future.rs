//! A request that is worked on, as whoever drives it holds it.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;

use omni_protocol::Frame;

/// A request that is worked on, whoever waits for its answer.
pub(crate) type CallFuture = Pin<Box<dyn Future<Output = CallEnd> + Send>>;

/// Its answer, if it has one.
pub(crate) type CallEnd = Result<Option<Frame>, Panic>;

/// What a panic carried.
pub(crate) type Panic = Box<dyn Any + Send>;
