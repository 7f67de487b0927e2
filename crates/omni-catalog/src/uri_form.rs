//! Which spellings of a URI mean the same?
//!
//! By RFC 3986, section 6.2.2: the scheme in either case, the digits of a percent code in either case, a percent code for a
//! letter that needs none; and by RFC 3987, section 3.1, a letter beyond ASCII for its codes. In paths of the server's own
//! scheme no sign but `/` parts anything, so there any other may stand coded or not. Nothing more: no `..` is taken away, and
//! no code becomes a `/`. A form is only ever compared with that of what is listed, and opens nothing.

use std::borrow::Cow;

/// The scheme of what this server has of its own: files and resources of skills, results that were kept.
const OWN_SCHEME: &str = "omni";
/// What each skill's own begins with.
pub(crate) const SKILLS: &str = "omni://skill/";

/// Whether a URI, or a template of some, is in the server's own scheme.
pub(crate) fn is_own_scheme(uri: &str) -> bool {
    scheme(uri).is_some_and(|scheme| scheme.eq_ignore_ascii_case(OWN_SCHEME))
}

/// The one form that all spellings of a URI have. One in which a `%` is no percent code has itself alone. A template
/// keeps its `{…}`.
pub fn normalized(uri: &str) -> Cow<'_, str> {
    let Some(scheme) = scheme(uri) else { return part_normalized(uri) };
    let rest = &uri[scheme.len()..];
    let is_own = scheme.eq_ignore_ascii_case(OWN_SCHEME) && rest.starts_with(&SKILLS[OWN_SCHEME.len()..]);
    let plain = !scheme.bytes().any(|byte| byte.is_ascii_uppercase());
    if plain && rest.bytes().all(|byte| is_plain(byte, is_own)) {
        return Cow::Borrowed(uri);
    }
    let mut form = scheme.to_ascii_lowercase();
    match write(rest, is_own, &mut form) {
        Some(()) => Cow::Owned(form),
        None => Cow::Borrowed(uri),
    }
}

/// The same of a part of a URI without its scheme, such as the text between two variables of a template.
pub(crate) fn part_normalized(part: &str) -> Cow<'_, str> {
    if part.bytes().all(|byte| is_plain(byte, false)) {
        return Cow::Borrowed(part);
    }
    let mut form = String::with_capacity(part.len());
    match write(part, false, &mut form) {
        Some(()) => Cow::Owned(form),
        None => Cow::Borrowed(part),
    }
}

fn scheme(uri: &str) -> Option<&str> {
    let scheme = uri.split_once(':')?.0;
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    (scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(letters))
        .then_some(scheme)
}

/// Whether a byte needs no second look: it stands in every form as it is.
fn is_plain(byte: u8, is_own: bool) -> bool {
    is_unreserved(byte) || matches!(byte, b'/') || !is_own && byte.is_ascii() && byte != b'%'
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `None` where a `%` is no percent code.
fn write(text: &str, is_own: bool, form: &mut String) -> Option<()> {
    let bytes = text.as_bytes();
    let begins_path = if is_own { SKILLS.len() - OWN_SCHEME.len() } else { 0 };
    // Of the own scheme, up to the query; and not within the braces of a template.
    let (mut in_path, mut in_braces) = (is_own, false);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'%' if !in_braces => {
                let digit = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
                let code = u8::try_from(digit(at)? * 16 + digit(at + 1)?).ok()?;
                at += 2;
                if is_unreserved(code) { form.push(code.into()) } else { push_code(code, form) }
            }
            b'?' | b'#' if !in_braces => {
                in_path = false;
                form.push(byte.into());
            }
            b'{' | b'}' => {
                in_braces = byte == b'{';
                form.push(byte.into());
            }
            _ if !byte.is_ascii() => push_code(byte, form),
            _ if in_path && !in_braces && at > begins_path && !is_unreserved(byte) && byte != b'/' => {
                push_code(byte, form);
            }
            _ => form.push(byte.into()),
        }
    }
    Some(())
}

fn push_code(byte: u8, form: &mut String) {
    form.push_str(&format!("%{byte:02X}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_uri_have_one_form() {
        for (uri, form) in [
            ("x://a/b?c=d#e", "x://a/b?c=d#e"),
            ("X-1://A/b", "x-1://A/b"),
            ("x://a%3ab", "x://a%3Ab"),
            ("x://%53KILL%2Emd", "x://SKILL.md"),
            ("x://b\u{fc}cher/%c3%bc", "x://b%C3%BCcher/%C3%BC"),
            ("x://a+b&c", "x://a+b&c"),
            ("x://a%2bb", "x://a%2Bb"),
            ("omni://skill/fil/a+b&c:d.md", "omni://skill/fil/a%2Bb%26c%3Ad.md"),
            ("OMNI://skill/f%69l/a%2bb.md?Q=a+b", "omni://skill/fil/a%2Bb.md?Q=a+b"),
            ("omni://skill/a/{p*}/x+y{?q,r}", "omni://skill/a/{p*}/x%2By{?q,r}"),
            ("omni://result/a+b", "omni://result/a+b"),
            ("no scheme", "no scheme"),
            ("", ""),
        ] {
            assert_eq!(normalized(uri), form, "{uri}");
            assert_eq!(normalized(&normalized(uri)), form, "once more: {uri}");
        }
    }

    #[test]
    fn no_form_takes_a_dot_or_a_slash_out_of_its_place() {
        for (uri, form) in [
            ("omni://skill/a/../b/SKILL.md", "omni://skill/a/../b/SKILL.md"),
            ("omni://skill/a/%2e%2e/b", "omni://skill/a/../b"),
            ("omni://skill/a/..%2fb", "omni://skill/a/..%2Fb"),
            ("omni://skill/a//b/./c", "omni://skill/a//b/./c"),
            ("omni://skill/a\\..\\b", "omni://skill/a%5C..%5Cb"),
            ("x://a/%252e%252e", "x://a/%252e%252e"),
            ("x://a%00b", "x://a%00b"),
            // No percent code at all, so it might become one if anything were changed.
            ("x://a%2%35", "x://a%2%35"),
            ("omni://skill/a/%", "omni://skill/a/%"),
        ] {
            assert_eq!(normalized(uri), form, "{uri}");
        }
    }
}
