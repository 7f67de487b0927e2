//! Whether a value fits a tool's schema, and if not, what to say about it.

mod explain;
mod names;
mod narrow;
mod plain;

use std::fmt::{self, Write as _};

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::strict_json;

/// Everything that is wrong with the arguments of one call. Its [`Display`](fmt::Display) is what the
/// model reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentFaults {
    tool: String,
    cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    /// Not JSON that two readers would understand alike.
    Malformed(String),
    /// JSON that the schema does not allow.
    Invalid(Faults),
    /// The schema itself cannot be used, so nothing can be checked and nothing is run.
    Unusable(String),
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Faults {
    list: Vec<Fault>,
    /// Nothing is wrong besides. A large value is not searched to its end.
    all: bool,
}

/// One place where a value breaks its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer into the checked value; for a missing member, where it should be.
    pub pointer: String,
    /// The schema keyword that was broken, such as `type` or `required`.
    pub rule: String,
    /// What was expected and what was found instead; long values are cut.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "(the whole value)" } else { &self.pointer };
        write!(f, "{place}: {}", self.message)
    }
}

/// More faults than this are counted, not listed: a model corrects a few and tries again.
const FAULTS_SHOWN_MAX: usize = 20;

impl ArgumentFaults {
    /// The places where valid JSON breaks the schema, of a large value the first ones; empty when there was no valid
    /// JSON to check.
    pub fn faults(&self) -> &[Fault] {
        match &self.cause {
            Cause::Invalid(faults) => &faults.list,
            Cause::Malformed(_) | Cause::Unusable(_) => &[],
        }
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

fn list(faults: &[Fault]) -> String {
    let mut text = String::new();
    for fault in faults.iter().take(FAULTS_SHOWN_MAX) {
        let _ = write!(text, "\n- {fault}");
    }
    if let Some(more) = faults.len().checked_sub(FAULTS_SHOWN_MAX).filter(|more| *more > 0) {
        let _ = write!(text, "\n- … and {more} more");
    }
    text
}

/// A schema made ready for checking. Compiling costs tens of microseconds, checking well under one.
#[derive(Debug)]
pub(crate) struct Schema(Result<Validator, String>);

impl Schema {
    pub(crate) fn compile(raw: &str) -> Schema {
        let compiled = serde_json::from_str(raw).map_err(|error| error.to_string()).and_then(|mut schema| {
            if raw.contains("propertyNames") {
                names::as_text(&mut schema);
            }
            compile(&schema)
        });
        Schema(compiled)
    }

    /// `text` gives the schema that was compiled; it is read again only to explain a fault.
    pub(crate) fn check_arguments<'a>(
        &self,
        tool: &str,
        text: impl Fn() -> &'a str,
        raw: &[u8],
    ) -> Result<(), ArgumentFaults> {
        let refuse = |cause| Err(ArgumentFaults { tool: tool.to_owned(), cause });
        let validator = match &self.0 {
            Ok(validator) => validator,
            Err(message) => return refuse(Cause::Unusable(message.clone())),
        };
        let value = match strict_json::parse(raw) {
            Ok(value) => value,
            Err(message) => return refuse(Cause::Malformed(message)),
        };
        if validator.is_valid(&value) {
            return Ok(());
        }
        refuse(Cause::Invalid(explain::faults(validator, text(), &value, explain::Kind::Arguments)))
    }

    /// Like [`check_arguments`](Self::check_arguments), for what a tool returned.
    pub(crate) fn check_output<'a>(&self, text: impl Fn() -> &'a str, raw: &[u8]) -> Result<(), String> {
        let validator = self.0.as_ref().map_err(|e| format!("its output schema cannot be used: {e}"))?;
        let value: Value = serde_json::from_slice(raw).map_err(|e| format!("not valid JSON: {e}"))?;
        if validator.is_valid(&value) {
            return Ok(());
        }
        let faults = explain::faults(validator, text(), &value, explain::Kind::Output);
        Err(format!("it does not fit the output schema{}", list(&faults.list)))
    }
}

/// Compiles a schema as this server understands it: JSON Schema 2020-12 unless `$schema` names another
/// draft; no reference leaves the schema; regular expressions run in linear time, so one that needs
/// look-around or back-references is refused rather than risked.
pub(crate) fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .offline()
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| explain::unusable(&error))
}

/// Whether `schema` can stand in a tool list and be checked against: an object's schema that compiles.
///
/// # Errors
///
/// Why not, as a sentence fragment.
pub(crate) fn usable_object_schema(schema: &Value) -> Result<(), String> {
    // Clients refuse the *whole* list for one tool whose schema is not an object's.
    if schema.get("type") != Some(&Value::from("object")) {
        return Err("its `type` is not \"object\"".to_owned());
    }
    // Nearly all schemas are written by the scanner from a few keywords that cannot fail to compile;
    // compiling them all would double the time of a first start.
    if plain::surely_compiles(schema) {
        return Ok(());
    }
    compile(schema).map(|_| ())
}

#[cfg(test)]
mod tests;
