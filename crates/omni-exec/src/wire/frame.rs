//! Where a frame begins and ends among the bytes of a channel.

use super::error::WireError;

const HEADER: usize = 4;

/// Looks at the bytes read so far: the length of the first frame's body, once its header is there.
pub(crate) fn body_length(bytes: &[u8], limit: usize) -> Result<Option<usize>, WireError> {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    // Checked before memory is allocated for it, since the worker says the length.
    let length = u32::from_le_bytes(*header) as usize;
    if length > limit { Err(WireError::TooLong { length, limit }) } else { Ok(Some(length)) }
}

/// The key that comes before each frame of a worker that was told one. Code that got hold of the channel by its number
/// does not know it.
pub(crate) type FrameKey = [u8; 8];

/// The bytes after the key that comes before a frame; `None` while the key has not arrived whole.
pub(crate) fn after_key<'a>(bytes: &'a [u8], key: Option<&FrameKey>) -> Result<Option<&'a [u8]>, WireError> {
    let Some(key) = key else { return Ok(Some(bytes)) };
    let come = bytes.len().min(key.len());
    if bytes[..come] == key[..come] { Ok(bytes.get(key.len()..)) } else { Err(WireError::Keyless) }
}

/// The bytes that come before a frame's body.
pub(crate) const fn header_length() -> usize {
    HEADER
}

/// Appends a frame with this body.
pub(crate) fn push_body(out: &mut Vec<u8>, body: &[u8]) {
    let start = begin(out);
    out.extend_from_slice(body);
    finish(out, start);
}

pub(super) fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    start
}

/// Writes the length of the body that follows the header at `start`.
pub(super) fn finish(out: &mut [u8], start: usize) {
    let length = u32::try_from(out.len() - start - HEADER).unwrap_or(u32::MAX);
    if let Some(header) = out.get_mut(start..start + HEADER) {
        header.copy_from_slice(&length.to_le_bytes());
    }
}
