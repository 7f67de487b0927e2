//! What one tool call is, from the moment it is accepted to the way it ended.
//!
//! Data and one trait; no I/O, no clock, no runtime. Whoever needs the time passes it in.

mod call;
mod deadline;
mod executor;
mod outcome;
mod spec;

pub use call::{Call, CallId, LogLevel, Wants};
pub use deadline::{Deadline, Expiry};
pub use executor::{BoxFuture, Event, EventSink, Executor, NoEvents};
pub use outcome::{Ending, ErrorDetail, Outcome, Phase, ToolResult};
pub use spec::{Inject, Limits, RunSpec, Way};
