//! What Streamable HTTP repeats of a request's body in headers, so that proxies need not read it.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::revision::Revision;

/// One HTTP header. The value is visible ASCII, spaces and tabs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub name: Cow<'static, str>,
    pub value: String,
}

const ANNOTATION: &str = "x-mcp-header";

/// Integers beyond this one are no integers to every reader of JSON.
const SAFE_INTEGER_MAX: i64 = (1 << 53) - 1;

/// Why a tool cannot be called over HTTP: its input schema asks for headers that nobody can send.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the tool's input schema has `x-mcp-header` at `{at}`, and {why}")]
pub struct InvalidParamHeader {
    /// Where it stands: `/properties/region`.
    pub at: String,
    pub why: String,
}

/// `MCP-Protocol-Version`, and where the revision wants them `Mcp-Method` and `Mcp-Name`.
pub(super) fn standard(revision: Revision, method: &str, name: Option<&str>) -> Vec<Header> {
    let mut headers = version(revision);
    if revision.has_method_headers() {
        headers.push(header("Mcp-Method", method));
        headers.extend(name.map(|name| header("Mcp-Name", name)));
    }
    headers
}

/// The headers of an answer to a request of the server, which has no method.
pub(super) fn of_answer(revision: Revision) -> Vec<Header> {
    version(revision)
}

fn version(revision: Revision) -> Vec<Header> {
    let version = revision.has_version_header().then(|| header("MCP-Protocol-Version", revision.name()));
    version.into_iter().collect()
}

fn header(name: &'static str, value: &str) -> Header {
    Header { name: name.into(), value: encoded(value).into_owned() }
}

/// The value as a header can carry it: as it is, or as `=?base64?…?=` where it holds what no header may, would lose
/// white space at its ends, or looks encoded itself.
fn encoded(value: &str) -> Cow<'_, str> {
    let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
        && value.trim_matches([' ', '\t']).len() == value.len()
        && !(value.starts_with("=?base64?") && value.ends_with("?="));
    if plain { value.into() } else { format!("=?base64?{}?=", STANDARD.encode(value)).into() }
}

/// The `Mcp-Param-…` headers of a call: the arguments that the tool's input schema marks with `x-mcp-header`.
///
/// `arguments` are those of the call. An argument that is missing, null or of a type that is not mirrored has none:
/// what is wrong with it is the server's to say.
///
/// # Errors
/// The schema's annotations break the specification's rules; such a tool must not be called over HTTP.
pub fn param_headers(schema: &Value, arguments: &Value) -> Result<Vec<Header>, InvalidParamHeader> {
    let mut walk = Walk { seen: HashSet::new(), headers: Vec::new() };
    walk.schema(schema, "", Some(arguments))?;
    Ok(walk.headers)
}

struct Walk {
    /// In lower case.
    seen: HashSet<String>,
    headers: Vec<Header>,
}

impl Walk {
    /// Only properties that `properties` alone leads to may carry the annotation.
    fn schema(
        &mut self,
        schema: &Value,
        at: &str,
        arguments: Option<&Value>,
    ) -> Result<(), InvalidParamHeader> {
        let Some(members) = schema.as_object() else { return Ok(()) };
        for (key, value) in members {
            match (key.as_str(), value) {
                ("properties", Value::Object(properties)) => self.properties(properties, at, arguments)?,
                (ANNOTATION, _) if at.is_empty() => return Err(misplaced(at)),
                // What these hold is data, in which the word means nothing.
                (ANNOTATION | "default" | "const" | "enum" | "examples", _) => {}
                (other, value) => {
                    if let Some(found) = find(value, &format!("{at}/{other}")) {
                        return Err(misplaced(&found));
                    }
                }
            }
        }
        Ok(())
    }

    fn properties(
        &mut self,
        properties: &Map<String, Value>,
        at: &str,
        arguments: Option<&Value>,
    ) -> Result<(), InvalidParamHeader> {
        for (name, property) in properties {
            let at = format!("{at}/properties/{name}");
            let argument = arguments.and_then(|arguments| arguments.get(name));
            if let Some(annotation) = property.get(ANNOTATION) {
                self.annotated(annotation, property, argument, &at)?;
            }
            self.schema(property, &at, argument)?;
        }
        Ok(())
    }

    fn annotated(
        &mut self,
        annotation: &Value,
        property: &Value,
        argument: Option<&Value>,
        at: &str,
    ) -> Result<(), InvalidParamHeader> {
        let wrong = |why: String| InvalidParamHeader { at: at.to_owned(), why };
        let name = annotation.as_str().filter(|name| !name.is_empty() && name.bytes().all(is_token));
        let name = name.ok_or_else(|| wrong(format!("{} is no name of a header", short(annotation))))?;
        let kind = property.get("type").and_then(Value::as_str);
        if !matches!(kind, Some("string" | "integer" | "boolean")) {
            let why = "only a string, an integer or a boolean may have it";
            return Err(wrong(why.to_owned()));
        }
        if !self.seen.insert(name.to_ascii_lowercase()) {
            return Err(wrong(format!("`{name}` is the name of another one")));
        }
        let value = match argument {
            Some(Value::String(text)) => encoded(text).into_owned(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(Value::Number(number)) => match integer(number) {
                Some(number) => number.to_string(),
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        self.headers.push(Header { name: format!("Mcp-Param-{name}").into(), value });
        Ok(())
    }
}

/// `42` and `42.0` are both the integer 42.
fn integer(number: &serde_json::Number) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "it has no fraction, and the range is checked below")]
    let whole = || number.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64);
    number.as_i64().or_else(whole).filter(|number| (-SAFE_INTEGER_MAX..=SAFE_INTEGER_MAX).contains(number))
}

/// Where the annotation stands in a part of a schema in which it may not.
fn find(value: &Value, at: &str) -> Option<String> {
    match value {
        Value::Object(members) => members.iter().find_map(|(key, value)| match key.as_str() {
            ANNOTATION if value.is_string() => Some(at.to_owned()),
            "default" | "const" | "enum" | "examples" => None,
            _ => find(value, &format!("{at}/{key}")),
        }),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(n, item)| find(item, &format!("{at}/{n}")))
        }
        _ => None,
    }
}

fn misplaced(at: &str) -> InvalidParamHeader {
    let at = if at.is_empty() { "/" } else { at };
    let why = "only `properties` may lead to one";
    InvalidParamHeader { at: at.to_owned(), why: why.to_owned() }
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The table of "Value Encoding", word for word.
    #[test]
    fn a_value_that_no_header_can_carry_is_encoded() {
        for (value, expected) in [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("", ""),
        ] {
            assert_eq!(encoded(value), expected, "{value:?}");
        }
    }

    fn sent(schema: &Value, arguments: &Value) -> Vec<(String, String)> {
        let headers = param_headers(schema, arguments).unwrap();
        headers.into_iter().map(|header| (header.name.into_owned(), header.value)).collect()
    }

    #[test]
    fn marked_arguments_become_headers_and_no_others() {
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "limit": {"type": "integer", "x-mcp-header": "Limit"},
            "query": {"type": "string"},
            "deep": {"type": "object", "properties": {"flag": {"type": "boolean", "x-mcp-header": "Flag"}}},
        }});
        let pair = |name: &str, value: &str| (format!("Mcp-Param-{name}"), value.to_owned());
        let all = json!({"region": "eu", "limit": 42.0, "query": "q", "deep": {"flag": true}});
        assert_eq!(sent(&schema, &all), [pair("Region", "eu"), pair("Limit", "42"), pair("Flag", "true")]);
        assert_eq!(sent(&schema, &json!({"region": null})), []);
        assert_eq!(sent(&schema, &json!({"limit": 1.5, "region": 7, "deep": 1})), [pair("Region", "7")]);
        assert_eq!(sent(&schema, &json!({"limit": 9_007_199_254_740_993_i64})), []);
    }

    #[test]
    fn annotations_that_break_the_rules_are_refused_with_their_place() {
        let one = |property: Value| json!({"properties": {"a": property}});
        for (schema, at) in [
            (one(json!({"type": "string", "x-mcp-header": ""})), "/properties/a"),
            (one(json!({"type": "string", "x-mcp-header": "a b"})), "/properties/a"),
            (one(json!({"type": "string", "x-mcp-header": 7})), "/properties/a"),
            (one(json!({"type": "number", "x-mcp-header": "A"})), "/properties/a"),
            (one(json!({"x-mcp-header": "A"})), "/properties/a"),
            (
                one(json!({"type": "array", "items": {"type": "string", "x-mcp-header": "A"}})),
                "/properties/a/items",
            ),
            (json!({"x-mcp-header": "A"}), "/"),
            (
                json!({"anyOf": [{"properties": {"b": {"type": "string", "x-mcp-header": "A"}}}]}),
                "/anyOf/0/properties/b",
            ),
            (
                json!({"properties": {
                    "a": {"type": "string", "x-mcp-header": "Same"},
                    "b": {"type": "string", "x-mcp-header": "same"},
                }}),
                "/properties/b",
            ),
        ] {
            assert_eq!(param_headers(&schema, &json!({})).expect_err(at).at, at, "{schema}");
        }
        let data = one(json!({"type": "object", "default": {"x-mcp-header": "A"}}));
        assert_eq!(param_headers(&data, &json!({})), Ok(Vec::new()));
    }
}
