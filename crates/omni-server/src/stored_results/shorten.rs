//! A large result as a preview of it and links to the whole.

use std::borrow::Cow;
use std::io;

use bytes::Bytes;
use omni_call::{ToolResult, range_uri};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::json_text::JsonText;
use super::owner::{Owner, URI};
use super::store::{StoredResult, StoredResults};
use super::taken_out::{Data, TakenOut};

/// Of each text so much is shown, in bytes: what agents show of a large one.
const HEAD_BYTES: usize = 2000;

/// What is no larger stays where it is.
const SMALL_BYTES: usize = 4 << 10;

/// The part that a preview says how to read.
const PART_BYTES: u64 = 64 << 10;

const TEXT: &str = "text/plain";
const JSON: &str = "application/json";
const BINARY: &str = "application/octet-stream";

/// What matters of a content block here. Strings that may be large stay as they are written.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
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
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    blob: Option<&'a RawValue>,
}

impl StoredResults {
    /// Whether a result is so large that it is shortened. To ask costs nothing.
    pub(crate) fn is_too_large(&self, result: &ToolResult) -> bool {
        result.content.len() + result.structured.as_ref().map_or(0, Bytes::len)
            > self.config().inline_bytes_max
    }

    /// Keeps what is large of a result, and gives the rest with a preview and a link for each part that was taken out. What a
    /// model looks at or hears stays: a link is no image.
    ///
    /// A tool that `owes_structured` has told clients a schema of its structured content, and they may refuse a result
    /// without it. It stays, up to a bound of its own. Of one whose only member is a text that text becomes the preview.
    /// Beyond the bound the result is an error, which owes none, with a preview and a link.
    ///
    /// Of what cannot be kept the beginning is left, and the client is told. What is no content that MCP knows stays.
    ///
    /// Takes as long as it takes to read the result and to write it to a disk. Nothing of it is held twice.
    pub(crate) fn shorten(&self, owner: &Owner, result: ToolResult, owes_structured: bool) -> ToolResult {
        match Shortening::new(self, owner).shortened(&result, owes_structured) {
            Ok(shortened) => shortened,
            Err(error) => {
                tracing::warn!(bytes = result.content.len(), %error, "a large result cannot be read and is sent whole");
                result
            }
        }
    }
}

/// One result on its way to become shorter.
struct Shortening<'a> {
    results: &'a StoredResults,
    owner: &'a Owner,
    /// So much of what cannot be kept may still be shown, in bytes.
    room: usize,
}

/// What stands in the place of a part that was taken out.
struct Replaced {
    blocks: Vec<String>,
    /// The first of these, unless it is no preview.
    said: String,
    /// Where the whole is, if that could be kept.
    uri: Option<String>,
}

impl<'a> Shortening<'a> {
    fn new(results: &'a StoredResults, owner: &'a Owner) -> Self {
        // The rest is for what JSON needs to write it.
        Shortening { results, owner, room: results.config().inline_bytes_max / 2 }
    }

    fn shortened(&mut self, result: &ToolResult, owes_structured: bool) -> io::Result<ToolResult> {
        let blocks: Vec<&RawValue> = serde_json::from_slice(&result.content)?;
        let mut written: Vec<Cow<'_, str>> = Vec::new();
        let mut texts: Vec<(JsonText<'_>, Replaced)> = Vec::new();
        let small = blocks.iter().map(|block| block.get().len()).filter(|length| *length <= SMALL_BYTES);
        if small.sum::<usize>() > self.results.config().inline_bytes_max {
            // None is large, and they are many.
            let part = many(&blocks, std::str::from_utf8(&result.content).unwrap_or_default());
            match self.take_out(&part) {
                Some(replaced) => written.extend(replaced.blocks.into_iter().map(Cow::Owned)),
                None => written.extend(blocks.iter().map(|raw| Cow::Borrowed(raw.get()))),
            }
        } else {
            for raw in &blocks {
                let part = large_part(raw);
                match part.as_ref().and_then(|part| self.take_out(part)) {
                    None => written.push(raw.get().into()),
                    Some(mut replaced) => {
                        written.extend(std::mem::take(&mut replaced.blocks).into_iter().map(Cow::Owned));
                        if let Some(TakenOut { data: Data::Text(text), .. }) = part {
                            texts.push((text, replaced));
                        }
                    }
                }
            }
        }
        let mut structured = result.structured.clone();
        let mut is_error = result.is_error;
        if let Some(value) = structured.take_if(|value| value.len() > SMALL_BYTES) {
            let json = std::str::from_utf8(&value).unwrap_or_default();
            let same = texts.iter().find(|(text, _)| is_same(json, *text));
            let as_text = same.filter(|(text, _)| owes_structured && is_wrapped_text(json, *text));
            if let Some((_, Replaced { said, .. })) = as_text {
                // A text still, as its schema says.
                structured = Some(json!({"result": said}).to_string().into());
            } else if owes_structured && value.len() <= self.results.config().structured_bytes_max {
                structured = Some(value);
            } else {
                if owes_structured {
                    is_error = true;
                    written.insert(0, self.too_much_owed(value.len()).into());
                }
                match same {
                    Some((_, Replaced { uri, .. })) => written.push(left_out(uri.as_deref()).into()),
                    None => {
                        let part = TakenOut {
                            what: "the structured content, which is left out,".to_owned(),
                            mime_type: JSON.into(),
                            data: Data::Json(json),
                            annotations: None,
                        };
                        match self.take_out(&part) {
                            Some(replaced) => written.extend(replaced.blocks.into_iter().map(Cow::Owned)),
                            None => structured = Some(value.clone()),
                        }
                    }
                }
            }
        }
        let content = format!("[{}]", written.join(","));
        Ok(ToolResult { content: content.into(), structured, meta: result.meta.clone(), is_error })
    }

    /// Keeps a part, and gives what stands in its place. `None` where it is to stay as it is: it is not what it seems, or
    /// it cannot be kept and there is room for it.
    fn take_out(&mut self, part: &TakenOut<'_>) -> Option<Replaced> {
        let (size, is_text) = part.data.measure()?;
        let kept =
            self.results.keep(self.owner, size, &part.mime_type, is_text, |file| part.data.write(file));
        match kept {
            Ok(stored) => Some(self.preview(part, &stored)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            Err(error) => {
                tracing::warn!(bytes = size, %error, "a large result could not be kept and is cut");
                if size <= self.room as u64 {
                    self.room -= usize::try_from(size).unwrap_or(self.room);
                    return None;
                }
                Some(self.cut(part, size, &error))
            }
        }
    }

    /// A text with the beginning of what was kept, and the link to it.
    fn preview(&self, part: &TakenOut<'_>, stored: &StoredResult) -> Replaced {
        let uri = format!("{URI}{}", stored.name);
        let (size, mime_type, what) = (stored.size, &stored.mime_type, &part.what);
        let (head, shown) = part.data.head(HEAD_BYTES);
        let next = range_uri(&uri, shown, PART_BYTES.min(size - shown));
        let minutes = self.results.config().kept_for.as_secs().div_ceil(60);
        let (cut, beginning) = beginning(&head);
        let said = format!(
            "{cut}[omni: {what} has {size} bytes ({mime_type}), too many to be sent at once.{beginning} All of it is the \
             resource {uri} for {minutes} minutes. Read it in parts, {next} for example, or let the tool return less.]"
        );
        let mut preview = json!({"type": "text", "text": said});
        let mut link = json!({
            "type": "resource_link",
            "uri": uri,
            "name": format!("result-{}", stored.name.get(..8).unwrap_or_default()),
            "description": format!("{}, whole", what.trim_end_matches(',')),
            "mimeType": mime_type,
            "size": size,
        });
        if let Some(annotations) = annotations(part) {
            preview["annotations"] = annotations.clone();
            link["annotations"] = annotations;
        }
        Replaced { blocks: vec![preview.to_string(), link.to_string()], said, uri: Some(uri) }
    }

    /// A text with as much of it as there is room for.
    fn cut(&mut self, part: &TakenOut<'_>, size: u64, error: &io::Error) -> Replaced {
        let (head, _) = part.data.head(self.room);
        self.room -= head.len().min(self.room);
        let (cut, beginning) = beginning(&head);
        let TakenOut { what, mime_type, .. } = part;
        let said = format!(
            "{cut}[omni: {what} has {size} bytes ({mime_type}), too many to be sent at once, and could not be kept: \
             {error}.{beginning} The rest is lost. The tool has run; let it return less.]"
        );
        let mut preview = json!({"type": "text", "text": said});
        if let Some(annotations) = annotations(part) {
            preview["annotations"] = annotations;
        }
        Replaced { blocks: vec![preview.to_string()], said, uri: None }
    }

    /// What a client reads first whose tool owes more structured content than is sent.
    fn too_much_owed(&self, bytes: usize) -> String {
        let most = self.results.config().structured_bytes_max;
        let text = format!(
            "[omni: the tool has run, and this is no error of it. It declares a schema of its result, whose structured \
             content has {bytes} bytes; {most} at most are sent (`results.structured_kib`), and a part of it would not \
             be what the schema says. What it returned follows. Calling it again gives the same, unless it is asked for less.]"
        );
        json!({"type": "text", "text": text}).to_string()
    }
}

/// A block that says where the structured content is.
fn left_out(uri: Option<&str>) -> String {
    let where_else = uri.unwrap_or("what could not be kept");
    let said = format!("The structured content is left out: {where_else} says the same.");
    json!({"type": "text", "text": said}).to_string()
}

/// What stands before and in the sentence of a preview that begins so.
fn beginning(head: &str) -> (String, &'static str) {
    match head {
        "" => (String::new(), ""),
        head => (format!("{head}…\n\n"), " This is its beginning."),
    }
}

fn annotations(part: &TakenOut<'_>) -> Option<Value> {
    part.annotations.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

/// What is taken out of a block; `None` where it stays.
fn large_part<'a>(raw: &'a RawValue) -> Option<TakenOut<'a>> {
    let Block { kind, text, resource, annotations } = read(raw).filter(|_| raw.get().len() > SMALL_BYTES)?;
    if matches!(&*kind, "image" | "audio") {
        return None;
    }
    if let Some(text) = text {
        let data = Data::Text(JsonText::of(text)?);
        return Some(TakenOut { what: "the text".to_owned(), mime_type: TEXT.into(), data, annotations });
    }
    let Embedded { uri, mime_type, text, blob } = resource?;
    let what = format!("the resource `{uri}`");
    if let Some(text) = text {
        let data = Data::Text(JsonText::of(text)?);
        return Some(TakenOut { what, mime_type: mime_type.unwrap_or(TEXT.into()), data, annotations });
    }
    let blob = JsonText::of(blob?)?;
    let data = Data::Base64(match blob.unescaped() {
        Some(base64) => base64.into(),
        None => blob.head(usize::MAX - 1).0.into(),
    });
    Some(TakenOut { what, mime_type: mime_type.unwrap_or(BINARY.into()), data, annotations })
}

/// Very many blocks, of which none is large.
fn many<'a>(blocks: &[&RawValue], content: &'a str) -> TakenOut<'a> {
    let mut text = String::new();
    for said in blocks.iter().filter_map(|block| JsonText::of(read(block)?.text?)) {
        if text.len() >= HEAD_BYTES {
            break;
        }
        text.push_str(&said.head(HEAD_BYTES).0);
        text.push('\n');
    }
    TakenOut {
        what: format!("a list of {} content blocks", blocks.len()),
        mime_type: JSON.into(),
        data: Data::Shown { json: content, text },
        annotations: None,
    }
}

fn read(block: &RawValue) -> Option<Block<'_>> {
    serde_json::from_str(block.get()).ok()
}

/// Whether structured content is the value that a text says, or an object with that as `result`: as Python makes both of
/// a return value.
fn is_same(structured: &str, text: JsonText<'_>) -> bool {
    text.says(structured.as_bytes())
        || JsonText::written(structured).is_some_and(|value| value.says_the_same(text))
        || wrapped(structured).is_some_and(|value| text.says(value.as_bytes()))
        || is_wrapped_text(structured, text)
}

/// Whether structured content is an object whose `result` is this text.
fn is_wrapped_text(structured: &str, text: JsonText<'_>) -> bool {
    wrapped(structured).and_then(JsonText::written).is_some_and(|value| value.says_the_same(text))
}

fn wrapped(structured: &str) -> Option<&str> {
    structured.strip_prefix(r#"{"result":"#)?.strip_suffix('}')
}
