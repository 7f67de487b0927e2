//! Resources, templates and prompts as a list shows them: what of it older revisions know.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::revision::{Revision, ToolFields};

/// The list without the members that came after `revision`. They came when those of tools did.
pub(crate) fn cut(items: &Bytes, revision: Revision) -> Bytes {
    let fields = revision.tool_fields();
    if fields == ToolFields::All {
        return items.clone();
    }
    let Ok(mut list) = serde_json::from_slice::<Vec<Map<String, Value>>>(items) else { return items.clone() };
    for item in &mut list {
        item.remove("icons");
        if fields != ToolFields::Structured {
            item.remove("title");
            item.remove("_meta");
            let arguments = item.get_mut("arguments").and_then(Value::as_array_mut);
            for argument in arguments.into_iter().flatten().filter_map(Value::as_object_mut) {
                argument.remove("title");
            }
        }
    }
    serde_json::to_vec(&list).map_or_else(|_| items.clone(), Bytes::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_that_came_later_are_left_out() {
        let prompt = json!({"name": "p", "description": "d", "title": "P", "icons": [], "_meta": {},
            "arguments": [{"name": "a", "title": "A", "required": true}]});
        let items = Bytes::from(json!([prompt]).to_string());
        let shown = |revision| serde_json::from_slice::<Value>(&cut(&items, revision)).unwrap()[0].clone();
        assert_eq!(shown(Revision::V2025_11_25), prompt);
        let mut structured = prompt.clone();
        structured.as_object_mut().unwrap().remove("icons");
        assert_eq!(shown(Revision::V2025_06_18), structured);
        let basic = json!({"name": "p", "description": "d", "arguments": [{"name": "a", "required": true}]});
        for revision in [Revision::V2024_11_05, Revision::V2025_03_26] {
            assert_eq!(shown(revision), basic, "{revision:?}");
        }
    }
}
