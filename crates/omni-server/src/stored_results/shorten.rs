//! A large result as a preview of it and links to the whole.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use omni_call::{ToolResult, range_uri};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::owner::{Owner, URI};
use super::store::{StoredResult, StoredResults};

/// Of each text so much is shown, in bytes: what agents show of a large one.
const HEAD_BYTES: usize = 2000;

/// What is no larger stays where it is.
const SMALL_BYTES: usize = 4 << 10;

/// The part that a preview says how to read.
const PART_BYTES: u64 = 64 << 10;

const TEXT: &str = "text/plain";
const JSON: &str = "application/json";
const BINARY: &str = "application/octet-stream";

/// What matters of a content block here.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    resource: Option<Embedded<'a>>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Embedded<'a> {
    #[serde(borrow, default)]
    uri: Cow<'a, str>,
    #[serde(borrow, default)]
    mime_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    blob: Option<Cow<'a, str>>,
}

impl StoredResults {
    /// Whether a result is so large that it is shortened. To ask costs nothing.
    pub(crate) fn is_too_large(&self, result: &ToolResult) -> bool {
        result.content.len() + result.structured.as_ref().map_or(0, Bytes::len)
            > self.config().inline_bytes_max
    }

    /// Keeps what is large of a result, and gives the rest with a preview and a link for each part that was taken out. What a
    /// model looks at or hears stays: a link is no image. So does structured content if `keep_structured`, since a tool
    /// owes it that declares its schema; of one whose only member is a text that text becomes the preview. What cannot be
    /// kept is sent as it is.
    ///
    /// Takes as long as it takes to read the result and to write it to a disk.
    pub(crate) fn shorten(&self, owner: &Owner, result: ToolResult, keep_structured: bool) -> ToolResult {
        let bytes = result.content.len();
        match self.shortened(owner, &result, keep_structured) {
            Ok(shortened) => shortened,
            Err(error) => {
                tracing::warn!(bytes, %error, "a large result could not be kept and is sent whole");
                result
            }
        }
    }

    fn shortened(
        &self,
        owner: &Owner,
        result: &ToolResult,
        keep_structured: bool,
    ) -> std::io::Result<ToolResult> {
        let blocks: Vec<&RawValue> = serde_json::from_slice(&result.content)?;
        let mut written: Vec<Cow<'_, str>> = Vec::new();
        let mut whole_texts: Vec<KeptText<'_>> = Vec::new();
        let may_go = |block: &Block<'_>| !matches!(&*block.kind, "image" | "audio");
        let small: usize = blocks
            .iter()
            .filter(|block| block.get().len() <= SMALL_BYTES)
            .map(|block| block.get().len())
            .sum();
        if small > self.config().inline_bytes_max {
            // None is large, and they are many.
            let stored = self.keep(owner, &result.content, JSON, true)?;
            let texts = blocks.iter().filter_map(|block| read(block)?.text.map(Cow::into_owned));
            let mut head = String::new();
            for text in texts {
                if head.len() >= HEAD_BYTES {
                    break;
                }
                head.push_str(&text);
                head.push('\n');
            }
            let what = format!("a list of {} content blocks", blocks.len());
            written.extend(self.preview(cut(&head), 0, &what, &stored, None).blocks.map(Cow::Owned));
        } else {
            for raw in &blocks {
                let block = read(raw).filter(|_| raw.get().len() > SMALL_BYTES).filter(may_go);
                let Some(Block { text, resource, annotations, .. }) = block else {
                    written.push(raw.get().into());
                    continue;
                };
                let (text, what, mime_type) = match (text, resource) {
                    (Some(text), _) => (text, "the text".to_owned(), TEXT.into()),
                    (None, Some(Embedded { uri, mime_type, text: Some(text), .. })) => {
                        (text, format!("the resource `{uri}`"), mime_type.unwrap_or(TEXT.into()))
                    }
                    (None, Some(Embedded { uri, mime_type, blob: Some(blob), .. })) => {
                        let Ok(bytes) = BASE64_STANDARD.decode(blob.as_bytes()) else {
                            written.push(raw.get().into());
                            continue;
                        };
                        let mime_type = mime_type.unwrap_or(BINARY.into());
                        let stored = self.keep(owner, &bytes, &mime_type, false)?;
                        let what = format!("the resource `{uri}`");
                        let preview = self.preview("", 0, &what, &stored, annotations);
                        written.extend(preview.blocks.map(Cow::Owned));
                        continue;
                    }
                    _ => {
                        written.push(raw.get().into());
                        continue;
                    }
                };
                let is_text = !text.contains('\0');
                let stored = self.keep(owner, text.as_bytes(), &mime_type, is_text)?;
                let head = cut(&text);
                let preview = self.preview(head, head.len() as u64, &what, &stored, annotations);
                written.extend(preview.blocks.map(Cow::Owned));
                whole_texts.push(KeptText { text, preview: preview.text, uri: uri(&stored) });
            }
        }
        let mut structured = result.structured.clone();
        if keep_structured
            && let Some(value) = &structured
            && let Some(kept) = whole_texts.iter().find(|kept| is_wrapped_text(value, &kept.text))
        {
            // A text still, as its schema says.
            structured = Some(json!({"result": kept.preview}).to_string().into());
        }
        if let Some(value) = structured.take_if(|value| value.len() > SMALL_BYTES && !keep_structured) {
            let same = whole_texts.iter().find(|kept| is_same(&value, &kept.text));
            match same {
                Some(KeptText { uri, .. }) => {
                    let said = format!("The structured content is left out: {uri} says the same.");
                    written.push(json!({"type": "text", "text": said}).to_string().into());
                }
                None => {
                    let stored = self.keep(owner, &value, JSON, true)?;
                    let text = String::from_utf8_lossy(&value);
                    let head = cut(&text);
                    let what = "the structured content, which is left out";
                    let preview = self.preview(head, head.len() as u64, what, &stored, None);
                    written.extend(preview.blocks.map(Cow::Owned));
                }
            }
        }
        let content = format!("[{}]", written.join(","));
        Ok(ToolResult {
            content: content.into(),
            structured,
            meta: result.meta.clone(),
            is_error: result.is_error,
        })
    }

    /// What stands for what was taken out. `shown` bytes of it are the beginning.
    fn preview(
        &self,
        head: &str,
        shown: u64,
        what: &str,
        stored: &StoredResult,
        annotations: Option<&RawValue>,
    ) -> Preview {
        let uri = uri(stored);
        let (size, mime_type) = (stored.size, &stored.mime_type);
        let next = range_uri(&uri, shown, PART_BYTES.min(size - shown));
        let minutes = self.config().kept_for.as_secs().div_ceil(60);
        let cut = if head.is_empty() { String::new() } else { format!("{head}…\n\n") };
        let beginning = if head.is_empty() { "" } else { " This is its beginning." };
        let text = format!(
            "{cut}[omni: {what} has {size} bytes ({mime_type}), too many to be sent at once.{beginning} All of it is the \
             resource {uri} for {minutes} minutes. Read it in parts, {next} for example, or let the tool return less.]"
        );
        let annotations: Option<Value> = annotations.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let mut preview = json!({"type": "text", "text": text});
        let mut link = json!({
            "type": "resource_link",
            "uri": uri,
            "name": format!("result-{}", stored.name.get(..8).unwrap_or_default()),
            "description": format!("{what}, whole"),
            "mimeType": mime_type,
            "size": size,
        });
        if let Some(annotations) = annotations {
            preview["annotations"] = annotations.clone();
            link["annotations"] = annotations;
        }
        Preview { text, blocks: [preview.to_string(), link.to_string()] }
    }
}

/// What stands for a part that was taken out.
struct Preview {
    /// Its beginning, and where all of it is.
    text: String,
    /// A block with that text, and the link.
    blocks: [String; 2],
}

/// A text that was taken out.
struct KeptText<'a> {
    text: Cow<'a, str>,
    /// What stands in its place.
    preview: String,
    uri: String,
}

fn read(block: &RawValue) -> Option<Block<'_>> {
    serde_json::from_str(block.get()).ok()
}

fn uri(stored: &StoredResult) -> String {
    format!("{URI}{}", stored.name)
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(HEAD_BYTES)]
}

/// Whether structured content is the value that a text says, or an object with that as `result`: as Python makes both of
/// a return value.
fn is_same(structured: &[u8], text: &str) -> bool {
    structured == text.as_bytes()
        || is_string(structured, text)
        || wrapped(structured).is_some_and(|value| value == text.as_bytes())
        || is_wrapped_text(structured, text)
}

/// Whether structured content is an object whose `result` is this text.
fn is_wrapped_text(structured: &[u8], text: &str) -> bool {
    wrapped(structured).is_some_and(|value| is_string(value, text))
}

fn wrapped(structured: &[u8]) -> Option<&[u8]> {
    structured.strip_prefix(br#"{"result":"#)?.strip_suffix(b"}")
}

fn is_string(json: &[u8], text: &str) -> bool {
    json.first() == Some(&b'"')
        && serde_json::from_slice::<Cow<'_, str>>(json).is_ok_and(|value| value == text)
}
