//! One accepted call: what it asks for, until when, and what its caller wants to hear.

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use crate::{AffinityKey, CallId, CallOrigin, CallRequest, Deadline, ParentCall, RunSpec};

/// A call that the catalogue has resolved and whose arguments it has validated.
#[derive(Clone, Debug)]
pub struct Call {
    pub id: CallId,
    /// How the tool is run, or whatever else answers the request.
    pub spec: Arc<RunSpec>,
    pub request: CallRequest,
    /// Counted from the moment the call was accepted, so time in a queue counts.
    pub deadline: Deadline,
    pub wants: Wants,
    /// Names the client's session, for tools that ask for it; empty in the stateless era.
    pub session: Arc<str>,
    /// The calls that it must meet in one worker; `None` for a call that any worker may serve. Set by the policy around
    /// the executors, read by those that keep workers.
    pub affinity: Option<Arc<AffinityKey>>,
    /// Who has asked for it; `None` where that is not known, and for tools that cannot ask.
    pub origin: Option<Arc<CallOrigin>>,
    /// The call of another tool that has made this one, and waits for it; `None` for a client's.
    pub parent: Option<Arc<ParentCall>>,
}

impl Call {
    /// A call of no session, whose caller wants to hear nothing and which any worker may serve.
    pub fn new(id: CallId, spec: Arc<RunSpec>, request: CallRequest, deadline: Deadline) -> Self {
        Call {
            id,
            spec,
            request,
            deadline,
            wants: Wants::default(),
            session: Arc::default(),
            affinity: None,
            origin: None,
            parent: None,
        }
    }

    /// See [`CallRequest::arguments`].
    pub fn arguments(&self) -> &Bytes {
        self.request.arguments()
    }

    /// What the log and sentences call it: the tool, or what the caller named.
    pub fn name(&self) -> &str {
        self.request.named().unwrap_or(&self.spec.tool)
    }
}

/// Which events the caller asked for. An executor may skip the work for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    pub progress: bool,
    /// Log messages at this level and above; `None` for no log messages at all.
    pub log: Option<LogLevel>,
}

/// Severity of a log message, in the order of RFC 5424 as MCP uses it (least severe first).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl LogLevel {
    pub const ALL: [LogLevel; 8] = [
        LogLevel::Debug,
        LogLevel::Info,
        LogLevel::Notice,
        LogLevel::Warning,
        LogLevel::Error,
        LogLevel::Critical,
        LogLevel::Alert,
        LogLevel::Emergency,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Notice => "notice",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
            LogLevel::Critical => "critical",
            LogLevel::Alert => "alert",
            LogLevel::Emergency => "emergency",
        }
    }
}

impl FromStr for LogLevel {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        LogLevel::ALL.into_iter().find(|level| level.name() == name).ok_or(())
    }
}
