//! Whether an HTTP request's headers say the same as its body, as its revision wants it (Streamable HTTP, "Request Metadata").
//!
//! A proxy may route on the headers while we act on the body; if the two could differ, its rules could be
//! passed by.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::HeaderName;
use omni_catalog::Tool;
use omni_protocol::{ErrorCode, Request, Revision, RpcError};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::host_check::{HostRejection, single};
use crate::server::Server;
use crate::session::Session;

const VERSION_HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Whether the version header names a revision without sessions.
pub(crate) fn names_no_session(headers: &HeaderMap) -> bool {
    let version = single(headers, &VERSION_HEADER).ok().flatten().and_then(Revision::from_name);
    version.is_some_and(|revision| !revision.has_sessions())
}

/// Checks the headers that a request must have beside its body, by the rules of its revision.
///
/// # Errors
/// One is missing where the revision wants it, or does not say what the body says.
pub(crate) fn check(
    headers: &HeaderMap,
    request: &Request,
    server: &Server,
    session: &Session,
) -> Result<(), RpcError> {
    match request.revision.has_method_headers() {
        true => check_all(headers, request, server, session),
        false => check_version(headers, request),
    }
}

/// What a request that could not be read is refused with, where its version header has a part in that.
pub(crate) fn explain(headers: &HeaderMap, error: RpcError) -> RpcError {
    let Some(version) = headers.get(VERSION_HEADER) else { return error };
    let version = String::from_utf8_lossy(version.as_bytes());
    let requested = error.data.as_ref().and_then(|data| data["requested"].as_str());
    let is_version = error.code == ErrorCode::UnsupportedVersion;
    if is_version && requested.is_some_and(|body| body != version) {
        // Header and body name different revisions, so neither can be called the unsupported one.
        let message = format!("`mcp-protocol-version` is `{version}`, but the body says otherwise");
        return RpcError::new(ErrorCode::HeaderMismatch, message);
    }
    if !is_version && Revision::from_name(&version).is_none() {
        return RpcError::unsupported_version(&version);
    }
    error
}

/// A request whose revision repeats nothing in headers may leave its version out, or name any that we speak.
fn check_version(headers: &HeaderMap, request: &Request) -> Result<(), RpcError> {
    let version = single(headers, &VERSION_HEADER).map_err(|rejection| {
        let (HostRejection::Malformed(why) | HostRejection::Forbidden(why)) = rejection;
        RpcError::new(ErrorCode::InvalidRequest, why)
    })?;
    match version {
        Some(version) if Revision::from_name(version).is_none() && !request.opens_session() => {
            Err(RpcError::unsupported_version(version))
        }
        _ => Ok(()),
    }
}

fn check_all(
    headers: &HeaderMap,
    request: &Request,
    server: &Server,
    session: &Session,
) -> Result<(), RpcError> {
    let name = request.action.routing_name();
    check_standard(headers, request.revision.name(), &request.method, name)?;
    let Some(call) = request.tool_call() else { return Ok(()) };
    let profile = server.profile_of(request.meta.client.as_ref(), session);
    let Some(tool) = server.snapshot().for_profile(profile).tool(&call.name) else { return Ok(()) };
    check_params(headers, &tool, call.arguments.as_deref())
}

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
fn check_params(headers: &HeaderMap, tool: &Tool, arguments: Option<&[u8]>) -> Result<(), RpcError> {
    // Hardly any tool has one: a search of its text is cheaper than reading it.
    if memchr::memmem::find(&tool.listing, b"\"x-mcp-header\"").is_none() {
        return Ok(());
    }
    let Ok(listing) = serde_json::from_slice::<Value>(&tool.listing) else { return Ok(()) };
    let arguments = arguments.and_then(|text| serde_json::from_slice(text).ok());
    check_properties(headers, &listing["inputSchema"], arguments)
}

/// Only properties reached through `properties` alone can carry the annotation. `arguments` is what stands in the body
/// for `schema`, as it stands there: a number keeps all of its digits.
fn check_properties(
    headers: &HeaderMap,
    schema: &Value,
    arguments: Option<&RawValue>,
) -> Result<(), RpcError> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    let members: HashMap<String, &RawValue> =
        arguments.and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or_default();
    for (key, property) in properties {
        let argument = members.get(key).copied().filter(|argument| argument.get() != "null");
        if let Some(header) = property.get("x-mcp-header").and_then(Value::as_str) {
            check_param(headers, &format!("mcp-param-{}", header.to_ascii_lowercase()), argument)?;
        }
        check_properties(headers, property, argument)?;
    }
    Ok(())
}

fn check_param(headers: &HeaderMap, header: &str, argument: Option<&RawValue>) -> Result<(), RpcError> {
    let Some(argument) = argument else {
        return match headers.get(header) {
            None => Ok(()),
            Some(_) => Err(mismatch(format!("`{header}` is sent, but the body has no such argument"))),
        };
    };
    let raw = argument.get();
    let sent = || read(headers, header, true);
    let (sent, text, equal) = match raw.as_bytes() {
        [b'"', ..] => {
            let text: String = serde_json::from_str(raw).unwrap_or_default();
            let sent = sent()?;
            let equal = sent == text;
            (sent, Cow::Owned(text), equal)
        }
        // No header can say a value of this type: the validation of the arguments reports what is wrong with it.
        [b'{' | b'[', ..] => return Ok(()),
        [b't' | b'f', ..] => {
            let sent = sent()?;
            let equal = sent == raw;
            (sent, Cow::Borrowed(raw), equal)
        }
        _ => {
            let sent = sent()?;
            let equal = Decimal::parse(raw).is_some_and(|number| Decimal::parse(&sent) == Some(number));
            (sent, Cow::Borrowed(raw), equal)
        }
    };
    if equal { Ok(()) } else { Err(disagree(header, &sent, &text)) }
}

/// A number by JSON's grammar, exactly: `42`, `42.0` and `4.2e1` are one, and no two large integers are.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    /// Without zeros at either end; none for zero.
    digits: String,
    /// Of the last digit.
    exponent: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Decimal> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) =
            unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
        let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
        let digits_only = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if !digits_only(whole) || leading_zero || !fraction.is_none_or(digits_only) {
            return None;
        }
        let exponent: i64 = match exponent {
            None => 0,
            Some(exponent) if digits_only(exponent.trim_start_matches(['+', '-'])) => {
                exponent.parse().ok()?
            }
            Some(_) => return None,
        };
        let all = format!("{whole}{}", fraction.unwrap_or_default());
        let significant = all.trim_end_matches('0');
        let dropped = i64::try_from(all.len() - significant.len()).ok()?;
        let behind_point = i64::try_from(fraction.map_or(0, str::len)).ok()?;
        let digits = significant.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Decimal { negative: false, digits, exponent: 0 });
        }
        let exponent = exponent.checked_sub(behind_point)?.checked_add(dropped)?;
        Some(Decimal { negative, digits, exponent })
    }
}

fn expect(headers: &HeaderMap, header: &str, body: &str, encoded: bool) -> Result<(), RpcError> {
    let sent = read(headers, header, encoded)?;
    if sent == body { Ok(()) } else { Err(disagree(header, &sent, body)) }
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

fn disagree(header: &str, sent: &str, body: &str) -> RpcError {
    let shown = |text: &str| text.chars().take(100).collect::<String>();
    mismatch(format!("`{header}` is `{}`, but the body says `{}`", shown(sent), shown(body)))
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
        let check = |pairs: &[(&'static str, &str)], body: Value| {
            let body = RawValue::from_string(body.to_string()).unwrap();
            check_properties(&headers(pairs), &schema, Some(&body))
        };
        let all = [("mcp-param-region", "eu"), ("mcp-param-limit", "42.0"), ("mcp-param-flag", "true")];
        assert_eq!(check(&all, json!({"region": "eu", "limit": 42, "deep": {"flag": true}})), Ok(()));
        assert_eq!(check(&[], json!({"region": null})), Ok(()));
        assert!(check(&[], json!({"region": "eu"})).is_err(), "header left out");
        assert!(check(&[("mcp-param-region", "us")], json!({"region": "eu"})).is_err(), "other value");
        assert!(check(&[("mcp-param-region", "us")], json!({})).is_err(), "header without argument");
    }

    #[test]
    fn numbers_are_one_only_when_they_are_the_same() {
        let same = |a: &str, b: &str| Decimal::parse(a).is_some_and(|a| Decimal::parse(b) == Some(a));
        for (a, b) in [
            ("42", "42.0"),
            ("42", "4.2e1"),
            ("42", "420E-1"),
            ("-0", "0.00"),
            ("0", "0e99"),
            ("1e400", "10e399"),
            ("18446744073709551617", "18446744073709551617.0"),
            ("-100", "-1e+2"),
        ] {
            assert!(same(a, b) && same(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("9007199254740992", "9007199254740993"),
            ("18446744073709551616", "18446744073709551617"),
            ("42", "-42"),
            ("42", "420"),
            ("1e400", "1e401"),
            ("42", "042"),
            ("42", "+42"),
            ("42", "42."),
            ("0.5", ".5"),
            ("42", "4_2"),
            ("42", "0x2a"),
            ("42", " 42"),
            ("42", ""),
            ("42", "NaN"),
            ("1", "1e--0"),
            ("1", "1e"),
            ("1", "1e99999999999999999999"),
        ] {
            assert!(!same(a, b) && !same(b, a), "{a} {b}");
        }
    }
}
