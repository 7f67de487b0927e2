//! How a kept result is read: whole, or a range of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use omni_call::{ByteRange, CONTINUATION_BYTES_MAX, ServedRange, split_range};
use serde_json::{Value, json};

use super::owner::{Owner, URI};
use super::store::{StoredResult, StoredResults};

/// Why nothing was read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// There is none of that name, or it is somebody else's.
    NotThere,
    /// The range is none.
    BadRange(String),
    System(io::Error),
}

impl StoredResults {
    /// The `contents` of MCP's answer. A range is written as for files of skills (`?offset=…&length=…`); without one, and
    /// of a longer one, as much is read as a result may have. Waits for the disk.
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    pub(crate) fn read(&self, owner: &Owner, uri: &str) -> Result<String, ReadError> {
        let bad_range = |error: omni_call::RangeError| ReadError::BadRange(error.to_string());
        // Room for the rest of an answer, and for a character's last bytes.
        let bytes_max = (self.config().inline_bytes_max as u64 / 4 * 3).max(1);
        let (whole, range) = split_range(uri).map_err(bad_range)?;
        let name = whole.strip_prefix(URI).ok_or(ReadError::NotThere)?;
        let (stored, file) = self.open_result(owner, name).ok_or(ReadError::NotThere)?;
        let asked = range.unwrap_or(ByteRange { offset: 0, length: None });
        let served = asked.within(stored.size, bytes_max).map_err(bad_range)?;
        // What follows a range is as long as the range that was asked for.
        let next_bytes = asked.length.unwrap_or(bytes_max).min(bytes_max);
        let (served, item) =
            item(uri, &whole, &stored, &file, served, next_bytes).map_err(ReadError::System)?;
        let mut contents = vec![item];
        if range.is_none()
            && let Some((next, text)) = served.goes_on(&whole, bytes_max)
        {
            contents.push(json!({"uri": next, "mimeType": "text/plain", "text": text}));
        }
        Ok(Value::from(contents).to_string())
    }
}

/// An item of `contents`, and the range that is in it: of text, whole characters.
fn item(
    uri: &str,
    whole: &str,
    stored: &StoredResult,
    file: &File,
    served: ServedRange,
    next_bytes: u64,
) -> io::Result<(ServedRange, Value)> {
    let beyond = if stored.is_text { CONTINUATION_BYTES_MAX as u64 } else { 0 };
    let length = (served.length + beyond).min(stored.size - served.offset);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, served.offset)?;
    let text = if stored.is_text { served.text(&bytes) } else { None };
    let (served, member, value) = match text {
        Some((served, text)) => (served, "text", text.to_owned()),
        None => (served, "blob", BASE64_STANDARD.encode(&bytes)),
    };
    let mut item = json!({"uri": uri, "mimeType": stored.mime_type, member: value});
    if !served.is_whole() {
        item["_meta"] = json!({"omni/range": served.to_json(whole, next_bytes)});
    }
    Ok((served, item))
}
