//! A list as pages of JSON arrays.

use bytes::{BufMut, Bytes, BytesMut};

use crate::list_index::{PAGE_BYTES_MAX, PAGE_TOOLS_MAX};

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// A JSON array, brackets included. Shared with the snapshot, not copied.
    pub items: Bytes,
    /// The number of the next page, if there is one.
    pub next: Option<usize>,
}

/// All pages as one.
pub(crate) fn joined(pages: &[Bytes]) -> Bytes {
    if let [only] = pages {
        return only.clone();
    }
    let mut all = BytesMut::with_capacity(pages.iter().map(Bytes::len).sum());
    for page in pages {
        // Without its brackets; an empty page occurs only alone.
        let inner = page.get(1..page.len().saturating_sub(1)).unwrap_or_default();
        all.put_u8(if all.is_empty() { b'[' } else { b',' });
        all.put_slice(inner);
    }
    if all.is_empty() {
        all.put_u8(b'[');
    }
    all.put_u8(b']');
    all.freeze()
}

/// JSON texts on pages as large as those of tools; one empty page where there are none.
pub(crate) fn of_texts<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<Bytes> {
    let (mut pages, mut page, mut on_it) = (Vec::new(), BytesMut::new(), 0);
    for text in texts {
        if on_it > 0 && (on_it == PAGE_TOOLS_MAX || page.len() + text.len() + 1 > PAGE_BYTES_MAX) {
            page.put_u8(b']');
            pages.push(page.split().freeze());
            on_it = 0;
        }
        page.put_u8(if on_it == 0 { b'[' } else { b',' });
        page.put_slice(text);
        on_it += 1;
    }
    if on_it == 0 {
        page.put_u8(b'[');
    }
    page.put_u8(b']');
    pages.push(page.freeze());
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_at_a_thousand_items_or_a_megabyte_and_join_to_one() {
        let sizes = |texts: &[Vec<u8>]| -> Vec<usize> {
            let pages = of_texts(texts.iter().map(Vec::as_slice));
            let count = |page: &Bytes| serde_json::from_slice::<Vec<serde_json::Value>>(page).unwrap().len();
            assert_eq!(count(&joined(&pages)), texts.len());
            pages.iter().map(count).collect()
        };
        let large = |bytes: usize| format!("\"{}\"", "x".repeat(bytes)).into_bytes();
        assert_eq!(sizes(&[]), [0]);
        assert_eq!(sizes(&vec![b"1".to_vec(); 1_000]), [1_000]);
        assert_eq!(sizes(&vec![b"1".to_vec(); 1_001]), [1_000, 1]);
        assert_eq!(sizes(&[large(400_000), large(400_000), large(400_000)]), [2, 1]);
        assert_eq!(sizes(&[large(1_500_000), large(2)]), [1, 1]);
    }
}
