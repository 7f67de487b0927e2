//! The resources, resource templates or prompts of one source.

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::{CatalogKind, Diagnostic, ListFields, Severity};

/// JSON objects in their source's order, each with the member that it is asked for by.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Items {
    items: Vec<Item>,
    findings: Vec<Diagnostic>,
}

/// One resource, template or prompt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    /// Its URI, URI template or name.
    pub(crate) key: String,
    /// The JSON object that a list shows, on one line.
    pub(crate) text: Bytes,
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

fn called(kind: CatalogKind) -> &'static str {
    match kind {
        CatalogKind::Resources => "resource",
        CatalogKind::Templates => "resource template",
        CatalogKind::Prompts => "prompt",
        CatalogKind::Tools => "tool",
        CatalogKind::Skills => "skill",
    }
}

impl Items {
    /// Reads a JSON array. An item that no client can use, and one whose key an earlier one has, is left out with a
    /// finding; `source` says there where the array is from.
    pub(crate) fn read(source: &str, kind: CatalogKind, array: &[u8]) -> Result<Items, serde_json::Error> {
        let texts: Vec<&RawValue> = serde_json::from_slice(array)?;
        let mut read = Items::default();
        let mut keys = HashSet::new();
        let (what, needs) = (called(kind), needed(kind));
        for (n, text) in texts.into_iter().enumerate() {
            let object: Map<String, Value> = serde_json::from_str(text.get()).unwrap_or_default();
            let mut find = |code: &str, message: String, help: String| {
                read.findings.push(Diagnostic {
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
            read.items.push(Item { key, text: on_one_line(text) });
        }
        Ok(read)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
    }

    pub(crate) fn findings(&self) -> &[Diagnostic] {
        &self.findings
    }
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
            let arguments = item.get_mut("arguments").and_then(Value::as_array_mut);
            for argument in arguments.into_iter().flatten().filter_map(Value::as_object_mut) {
                argument.remove("title");
            }
        }
    }
    serde_json::to_vec(&items).map_or_else(|_| page.clone(), Bytes::from)
}

/// The value as it was written, on one line: a message of ours is one. In JSON a line can break only between tokens.
fn on_one_line(value: &RawValue) -> Bytes {
    let bytes = value.get().bytes();
    bytes.map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }).collect()
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
        let texts: Vec<&[u8]> = items.iter().map(|item| &item.text[..]).collect();
        assert_eq!(texts, [br#"{"uri":"a:b", "name":"b","size":12345678901234567890}"#], "as it was written");
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
}
