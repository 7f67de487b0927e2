//! What stands for a question and for a request's arguments: so that both can be held against what they were before.

use bytes::Bytes;
use omni_call::Ask;
use serde_json::{Map, Value};

/// Stands for a question, or for a request's arguments.
pub(super) type Digest = [u8; 32];

/// Arguments up to this many bytes may be written in another way when a request is repeated; larger ones, which it would
/// take long to read, are repeated as they were.
const CANONICAL_BYTES_MAX: usize = 64 << 10;

/// Stands for a question: the same method, key and parameters have the same.
pub(super) fn question_digest(ask: &Ask) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("omni: question of a parked call, 2026");
    let key = ask.key.as_deref().unwrap_or_default();
    for part in [ask.method.name().as_bytes(), key.as_bytes(), &ask.params] {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    hasher.finalize().into()
}

/// Stands for a request's arguments, in whatever order their members are written. None are the same as an empty object.
pub(super) fn arguments_digest(arguments: Option<&Bytes>) -> Digest {
    let text = arguments.map_or(&b"{}"[..], |arguments| arguments);
    let canonical = (text.len() <= CANONICAL_BYTES_MAX)
        .then(|| serde_json::from_slice(text).ok())
        .flatten()
        .map(|value| sorted(value).to_string());
    let mut hasher = blake3::Hasher::new_derive_key("omni: arguments of a parked call, 2026");
    match &canonical {
        Some(canonical) => hasher.update(b"canonical ").update(canonical.as_bytes()),
        None => hasher.update(b"verbatim ").update(text),
    };
    hasher.finalize().into()
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(Map::from_iter(members))
        }
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

#[cfg(test)]
mod tests {
    use omni_call::AskMethod;

    use super::*;

    #[test]
    fn arguments_are_the_same_in_any_order_and_questions_only_word_for_word() {
        let of = |text: &'static str| arguments_digest(Some(&Bytes::from_static(text.as_bytes())));
        assert_eq!(
            of(r#"{"a":1,"b":{"c":[1,2],"d":"x"}}"#),
            of("{\"b\": {\"d\": \"\\u0078\", \"c\": [1, 2]}, \"a\": 1}")
        );
        assert_eq!(of("{}"), arguments_digest(None));
        for other in [r#"{"a":2}"#, r#"{"a":1.0}"#, r#"{"a":"1"}"#, r#"{"a":[1]}"#, r#"{"A":1}"#, "{}"] {
            assert_ne!(of(other), of(r#"{"a":1}"#), "{other}");
        }
        assert_ne!(of(r#"{"a":[1,2]}"#), of(r#"{"a":[2,1]}"#));
        let large = |blank: &str| {
            let text = format!("{{\"a\":{blank}\"{}\"}}", "x".repeat(CANONICAL_BYTES_MAX));
            arguments_digest(Some(&text.into()))
        };
        assert_ne!(large(""), large(" "), "what is large is repeated as it was");

        let ask =
            |method, params: &'static str| question_digest(&Ask { key: None, method, params: params.into() });
        assert_eq!(ask(AskMethod::Elicit, r#"{"a":1}"#), ask(AskMethod::Elicit, r#"{"a":1}"#));
        assert_ne!(ask(AskMethod::Elicit, r#"{"a":1}"#), ask(AskMethod::Elicit, r#"{"a": 1}"#));
        assert_ne!(ask(AskMethod::Elicit, "{}"), ask(AskMethod::Sample, "{}"));
    }
}
