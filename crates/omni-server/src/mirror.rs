//! Whether a modern HTTP request's headers say the same as its body (Streamable HTTP, "Request Metadata").
//!
//! A proxy may route on the headers while we act on the body; if the two could differ, its rules could be
//! passed by.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use omni_catalog::Tool;
use omni_protocol::{ErrorCode, RpcError};
use serde_json::Value;

/// Checks `MCP-Protocol-Version`, `Mcp-Method` and, where the request names something, `Mcp-Name`.
pub(crate) fn check_standard(
    headers: &HeaderMap,
    version: &str,
    method: &str,
    name: Option<&str>,
) -> Result<(), RpcError> {
    expect(headers, "mcp-protocol-version", version, false)?;
    expect(headers, "mcp-method", method, false)?;
    name.map_or(Ok(()), |name| expect(headers, "mcp-name", name, true))
}

/// Checks the `Mcp-Param-…` headers that the tool's input schema asks for with `x-mcp-header`.
pub(crate) fn check_params(
    headers: &HeaderMap,
    tool: &Tool,
    arguments: Option<&[u8]>,
) -> Result<(), RpcError> {
    // Hardly any tool has one: a search of its text is cheaper than reading it.
    if memchr::memmem::find(&tool.listing, b"\"x-mcp-header\"").is_none() {
        return Ok(());
    }
    let Ok(listing) = serde_json::from_slice::<Value>(&tool.listing) else { return Ok(()) };
    let arguments: Value = arguments.and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
    check_properties(headers, &listing["inputSchema"], &arguments)
}

/// Only properties reached through `properties` alone can carry the annotation.
fn check_properties(headers: &HeaderMap, schema: &Value, arguments: &Value) -> Result<(), RpcError> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    for (key, property) in properties {
        let argument = arguments.get(key).filter(|argument| !argument.is_null());
        if let Some(header) = property.get("x-mcp-header").and_then(Value::as_str) {
            check_param(headers, &format!("mcp-param-{}", header.to_ascii_lowercase()), argument)?;
        }
        check_properties(headers, property, argument.unwrap_or(&Value::Null))?;
    }
    Ok(())
}

fn check_param(headers: &HeaderMap, header: &str, argument: Option<&Value>) -> Result<(), RpcError> {
    let Some(argument) = argument else {
        return match headers.get(header) {
            None => Ok(()),
            Some(_) => Err(mismatch(format!("`{header}` is sent, but the body has no such argument"))),
        };
    };
    let text = match argument {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => argument.to_string(),
        // Not a type that can be mirrored: what is wrong with it is the validation's to say.
        _ => return Ok(()),
    };
    let sent = read(headers, header, true)?;
    let equal = sent == text || (argument.is_number() && sent.parse::<f64>().ok() == argument.as_f64());
    if equal { Ok(()) } else { Err(mismatch(format!("`{header}` is `{sent}`, but the body says `{text}`"))) }
}

fn expect(headers: &HeaderMap, header: &str, body: &str, encoded: bool) -> Result<(), RpcError> {
    let sent = read(headers, header, encoded)?;
    if sent == body {
        Ok(())
    } else {
        Err(mismatch(format!("`{header}` is `{sent}`, but the body says `{body}`")))
    }
}

/// The value of a header that must stand exactly once, decoded from `=?base64?…?=` where that is allowed.
fn read<'a>(headers: &'a HeaderMap, header: &str, encoded: bool) -> Result<Cow<'a, str>, RpcError> {
    let mut values = headers.get_all(header).iter();
    let Some(value) = values.next() else {
        return Err(mismatch(format!("the `{header}` header is missing")));
    };
    if values.next().is_some() {
        return Err(mismatch(format!("the `{header}` header stands more than once")));
    }
    let Ok(text) = value.to_str() else {
        return Err(mismatch(format!("the `{header}` header holds characters that are not visible ASCII")));
    };
    let text = text.trim_matches([' ', '\t']);
    match text.strip_prefix("=?base64?").and_then(|text| text.strip_suffix("?=")) {
        Some(code) if encoded => {
            let bytes = STANDARD.decode(code).ok();
            let decoded = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            decoded
                .map(Into::into)
                .ok_or_else(|| mismatch(format!("the `{header}` header is not valid base64")))
        }
        _ => Ok(text.into()),
    }
}

fn mismatch(message: String) -> RpcError {
    RpcError::new(ErrorCode::HeaderMismatch, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn each_standard_header_must_stand_once_and_agree() {
        let good = [("mcp-protocol-version", "v"), ("mcp-method", "tools/call"), ("mcp-name", "a.b")];
        assert_eq!(check_standard(&headers(&good), "v", "tools/call", Some("a.b")), Ok(()));
        for (n, (name, _)) in good.iter().enumerate() {
            let mut missing = good.to_vec();
            missing.remove(n);
            let error = check_standard(&headers(&missing), "v", "tools/call", Some("a.b")).expect_err(name);
            assert_eq!(error.code, ErrorCode::HeaderMismatch);
            let mut twice = good.to_vec();
            twice.push(good[n]);
            assert!(
                check_standard(&headers(&twice), "v", "tools/call", Some("a.b")).is_err(),
                "{name} twice"
            );
        }
        assert!(check_standard(&headers(&good), "v", "tools/call", Some("A.B")).is_err());
    }

    #[test]
    fn a_name_may_come_in_base64_and_is_compared_decoded() {
        let encoded = [("mcp-protocol-version", "v"), ("mcp-method", "m"), ("mcp-name", "=?base64?5LiW?=")];
        assert_eq!(check_standard(&headers(&encoded), "v", "m", Some("世")), Ok(()));
        let broken = [("mcp-protocol-version", "v"), ("mcp-method", "m"), ("mcp-name", "=?base64?%%?=")];
        assert!(check_standard(&headers(&broken), "v", "m", Some("%%")).is_err());
    }

    #[test]
    fn mirrored_parameters_are_held_to_the_body() {
        let schema = json!({"properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "limit": {"type": "integer", "x-mcp-header": "Limit"},
            "deep": {"type": "object", "properties": {"flag": {"type": "boolean", "x-mcp-header": "Flag"}}},
        }});
        let check =
            |pairs: &[(&'static str, &str)], body: Value| check_properties(&headers(pairs), &schema, &body);
        let all = [("mcp-param-region", "eu"), ("mcp-param-limit", "42.0"), ("mcp-param-flag", "true")];
        assert_eq!(check(&all, json!({"region": "eu", "limit": 42, "deep": {"flag": true}})), Ok(()));
        assert_eq!(check(&[], json!({"region": null})), Ok(()));
        assert!(check(&[], json!({"region": "eu"})).is_err(), "header left out");
        assert!(check(&[("mcp-param-region", "us")], json!({"region": "eu"})).is_err(), "other value");
        assert!(check(&[("mcp-param-region", "us")], json!({})).is_err(), "header without argument");
    }
}
