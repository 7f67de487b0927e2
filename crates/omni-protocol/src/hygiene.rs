//! What a JSON text must keep to beyond being JSON: bounded depth, whole surrogate pairs, and no key twice
//! in the parts that decide what is executed.

use std::borrow::Cow;

/// Deepest nesting of arrays and objects in one frame.
pub(crate) const DEPTH_MAX: usize = 64;

/// Objects down to this depth have their keys compared: the envelope, `params` and `params._meta`. A key
/// that stands twice there could make a proxy and us see two different calls. Deeper objects are checked
/// where they are parsed.
const KEYS_CHECKED_DEPTH: usize = 3;

/// What is wrong with a text that is otherwise JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    TooDeep,
    LoneSurrogate,
    DuplicateKey(String),
}

/// Checks a text that is already known to be JSON. One pass, no allocation unless a key has escapes.
pub(crate) fn check(text: &str) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    let mut keys: Vec<(usize, Cow<'_, str>)> = Vec::with_capacity(16);
    let mut stack = [false; DEPTH_MAX];
    let mut depth = 0;
    let mut at = 0;
    // In an object, a string is a key when it follows `{` or `,`.
    let mut key_next = false;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                if depth == DEPTH_MAX {
                    return Err(Fault::TooDeep);
                }
                stack[depth] = byte == b'{';
                depth += 1;
                key_next = byte == b'{';
            }
            b'}' | b']' => {
                while keys.last().is_some_and(|(of, _)| *of == depth) {
                    keys.pop();
                }
                depth = depth.saturating_sub(1);
                key_next = false;
            }
            b',' => key_next = depth > 0 && stack[depth - 1],
            b'"' => {
                let (end, escaped) = string_end(bytes, at)?;
                if key_next && depth <= KEYS_CHECKED_DEPTH {
                    let key = key_text(&text[at..=end], escaped);
                    if keys.iter().rev().take_while(|(of, _)| *of == depth).any(|(_, k)| *k == key) {
                        return Err(Fault::DuplicateKey(key.into_owned()));
                    }
                    keys.push((depth, key));
                }
                key_next = false;
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// The index of the quote that ends the string starting at `start`, and whether it holds escapes.
fn string_end(bytes: &[u8], start: usize) -> Result<(usize, bool), Fault> {
    let mut at = start + 1;
    let mut escaped = false;
    loop {
        match bytes.get(at) {
            // The text is JSON, so a string always ends; an end of input here would be a bug above.
            None => return Ok((bytes.len() - 1, escaped)),
            Some(b'"') => return Ok((at, escaped)),
            Some(b'\\') => {
                escaped = true;
                at += if bytes.get(at + 1) == Some(&b'u') { surrogate_length(bytes, at)? } else { 2 };
            }
            Some(_) => at += 1,
        }
    }
}

/// The length of the `\u` escape at `at`, both halves of a pair together.
fn surrogate_length(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    match hex4(bytes, at + 2) {
        0xDC00..=0xDFFF => Err(Fault::LoneSurrogate),
        0xD800..=0xDBFF => {
            let pair = bytes.get(at + 6) == Some(&b'\\')
                && bytes.get(at + 7) == Some(&b'u')
                && (0xDC00..=0xDFFF).contains(&hex4(bytes, at + 8));
            if pair { Ok(12) } else { Err(Fault::LoneSurrogate) }
        }
        _ => Ok(6),
    }
}

fn hex4(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .unwrap_or(0)
}

fn key_text(quoted: &str, escaped: bool) -> Cow<'_, str> {
    if escaped && let Ok(text) = serde_json::from_str::<String>(quoted) {
        return Cow::Owned(text);
    }
    Cow::Borrowed(&quoted[1..quoted.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_up_to_the_limit_passes_and_one_more_does_not() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(check(&nested(DEPTH_MAX)), Ok(()));
        assert_eq!(check(&nested(DEPTH_MAX + 1)), Err(Fault::TooDeep));
        assert_eq!(check(&format!("[\"{}\"]", "[".repeat(100))), Ok(()), "brackets in strings do not count");
    }

    #[test]
    fn half_a_surrogate_pair_is_found_wherever_it_stands() {
        for text in
            [r#"["\ud800"]"#, r#"["\udc00"]"#, r#"["\ud800\u0041"]"#, r#"{"\ud800x":1}"#, r#"["\ud800\\u"]"#]
        {
            assert_eq!(check(text), Err(Fault::LoneSurrogate), "{text}");
        }
        for text in [r#"["\ud83d\ude00"]"#, r#"["\\ud800"]"#, r#"["\u0041"]"#] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_in_one_object_is_found_also_in_disguise() {
        let twice = |key: &str| Err(Fault::DuplicateKey(key.to_owned()));
        assert_eq!(check(r#"{"id":1,"id":2}"#), twice("id"));
        assert_eq!(check(r#"{"params":{"name":"a","n\u0061me":"b"}}"#), twice("name"));
        assert_eq!(check(r#"{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":2}]}"#), Ok(()));
        assert_eq!(check(r#"{"a":"b","c":"a"}"#), Ok(()), "values are not keys");
    }
}
