//! How a list and what stands behind it are laid out: texts one after another in sections, and records of their places.

use bytes::Bytes;
use omni_call::Policy;
use serde::Deserialize;

use crate::checksummed_file::{ByteReader, ByteWriter};

/// A page ends at whichever limit comes first; a single larger tool gets a page of its own.
pub(crate) const PAGE_TOOLS_MAX: usize = 1_000;
pub(crate) const PAGE_BYTES_MAX: usize = 1_000_000;

/// More than 4 GiB of tool descriptions do not fit the index.
#[derive(Debug, thiserror::Error)]
#[error("the skills describe more than 4 GiB of tools")]
pub(crate) struct TooLarge;

/// The sections of a list while it is written.
#[derive(Default)]
pub(crate) struct Index {
    pub(crate) records: Vec<u8>,
    pub(crate) names: Vec<u8>,
    pub(crate) key_records: Vec<u8>,
    pub(crate) keys: Vec<u8>,
    pub(crate) pages: Vec<u8>,
    pub(crate) lists: Vec<u8>,
    pub(crate) details: Vec<u8>,
    /// Which items clients have only once a call has shown them, in order.
    off: Vec<u8>,
    page_at: usize,
    page_tools: usize,
    items: usize,
    /// What no page shows, with the places of its records. It stands behind the pages, so it is written once these have ended.
    unlisted: Vec<(usize, String)>,
}

impl Index {
    /// Adds an item. One that is off is on no page.
    pub(crate) fn add_item(
        &mut self,
        name: &str,
        listing: &str,
        detail: &str,
        is_off: bool,
    ) -> Result<(), TooLarge> {
        keep(&mut self.records, &mut self.names, name)?;
        self.list(listing, is_off, !is_off)?;
        keep(&mut self.records, &mut self.details, detail)
    }

    /// Adds an item of `known` with another text, or listed where it was not. Its name and detail stay where they are there.
    pub(crate) fn add_known(
        &mut self,
        known: &ListIndex,
        item: usize,
        listing: &str,
        is_listed: bool,
    ) -> Result<(), TooLarge> {
        let [name_at, name_bytes, .., detail_at, detail_bytes] = known.record(item).unwrap_or_default();
        put(&mut self.records, name_at)?;
        put(&mut self.records, name_bytes)?;
        self.list(listing, known.is_off(item), is_listed)?;
        put(&mut self.records, detail_at)?;
        put(&mut self.records, detail_bytes)
    }

    fn list(&mut self, listing: &str, is_off: bool, is_listed: bool) -> Result<(), TooLarge> {
        if is_off {
            put(&mut self.off, self.items)?;
        }
        self.items += 1;
        if is_listed {
            return self.put_on_page(listing);
        }
        self.unlisted.push((self.records.len(), listing.to_owned()));
        put(&mut self.records, 0)?;
        put(&mut self.records, 0)
    }

    /// Puts a tool's JSON object on the current page, or on the next one where that is full.
    fn put_on_page(&mut self, listing: &str) -> Result<(), TooLarge> {
        let page_bytes = self.lists.len() - self.page_at;
        let full = self.page_tools == PAGE_TOOLS_MAX || page_bytes + listing.len() + 1 > PAGE_BYTES_MAX;
        if self.page_tools > 0 && full {
            self.end_page()?;
        }
        self.lists.push(if self.page_tools == 0 { b'[' } else { b',' });
        self.page_tools += 1;
        keep(&mut self.records, &mut self.lists, listing)
    }

    pub(crate) fn add_key(&mut self, key: &str, tool: usize) -> Result<(), TooLarge> {
        put(&mut self.key_records, self.keys.len())?;
        put(&mut self.key_records, key.len())?;
        put(&mut self.key_records, tool)?;
        self.keys.extend_from_slice(key.as_bytes());
        Ok(())
    }

    /// Closes the last page. Gives the hash of what is listed.
    pub(crate) fn end_list(&mut self) -> Result<[u8; 32], TooLarge> {
        self.end_page()?;
        let list_hash = *blake3::hash(&self.lists).as_bytes();
        for (record, text) in std::mem::take(&mut self.unlisted) {
            let mut place = Vec::with_capacity(2 * 4);
            keep(&mut place, &mut self.lists, &text)?;
            if let Some(record) = self.records.get_mut(record..record + place.len()) {
                record.copy_from_slice(&place);
            }
        }
        Ok(list_hash)
    }

    /// Closes the current page. An empty catalogue has one empty page.
    fn end_page(&mut self) -> Result<(), TooLarge> {
        self.lists.extend_from_slice(if self.page_tools == 0 { b"[]" } else { b"]" });
        put(&mut self.pages, self.page_at)?;
        put(&mut self.pages, self.lists.len() - self.page_at)?;
        self.page_at = self.lists.len();
        self.page_tools = 0;
        Ok(())
    }

    /// In the order in which a [`ListIndex`] has them.
    pub(crate) fn sections(&self) -> [&[u8]; SECTIONS] {
        [
            &self.records,
            &self.names,
            &self.key_records,
            &self.keys,
            &self.pages,
            &self.lists,
            &self.details,
            &self.off,
        ]
    }
}

/// Whether what a call needs of an item says that clients have it only once a call has shown it to them.
pub(crate) fn is_off(detail: &str) -> bool {
    #[derive(Deserialize)]
    struct Run {
        policy: Option<Policy>,
    }
    #[derive(Deserialize)]
    struct Detail {
        run: Run,
    }
    // Looked at closely only where the word occurs at all.
    detail.contains("\"enabled\"")
        && serde_json::from_str::<Detail>(detail)
            .is_ok_and(|detail| detail.run.policy.is_some_and(|policy| policy.enabled == Some(false)))
}

/// The sections of a list as an [`Index`] wrote them, used as the bytes that they are. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub(crate) struct ListIndex {
    pub(crate) records: Bytes,
    pub(crate) names: Bytes,
    pub(crate) key_records: Bytes,
    pub(crate) keys: Bytes,
    pub(crate) pages: Bytes,
    pub(crate) lists: Bytes,
    pub(crate) details: Bytes,
    pub(crate) off: Bytes,
}

pub(crate) const SECTIONS: usize = 8;
const RECORD_BYTES: usize = 6 * 4;
const KEY_RECORD_BYTES: usize = 3 * 4;
const PAGE_RECORD_BYTES: usize = 2 * 4;
const OFF_BYTES: usize = 4;

impl ListIndex {
    pub(crate) fn new(sections: [Bytes; SECTIONS]) -> ListIndex {
        let [records, names, key_records, keys, pages, lists, details, off] = sections;
        ListIndex { records, names, key_records, keys, pages, lists, details, off }
    }

    /// The same names and details with the list that `index` was told of, item by item, by [`Index::add_known`].
    pub(crate) fn relisted(&self, index: &mut Index) -> ListIndex {
        ListIndex {
            records: std::mem::take(&mut index.records).into(),
            pages: std::mem::take(&mut index.pages).into(),
            lists: std::mem::take(&mut index.lists).into(),
            off: std::mem::take(&mut index.off).into(),
            ..self.clone()
        }
    }

    /// Whether clients have an item only once a call has shown it to them.
    pub(crate) fn is_off(&self, item: usize) -> bool {
        let (mut from, mut to) = (0, self.off.len() / OFF_BYTES);
        while from < to {
            let middle = from + (to - from) / 2;
            match numbers(&self.off, middle) {
                Some([off]) if off == item => return true,
                Some([off]) if off > item => to = middle,
                _ => from = middle + 1,
            }
        }
        false
    }

    /// Whether there is any such item.
    pub(crate) fn has_off(&self) -> bool {
        !self.off.is_empty()
    }

    /// Whether an item is on a page, and not only found.
    pub(crate) fn is_listed(&self, item: usize) -> bool {
        let pages_end = self.page_count().checked_sub(1).and_then(|last| numbers(&self.pages, last));
        let pages_end = pages_end.map_or(0, |[at, length]: [usize; 2]| at + length);
        self.record(item).is_some_and(|[_, _, at, ..]| at < pages_end)
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len() / RECORD_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn page_count(&self) -> usize {
        self.pages.len() / PAGE_RECORD_BYTES
    }

    /// A JSON array, brackets included.
    pub(crate) fn page(&self, number: usize) -> Option<Bytes> {
        let [at, length] = numbers(&self.pages, number)?;
        slice(&self.lists, at, length)
    }

    /// All pages: one at least.
    pub(crate) fn pages(&self) -> impl Iterator<Item = Bytes> {
        (0..self.page_count()).filter_map(|number| self.page(number))
    }

    /// What a key may mean: nothing, one, or several. Binary search in place.
    pub(crate) fn find(&self, key: &str) -> impl Iterator<Item = usize> {
        let (mut from, mut to) = (0, self.key_records.len() / KEY_RECORD_BYTES);
        while from < to {
            let middle = from + (to - from) / 2;
            if self.key_at(middle).is_some_and(|(known, _)| known < key) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        (from..).map_while(move |at| self.key_at(at).filter(|(known, _)| *known == key)).map(|(_, item)| item)
    }

    /// All keys, sorted, each with what it may mean.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&str, usize)> {
        (0..).map_while(|at| self.key_at(at))
    }

    fn key_at(&self, at: usize) -> Option<(&str, usize)> {
        let [at, length, item] = numbers(&self.key_records, at)?;
        Some((std::str::from_utf8(self.keys.get(at..at.checked_add(length)?)?).ok()?, item))
    }

    /// The name that it was added with.
    pub(crate) fn name(&self, item: usize) -> Option<&str> {
        let [at, length, ..] = self.record(item)?;
        std::str::from_utf8(self.names.get(at..at.checked_add(length)?)?).ok()
    }

    /// The JSON object that a list shows.
    pub(crate) fn listing(&self, item: usize) -> Option<Bytes> {
        let [_, _, at, length, ..] = self.record(item)?;
        slice(&self.lists, at, length)
    }

    /// The JSON object that a call needs. Empty where only the source knows it.
    pub(crate) fn detail(&self, item: usize) -> Option<Bytes> {
        let [.., at, length] = self.record(item)?;
        slice(&self.details, at, length)
    }

    /// The places and lengths of its name, listing and detail.
    pub(crate) fn record(&self, item: usize) -> Option<[usize; 6]> {
        numbers(&self.records, item)
    }
}

/// Writes the lengths of all sections, and then the sections.
pub(crate) fn write_sections(writer: &mut ByteWriter, sections: &[&[u8]]) {
    sections.iter().for_each(|section| writer.count(section.len()));
    sections.iter().for_each(|section| writer.bytes(section));
}

/// Reads what [`write_sections`] wrote, the last thing in `bytes`, of which `reader` has read what is before it.
pub(crate) fn read_sections<const N: usize>(bytes: &Bytes, mut reader: ByteReader<'_>) -> Option<[Bytes; N]> {
    let mut lengths = [0; N];
    for length in &mut lengths {
        *length = reader.count()?;
    }
    let mut rest = bytes.slice_ref(reader.rest());
    let mut sections = [const { Bytes::new() }; N];
    for (section, length) in sections.iter_mut().zip(lengths) {
        if length > rest.len() {
            return None;
        }
        *section = rest.split_to(length);
    }
    Some(sections)
}

/// Adds a text to a section, and its place there to the record being written.
fn keep(records: &mut Vec<u8>, section: &mut Vec<u8>, text: &str) -> Result<(), TooLarge> {
    put(records, section.len())?;
    put(records, text.len())?;
    section.extend_from_slice(text.as_bytes());
    Ok(())
}

fn put(section: &mut Vec<u8>, number: usize) -> Result<(), TooLarge> {
    let number = u32::try_from(number).map_err(|_| TooLarge)?;
    section.extend_from_slice(&number.to_le_bytes());
    Ok(())
}

/// The `which`th group of `N` numbers in `section`.
fn numbers<const N: usize>(section: &[u8], which: usize) -> Option<[usize; N]> {
    let at = which.checked_mul(N * 4)?;
    let record = section.get(at..at.checked_add(N * 4)?)?;
    let mut numbers = [0; N];
    for (number, bytes) in numbers.iter_mut().zip(record.chunks_exact(4)) {
        *number = usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()?;
    }
    Some(numbers)
}

fn slice(section: &Bytes, at: usize, length: usize) -> Option<Bytes> {
    let end = at.checked_add(length)?;
    (end <= section.len()).then(|| section.slice(at..end))
}
