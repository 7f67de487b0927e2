//! What lets the pages of an allowed origin read our answers (Fetch standard, "CORS protocol").
//!
//! No answer allows credentials: what a browser keeps for us (cookies, passwords) is not for pages to use.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::ReplyBody;

/// What a client sends besides what every page may.
const REQUEST_HEADERS: &str = "Accept, Authorization, Content-Type, Last-Event-ID, MCP-Protocol-Version, \
                               Mcp-Session-Id, Mcp-Method, Mcp-Name";
/// What a page could not read without being told that it may.
const REPLY_HEADERS: HeaderValue =
    HeaderValue::from_static("Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After, Allow");
const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, DELETE");
/// Seconds that a browser may remember a preflight's answer; the longest that any does.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

const ASKED_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Marks an answer as readable for `origin`, if there is one that may. Every answer is marked as one that depends on
/// the origin, or a cache could give one page's to another.
pub(super) fn mark(reply: &mut Response<ReplyBody>, origin: Option<HeaderValue>) {
    let headers = reply.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, REPLY_HEADERS);
    }
}

/// Answers a preflight, by which a browser asks what a page of an allowed origin may send; `None` when `headers` are no
/// preflight's.
pub(super) fn preflight(headers: &HeaderMap) -> Option<Response<ReplyBody>> {
    if !headers.contains_key(header::ORIGIN) || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut reply = Response::new(ReplyBody::empty());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    let out = reply.headers_mut();
    out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(headers));
    out.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if headers.get(ASKED_PRIVATE_NETWORK).is_some_and(|asked| asked == "true") {
        out.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    out.append(
        header::VARY,
        HeaderValue::from_static("Access-Control-Request-Headers, Access-Control-Request-Private-Network"),
    );
    Some(reply)
}

/// Our own list and what is asked for besides: `Mcp-Param-…` headers have names that a tool's author chose.
fn allowed_headers(headers: &HeaderMap) -> HeaderValue {
    let mut names = REQUEST_HEADERS.to_owned();
    let asked = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    for name in asked.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let known = |name: &str| REQUEST_HEADERS.split(", ").any(|known| known.eq_ignore_ascii_case(name));
        // Only what is a header's name by the grammar comes back.
        if let Ok(name) = name.trim().parse::<HeaderName>()
            && !known(name.as_str())
        {
            names.push_str(", ");
            names.push_str(name.as_str());
        }
    }
    HeaderValue::from_str(&names).unwrap_or(HeaderValue::from_static(REQUEST_HEADERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preflight_learns_what_it_may_send() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, "http://localhost:3000".parse().unwrap());
        assert!(preflight(&headers).is_none(), "without a method it is no preflight");
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, "DELETE".parse().unwrap());
        headers.insert(ASKED_PRIVATE_NETWORK, "true".parse().unwrap());
        headers.insert(
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            "mcp-session-id, Mcp-Param-Region,no header,x:y,, traceparent".parse().unwrap(),
        );
        let reply = preflight(&headers).unwrap();
        let said = |name: &str| reply.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(reply.status(), 204);
        assert_eq!(said("access-control-allow-methods"), Some("POST, GET, DELETE"));
        let expected = format!("{REQUEST_HEADERS}, mcp-param-region, traceparent");
        assert_eq!(said("access-control-allow-headers"), Some(expected.as_str()));
        assert_eq!(said("access-control-max-age"), Some("7200"));
        assert_eq!(said("access-control-allow-private-network"), Some("true"));
        assert_eq!(said("access-control-allow-credentials"), None);
    }
}
