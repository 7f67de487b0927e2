//! The encoded list: the tool list as bytes that are ready to send, and an index to find one tool in them.
//!
//! It is used as the bytes that it is, without being decoded. Opening it costs one read and a checksum, whatever the number of tools;
//! a tool's details are parsed when it is first used.

use std::borrow::Cow;
use std::ops::Deref;

use bytes::Bytes;

use crate::NameStyle;
use crate::checksummed_file::{self, ByteReader, ByteWriter, Magic};
use crate::encoded_items::EncodedItems;
use crate::list_fields::OptionalMembers;
use crate::list_index::{Index, ListIndex, SECTIONS, TooLarge, is_off, read_sections, write_sections};
use crate::listing;
use crate::names;
use crate::tool_rules::ProfileTools;

pub(crate) const MAGIC: Magic = b"omniserv";

/// One tool on its way into the encoded list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncodedTool<'a> {
    /// The canonical one.
    pub(crate) name: &'a str,
    /// The JSON object that a list shows. Its first member is the name, which the list replaces by the one on the wire.
    pub(crate) listing: &'a str,
    /// The JSON object that a call needs.
    pub(crate) detail: &'a str,
}

/// The encoded list has a file for each way of naming, with tools of the server's own and without, so that servers with
/// different ones may share a folder.
pub(crate) fn list_file(names: NameStyle, with_own: bool) -> &'static str {
    match (names, with_own) {
        (NameStyle::Underscore, false) => "served.bin",
        (NameStyle::Dotted, false) => "served-dotted.bin",
        (NameStyle::Canonical, false) => "served-canonical.bin",
        (NameStyle::Underscore, true) => "served-with-own.bin",
        (NameStyle::Dotted, true) => "served-dotted-with-own.bin",
        (NameStyle::Canonical, true) => "served-canonical-with-own.bin",
    }
}

/// What accompanies the tools.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListMeta<'a> {
    /// Names the manifest that this was made from.
    pub(crate) content: [u8; 32],
    /// How the list names the tools.
    pub(crate) style: NameStyle,
    /// Which of the members that older clients do not know occur at all.
    pub(crate) optional_members: OptionalMembers,
    pub(crate) skills: &'a str,
    pub(crate) diagnostics: &'a str,
    /// The encoded resources, templates and prompts; empty where there are none.
    pub(crate) items: [&'a [u8]; 3],
}

/// Writes the encoded list. `tools` are sorted by name, and no name occurs twice.
pub(crate) fn encode(tools: &[EncodedTool<'_>], meta: ListMeta<'_>) -> Result<Vec<u8>, TooLarge> {
    let mut index = Index::default();
    let canonical: Vec<&str> = tools.iter().map(|tool| tool.name).collect();
    let wire = names::wire_names(&canonical, meta.style);
    for (tool, wire) in tools.iter().zip(&wire) {
        index.add_item(tool.name, &named(tool.listing, wire), tool.detail, is_off(tool.detail))?;
    }
    let list_hash = index.end_list()?;
    for (key, tool) in names::meanings(&canonical, &wire, meta.style) {
        index.add_key(&key, tool)?;
    }
    let mut writer = ByteWriter::default();
    writer.bytes(&list_hash);
    writer.bytes(&meta.content);
    writer.number(meta.style as u64);
    writer.number(meta.optional_members.bits());
    let others = [meta.skills.as_bytes(), meta.diagnostics.as_bytes()];
    let sections: Vec<&[u8]> = index.sections().into_iter().chain(others).chain(meta.items).collect();
    write_sections(&mut writer, &sections);
    Ok(checksummed_file::encode(MAGIC, &writer.finish()))
}

/// The JSON object of a tool or prompt with another name. No name has a quote or a backslash in it.
pub(crate) fn named<'a>(listing: &'a str, name: &str) -> Cow<'a, str> {
    match listing.strip_prefix(NAME_FIRST).and_then(|rest| rest.split_once('"')) {
        Some((other, rest)) if other != name => Cow::Owned(format!("{NAME_FIRST}{name}\"{rest}")),
        _ => Cow::Borrowed(listing),
    }
}

/// How every listing begins.
const NAME_FIRST: &str = "{\"name\":\"";

/// An encoded list in memory. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub(crate) struct EncodedList {
    pub(crate) content: [u8; 32],
    pub(crate) list_hash: [u8; 32],
    pub(crate) style: NameStyle,
    pub(crate) optional_members: OptionalMembers,
    index: ListIndex,
    skills: Bytes,
    diagnostics: Bytes,
    /// Resources, templates and prompts.
    pub(crate) items: [EncodedItems; 3],
    /// Tools that are listed under a name that somebody gave them here, in order.
    aliased: Box<[usize]>,
}

impl Deref for EncodedList {
    type Target = ListIndex;

    fn deref(&self) -> &ListIndex {
        &self.index
    }
}

impl EncodedList {
    /// `None` when `file` is not a whole encoded list of this build, with names of that style.
    pub(crate) fn decode(file: Bytes, style: NameStyle) -> Option<EncodedList> {
        let payload_bytes = checksummed_file::decode(MAGIC, &file)?.len();
        let payload = file.slice(checksummed_file::PAYLOAD_AT..checksummed_file::PAYLOAD_AT + payload_bytes);
        let mut reader = ByteReader::new(&payload);
        let list_hash = reader.bytes(32)?.try_into().ok()?;
        let content = reader.bytes(32)?.try_into().ok()?;
        if reader.number()? != style as u64 {
            return None;
        }
        let optional_members = OptionalMembers::from_bits(reader.number()?);
        let [records, names, key_records, keys, pages, lists, details, off, skills, diagnostics, items @ ..]: [Bytes;
            SECTIONS + 5] = read_sections(&payload, reader)?;
        let item = |bytes: &Bytes| match bytes.is_empty() {
            true => Some(EncodedItems::empty()),
            false => EncodedItems::decode(bytes),
        };
        let items = [item(&items[0])?, item(&items[1])?, item(&items[2])?];
        Some(EncodedList {
            content,
            list_hash,
            style,
            optional_members,
            index: ListIndex::new([records, names, key_records, keys, pages, lists, details, off]),
            skills,
            diagnostics,
            items,
            aliased: Box::default(),
        })
    }

    /// What a profile shows of these tools: its own list and names, with everything else shared.
    pub(crate) fn shaped(&self, shown: &ProfileTools<'_>, style: NameStyle) -> Result<EncodedList, TooLarge> {
        let mut index = Index::default();
        let mut optional_members = self.optional_members;
        for tool in &shown.tools {
            let text = self.listing(tool.tool).unwrap_or_default();
            let text = std::str::from_utf8(&text).unwrap_or_default();
            let text = listing::rewritten(text, tool.title, tool.append_doc);
            optional_members.structured |= tool.title.is_some();
            let is_listed = !tool.hidden && !self.is_off(tool.tool);
            index.add_known(self, tool.tool, &named(&text, &tool.name), is_listed)?;
        }
        let list_hash = index.end_list()?;
        for (key, tool) in &shown.names {
            index.add_key(key, *tool)?;
        }
        let aliased = shown.tools.iter().enumerate().filter(|(_, tool)| tool.is_aliased).map(|(at, _)| at);
        Ok(EncodedList {
            list_hash,
            style,
            optional_members,
            index: ListIndex {
                key_records: std::mem::take(&mut index.key_records).into(),
                keys: std::mem::take(&mut index.keys).into(),
                ..self.index.relisted(&mut index)
            },
            aliased: aliased.collect(),
            ..self.clone()
        })
    }

    /// The same tools under the same names, of which those are listed for which `lists` holds; the others can be found and
    /// are in no page.
    pub(crate) fn relisted(&self, lists: impl Fn(usize) -> bool) -> Result<EncodedList, TooLarge> {
        let mut index = Index::default();
        for tool in 0..self.tool_count() {
            let text = self.listing(tool).unwrap_or_default();
            index.add_known(self, tool, std::str::from_utf8(&text).unwrap_or_default(), lists(tool))?;
        }
        let list_hash = index.end_list()?;
        Ok(EncodedList { list_hash, index: self.index.relisted(&mut index), ..self.clone() })
    }

    /// The place of the tool of a canonical name. Binary search: tools are sorted by it.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        let (mut from, mut to) = (0, self.tool_count());
        while from < to {
            let middle = from + (to - from) / 2;
            match self.name(middle)?.cmp(name) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        None
    }

    /// Whether a tool is listed under an alias.
    pub(crate) fn is_aliased(&self, tool: usize) -> bool {
        self.aliased.binary_search(&tool).is_ok()
    }

    pub(crate) fn tool_count(&self) -> usize {
        self.len()
    }

    /// The name in the list.
    pub(crate) fn wire_name(&self, tool: usize) -> Option<&str> {
        let [_, _, at, length, ..] = self.record(tool)?;
        let listing = self.lists.get(at..at.checked_add(length)?)?.strip_prefix(NAME_FIRST.as_bytes())?;
        let end = listing.iter().position(|byte| *byte == b'"')?;
        std::str::from_utf8(&listing[..end]).ok()
    }

    pub(crate) fn skills(&self) -> &[u8] {
        &self.skills
    }

    pub(crate) fn diagnostics(&self) -> &[u8] {
        &self.diagnostics
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list_index::PAGE_BYTES_MAX;

    fn encoded(tools: &[(String, String)]) -> EncodedList {
        let tools: Vec<_> =
            tools.iter().map(|(name, listing)| EncodedTool { name, listing, detail: "{}" }).collect();
        let meta = ListMeta {
            content: [7; 32],
            style: NameStyle::Underscore,
            optional_members: OptionalMembers::default(),
            skills: "[]",
            diagnostics: "[]",
            items: [&[]; 3],
        };
        let file = Bytes::from(encode(&tools, meta).unwrap());
        assert!(EncodedList::decode(file.clone(), NameStyle::Dotted).is_none(), "it has other names");
        EncodedList::decode(file, NameStyle::Underscore).unwrap()
    }

    fn named(count: usize, padding: usize) -> Vec<(String, String)> {
        let pad = "x".repeat(padding);
        (0..count).map(|i| (format!("t{i:05}"), format!(r#"{{"name":"t{i:05}","p":"{pad}"}}"#))).collect()
    }

    fn sizes(encoded: &EncodedList) -> Vec<usize> {
        (0..encoded.page_count())
            .map(|page| {
                let tools: Vec<serde_json::Value> =
                    serde_json::from_slice(&encoded.page(page).unwrap()).unwrap();
                tools.len()
            })
            .collect()
    }

    #[test]
    fn a_page_ends_at_a_thousand_tools_or_a_megabyte() {
        assert_eq!(sizes(&encoded(&[])), [0], "an empty catalogue has one empty page");
        assert_eq!(sizes(&encoded(&named(1_000, 0))), [1_000]);
        assert_eq!(sizes(&encoded(&named(1_001, 0))), [1_000, 1]);
        let halves = encoded(&named(3, 400_000));
        assert_eq!(sizes(&halves), [2, 1]);
        assert!(halves.page(0).unwrap().len() <= PAGE_BYTES_MAX);
        assert_eq!(sizes(&encoded(&named(3, 1_500_000))), [1, 1, 1], "too large for any page");
        assert!(halves.page(2).is_none());
    }

    #[test]
    fn every_tool_is_found_and_no_other() {
        let tools = named(1_234, 3);
        let encoded = encoded(&tools);
        for (i, (name, listing)) in tools.iter().enumerate() {
            assert_eq!(encoded.find(name).collect::<Vec<_>>(), [i]);
            assert_eq!(encoded.listing(i).unwrap(), listing.as_bytes());
        }
        for name in ["", "t", "t00000x", "zzz"] {
            assert_eq!(encoded.find(name).count(), 0);
        }
    }

    #[test]
    fn the_list_has_the_names_on_the_wire_and_either_finds_the_tool() {
        let listing = |name: &str| (name.to_owned(), format!(r#"{{"name":"{name}","p":"name"}}"#));
        let encoded = encoded(&["a.b", "a.b_c", "a_b.c", "z"].map(listing));
        let page: serde_json::Value = serde_json::from_slice(&encoded.page(0).unwrap()).unwrap();
        let names: Vec<&str> =
            page.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["a_b", "a_b_c_5b8f934a59", "a_b_c_a3715283ae", "z"]);
        for (tool, name) in names.iter().enumerate() {
            assert_eq!(encoded.wire_name(tool), Some(*name));
            assert_eq!(encoded.find(name).collect::<Vec<_>>(), [tool]);
        }
        assert_eq!(encoded.find("a.b").collect::<Vec<_>>(), [0]);
        assert_eq!(encoded.find("a_b_c").collect::<Vec<_>>(), [1, 2], "it means two");
    }
}
