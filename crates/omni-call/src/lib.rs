//! What one call of a tool, resource, prompt or completion is, from the moment it is accepted to the way it ended.
//!
//! Data and one trait; no I/O, no clock, no runtime. Whoever needs the time passes it in.

mod affinity;
mod alternatives;
mod byte_range;
mod call;
mod call_id;
mod call_origin;
mod causes;
mod deadline;
mod executor;
mod executor_kind;
mod file;
mod future;
mod mime_type;
mod open_questions;
mod options;
mod outcome;
mod parent_call;
mod policy;
mod port;
mod program;
mod python_range;
mod question;
mod request;
mod requirements;
mod result;
mod spec;
mod target;
mod task_status;
mod task_support;
mod temp_files;
mod trust;
mod visible;

pub use affinity::{Affinity, AffinityKey};
pub use byte_range::{ByteRange, CONTINUATION_BYTES_MAX, RangeError, ServedRange, range_uri, split_range};
pub use call::{Call, LogLevel, Wants};
pub use call_id::CallId;
pub use call_origin::CallOrigin;
pub use causes::with_causes;
pub use deadline::{Deadline, Expired};
pub use executor::Executor;
pub use executor_kind::{ExecutorKind, ExecutorPlace, InterpreterExecutor, ServerExecutor, UnknownExecutor};
pub use file::{FileKind, FileTarget, PromptArgument};
pub use future::BoxFuture;
pub use mime_type::{APP_PAGE, MimeType};
pub use open_questions::OpenQuestions;
pub use options::{
    CallOptions, ForkSettings, OPTIONS, OPTIONS_WITHOUT_EFFECT, OptionKind, OptionPlace, OptionValue, Policy,
    TimeLimits, ToolOption,
};
pub use outcome::{ErrorDetail, Outcome, OutcomeKind, Phase};
pub use parent_call::{ChildQuestion, ChildStatus, ParentCall};
pub use port::{
    Answer, Ask, AskMethod, AskRefusal, CallPort, Event, EventSink, NoClient, ServerMethod, ServerRequest,
};
pub use program::{ProgramInput, ProgramOutput, ProgramTarget};
pub use python_range::{PythonRange, PythonVersion};
pub use question::Question;
pub use request::{CallRequest, CompletionReference, CompletionRequest};
pub use requirements::{Requirements, RequirementsSource};
pub use result::{CallResult, Completion, PromptMessages, ResourceContents, ToolResult};
pub use spec::{Code, CodeId, RunSpec, SkillChange, SkillId};
pub use target::{FunctionKind, InjectedParameter, PythonTarget, Target};
pub use task_status::TaskStatus;
pub use task_support::TaskSupport;
pub use temp_files::TempFiles;
pub use trust::Trust;
pub use visible::{Hidden, HiddenKind, hidden, shown, shown_bytes, shown_json, shown_line, shown_path};
