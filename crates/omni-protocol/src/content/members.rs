//! The members of a JSON object in their order, each with its value as it was written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

/// A value that was read, or one of ours.
enum Value<'a> {
    Read(&'a RawValue),
    Made(Box<RawValue>),
}

impl Value<'_> {
    fn raw(&self) -> &RawValue {
        match self {
            Value::Read(value) => value,
            Value::Made(value) => value,
        }
    }
}

/// A JSON object, of which single members are looked at or changed. Of a name that stands twice the last one counts.
#[derive(Default)]
pub(super) struct Members<'a>(Vec<(String, Value<'a>)>);

impl<'a> Members<'a> {
    /// `None` where it is no object.
    pub(super) fn read(json: &'a RawValue) -> Option<Self> {
        serde_json::from_str(json.get()).ok()
    }

    pub(super) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.raw())
    }

    /// A member that is a string.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, name: &str) -> Option<Box<RawValue>> {
        let value = self.get(name)?.to_owned();
        self.0.retain(|(known, _)| known != name);
        Some(value)
    }

    /// Puts a value where the member is, or behind the others.
    pub(super) fn put(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().rfind(|(known, _)| known == name) {
            Some((_, place)) => *place = Value::Made(value),
            None => self.0.push((name.to_owned(), Value::Made(value))),
        }
    }

    pub(super) fn put_text(&mut self, name: &str, text: &str) {
        self.put(name, to_raw_value(text).expect("text is JSON"));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.raw()))
    }

    pub(super) fn to_json(&self) -> Box<RawValue> {
        let mut json = String::from("{");
        for (name, value) in self.iter() {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&json!(name).to_string());
            json.push(':');
            json.push_str(value.get());
        }
        json.push('}');
        RawValue::from_string(json).expect("an object of JSON values is JSON")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry()? {
                    members.push((name, Value::Read(value)));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}
