//! What a body is and which kinds of answer a client takes (RFC 9110, sections 8.3, 8.4 and 12.5.1).

use hyper::HeaderMap;
use hyper::header::{self, HeaderName};

/// Which content types a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepts {
    pub(super) json: bool,
    pub(super) events: bool,
}

/// Checks that a body is JSON in UTF-8 as it stands. The error is a sentence for a reply with status 415.
pub(super) fn check_content(headers: &HeaderMap) -> Result<(), &'static str> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let media = match (types.next(), types.next()) {
        (Some(media), None) => media.to_str().ok(),
        (None, _) => return Err("`Content-Type` is missing; it must be `application/json`"),
        (Some(_), Some(_)) => {
            return Err("`Content-Type` stands more than once; it must be `application/json`");
        }
    };
    let mut parts = media.into_iter().flat_map(|media| split(media, ';')).map(str::trim);
    if !parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Err("`Content-Type` must be `application/json`");
    }
    for parameter in parts.filter(|parameter| !parameter.is_empty()) {
        let Some((name, value)) = parameter.split_once('=') else {
            return Err("`Content-Type` has a parameter without a value");
        };
        if name.eq_ignore_ascii_case("charset") {
            let charset = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            if !["utf-8", "utf8"].iter().any(|known| charset.eq_ignore_ascii_case(known)) {
                return Err("`Content-Type` must not name another charset than `utf-8`");
            }
        }
    }
    let codings = listed(headers, &header::CONTENT_ENCODING);
    if codings.iter().any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err("`Content-Encoding` must be `identity`: compressed bodies are not taken");
    }
    Ok(())
}

/// What a client that sends a message takes as its answer; `None` when that is nothing we have. One that takes anything
/// gets JSON: a stream is for those who ask for it.
pub(super) fn accepted(headers: &HeaderMap) -> Option<Accepts> {
    let ranges = listed(headers, &header::ACCEPT);
    if ranges.is_empty() {
        return Some(Accepts { json: true, events: false });
    }
    let accepts = Accepts {
        json: takes(&ranges, "application", "json", Breadth::Anything),
        events: takes(&ranges, "text", "event-stream", Breadth::Type),
    };
    (accepts.json || accepts.events).then_some(accepts)
}

/// Whether a client that listens takes events. There is nothing else to be had by listening, so one that takes
/// anything does.
pub(super) fn takes_events(headers: &HeaderMap) -> bool {
    takes(&listed(headers, &header::ACCEPT), "text", "event-stream", Breadth::Anything)
}

/// How much a range of media types covers, narrow ones first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Breadth {
    Exact,
    Type,
    Anything,
}

/// Whether the narrowest of the ranges that cover a media type, and are no broader than `broadest`, allows it.
fn takes(ranges: &[&str], kind: &str, subtype: &str, broadest: Breadth) -> bool {
    let covering = ranges.iter().filter_map(|range| {
        let mut parts = split(range, ';').map(str::trim);
        let (a, b) = parts.next()?.split_once('/')?;
        let breadth = match (a, b) {
            ("*", "*") => Breadth::Anything,
            (a, "*") if a.eq_ignore_ascii_case(kind) => Breadth::Type,
            (a, b) if a.eq_ignore_ascii_case(kind) && b.eq_ignore_ascii_case(subtype) => Breadth::Exact,
            _ => return None,
        };
        let refused = parts.any(|parameter| {
            let weight = parameter.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("q"));
            weight.is_some_and(|(_, weight)| weight.parse::<f32>() == Ok(0.0))
        });
        (breadth <= broadest).then_some((breadth, refused))
    });
    // Of two equally narrow ones, the one that allows counts.
    covering.min().is_some_and(|(_, refused)| !refused)
}

/// The members of a header that is a list, however many times it stands.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("unreadable"));
    values.flat_map(|value| split(value, ',')).map(str::trim).filter(|member| !member.is_empty()).collect()
}

/// Splits at a separator outside of quoted strings.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        if escaped {
            escaped = false;
        } else if quoted && c == '\\' {
            escaped = true;
        } else if c == '"' {
            quoted = !quoted;
        }
        !quoted && c == separator
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.extend(values.iter().map(|value| (name.clone(), value.parse().unwrap())));
        headers
    }

    #[test]
    fn a_body_is_json_in_utf_8_and_says_so_once() {
        let check = |values: &[&str]| check_content(&headers(header::CONTENT_TYPE, values));
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;CHARSET=\"UTF-8\"",
            "application/json ; charset=utf8 ; profile=\"a;charset=latin-1\"",
            "application/json;",
        ] {
            assert_eq!(check(&[good]), Ok(()), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/json, text/plain",
            "application/json,application/json",
            "application/json-rpc",
            "application/vnd.api+json",
            "application/jsonx",
            "application/*",
            "json",
            "application /json",
            "application/json; charset=latin-1",
            "application/json; charset=utf-16; charset=utf-8",
            "application/json; charset",
            "application/x-www-form-urlencoded",
            "text/plain; application/json",
        ] {
            assert!(check(&[bad]).is_err(), "{bad}");
        }
        assert!(check(&[]).unwrap_err().contains("missing"));
        assert!(check(&["application/json", "application/json"]).is_err());
    }

    #[test]
    fn a_body_that_is_encoded_is_refused() {
        for (codings, taken) in [
            (&["identity"][..], true),
            (&["Identity, identity"], true),
            (&[""], true),
            (&["gzip"], false),
            (&["identity, gzip"], false),
            (&["identity", "br"], false),
            (&["x-unknown"], false),
        ] {
            let mut all = headers(header::CONTENT_ENCODING, codings);
            all.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
            assert_eq!(check_content(&all).is_ok(), taken, "{codings:?}");
        }
    }

    #[test]
    fn accept_is_read_by_its_grammar() {
        let accept = |values: &[&str]| accepted(&headers(header::ACCEPT, values)).map(|a| (a.json, a.events));
        let none = None;
        for (values, expected) in [
            (&[][..], Some((true, false))),
            (&[""], Some((true, false))),
            (&["application/json, text/event-stream"], Some((true, true))),
            (&["application/json", "text/event-stream"], Some((true, true))),
            (&["APPLICATION/JSON,Text/Event-Stream;q=0.1"], Some((true, true))),
            (&["*/*"], Some((true, false))),
            (&["*/*;q=0"], none),
            (&["application/*;q=0.5, text/*"], Some((true, true))),
            (&["application/json;q=0, */*"], none),
            (&["application/json;q=0.000, text/event-stream"], Some((false, true))),
            (&["application/json;Q=0, text/event-stream;q=1.000"], Some((false, true))),
            (&["text/event-stream;q=0, application/json"], Some((true, false))),
            (&["application/json;q=0, application/json"], Some((true, false))),
            (&["application/json;a=\"x,text/event-stream\""], Some((true, false))),
            (&["application/json;a=\";q=0\""], Some((true, false))),
            (&["application/json;charset=utf-8"], Some((true, false))),
            (&["text/html"], none),
            (&["json"], none),
            (&["application/jsonx, text/event-streams"], none),
            (&["*/json"], none),
        ] {
            assert_eq!(accept(values), expected, "{values:?}");
        }
        for (value, events) in [
            ("*/*", true),
            ("text/event-stream", true),
            ("application/json", false),
            ("text/*;q=0, */*", false),
        ] {
            assert_eq!(takes_events(&headers(header::ACCEPT, &[value])), events, "{value}");
        }
    }
}
