//! The revisions of MCP: how each writes a request, and what its results may carry.
//!
//! The only place that knows a version by name. Each era decodes into the same [`Request`](crate::Request).

mod client;
mod legacy;
mod modern;
mod params;
mod read;
mod refusal;
mod table;

pub use read::read_complete_params;
pub(crate) use table::QuestionSupport;
pub use table::{AskedBy, Era, Revision, ToolFields};

#[cfg(test)]
mod tests;
