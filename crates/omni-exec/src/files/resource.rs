//! What a client gets of a file that is a resource: text or bytes, all of it or a range.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use omni_call::{
    ByteRange, CONTINUATION_BYTES_MAX, FileTarget, MimeType, OutcomeKind, RangeError, ServedRange,
    split_range,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::beneath::{OpenError, OpenFile, Root};
use super::text_check::TextChecks;

/// A file that is read at once when it is opened, and whose memory is not asked for first.
const SMALL_BYTES: u64 = 256 << 10;

/// Read in one go: between two of these a call that nobody waits for any more stops.
const CHUNK_BYTES: usize = 1 << 20;

/// What has become of a resource.
pub(super) enum ReadResource {
    /// The `contents` of MCP's answer, as JSON.
    Done(Vec<u8>),
    /// It is large, and not read yet.
    Large(OpenResource),
}

/// A file of which it has been decided what is read.
pub(super) struct OpenResource {
    file: OpenFile,
    /// As the client asked.
    uri: String,
    /// Without a range.
    whole_uri: String,
    range: ServedRange,
    /// The client named a range.
    in_range: bool,
    mime_type: String,
    /// What is said of its contents beside them.
    meta: Option<Box<Map<String, Value>>>,
    may_be_text: bool,
    bytes_max: u64,
    /// How much what follows the range has, as its client reads it.
    next_bytes: u64,
}

/// One item of `contents`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Contents<'a> {
    uri: &'a str,
    mime_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<String>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Map<String, Value>>,
}

impl OpenResource {
    /// Opens the file and finds out what is to be read of it. `uri` is what the client asked for, with the range. A file of
    /// which a part is asked for is looked through by `checks`; when `cancelled` that stops.
    ///
    /// # Errors
    ///
    /// How the call ends instead.
    pub(super) fn open(
        file: &FileTarget,
        mime_type: Option<&str>,
        meta: Option<Box<Map<String, Value>>>,
        uri: &str,
        bytes_max: usize,
        (checks, cancelled): (&TextChecks, &AtomicBool),
    ) -> Result<OpenResource, OutcomeKind> {
        let bytes_max = bytes_max as u64;
        let bad_range = |error: RangeError| OutcomeKind::InvalidArguments {
            message: format!("`{}`: {error}", shown(uri)),
        };
        let (whole_uri, range) = split_range(uri).map_err(bad_range)?;
        let not_open = |error: OpenError| not_open(&whole_uri, &error);
        let open = Root::of_skill(&file.dir).and_then(|root| root.file(&file.path)).map_err(not_open)?;
        let asked = range.unwrap_or(ByteRange { offset: 0, length: None });
        let served = asked.within(open.size, bytes_max).map_err(bad_range)?;
        let named = mime_type.map(str::to_owned);
        let named = named.or_else(|| MimeType::of_path(&file.path).map(|mime| mime.name.to_owned()));
        let says = named.as_deref().and_then(MimeType::says_text);
        let may_be_text = match says {
            Some(false) => false,
            // What is read whole shows it.
            Some(true) if served.is_whole() => true,
            Some(true) | None => checks
                .is_text(&open.file, cancelled)
                .map_err(|error| unreadable(&whole_uri, &error))?
                .ok_or(OutcomeKind::Cancelled)?,
        };
        let by_content = if may_be_text { MimeType::TEXT } else { MimeType::BINARY };
        let opened = OpenResource {
            uri: uri.to_owned(),
            whole_uri: whole_uri.clone().into_owned(),
            range: served,
            in_range: range.is_some(),
            mime_type: named.unwrap_or_else(|| by_content.name.to_owned()),
            meta,
            may_be_text,
            bytes_max,
            next_bytes: asked.length.unwrap_or(bytes_max).min(bytes_max),
            file: open,
        };
        if opened.is_cut() && !opened.may_be_text { Err(opened.too_large()) } else { Ok(opened) }
    }

    /// Whether it costs too little to be counted.
    pub(super) fn is_small(&self) -> bool {
        self.range.length <= SMALL_BYTES
    }

    /// What the answer will take, about: base64 has four signs for three bytes.
    pub(super) fn bytes_expected(&self) -> usize {
        usize::try_from(self.range.length / 3 * 4).unwrap_or(usize::MAX)
    }

    /// The client asked for all, and gets only the beginning.
    fn is_cut(&self) -> bool {
        !self.in_range && !self.range.is_whole()
    }

    fn too_large(&self) -> OutcomeKind {
        let (size, most) = (self.range.size, self.bytes_max);
        let first = omni_call::range_uri(&self.whole_uri, 0, most);
        OutcomeKind::InvalidArguments {
            message: format!(
                "`{}` has {size} bytes, and one read gives {most} at most: read it in ranges, `{first}` and so on",
                shown(&self.whole_uri)
            ),
        }
    }

    /// Reads it, and writes the `contents` of MCP's answer. `cancelled` is looked at between parts.
    ///
    /// # Errors
    ///
    /// How the call ends instead.
    pub(super) fn read(&self, cancelled: &AtomicBool) -> Result<Vec<u8>, OutcomeKind> {
        let unreadable = |error: io::Error| unreadable(&self.whole_uri, &error);
        let beyond = if self.may_be_text { CONTINUATION_BYTES_MAX as u64 } else { 0 };
        let bytes = self.bytes(self.range.length + beyond, cancelled).map_err(unreadable)?;
        let Some(bytes) = bytes else { return Err(OutcomeKind::Cancelled) };
        let text = self.range.text(&bytes).filter(|_| self.may_be_text);
        match text {
            Some((range, text)) => Ok(self.contents(range, Some(text), None)),
            // It said that it was text, and there is no half of a file that is not.
            None if self.is_cut() => Err(self.too_large()),
            None => {
                let wanted = usize::try_from(self.range.length).unwrap_or(usize::MAX).min(bytes.len());
                let range = ServedRange { length: wanted as u64, ..self.range };
                Ok(self.contents(range, None, Some(BASE64_STANDARD.encode(&bytes[..wanted]))))
            }
        }
    }

    /// So many bytes from the range's beginning, fewer at the end of the file; `None` when the call was cancelled.
    fn bytes(&self, count: u64, cancelled: &AtomicBool) -> io::Result<Option<Vec<u8>>> {
        let count = count.min(self.range.size - self.range.offset);
        let mut bytes = vec![0; usize::try_from(count).unwrap_or(usize::MAX)];
        let mut filled = 0;
        for chunk in bytes.chunks_mut(CHUNK_BYTES) {
            if cancelled.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let read = fill(&self.file.file, chunk, self.range.offset + filled as u64)?;
            filled += read;
            if read < chunk.len() {
                // It has become shorter.
                break;
            }
        }
        bytes.truncate(filled);
        Ok(Some(bytes))
    }

    fn contents(&self, range: ServedRange, text: Option<&str>, blob: Option<String>) -> Vec<u8> {
        let said = self.in_range || !range.is_whole();
        let mut meta = self.meta.as_deref().cloned();
        if said {
            let told = range.to_json(&self.whole_uri, self.next_bytes);
            meta.get_or_insert_default().insert("omni/range".to_owned(), told);
        }
        let served = Contents { uri: &self.uri, mime_type: &self.mime_type, text, blob, meta };
        let rest = range.goes_on(&self.whole_uri, self.bytes_max).filter(|_| self.is_cut());
        let hint = rest.as_ref().map(|(next, hint)| Contents {
            uri: next,
            mime_type: MimeType::TEXT.name,
            text: Some(hint),
            blob: None,
            meta: None,
        });
        let all: Vec<Contents<'_>> = std::iter::once(served).chain(hint).collect();
        // Texts and numbers: nothing here can fail to be JSON.
        serde_json::to_vec(&all).unwrap_or_default()
    }
}

/// Reads from there on until `bytes` are full, or the file ends. Returns how many were read.
fn fill(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn not_open(uri: &str, error: &OpenError) -> OutcomeKind {
    let message = format!("`{}` cannot be read: {error}", shown(uri));
    match error {
        OpenError::BadPath | OpenError::NotThere | OpenError::Link | OpenError::NotAFile(_) => {
            OutcomeKind::NotFound { message }
        }
        OpenError::Forbidden | OpenError::System(_) => OutcomeKind::tool_error("OSError", message, None),
    }
}

fn unreadable(uri: &str, error: &io::Error) -> OutcomeKind {
    OutcomeKind::tool_error("OSError", format!("`{}` cannot be read: {error}", shown(uri)), None)
}

/// As much of a URI as a sentence can bear.
fn shown(uri: &str) -> String {
    uri.chars().take(200).collect()
}
