//! The revisions of MCP: what each has, how it writes a request, and what its results may carry.
//!
//! The only place that knows a version by name. What a revision answers to every question is one file, named after it;
//! the questions are [`rules`], and what others may ask is [`table`]. How requests are read differs by era: [`read`] asks
//! [`legacy`] or [`modern`], and both decode into the same [`Request`](crate::Request), whose parameters are read, and for
//! our own requests written, in [`method_params`].
#![deny(
    clippy::wildcard_enum_match_arm,
    reason = "a revision, a question or a method that is new must not get an old one's answer"
)]

mod answers;
mod asks;
mod choice;
mod legacy;
mod method_params;
mod modern;
mod multi_select;
mod params;
mod read;
mod refusal;
mod rules;
mod table;
mod v2024_11_05;
mod v2025_03_26;
mod v2025_06_18;
mod v2025_11_25;
mod v2026_07_28;

pub use answers::MalformedAnswer;
pub(crate) use method_params::write_params;
pub use read::read_complete_params;
pub use rules::{AskedBy, CancelledBy, Era, LivenessProbe, ToolFields};
pub(crate) use rules::{QuestionSupport, ResultEnvelope, StructuredContent};
pub use table::Revision;

#[cfg(test)]
mod tests;
