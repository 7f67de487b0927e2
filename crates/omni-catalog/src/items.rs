//! The resources, resource templates or prompts of one source.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use serde::de::Error as _;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::encoded_items::{self, EncodedItem, EncodedItems};
use crate::{CatalogKind, Diagnostic, ListFields, Origin, Severity};

/// JSON objects in their source's order, each with the member that it is asked for by.
#[derive(Debug, PartialEq)]
pub(crate) struct Items {
    encoded: EncodedItems,
    findings: Vec<Diagnostic>,
}

/// The member by which an item is asked for.
pub(crate) fn key_of(kind: CatalogKind) -> &'static str {
    match kind {
        CatalogKind::Resources => "uri",
        CatalogKind::Templates => "uriTemplate",
        CatalogKind::Prompts | CatalogKind::Tools | CatalogKind::Skills => "name",
    }
}

/// The members that an item must have, all strings: clients refuse a whole list for one item without.
fn needed(kind: CatalogKind) -> &'static [&'static str] {
    match kind {
        CatalogKind::Resources => &["uri", "name"],
        CatalogKind::Templates => &["uriTemplate", "name"],
        CatalogKind::Prompts | CatalogKind::Tools | CatalogKind::Skills => &["name"],
    }
}

/// What people call one.
pub(crate) fn called(kind: CatalogKind) -> &'static str {
    match kind {
        CatalogKind::Resources => "resource",
        CatalogKind::Templates => "resource template",
        CatalogKind::Prompts => "prompt",
        CatalogKind::Tools => "tool",
        CatalogKind::Skills => "skill",
    }
}

/// The code of a finding about two items with one key.
pub(crate) fn code_of(kind: CatalogKind) -> &'static str {
    match kind {
        CatalogKind::Resources => "duplicate-resource",
        CatalogKind::Templates => "duplicate-template",
        CatalogKind::Prompts => "duplicate-prompt",
        CatalogKind::Tools => "duplicate-name",
        CatalogKind::Skills => "duplicate-skill",
    }
}

/// What is said of one that is not listed, because another has its key: `there` says where.
pub(crate) fn twice(kind: CatalogKind, key: &str, skill: &str, origin: &Origin, there: &str) -> Diagnostic {
    let what = called(kind);
    Diagnostic {
        severity: Severity::Error,
        skill: skill.to_owned(),
        file: origin.file.clone(),
        line: origin.line,
        column: origin.line.min(1),
        code: code_of(kind).to_owned(),
        message: format!("there is a {what} `{key}` {there} already, so this one is not listed"),
        help: Some(format!("give one of the two another `{}`", key_of(kind))),
    }
}

impl Items {
    /// Reads a JSON array of MCP's objects, each with a member `omni` more where it is off. An item that no client can use, and one whose key an earlier one has, is left out with a
    /// finding; `source` says there where the array is from.
    pub(crate) fn read(source: &str, kind: CatalogKind, array: &[u8]) -> Result<Items, serde_json::Error> {
        let texts: Vec<&RawValue> = serde_json::from_slice(array)?;
        let mut read: Vec<(String, String, bool)> = Vec::new();
        let (mut keys, mut findings) = (HashSet::new(), Vec::new());
        let (what, needs) = (called(kind), needed(kind));
        for (n, text) in texts.into_iter().enumerate() {
            let object: Map<String, Value> = serde_json::from_str(text.get()).unwrap_or_default();
            let mut find = |code: &str, message: String, help: String| {
                findings.push(Diagnostic {
                    severity: Severity::Warning,
                    skill: String::new(),
                    file: format!("{source} /{}/{n}", crate::items::member(kind)),
                    line: 0,
                    column: 0,
                    code: code.to_owned(),
                    message,
                    help: Some(help),
                });
            };
            if !needs.iter().all(|member| object.get(*member).is_some_and(Value::is_string)) {
                let message = format!("it is no description of a {what}, so it is not listed");
                let members: Vec<String> = needs.iter().map(|member| format!("`{member}`")).collect();
                let help = format!("a {what} is an object with {}", members.join(" and "));
                find("bad-description", message, help);
                continue;
            }
            let key = object.get(key_of(kind)).and_then(Value::as_str).unwrap_or_default().to_owned();
            if !keys.insert(key.clone()) {
                let message =
                    format!("there is a {what} `{key}` before it already, so this one is not listed");
                find("duplicate-name", message, format!("give one of the two another `{}`", key_of(kind)));
                continue;
            }
            let is_off = object.get(OWN).is_some_and(|own| own.get("enabled") == Some(&Value::Bool(false)));
            let listing = if object.contains_key(OWN) { without_own(text) } else { None };
            read.push((key, listing.unwrap_or_else(|| on_one_line(text)), is_off));
        }
        let items: Vec<EncodedItem<'_>> = read
            .iter()
            .map(|(key, listing, is_off)| EncodedItem { key, listing, detail: "", is_off: *is_off })
            .collect();
        let bytes = encoded_items::encode(&items, &encoded_items::own_keys(&items));
        let encoded = bytes.ok().and_then(|bytes| EncodedItems::decode(&bytes.into()));
        let encoded = encoded.ok_or_else(|| serde_json::Error::custom("it has more than 4 GiB"))?;
        Ok(Items { encoded, findings })
    }

    /// Items of a folder: what was found wrong with them is among the folder's own findings.
    pub(crate) fn from_encoded(encoded: EncodedItems) -> Items {
        Items { encoded, findings: Vec::new() }
    }

    pub(crate) fn encoded(&self) -> &EncodedItems {
        &self.encoded
    }

    /// The JSON objects as [`read`](Self::read) takes them.
    pub(crate) fn told(&self) -> impl Iterator<Item = Bytes> {
        (0..self.encoded.len()).filter_map(|item| told(&self.encoded, item))
    }

    pub(crate) fn findings(&self) -> &[Diagnostic] {
        &self.findings
    }
}

/// The member of an object that says what MCP has no member for. Clients are not shown it.
const OWN: &str = "omni";

/// An item as a runner tells its caller of it: with that it is off.
pub(crate) fn told(items: &EncodedItems, item: usize) -> Option<Bytes> {
    let listing = items.listing(item)?;
    match listing.strip_suffix(b"}") {
        Some(members) if items.is_off(item) => {
            Some([members, b",\"omni\":{\"enabled\":false}}"].concat().into())
        }
        _ => Some(listing),
    }
}

/// The object without what is not for clients, its other values as they were written.
fn without_own(text: &RawValue) -> Option<String> {
    let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(text.get()).ok()?;
    members.remove(OWN);
    serde_json::to_string(&members).ok().map(|text| text.replace(['\n', '\r'], " "))
}

/// The member of a list that holds the items.
pub(crate) fn member(kind: CatalogKind) -> &'static str {
    match kind {
        CatalogKind::Tools => "tools",
        CatalogKind::Resources => "resources",
        CatalogKind::Templates => "resourceTemplates",
        CatalogKind::Prompts => "prompts",
        CatalogKind::Skills => "skills",
    }
}

/// A page with the members of `fields` only: items got theirs in the same revisions as tools.
pub(crate) fn cut(page: &Bytes, fields: ListFields) -> Bytes {
    let Ok(mut items) = serde_json::from_slice::<Vec<Map<String, Value>>>(page) else { return page.clone() };
    for item in &mut items {
        if fields < ListFields::All {
            item.remove("icons");
        }
        if fields < ListFields::Structured {
            item.remove("title");
            item.remove("_meta");
            // Annotations are as old as resources, and this one of them is not.
            if let Some(annotations) = item.get_mut("annotations").and_then(Value::as_object_mut)
                && annotations.shift_remove("lastModified").is_some()
                && annotations.is_empty()
            {
                item.remove("annotations");
            }
            let arguments = item.get_mut("arguments").and_then(Value::as_array_mut);
            for argument in arguments.into_iter().flatten().filter_map(Value::as_object_mut) {
                argument.remove("title");
            }
        }
    }
    serde_json::to_vec(&items).map_or_else(|_| page.clone(), Bytes::from)
}

/// The value as it was written, on one line: a message of ours is one. In JSON a line can break only between tokens.
pub(crate) fn on_one_line(value: &RawValue) -> String {
    value.get().replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_that_came_later_are_left_out() {
        let prompt = json!({"name": "p", "description": "d", "title": "P", "icons": [], "_meta": {},
            "arguments": [{"name": "a", "title": "A", "required": true}]});
        let page = Bytes::from(json!([prompt]).to_string());
        let shown = |fields| serde_json::from_slice::<Value>(&cut(&page, fields)).unwrap()[0].clone();
        assert_eq!(shown(ListFields::All), prompt);
        let mut structured = prompt.clone();
        structured.as_object_mut().unwrap().remove("icons");
        assert_eq!(shown(ListFields::Structured), structured);
        let basic = json!({"name": "p", "description": "d", "arguments": [{"name": "a", "required": true}]});
        for fields in [ListFields::Basic, ListFields::Annotated] {
            assert_eq!(shown(fields), basic, "{fields:?}");
        }
    }

    #[test]
    fn an_item_that_no_client_can_use_costs_no_other_and_is_named() {
        let array = br#"[{"uri":"a:b",
"name":"b","size":12345678901234567890},{"uri":"a:c"},5,{"uri":"a:b","name":"again"}]"#;
        let items = Items::read("unix:/r", CatalogKind::Resources, array).unwrap();
        let texts: Vec<Bytes> = items.told().collect();
        assert_eq!(
            texts,
            [&br#"{"uri":"a:b", "name":"b","size":12345678901234567890}"#[..]],
            "as it was written"
        );
        let found: Vec<(&str, &str)> =
            items.findings().iter().map(|found| (found.file.as_str(), found.code.as_str())).collect();
        assert_eq!(
            found,
            [
                ("unix:/r /resources/1", "bad-description"),
                ("unix:/r /resources/2", "bad-description"),
                ("unix:/r /resources/3", "duplicate-name"),
            ]
        );
        assert!(Items::read("", CatalogKind::Prompts, b"{}").is_err());
    }

    #[test]
    fn what_is_off_says_so_to_callers_and_not_to_clients() {
        let array =
            br#"[{"name":"on","omni":{"enabled":true}},{"name":"off","size":1e3,"omni":{"enabled":false}}]"#;
        let items = Items::read("", CatalogKind::Prompts, array).unwrap();
        let encoded = items.encoded();
        assert_eq!(encoded.pages().collect::<Vec<_>>(), [&br#"[{"name":"on"}]"#[..]]);
        assert_eq!(encoded.listing(1).unwrap(), &br#"{"name":"off","size":1e3}"#[..]);
        assert!(encoded.is_off(1) && !encoded.is_off(0) && encoded.find("off") == Some(1));
        let told: Vec<Bytes> = items.told().collect();
        let again = [b"[", &told.join(&b","[..])[..], b"]"].concat();
        assert_eq!(Items::read("", CatalogKind::Prompts, &again).unwrap(), items);
    }
}
