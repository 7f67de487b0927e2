//! The form in which traits behind `dyn` return what takes a while.

use std::future::Future;
use std::pin::Pin;

/// A future behind one pointer, which any thread may poll; dropping it cancels what it does.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
