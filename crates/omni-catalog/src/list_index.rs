//! How a list and what stands behind it are laid out: texts one after another in sections, and records of their places.

use bytes::Bytes;

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
    page_at: usize,
    page_tools: usize,
}

impl Index {
    pub(crate) fn add_item(&mut self, name: &str, listing: &str, detail: &str) -> Result<(), TooLarge> {
        keep(&mut self.records, &mut self.names, name)?;
        self.list(listing)?;
        keep(&mut self.records, &mut self.details, detail)
    }

    /// Puts a tool's JSON object on the current page, or on the next one where that is full.
    pub(crate) fn list(&mut self, listing: &str) -> Result<(), TooLarge> {
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

    /// Closes the current page. An empty catalogue has one empty page.
    pub(crate) fn end_page(&mut self) -> Result<(), TooLarge> {
        self.lists.extend_from_slice(if self.page_tools == 0 { b"[]" } else { b"]" });
        put(&mut self.pages, self.page_at)?;
        put(&mut self.pages, self.lists.len() - self.page_at)?;
        self.page_at = self.lists.len();
        self.page_tools = 0;
        Ok(())
    }
}

/// Adds a text to a section, and its place there to the record being written.
fn keep(records: &mut Vec<u8>, section: &mut Vec<u8>, text: &str) -> Result<(), TooLarge> {
    put(records, section.len())?;
    put(records, text.len())?;
    section.extend_from_slice(text.as_bytes());
    Ok(())
}

pub(crate) fn put(section: &mut Vec<u8>, number: usize) -> Result<(), TooLarge> {
    let number = u32::try_from(number).map_err(|_| TooLarge)?;
    section.extend_from_slice(&number.to_le_bytes());
    Ok(())
}

/// The `which`th group of `N` numbers in `section`.
pub(crate) fn numbers<const N: usize>(section: &[u8], which: usize) -> Option<[usize; N]> {
    let at = which.checked_mul(N * 4)?;
    let record = section.get(at..at.checked_add(N * 4)?)?;
    let mut numbers = [0; N];
    for (number, bytes) in numbers.iter_mut().zip(record.chunks_exact(4)) {
        *number = usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()?;
    }
    Some(numbers)
}

pub(crate) fn slice(section: &Bytes, at: usize, length: usize) -> Option<Bytes> {
    let end = at.checked_add(length)?;
    (end <= section.len()).then(|| section.slice(at..end))
}
