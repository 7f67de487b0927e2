//! Which URIs come of a template, and with which values of its variables: RFC 6570 as far as authors of such templates know
//! it, `{x}`, `{x*}` and `{?a,b}`.
//!
//! A `{x}` is one segment, or a part of one; a `{x*}` may have slashes in it. Variables of the query may be left out, and
//! what else stands in the query is nothing to the template. Values are percent-decoded after the match, so a `%2F` is no
//! border of a segment, and the value has a slash.

use serde_json::{Map, Value};

use crate::uri_form::{normalized, part_normalized};

/// A longer URI comes of no template.
const URI_BYTES_MAX: usize = 8 << 10;

/// A template, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UriTemplate {
    path: Vec<Part>,
    query: Vec<String>,
    /// It says more than is known here, so its source has to say what comes of it.
    is_foreign: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable {
        name: String,
        /// It may have slashes in it.
        explodes: bool,
    },
}

impl UriTemplate {
    pub(crate) fn parse(template: &str) -> UriTemplate {
        let mut parsed = UriTemplate { path: Vec::new(), query: Vec::new(), is_foreign: false };
        let mut rest = template;
        while let Some((literal, after)) = rest.split_once('{') {
            let Some((expression, after)) = after.split_once('}') else { break };
            if !literal.is_empty() {
                parsed.path.push(Part::Literal(form(literal, parsed.path.is_empty())));
            }
            rest = after;
            if let Some(names) = expression.strip_prefix('?').or_else(|| expression.strip_prefix('&')) {
                parsed.query.extend(names.split(',').map(|name| name.trim_end_matches('*').to_owned()));
                continue;
            }
            let (name, explodes) = match expression.strip_suffix('*') {
                Some(name) => (name, true),
                None => (expression, false),
            };
            parsed.is_foreign |=
                !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'%'));
            parsed.path.push(Part::Variable { name: name.to_owned(), explodes });
        }
        if !rest.is_empty() {
            parsed.path.push(Part::Literal(form(rest, parsed.path.is_empty())));
        }
        parsed
    }

    /// Whether its own source alone can say which URIs come of it.
    pub(crate) fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    /// The variables of a URI, in the form that all its spellings have, that comes of it, decoded; `None` for any other. Where a URI can be read in several ways,
    /// earlier variables are as long as they can be. Costs time in proportion to the lengths of both.
    pub(crate) fn matches(&self, uri: &str) -> Option<Map<String, Value>> {
        if uri.len() > URI_BYTES_MAX {
            return None;
        }
        let (path, query) = match uri.split_once('?') {
            Some((path, query)) if !self.query.is_empty() => (path, query),
            _ => (uri, ""),
        };
        let fits = self.fits(path);
        if !fits.at(0, 0) {
            return None;
        }
        let mut variables = Map::new();
        let mut at = 0;
        for (number, part) in self.path.iter().enumerate() {
            match part {
                Part::Literal(literal) => at += literal.len(),
                Part::Variable { name, explodes } => {
                    let rest = path.get(at..)?;
                    let length = rest.bytes().take_while(|byte| *explodes || *byte != b'/').count();
                    let end = (at + 1..=at + length).rev().find(|end| fits.at(number + 1, *end))?;
                    variables.insert(name.clone(), decoded(path.get(at..end)?, false)?.into());
                    at = end;
                }
            }
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name, true)?;
            if self.query.contains(&name) && !variables.contains_key(&name) {
                variables.insert(name, decoded(value, true)?.into());
            }
        }
        Some(variables)
    }

    /// From where on in a path which parts of the template fit, worked out from the end so that no choice is tried twice.
    fn fits(&self, path: &str) -> Fits {
        let bytes = path.as_bytes();
        let width = bytes.len() + 1;
        let mut fits = Fits { width, fits: vec![false; (self.path.len() + 1) * width] };
        fits.set(self.path.len(), bytes.len());
        for (number, part) in self.path.iter().enumerate().rev() {
            match part {
                Part::Literal(literal) => {
                    for at in 0..width {
                        let here = bytes.get(at..at + literal.len()) == Some(literal.as_bytes());
                        if here && fits.at(number + 1, at + literal.len()) {
                            fits.set(number, at);
                        }
                    }
                }
                Part::Variable { explodes, .. } => {
                    for at in (0..bytes.len()).rev() {
                        // One character at least, and after that either the next part, or more of this one.
                        let takes = *explodes || bytes.get(at) != Some(&b'/');
                        if takes && (fits.at(number + 1, at + 1) || fits.at(number, at + 1)) {
                            fits.set(number, at);
                        }
                    }
                }
            }
        }
        fits
    }
}

/// The form of a text between variables; the first one begins with the scheme.
fn form(literal: &str, is_first: bool) -> String {
    if is_first { normalized(literal).into_owned() } else { part_normalized(literal).into_owned() }
}

/// For each part and each place in a path, whether the part and those after it fit what stands there.
struct Fits {
    width: usize,
    fits: Vec<bool>,
}

impl Fits {
    fn at(&self, part: usize, place: usize) -> bool {
        place < self.width && self.fits.get(part * self.width + place).copied().unwrap_or(false)
    }

    fn set(&mut self, part: usize, place: usize) {
        if let Some(fits) = self.fits.get_mut(part * self.width + place) {
            *fits = true;
        }
    }
}

/// A text without its percent signs, and in a query with `+` for a blank. `None` where no text comes of it.
pub(crate) fn decoded(text: &str, in_query: bool) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let coded = bytes.get(at + 1..at + 3).and_then(|digits| {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
        });
        match (byte, coded) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) if in_query => out.push(b' '),
            (byte, _) => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(template: &str, uri: &str) -> Option<Value> {
        UriTemplate::parse(template).matches(uri).map(Value::Object)
    }

    #[test]
    fn variables_come_out_of_a_uri_decoded() {
        for (template, uri, variables) in [
            ("a://{x}", "a://b", json!({"x": "b"})),
            ("a://{x}/raw", "a://b/raw", json!({"x": "b"})),
            ("a://{x}/{y}.txt", "a://b/c.d.txt", json!({"x": "b", "y": "c.d"})),
            ("a://{x}-{y}", "a://1-2-3", json!({"x": "1-2", "y": "3"})),
            ("a://{x*}", "a://b/c/d", json!({"x": "b/c/d"})),
            ("a://{x*}/{y}", "a://b/c/d", json!({"x": "b/c", "y": "d"})),
            ("a://{x}", "a://b%20c%2Fd%C3%A9", json!({"x": "b c/dé"})),
            ("a://{x}", "a://100%", json!({"x": "100%"})),
            ("a://{x}{?q,n}", "a://b?n=3&q=a+b%26c&other=1", json!({"x": "b", "n": "3", "q": "a b&c"})),
            ("a://{x}{?q,n}", "a://b", json!({"x": "b"})),
            ("a://{x}{?q}", "a://b?q=", json!({"x": "b", "q": ""})),
            ("a://{x}{?q}", "a://b?q=1&q=2", json!({"x": "b", "q": "1"})),
            ("a://s{?q*}", "a://s?q=1", json!({"q": "1"})),
            ("a://{x}", "a://b?c", json!({"x": "b?c"})),
            ("weather://{city}/current", "weather://z%C3%BCrich/current", json!({"city": "zürich"})),
            ("a://plain", "a://plain", json!({})),
        ] {
            assert_eq!(read(template, uri), Some(variables), "{template} {uri}");
        }
    }

    #[test]
    fn a_uri_that_is_not_of_a_template_has_no_variables() {
        for (template, uri) in [
            ("a://{x}", "a://"),
            ("a://{x}", "a://b/c"),
            ("a://{x}", "b://x"),
            ("a://{x}/raw", "a://b/row"),
            ("a://{x}/raw", "a:///raw"),
            ("a://{x*}/raw", "a://b/c"),
            ("a://{x}aa", "a://aa"),
            ("a://{x}", "a://%FF"),
            ("a://plain", "a://plain?q=1"),
            ("a://{x", "a://y"),
        ] {
            assert_eq!(read(template, uri), None, "{template} {uri}");
        }
        assert_eq!(read("a://{x*}", &format!("a://{}", "b".repeat(URI_BYTES_MAX))), None);
    }

    #[test]
    fn a_uri_made_to_be_tried_in_many_ways_costs_no_more_than_another() {
        let template = format!("a://{}!", "{x*}a".repeat(12));
        let uri = format!("a://{}", "a".repeat(8_000));
        assert_eq!(read(&template, &uri), None, "with each choice tried it would take years");
    }

    #[test]
    fn what_is_more_than_is_known_here_is_left_to_its_source() {
        for (template, foreign) in
            [("a://{x}{?q}", false), ("a://{+path}", true), ("a://{#x}", true), ("a://{x:3}", true)]
        {
            assert_eq!(UriTemplate::parse(template).is_foreign(), foreign, "{template}");
        }
    }
}
