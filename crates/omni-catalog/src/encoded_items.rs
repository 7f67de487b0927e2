//! The resources, templates or prompts of one source as bytes: their list, ready to send, and an index to find one in it.
//!
//! Like the [encoded list](crate::encoded_list) of tools, which it is kept in, it is used as the bytes that it is: opening
//! it costs nothing for each item, and what a call needs of one is parsed when that is first used.

use std::borrow::Cow;
use std::ops::Deref;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::checksummed_file::{ByteReader, ByteWriter};
use crate::list_fields::OptionalMembers;
use crate::list_index::{Index, ListIndex, TooLarge, read_sections, write_sections};
use crate::skill_uri::is_app_page;

/// One item on its way into the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncodedItem<'a> {
    /// The URI, URI template or name that the list shows.
    pub(crate) key: &'a str,
    /// The JSON object that a list shows, on one line.
    pub(crate) listing: &'a str,
    /// The JSON object that a call needs; empty where only the source knows.
    pub(crate) detail: &'a str,
    /// Clients have it only once a call has shown it to them.
    pub(crate) is_off: bool,
}

/// The items of one kind. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub(crate) struct EncodedItems {
    /// Two lists that show clients the same have the same.
    pub(crate) list_hash: [u8; 32],
    /// Of the list and all that calls need.
    content: [u8; 32],
    pub(crate) optional_members: OptionalMembers,
    /// Whether an argument of any can be completed.
    pub(crate) completes: bool,
    index: ListIndex,
}

impl Deref for EncodedItems {
    type Target = ListIndex;

    fn deref(&self) -> &ListIndex {
        &self.index
    }
}

/// Of the members that older clients do not know, which an item has.
#[derive(Deserialize)]
struct Members {
    title: Option<IgnoredAny>,
    annotations: Option<Dated>,
    icons: Option<IgnoredAny>,
    #[serde(rename = "_meta")]
    meta: Option<IgnoredAny>,
    /// Of a prompt, whose arguments may have titles.
    arguments: Option<Vec<Titled>>,
}

/// Annotations, of which one is younger than the others.
#[derive(Deserialize)]
struct Dated {
    #[serde(rename = "lastModified")]
    last_modified: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Titled {
    title: Option<IgnoredAny>,
}

/// Whether what a call needs of an item has anything to complete an argument by.
#[derive(Deserialize)]
struct Completes {
    completions: Option<IgnoredAny>,
}

/// Writes items in the order of their list. `keys` are all names by which they are asked for, sorted, each with the place of
/// its item; one that stands there for two means neither.
pub(crate) fn encode(items: &[EncodedItem<'_>], keys: &[(Cow<'_, str>, usize)]) -> Result<Vec<u8>, TooLarge> {
    let mut index = Index::default();
    let mut optional_members = OptionalMembers::default();
    let mut completes = false;
    for item in items {
        index.add_item(item.key, item.listing, item.detail, item.is_off)?;
        if let Ok(has) = serde_json::from_str::<Members>(item.listing) {
            let titles = has.arguments.iter().flatten().any(|argument| argument.title.is_some());
            let dated = has.annotations.as_ref().is_some_and(|it| it.last_modified.is_some());
            optional_members = optional_members.and(OptionalMembers {
                annotations: has.annotations.is_some(),
                structured: has.title.is_some() || has.meta.is_some() || titles || dated,
                icons: has.icons.is_some(),
                apps: is_app_page(item.key),
            });
        }
        completes |= serde_json::from_str::<Completes>(item.detail).is_ok_and(|it| it.completions.is_some());
    }
    let list_hash = index.end_list()?;
    for (key, item) in keys {
        index.add_key(key, *item)?;
    }
    let sections = index.sections();
    let mut writer = ByteWriter::default();
    writer.bytes(&list_hash);
    let mut content = blake3::Hasher::new();
    sections.iter().for_each(|section| {
        content.update(&(section.len() as u64).to_le_bytes()).update(section);
    });
    writer.bytes(content.finalize().as_bytes());
    writer.number(optional_members.bits());
    writer.number(u64::from(completes));
    write_sections(&mut writer, &sections);
    Ok(writer.finish())
}

/// Keys that each mean the one item of their place.
pub(crate) fn own_keys<'a>(items: &[EncodedItem<'a>]) -> Vec<(Cow<'a, str>, usize)> {
    let mut keys: Vec<(Cow<'_, str>, usize)> =
        items.iter().enumerate().map(|(at, item)| (Cow::Borrowed(item.key), at)).collect();
    keys.sort_unstable();
    keys
}

impl EncodedItems {
    /// No items.
    pub(crate) fn empty() -> EncodedItems {
        let bytes = encode(&[], &[]).unwrap_or_default();
        EncodedItems::decode(&bytes.into()).expect("what was encoded a line above decodes")
    }

    /// `None` for anything but what [`encode`] wrote.
    pub(crate) fn decode(bytes: &Bytes) -> Option<EncodedItems> {
        let mut reader = ByteReader::new(bytes);
        let list_hash = reader.bytes(32)?.try_into().ok()?;
        let content = reader.bytes(32)?.try_into().ok()?;
        let optional_members = OptionalMembers::from_bits(reader.number()?);
        let completes = reader.number()? != 0;
        let index = ListIndex::new(read_sections(bytes, reader)?);
        Some(EncodedItems { list_hash, content, optional_members, completes, index })
    }

    /// The item that is asked for by a key; `None` also where it means several.
    pub(crate) fn find(&self, key: &str) -> Option<usize> {
        let mut meant = self.index.find(key);
        let first = meant.next()?;
        meant.all(|other| other == first).then_some(first)
    }

    /// What people, filters and logs call it: `<skill>.<name>`; `None` where only its source knows.
    pub(crate) fn called(&self, item: usize) -> Option<Cow<'_, str>> {
        #[derive(Deserialize)]
        struct Run {
            tool: String,
        }
        #[derive(Deserialize)]
        struct Detail {
            run: Run,
        }
        let [.., at, length] = self.record(item)?;
        let detail = std::str::from_utf8(self.details.get(at..at.checked_add(length)?)?).ok()?;
        // Mostly it comes first, and of ten thousand items each is asked.
        let first = detail.strip_prefix("{\"run\":{\"tool\":\"").and_then(|rest| rest.split_once('"'));
        match first {
            Some((name, _)) if !name.contains('\\') => Some(Cow::Borrowed(name)),
            _ => serde_json::from_str::<Detail>(detail).ok().map(|detail| Cow::Owned(detail.run.tool)),
        }
    }

    /// The key that the list shows.
    pub(crate) fn key(&self, item: usize) -> Option<&str> {
        self.name(item)
    }
}

impl PartialEq for EncodedItems {
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item<'a>(key: &'a str, listing: &'a str, detail: &'a str) -> EncodedItem<'a> {
        EncodedItem { key, listing, detail, is_off: false }
    }

    fn encoded(items: &[(&str, &str, &str)]) -> EncodedItems {
        let items: Vec<EncodedItem<'_>> =
            items.iter().map(|(key, listing, detail)| item(key, listing, detail)).collect();
        EncodedItems::decode(&encode(&items, &own_keys(&items)).unwrap().into()).unwrap()
    }

    #[test]
    fn every_item_is_found_by_its_key_and_the_list_is_in_the_order_of_the_source() {
        let items = encoded(&[
            ("b:2", r#"{"uri":"b:2","name":"b"}"#, "{}"),
            ("a:1", r#"{"uri":"a:1","name":"a","title":"A"}"#, r#"{"completions":{"x":["1"]}}"#),
        ]);
        assert_eq!(items.pages().count(), 1);
        assert_eq!(
            &items.pages().next().unwrap()[..],
            br#"[{"uri":"b:2","name":"b"},{"uri":"a:1","name":"a","title":"A"}]"#
        );
        assert_eq!((items.find("a:1"), items.find("b:2"), items.find("a:2")), (Some(1), Some(0), None));
        assert_eq!(items.key(1), Some("a:1"));
        assert!(items.completes && items.optional_members.structured && !items.optional_members.icons);
        let none = EncodedItems::empty();
        assert_eq!((none.len(), &none.pages().next().unwrap()[..]), (0, &b"[]"[..]));
        assert!(!none.completes && none.find("").is_none());
    }

    #[test]
    fn a_key_that_means_two_items_means_neither() {
        let items: Vec<EncodedItem<'_>> = ["a", "b"].iter().map(|key| item(key, "{}", "")).collect();
        let keys = [("a".into(), 0), ("b".into(), 1), ("x".into(), 0), ("x".into(), 1), ("y".into(), 1)];
        let items = EncodedItems::decode(&encode(&items, &keys).unwrap().into()).unwrap();
        assert_eq!((items.find("x"), items.find("y")), (None, Some(1)));
    }

    #[test]
    fn bytes_that_are_cut_are_no_items() {
        let items = [item("a", "{}", "{}")];
        let bytes = encode(&items, &own_keys(&items)).unwrap();
        for at in 0..bytes.len() {
            assert!(EncodedItems::decode(&Bytes::copy_from_slice(&bytes[..at])).is_none(), "cut at {at}");
        }
    }
}
