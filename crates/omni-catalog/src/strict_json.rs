//! JSON as MCP allows it: no duplicate keys, no lone surrogates, bounded depth.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Deeper nesting is refused; recursive code further on may rely on it.
pub(crate) const DEPTH_MAX: usize = 64;

/// Parses one JSON value that must fill `raw`. The error is a sentence fragment with the position.
///
/// A lone surrogate (`"\ud800"`) has no UTF-8 form, and serde_json refuses it by itself.
pub(crate) fn parse(raw: &[u8]) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(raw);
    let value = Strict { depth_left: DEPTH_MAX }.deserialize(&mut deserializer).map_err(|e| e.to_string())?;
    deserializer.end().map_err(|e| e.to_string())?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict {
    depth_left: usize,
}

impl Strict {
    fn inside<E: de::Error>(self) -> Result<Strict, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Strict { depth_left }),
            None => Err(E::custom(format_args!("nested deeper than {DEPTH_MAX} levels"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let value = members.next_value_seed(inside)?;
            // Python's `json` keeps the last of two equal keys and other readers the first: what was
            // checked here must be what the tool sees.
            if object.contains_key(&key) {
                // Cut: a key can be as long as the whole value.
                let key: String = key.chars().take(64).collect();
                return Err(de::Error::custom(format_args!("the key `{key}` stands twice in one object")));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_disagree_about_is_refused_with_its_place() {
        let deep = format!("{}1{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1));
        for (raw, said) in [
            (r#"{"a":1,"a":2}"#, "`a` stands twice"),
            (r#"{"o":{"b":1,"b":1}}"#, "`b` stands twice"),
            (r#"{"a":"\ud800"}"#, "surrogate"),
            (r#"{"a":"\ud800x"}"#, "surrogate"),
            (r#"{"a":"\udc00"}"#, "surrogate"),
            (r#"{"a":NaN}"#, "line 1"),
            (r#"{"a":1e999}"#, "out of range"),
            (r#"{"a":1} x"#, "trailing"),
            ("", "EOF"),
            (&deep, "nested deeper than 64"),
        ] {
            let error = parse(raw.as_bytes()).unwrap_err();
            assert!(
                error.contains(said) || said == "surrogate" && error.contains("hex escape"),
                "{raw}: {error}"
            );
        }
    }

    #[test]
    fn ordinary_values_come_through_with_their_order() {
        let raw = r#"{"z":[1,-2,3.5,"ä\ud83d\ude00",null,true],"a":{}}"#;
        assert_eq!(parse(raw.as_bytes()).unwrap().to_string(), r#"{"z":[1,-2,3.5,"ä😀",null,true],"a":{}}"#);
        let deepest = format!("{}1{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        assert!(parse(deepest.as_bytes()).is_ok());
    }
}
