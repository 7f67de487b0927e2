//! Whether the schemas of a tool can be used: checked in one place, whoever describes the tool.

use serde_json::Value;

use crate::{Severity, header_parameters, validate};

/// The output schema to serve with the tool `name`: a bad one is left out, with a finding. `None`, with a finding, where
/// the input schema is such that no client could call the tool, so that it is not listed.
///
/// `find` takes a finding's severity, code, message and help.
pub(crate) fn output_schema<'a>(
    name: &str,
    input: &Value,
    output: Option<&'a Value>,
    mut find: impl FnMut(Severity, &str, String, &str),
) -> Option<Option<&'a Value>> {
    if let Err(why) = validate::usable_object_schema(input) {
        let message =
            format!("the input schema of `{name}` cannot be used, so the tool is not listed: {why}");
        find(Severity::Error, "bad-input-schema", message, "correct the schema");
        return None;
    }
    if let Some(why) = header_parameters::problem(input) {
        let message = format!("clients that repeat arguments in headers leave `{name}` out: {why}");
        find(Severity::Warning, header_parameters::CODE, message, header_parameters::HELP);
    }
    if let Some(Err(why)) = output.map(validate::usable_object_schema) {
        let message = format!("the output schema of `{name}` cannot be used and is left out: {why}");
        find(Severity::Warning, "bad-output-schema", message, "correct the schema");
        return Some(None);
    }
    Some(output)
}
