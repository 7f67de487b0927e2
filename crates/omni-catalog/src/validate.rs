//! Whether a value fits a tool's schema, and if not, what to say about it.

mod compile;
mod explain;
mod fault;
mod names;
mod narrow;
mod plain;

use jsonschema::Validator;
use serde_json::Value;

use crate::strict_json;
use compile::compile;
use explain::explain;
pub use fault::{ArgumentFault, ArgumentFaults};
use fault::{Cause, CheckedValue, Faults, list};

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
        refuse(Cause::Invalid(faults(validator, text(), &value, CheckedValue::Arguments)))
    }

    /// Like [`check_arguments`](Self::check_arguments), for what a tool returned.
    pub(crate) fn check_output<'a>(&self, text: impl Fn() -> &'a str, raw: &[u8]) -> Result<(), String> {
        let validator = self.0.as_ref().map_err(|e| format!("its output schema cannot be used: {e}"))?;
        let value: Value = serde_json::from_slice(raw).map_err(|e| format!("not valid JSON: {e}"))?;
        if validator.is_valid(&value) {
            return Ok(());
        }
        let faults = faults(validator, text(), &value, CheckedValue::Output);
        Err(format!("it does not fit the output schema{}", list(&faults.list)))
    }
}

/// The faults of a value that does not fit: all of them, or the first of one that is too large for that.
fn faults(validator: &Validator, raw_schema: &str, value: &Value, kind: CheckedValue) -> Faults {
    let schema: Value = serde_json::from_str(raw_schema).unwrap_or_default();
    let width = narrow::width(&schema);
    match narrow::affordable(value, width, &mut { narrow::COST_MAX }) {
        true => Faults { list: explain(validator, &schema, value, kind), all: true },
        false => Faults { list: narrow::first_faults(&schema, value, kind, width), all: false },
    }
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
