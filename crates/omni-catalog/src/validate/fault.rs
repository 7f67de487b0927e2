//! What is wrong with a value, and how it is told.

use std::fmt::{self, Write as _};

/// What is being checked: it decides the word for a member at the top.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckedValue {
    Arguments,
    Output,
}

/// Everything that is wrong with the arguments of one call. Its [`Display`](fmt::Display) is what the
/// model reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentFaults {
    pub(super) tool: String,
    pub(super) cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Not JSON that two readers would understand alike.
    Malformed(String),
    /// JSON that the schema does not allow.
    Invalid(Faults),
    /// The schema itself cannot be used, so nothing can be checked and nothing is run.
    Unusable(String),
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) list: Vec<ArgumentFault>,
    /// Nothing is wrong besides. A large value is not searched to its end.
    pub(super) all: bool,
}

/// One place where a value breaks its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentFault {
    /// JSON pointer into the checked value; for a missing member, where it should be.
    pub pointer: String,
    /// The schema keyword that was broken, such as `type` or `required`.
    pub rule: String,
    /// What was expected and what was found instead; long values are cut.
    pub message: String,
}

impl fmt::Display for ArgumentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "(the whole value)" } else { &self.pointer };
        write!(f, "{place}: {}", self.message)
    }
}

/// More faults than this are counted, not listed: a model corrects a few and tries again.
pub(super) const FAULTS_SHOWN_MAX: usize = 20;

/// The rules that a value breaks which is none of what was meant.
const WRONG_KIND: [&str; 3] = ["type", "anyOf", "oneOf"];

impl ArgumentFaults {
    /// The places where valid JSON breaks the schema, of a large value the first ones; empty when there was no valid
    /// JSON to check.
    pub fn faults(&self) -> &[ArgumentFault] {
        match &self.cause {
            Cause::Invalid(faults) => &faults.list,
            Cause::Malformed(_) | Cause::Unusable(_) => &[],
        }
    }

    /// The same, with what `advice` has to say of an argument that is of the wrong type.
    pub(crate) fn with_advice<'a>(mut self, advice: impl Fn(&str) -> Option<&'a str>) -> Self {
        if let Cause::Invalid(faults) = &mut self.cause {
            for fault in faults.list.iter_mut().filter(|fault| WRONG_KIND.contains(&fault.rule.as_str())) {
                // Of what is inside an argument, its place is said already.
                let name = fault.pointer.strip_prefix('/').filter(|name| !name.contains('/'));
                let name = name.map(|name| name.replace("~1", "/").replace("~0", "~"));
                if let Some(advice) = name.and_then(|name| advice(&name)) {
                    let _ = write!(fault.message, "; {advice}");
                }
            }
        }
        self
    }

    /// Whether the arguments were not acceptable JSON at all (duplicate keys, lone surrogates, nesting
    /// deeper than 64), rather than JSON that breaks the schema.
    pub fn malformed(&self) -> bool {
        matches!(self.cause, Cause::Malformed(_))
    }
}

impl fmt::Display for ArgumentFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was not called: ", self.tool)?;
        match &self.cause {
            Cause::Malformed(message) => write!(f, "its arguments are not valid JSON: {message}"),
            Cause::Unusable(message) => {
                write!(f, "its input schema cannot be used, which only its author can repair: {message}")
            }
            Cause::Invalid(faults) => {
                let count = faults.list.len();
                let plural = if count == 1 { "" } else { "s" };
                let least = if faults.all { "" } else { "at least " };
                write!(f, "{least}{count} problem{plural} with its arguments")?;
                f.write_str(&list(&faults.list))
            }
        }
    }
}

impl std::error::Error for ArgumentFaults {}

pub(super) fn list(faults: &[ArgumentFault]) -> String {
    let mut text = String::new();
    for fault in faults.iter().take(FAULTS_SHOWN_MAX) {
        let _ = write!(text, "\n- {fault}");
    }
    if let Some(more) = faults.len().checked_sub(FAULTS_SHOWN_MAX).filter(|more| *more > 0) {
        let _ = write!(text, "\n- … and {more} more");
    }
    text
}

/// One reference token of a JSON pointer (RFC 6901).
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
