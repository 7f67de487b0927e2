//! How content blocks, what a resource holds and a prompt's messages are changed for a revision that lacks parts.

use bytes::Bytes;
use serde_json::value::{RawValue, to_raw_value};

use super::members::Members;
use crate::content_part::ContentPart;
use crate::revision::Revision;

/// The one scheme for what is a part of the message that it stands in (RFC 2392): nothing that could be read elsewhere.
const PART_OF_MESSAGE: &str = "cid:";

/// Changes the content of one result.
pub(super) struct Adapter {
    revision: Revision,
    /// What the revision has no place for, under where it would stand.
    newer: Members<'static>,
}

/// What stands instead of one item: nothing else, or these.
type Replaced = Option<Vec<Box<RawValue>>>;

impl Adapter {
    pub(super) fn new(revision: Revision) -> Self {
        Adapter { revision, newer: Members::default() }
    }

    /// What has no place in the result, as a JSON object of JSON pointers.
    pub(super) fn into_newer(self) -> Option<String> {
        let empty = self.newer.iter().next().is_none();
        (!empty).then(|| self.newer.to_json().get().to_owned())
    }

    /// A tool's content.
    pub(super) fn blocks(&mut self, content: &mut Bytes) {
        self.each(content, "/content", |adapter, block, at| adapter.block(block, at));
    }

    /// What a resource holds.
    pub(super) fn contents(&mut self, contents: &mut Bytes) {
        self.each(contents, "/contents", |adapter, item, at| {
            let mut item = Members::read(item)?;
            let changed = adapter.take(&mut item, ContentPart::Meta, "_meta", at);
            changed.then(|| vec![item.to_json()])
        });
    }

    /// The messages of a prompt, each of which has one block.
    pub(super) fn messages(&mut self, messages: &mut Bytes) {
        self.each(messages, "/messages", |adapter, message, at| {
            let mut message = Members::read(message)?;
            let block = message.get("content")?.to_owned();
            let blocks = adapter.block(&block, &format!("{at}/content"))?;
            let messages = blocks.into_iter().map(|block| {
                message.put("content", block);
                message.to_json()
            });
            Some(messages.collect())
        });
    }

    /// Changes the items of a JSON array, of which most mostly stay. `change` gets the pointer to where the item will be.
    fn each(
        &mut self,
        array: &mut Bytes,
        pointer: &str,
        change: impl Fn(&mut Self, &RawValue, &str) -> Replaced,
    ) {
        let Ok(items) = serde_json::from_slice::<Vec<&RawValue>>(array) else { return };
        let (mut at, mut changed) = (0, false);
        let changes = items.into_iter().map(|item| {
            let replaced = change(self, item, &format!("{pointer}/{at}"));
            at += replaced.as_ref().map_or(1, Vec::len);
            changed |= replaced.is_some();
            (item, replaced)
        });
        let changes: Vec<(&RawValue, Replaced)> = changes.collect();
        if !changed {
            return;
        }
        let mut written = Vec::with_capacity(array.len() + 256);
        for (item, replaced) in &changes {
            let replaced = replaced.as_ref().map(|items| items.iter().map(AsRef::as_ref).collect::<Vec<_>>());
            for item in replaced.unwrap_or_else(|| vec![*item]) {
                written.push(if written.is_empty() { b'[' } else { b',' });
                written.extend_from_slice(item.get().as_bytes());
            }
        }
        written.push(b']');
        *array = instead_of(written.into(), array.clone());
    }

    fn block(&mut self, block: &RawValue, at: &str) -> Replaced {
        let mut block = Members::read(block)?;
        match block.text("type").as_deref() {
            Some("resource_link") if !self.revision.has_content(ContentPart::ResourceLink) => {
                return Some(vec![self.link_as_text(block, at)]);
            }
            Some("audio") if !self.revision.has_content(ContentPart::Audio) => {
                return Some(self.audio_as_resource(block, at));
            }
            _ => {}
        }
        let changed = self.take_members(&mut block, at);
        changed.then(|| vec![block.to_json()])
    }

    /// Takes out of a block what the revision does not know of it.
    fn take_members(&mut self, block: &mut Members<'_>, at: &str) -> bool {
        let mut changed = self.take(block, ContentPart::Meta, "_meta", at);
        let inside = [
            ("annotations", ContentPart::LastModified, "lastModified"),
            ("resource", ContentPart::Meta, "_meta"),
        ];
        for (name, part, member) in inside {
            let Some(object) = block.get(name).map(RawValue::to_owned) else { continue };
            let Some(mut object) = Members::read(&object) else { continue };
            if self.take(&mut object, part, member, &format!("{at}/{name}")) {
                block.put(name, object.to_json());
                changed = true;
            }
        }
        if block.text("type").as_deref() == Some("resource_link") {
            changed |= self.take(block, ContentPart::Title, "title", at);
            changed |= self.take(block, ContentPart::Icons, "icons", at);
        }
        changed
    }

    /// Takes a member out that the revision does not know, and keeps it.
    fn take(&mut self, object: &mut Members<'_>, part: ContentPart, name: &str, at: &str) -> bool {
        if self.revision.has_content(part) {
            return false;
        }
        let Some(value) = object.take(name) else { return false };
        self.keep(at, name, value);
        true
    }

    fn keep(&mut self, at: &str, name: &str, value: Box<RawValue>) {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.newer.put(&format!("{at}/{name}"), value);
    }

    /// A link as what a model makes of it: what it is called, where it is, what is there.
    fn link_as_text(&mut self, mut link: Members<'_>, at: &str) -> Box<RawValue> {
        let annotations = self.known_annotations(&mut link, at);
        let mut said = |name| link.take(name).map(|value| plain_text(&value));
        let (name, title, uri) = (said("name"), said("title"), said("uri"));
        let details = [title, said("mimeType"), said("size").map(|size| format!("{size} bytes"))];
        let details = details.into_iter().flatten().collect::<Vec<_>>().join("; ");
        let description = said("description");
        let mut text = format!("resource `{}`", name.unwrap_or_default());
        if !details.is_empty() {
            text.push_str(&format!(" ({details})"));
        }
        text.push_str(&format!(": {}", uri.unwrap_or_default()));
        if let Some(description) = description {
            text.push('\n');
            text.push_str(&description);
        }
        link.take("type");
        for (name, value) in link.iter() {
            self.keep(at, name, value.to_owned());
        }
        text_block(&text, annotations)
    }

    /// Sound as an embedded resource, whose bytes any revision can carry, behind a text that says what it is.
    fn audio_as_resource(&mut self, mut audio: Members<'_>, at: &str) -> Vec<Box<RawValue>> {
        let annotations = self.known_annotations(&mut audio, at);
        let mut resource = Members::default();
        let number = at.rsplit('/').find(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        let uri = format!("{PART_OF_MESSAGE}audio-{}", number.unwrap_or("0"));
        resource.put_text("uri", &uri);
        let mime_type = audio.take("mimeType");
        let what = mime_type.as_deref().map_or_else(|| "audio".to_owned(), plain_text);
        if let Some(mime_type) = mime_type {
            resource.put("mimeType", mime_type);
        }
        let data = audio.take("data");
        resource.put("blob", data.unwrap_or_else(|| to_raw_value("").expect("text is JSON")));
        let mut block = Members::default();
        block.put_text("type", "resource");
        block.put("resource", resource.to_json());
        if let Some(annotations) = &annotations {
            block.put("annotations", annotations.clone());
        }
        audio.take("type");
        for (name, value) in audio.iter() {
            self.keep(at, name, value.to_owned());
        }
        vec![
            text_block(&format!("sound ({what}): the embedded resource {uri}"), annotations),
            block.to_json(),
        ]
    }

    /// The annotations of a block that becomes another one, without what the revision does not know of them.
    fn known_annotations(&mut self, block: &mut Members<'_>, at: &str) -> Option<Box<RawValue>> {
        let annotations = block.take("annotations")?;
        let Some(mut members) = Members::read(&annotations) else { return Some(annotations) };
        self.take(&mut members, ContentPart::LastModified, "lastModified", &format!("{at}/annotations"));
        let json = members.to_json();
        (json.get() != "{}").then_some(json)
    }
}

/// Bytes that stand for others. Memory for large results is reserved until the last of their bytes is dropped, so those
/// are kept as long as these.
pub(super) fn instead_of(bytes: Bytes, others: Bytes) -> Bytes {
    struct Instead {
        bytes: Bytes,
        _others: Bytes,
    }
    impl AsRef<[u8]> for Instead {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    Bytes::from_owner(Instead { bytes, _others: others })
}

fn text_block(text: &str, annotations: Option<Box<RawValue>>) -> Box<RawValue> {
    let mut block = Members::default();
    block.put_text("type", "text");
    block.put_text("text", text);
    if let Some(annotations) = annotations {
        block.put("annotations", annotations);
    }
    block.to_json()
}

/// A string without its quotes, and anything else as JSON.
fn plain_text(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}
