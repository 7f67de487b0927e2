//! Cache files that are either whole and written by this very build, or not there.

const HASH_BYTES: usize = 32;
const HEADER_BYTES: usize = 8 + HASH_BYTES + 8 + HASH_BYTES;

/// What kind of cache file it is: its first eight bytes.
pub(crate) type Magic = &'static [u8; 8];

/// Names the build: what another build wrote is not read, since it may have read the skills in another way.
pub(crate) fn fingerprint() -> String {
    format!("{}-{}", env!("CARGO_PKG_VERSION"), env!("OMNI_CATALOG_FINGERPRINT"))
}

/// Puts the header before `payload`: magic, build, length and checksum.
pub(crate) fn encode(magic: Magic, payload: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEADER_BYTES + payload.len());
    file.extend_from_slice(magic);
    file.extend_from_slice(blake3::hash(fingerprint().as_bytes()).as_bytes());
    file.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    file.extend_from_slice(blake3::hash(payload).as_bytes());
    file.extend_from_slice(payload);
    file
}

/// Returns the payload of a file that [`encode`] made in this build, or `None` for anything else:
/// truncated, damaged, of another kind or of another version.
pub(crate) fn decode(magic: Magic, file: &[u8]) -> Option<&[u8]> {
    let mut reader = ByteReader::new(file);
    let known = reader.bytes(8)? == magic
        && reader.bytes(HASH_BYTES)? == blake3::hash(fingerprint().as_bytes()).as_bytes();
    let length = reader.number()?;
    let checksum = reader.bytes(HASH_BYTES)?;
    let payload = reader.rest();
    let whole = payload.len() as u64 == length && checksum == blake3::hash(payload).as_bytes();
    (known && whole).then_some(payload)
}

/// Where the payload of the file starts.
pub(crate) const PAYLOAD_AT: usize = HEADER_BYTES;

/// Writes numbers and texts one after another.
#[derive(Debug, Default)]
pub(crate) struct ByteWriter {
    bytes: Vec<u8>,
}

impl ByteWriter {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    pub(crate) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.count(text.len());
        self.bytes(text.as_bytes());
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads what a [`ByteWriter`] wrote; `None` where the bytes end too early or make no sense.
#[derive(Clone, Debug)]
pub(crate) struct ByteReader<'a> {
    bytes: &'a [u8],
}

impl<'a> ByteReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        ByteReader { bytes }
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }

    pub(crate) fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = self.count()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    /// What `later`, a reader of the same bytes that is further on, has read since.
    pub(crate) fn until(&self, later: &ByteReader<'a>) -> &'a [u8] {
        &self.bytes[..self.bytes.len().saturating_sub(later.bytes.len())]
    }

    pub(crate) fn at_end(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_cut_or_damaged_anywhere_is_no_file() {
        let whole = encode(b"omnitest", b"some payload");
        assert_eq!(decode(b"omnitest", &whole), Some(&b"some payload"[..]));
        assert_eq!(decode(b"omniothr", &whole), None, "another kind");
        for at in 0..whole.len() {
            assert_eq!(decode(b"omnitest", &whole[..at]), None, "cut at {at}");
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(b"omnitest", &damaged), None, "bit flipped at {at}");
        }
    }
}
