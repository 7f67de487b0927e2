//! Structured content for a revision that has no place for it: whether the text beside it says the same.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The structured content as JSON text, unless the content says the same already, as results do that omni's Python or
/// FastMCP has made of a value: as JSON, a string without its quotes, nothing as no content, and of an object whose one
/// member is `result` what that member is.
pub(super) fn unsaid<'a>(structured: &'a Bytes, content: &[u8]) -> Option<&'a str> {
    if is_said_as_written(structured, content) {
        return None;
    }
    let json = std::str::from_utf8(structured).ok()?;
    let value: Value = serde_json::from_str(json).ok()?;
    let wrapped =
        value.as_object().filter(|object| object.len() == 1).and_then(|object| object.get("result"));
    let values = || [Some(&value), wrapped].into_iter().flatten();
    if values().any(Value::is_null) {
        return None;
    }
    let blocks: Vec<TextBlock> = serde_json::from_slice(content).unwrap_or_default();
    let said = blocks.iter().filter_map(|block| block.text.as_deref()).any(|text| {
        values().any(|value| value.as_str() == Some(text))
            || serde_json::from_str(text).is_ok_and(|said: Value| values().any(|value| *value == said))
    });
    (!said).then_some(json)
}

/// Whether a text is, letter for letter, the string under `result`: that is what a tool's text becomes, and it may be large.
/// Nothing is copied to find it out. `false` may also mean that it is written in another way.
fn is_said_as_written(structured: &[u8], content: &[u8]) -> bool {
    let wrapped = serde_json::from_slice::<WrittenResult<'_>>(structured);
    let blocks = serde_json::from_slice::<Vec<WrittenText<'_>>>(content);
    let (Ok(WrittenResult { result }), Ok(blocks)) = (wrapped, blocks) else { return false };
    result.get().starts_with('"')
        && blocks.iter().any(|block| block.text.is_some_and(|text| text.get() == result.get()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenResult<'a> {
    #[serde(borrow)]
    result: &'a RawValue,
}

#[derive(Deserialize)]
struct WrittenText<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct TextBlock {
    #[serde(default)]
    text: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_said(structured: &str, texts: &[&str]) -> bool {
        let blocks: Vec<Value> = texts.iter().map(|text| json!({"type": "text", "text": text})).collect();
        let structured = Bytes::copy_from_slice(structured.as_bytes());
        unsaid(&structured, json!(blocks).to_string().as_bytes()).is_none()
    }

    #[test]
    fn a_text_that_says_the_same_is_known_however_it_is_written() {
        assert!(is_said(r#"{"a":1,"b":[true]}"#, &["{ \"b\": [true],\n \"a\": 1 }"]));
        assert!(is_said(r#"{"result":[1,2]}"#, &["[1,2]"]));
        assert!(is_said(r#"{"result":"2026-07-28"}"#, &["see", "2026-07-28"]));
        assert!(is_said(r#"{"result":"a\u0062\n"}"#, &["ab\n"]));
        assert!(is_said(r#""a""#, &["a"]));
        assert!(is_said("[1]", &["[1]"]));
        assert!(is_said("null", &[]));
        assert!(is_said(r#"{"result":null}"#, &[]));
    }

    #[test]
    fn what_no_text_says_is_not_taken_for_said() {
        assert!(!is_said(r#"{"a":1}"#, &[]));
        assert!(!is_said(r#"{"a":1}"#, &["a is 1"]));
        assert!(!is_said(r#"{"a":1,"b":2}"#, &[r#"{"a":1}"#]));
        assert!(!is_said(r#"{"other":"a"}"#, &["a"]));
        assert!(!is_said("[1]", &["1"]));
        assert!(!is_said(r#"{"result":"a","b":1}"#, &["a"]));
        assert!(!is_said(r#"{"a":1}"#, &[r#"{"result":{"a":1}}"#]));
    }
}
