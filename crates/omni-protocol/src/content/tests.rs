use bytes::Bytes;
use omni_call::{CallResult, PromptMessages, ResourceContents, ToolResult};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const REVISIONS: [Revision; 5] = [
    Revision::V2024_11_05,
    Revision::V2025_03_26,
    Revision::V2025_06_18,
    Revision::V2025_11_25,
    Revision::V2026_07_28,
];

fn bytes(value: &Value) -> Bytes {
    value.to_string().into()
}

fn tool(content: &Value, structured: Option<&Value>) -> CallResult {
    ToolResult {
        content: bytes(content),
        structured: structured.map(bytes),
        meta: Some(Bytes::from_static(br#"{"own":1}"#)),
        is_error: false,
    }
    .into()
}

/// The parts of a result as one value.
fn parts(result: &CallResult) -> Value {
    let read = |json: &Bytes| serde_json::from_slice::<Value>(json).expect("JSON");
    match result {
        CallResult::Tool(tool) => json!({
            "content": read(&tool.content),
            "structuredContent": tool.structured.as_ref().map(read),
            "_meta": tool.meta.as_ref().map(read),
        }),
        CallResult::Resource(resource) => {
            json!({"contents": read(&resource.contents), "_meta": resource.meta.as_ref().map(read)})
        }
        CallResult::Prompt(prompt) => json!({
            "description": prompt.description,
            "messages": read(&prompt.messages),
            "_meta": prompt.meta.as_ref().map(read),
        }),
        CallResult::Completion(completion) => read(&completion.to_json().into()),
    }
}

fn adapted(revision: Revision, result: &CallResult) -> Value {
    parts(&revision.adapt(result.clone()).result)
}

fn content(revision: Revision, blocks: &Value) -> Value {
    adapted(revision, &tool(blocks, None))["content"].clone()
}

/// A block of each type, with every member that it may have in the newest revision.
fn full_blocks() -> Value {
    let annotations = json!({"audience": ["user"], "priority": 0.5, "lastModified": "2026-11-30T12:00:00Z"});
    let meta = json!({"vendor/key": {"deep": [1, "two"]}});
    json!([
        {"type": "text", "text": "a text", "annotations": annotations, "_meta": meta},
        {"type": "image", "data": "aW1hZ2U=", "mimeType": "image/png", "annotations": annotations, "_meta": meta},
        {"type": "audio", "data": "c291bmQ=", "mimeType": "audio/wav", "annotations": annotations, "_meta": meta},
        {
            "type": "resource",
            "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "embedded", "_meta": {"inner": true}},
            "annotations": annotations,
            "_meta": meta
        },
        {
            "type": "resource_link",
            "uri": "https://example.org/report.pdf",
            "name": "report.pdf",
            "title": "Annual report",
            "description": "Numbers of the year",
            "mimeType": "application/pdf",
            "size": 12_345,
            "icons": [{"src": "https://example.org/icon.png", "sizes": ["48x48"]}],
            "annotations": annotations,
            "_meta": meta
        },
    ])
}

/// Every type and member that each revision's schema has for the blocks of a tool's result and of a prompt.
#[test]
fn each_revision_gets_the_types_and_members_that_its_schema_has() {
    let types = |blocks: &Value| -> Vec<String> {
        let blocks = blocks.as_array().expect("an array").iter();
        blocks.map(|block| block["type"].as_str().expect("a type").to_owned()).collect()
    };
    let newest = ["text", "image", "audio", "resource", "resource_link"];
    for (revision, expected) in [
        (Revision::V2024_11_05, &["text", "image", "text", "resource", "resource", "text"][..]),
        (Revision::V2025_03_26, &["text", "image", "audio", "resource", "text"]),
        (Revision::V2025_06_18, &newest),
        (Revision::V2025_11_25, &newest),
        (Revision::V2026_07_28, &newest),
    ] {
        let blocks = content(revision, &full_blocks());
        assert_eq!(types(&blocks), expected, "{revision:?}");
        let (early, icons) = match revision {
            Revision::V2024_11_05 | Revision::V2025_03_26 => (true, false),
            Revision::V2025_06_18 => (false, false),
            Revision::V2025_11_25 | Revision::V2026_07_28 => (false, true),
        };
        for block in blocks.as_array().expect("an array") {
            assert_eq!(block["annotations"]["priority"], 0.5, "{revision:?}: {block}");
            assert_eq!(block["annotations"].get("lastModified").is_none(), early, "{revision:?}: {block}");
            assert_eq!(block.get("_meta").is_none(), early, "{revision:?}: {block}");
            assert_eq!(block["resource"].get("_meta").is_some(), !early && block["type"] == "resource");
            assert_eq!(block.get("icons").is_some(), icons && block["type"] == "resource_link");
        }
        let messages: Vec<Value> = full_blocks()
            .as_array()
            .expect("an array")
            .iter()
            .map(|block| json!({"role": "user", "content": block}))
            .collect();
        let prompt = CallResult::Prompt(PromptMessages {
            description: None,
            messages: bytes(&json!(messages)),
            meta: None,
        });
        let messages = adapted(revision, &prompt)["messages"].clone();
        let blocks: Vec<Value> = messages
            .as_array()
            .expect("an array")
            .iter()
            .map(|message| {
                assert_eq!(message["role"], "user");
                message["content"].clone()
            })
            .collect();
        assert_eq!(json!(blocks), content(revision, &full_blocks()), "{revision:?}");
    }
}

#[test]
fn a_link_is_a_text_where_there_are_no_links() {
    let blocks = content(Revision::V2025_03_26, &full_blocks());
    let text = "resource `report.pdf` (Annual report; application/pdf; 12345 bytes): \
                https://example.org/report.pdf\nNumbers of the year";
    assert_eq!(blocks[4]["text"], text);
    assert_eq!(blocks[4]["annotations"], json!({"audience": ["user"], "priority": 0.5}));
    let bare = json!([{"type": "resource_link", "uri": "a:b", "name": "b"}]);
    assert_eq!(
        content(Revision::V2024_11_05, &bare)[0],
        json!({"type": "text", "text": "resource `b`: a:b"})
    );
}

#[test]
fn sound_is_an_embedded_resource_where_there_is_no_audio() {
    let blocks = content(Revision::V2024_11_05, &full_blocks());
    assert_eq!(blocks[2]["text"], "sound (audio/wav): the embedded resource cid:audio-2");
    assert_eq!(
        blocks[3]["resource"],
        json!({"uri": "cid:audio-2", "mimeType": "audio/wav", "blob": "c291bmQ="})
    );
}

#[test]
fn what_no_model_reads_stands_in_the_result_s_meta_under_its_pointer() {
    let result = tool(&full_blocks(), None);
    let meta = &adapted(Revision::V2025_03_26, &result)["_meta"];
    assert_eq!(meta["own"], 1);
    assert_eq!(meta[NEWER]["/content/0/_meta"], json!({"vendor/key": {"deep": [1, "two"]}}));
    assert_eq!(meta[NEWER]["/content/3/resource/_meta"], json!({"inner": true}));
    assert_eq!(meta[NEWER]["/content/4/annotations/lastModified"], "2026-11-30T12:00:00Z");
    assert_eq!(meta[NEWER]["/content/4/icons"][0]["src"], "https://example.org/icon.png");
    let newer = &adapted(Revision::V2025_06_18, &result)["_meta"][NEWER];
    assert_eq!(newer.as_object().expect("an object").len(), 1, "{newer}");
    assert_eq!(adapted(Revision::V2025_11_25, &result)["_meta"], json!({"own": 1}));
    let resource = CallResult::Resource(ResourceContents {
        contents: bytes(&json!([{"uri": "a:b", "text": "t", "_meta": {"k": 1}}])),
        meta: None,
    });
    let old = adapted(Revision::V2024_11_05, &resource);
    assert_eq!(
        old,
        json!({"contents": [{"uri": "a:b", "text": "t"}], "_meta": {NEWER: {"/contents/0/_meta": {"k": 1}}}})
    );
    assert_eq!(adapted(Revision::V2025_06_18, &resource), parts(&resource));
}

#[test]
fn structured_content_is_a_text_where_there_is_none_unless_a_text_says_it() {
    let text = |text: &str| json!([{"type": "text", "text": text}]);
    let said = tool(&text("{\"a\": 1}"), Some(&json!({"a": 1})));
    let unsaid = tool(&text("see"), Some(&json!({"a": 1})));
    let list = tool(&text("see"), Some(&json!([1])));
    for revision in REVISIONS {
        let (object, any) = match revision {
            Revision::V2024_11_05 | Revision::V2025_03_26 => (false, false),
            Revision::V2025_06_18 | Revision::V2025_11_25 => (true, false),
            Revision::V2026_07_28 => (true, true),
        };
        let said = adapted(revision, &said);
        assert_eq!(said["content"].as_array().map(Vec::len), Some(1), "{revision:?}");
        assert_eq!(said["structuredContent"].is_object(), object, "{revision:?}");
        for (result, known, json) in [(&unsaid, object, "{\"a\":1}"), (&list, any, "[1]")] {
            let got = adapted(revision, result);
            assert_eq!(got["structuredContent"].is_null(), !known, "{revision:?}");
            let mut expected = text("see");
            if !known {
                expected.as_array_mut().expect("an array").push(text(json)[0].clone());
            }
            assert_eq!(got["content"], expected, "{revision:?}");
        }
    }
}

#[test]
fn text_alone_and_what_the_newest_revisions_get_is_sent_from_where_it_lies() {
    let text = tool(&json!([{"type": "text", "text": "\"resource_link\" {\"_meta\":1}"}]), None);
    let full = tool(&full_blocks(), Some(&json!({"a": 1})));
    let newest = [Revision::V2025_11_25, Revision::V2026_07_28];
    let same = |revision: Revision, result: &CallResult| {
        let after = revision.adapt(result.clone()).result;
        let (before, after) = (result.tool().expect("a tool's"), after.tool().expect("a tool's"));
        assert_eq!(after.content.as_ptr(), before.content.as_ptr(), "{revision:?}");
    };
    REVISIONS.into_iter().for_each(|revision| same(revision, &text));
    for revision in newest {
        assert!(!revision.may_change(&full), "{revision:?}");
        same(revision, &full);
    }
}

#[test]
fn content_that_is_none_stays_as_it_is() {
    for content in [json!([1, "a", null]), json!([{"type": "video", "data": ""}]), json!([{}]), json!([[]])] {
        for revision in REVISIONS {
            assert_eq!(adapted(revision, &tool(&content, None))["content"], content, "{revision:?}");
        }
    }
}

/// Every string, number and truth value in it, as text.
fn leaves(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => out.push(value.to_string()),
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, out)),
        Value::Object(members) => {
            for (name, value) in members {
                if name != "type" {
                    leaves(value, out);
                }
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|value| json!(value)),
        any::<i32>().prop_map(|value| json!(value)),
        "[a-z\"\\\\/~ é\n]{0,8}".prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| json!(items)),
            prop::collection::hash_map("[a-z/~.]{1,4}", inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

/// A block as the newest revision may have it, with some of its members.
fn any_block() -> impl Strategy<Value = Value> {
    (0_usize..5, any::<u16>(), any_json(), any_json(), "[a-z\"\\\\\n é]{0,9}").prop_map(
        |(which, kept, meta, other, text)| {
            let mut block = full_blocks()[which].clone();
            let members = block.as_object_mut().expect("an object");
            members.insert("_meta".into(), json!({"any": meta}));
            if which == 0 {
                members.insert("text".into(), json!(text));
            }
            if which == 4 {
                members.insert("title".into(), json!(text));
                members.insert("unknown".into(), other);
            }
            let mut bit = 0;
            members.retain(|name, _| {
                bit += 1;
                let needed = ["type", "text", "data", "mimeType", "resource", "uri", "name"];
                needed.contains(&name.as_str()) || kept & (1 << bit) != 0
            });
            block
        },
    )
}

proptest! {
    #[test]
    fn nothing_of_a_result_is_lost_for_any_revision(
        blocks in prop::collection::vec(any_block(), 0..5),
        structured in prop::option::of(any_json()),
    ) {
        let result = tool(&json!(blocks), structured.as_ref());
        let mut expected = Vec::new();
        leaves(&parts(&result), &mut expected);
        for revision in REVISIONS {
            let got = adapted(revision, &result);
            let mut found = Vec::new();
            leaves(&got, &mut found);
            for leaf in &expected {
                let json = json!(leaf).to_string();
                let inside = |text: &String| text.contains(leaf) || text.contains(&json);
                prop_assert!(found.iter().any(inside), "{revision:?} lost {leaf:?}: {got}");
            }
        }
    }
}
