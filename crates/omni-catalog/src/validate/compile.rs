//! A schema made into a validator, or why it cannot be.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::explain::cut;

/// Compiles a schema as this server understands it: JSON Schema 2020-12 unless `$schema` names another
/// draft; no reference leaves the schema; regular expressions run in linear time, so one that needs
/// look-around or back-references is refused rather than risked.
pub(super) fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .offline()
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| unusable(&error))
}

/// Why a schema could not be compiled.
fn unusable(error: &ValidationError<'_>) -> String {
    let place = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::Format { format } if format == "regex" => {
            format!(
                "the pattern {} at `{place}` cannot be used: {}",
                error.instance(),
                pattern_fault(error.instance())
            )
        }
        ValidationErrorKind::Referencing(reference) => {
            format!(
                "a `$ref` leads nowhere: {reference} (references stay within the schema, such as `#/$defs/Item`)"
            )
        }
        _ => {
            let message = cut(&error.to_string(), 200);
            if place.is_empty() { message } else { format!("{message} at `{place}`") }
        }
    }
}

/// Why the validator takes no such pattern.
fn pattern_fault(pattern: &Value) -> String {
    use regex_syntax::ast::ErrorKind;
    let pattern = pattern.as_str().unwrap_or_default();
    let at = |span: &regex_syntax::ast::Span| pattern[..span.start.offset].chars().count() + 1;
    match regex_syntax::ast::parse::Parser::new().parse(pattern) {
        Err(error) if *error.kind() == ErrorKind::UnsupportedLookAround => {
            format!("it looks around at character {}, and patterns must run in linear time", at(error.span()))
        }
        Err(error) if *error.kind() == ErrorKind::UnsupportedBackreference => {
            format!("it refers back at character {}, and patterns must run in linear time", at(error.span()))
        }
        Err(error) => {
            format!("it is not a regular expression: {} (character {})", error.kind(), at(error.span()))
        }
        Ok(_) => match regex_syntax::parse(pattern) {
            Err(regex_syntax::Error::Translate(error)) => {
                format!("it is not a regular expression: {} (character {})", error.kind(), at(error.span()))
            }
            _ => "it is too large, or means something else than in JSON Schema".to_owned(),
        },
    }
}
