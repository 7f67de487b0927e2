//! Who is told which clients connect.

use std::fmt;

/// Is told of each client that says who it is: when it opens a session, and in the era without sessions when it discovers
/// the server or asks for its tools.
///
/// It is told on the thread that answers clients, and must not wait. A client may call itself what it likes, and as often as
/// it likes.
pub trait ClientLog: fmt::Debug + Send + Sync {
    /// A client has said its name and its version.
    fn connected(&self, name: &str, version: &str);
}
