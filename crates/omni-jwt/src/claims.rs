//! What a token says, once its signature holds.

use serde_json::{Map, Value};

/// The claims of a token that was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// Whom its issuer means (`sub`). Means nothing without the issuer.
    pub subject: String,
    /// When it ends, in seconds since 1970, the skew not added.
    pub expires: i64,
    /// What it allows: `scope` (RFC 9068), or `scp`, as Microsoft and Okta call it. In the order of the token.
    pub scopes: Vec<String>,
    pub(crate) all: Map<String, Value>,
}

impl Claims {
    /// Whether the claim of that name says `value`: is that text, or a list that has it. Numbers and truth values are
    /// compared by their JSON. A name with a point that is no claim's leads into objects: `realm_access.roles`.
    pub fn says(&self, name: &str, value: &str) -> bool {
        match find(&self.all, name) {
            Some(Value::Array(items)) => items.iter().any(|item| is(item, value)),
            Some(one) => is(one, value),
            None => false,
        }
    }
}

fn find<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    // Names that are addresses have points of their own: `https://example.com/roles`.
    if let Some(value) = members.get(name) {
        return Some(value);
    }
    name.match_indices('.').find_map(|(at, _)| find(members.get(&name[..at])?.as_object()?, &name[at + 1..]))
}

fn is(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value == text,
        Value::Number(value) => value.to_string() == text,
        Value::Bool(value) => value.to_string() == text,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// The scopes of a token: names with spaces between, or a list of names. `None` when they are something else.
pub(crate) fn scopes(members: &Map<String, Value>) -> Option<Vec<String>> {
    match members.get("scope").or_else(|| members.get("scp")) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::String(text)) => {
            Some(text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
        }
        Some(Value::Array(items)) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_found_by_its_name_and_within_objects() {
        let all = json!({
            "role": "admin",
            "groups": ["ops", "dev", 7],
            "level": 3,
            "verified": true,
            "realm_access": { "roles": ["user"], "a.b": { "c": "deep" } },
            "https://example.com/roles": ["reader"],
        });
        let Value::Object(all) = all else { unreachable!() };
        let claims = Claims { subject: String::new(), expires: 0, scopes: Vec::new(), all };
        for (name, value) in [
            ("role", "admin"),
            ("groups", "dev"),
            ("groups", "7"),
            ("level", "3"),
            ("verified", "true"),
            ("realm_access.roles", "user"),
            ("realm_access.a.b.c", "deep"),
            ("https://example.com/roles", "reader"),
        ] {
            assert!(claims.says(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("role", "adm"),
            ("role", "Admin"),
            ("groups", "ops dev"),
            ("realm_access", "user"),
            ("realm_access.roles.0", "user"),
            ("none", ""),
            ("", ""),
            (".", ""),
        ] {
            assert!(!claims.says(name, value), "{name}={value}");
        }
    }

    #[test]
    fn scopes_come_as_words_or_as_a_list() {
        let read = |value: Value| scopes(value.as_object().unwrap());
        let two = Some(vec!["a:b".to_owned(), "c".to_owned()]);
        assert_eq!(read(json!({ "scope": "a:b  c " })), two);
        assert_eq!(read(json!({ "scp": ["a:b", "c"] })), two);
        assert_eq!(read(json!({ "scope": "a:b c", "scp": "d" })), two);
        assert_eq!(read(json!({})), Some(Vec::new()));
        assert_eq!(read(json!({ "scope": 1 })), None);
        assert_eq!(read(json!({ "scope": ["a", 1] })), None);
    }
}
