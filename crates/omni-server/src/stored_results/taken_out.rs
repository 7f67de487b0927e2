//! A part of a result that is taken out of it: how large it is, how it begins, and how it is written to a file without
//! being held a second time.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;

use super::json_text::{JsonText, Piece};

/// So much of base64 is decoded at once; a multiple of four.
const BASE64_BYTES: usize = 64 << 10;

/// What is taken out.
pub(super) struct TakenOut<'a> {
    /// What it is, in words.
    pub(super) what: String,
    pub(super) mime_type: Cow<'a, str>,
    pub(super) data: Data<'a>,
    /// Those of its block.
    pub(super) annotations: Option<&'a RawValue>,
}

/// Where it is in the result.
pub(super) enum Data<'a> {
    /// A string, whose text it is.
    Text(JsonText<'a>),
    /// Bytes in base64.
    Base64(Cow<'a, str>),
    /// A value, which is kept as JSON.
    Json(&'a str),
    /// The same, and another text that shows what is in it.
    Shown { json: &'a str, text: String },
}

impl Data<'_> {
    /// How many bytes it has, and whether a reader gets them as text. `None` for what is no base64.
    pub(super) fn measure(&self) -> Option<(u64, bool)> {
        match self {
            Data::Text(text) => {
                let (bytes, has_nul) = text.measure();
                Some((bytes, !has_nul))
            }
            Data::Base64(text) => {
                let padding = text.bytes().rev().take_while(|byte| *byte == b'=').take(2).count();
                let bytes = (text.len() / 4 * 3).checked_sub(padding)?;
                text.len().is_multiple_of(4).then_some((bytes as u64, false))
            }
            Data::Json(json) | Data::Shown { json, .. } => Some((json.len() as u64, true)),
        }
    }

    /// Its first bytes, up to so many, as text; and how many of it these are.
    pub(super) fn head(&self, bytes: usize) -> (String, u64) {
        match self {
            Data::Text(text) => {
                let (head, _) = text.head(bytes);
                let shown = head.len() as u64;
                (head, shown)
            }
            Data::Base64(_) => (String::new(), 0),
            Data::Json(json) => {
                let head = cut(json, bytes);
                (head.to_owned(), head.len() as u64)
            }
            Data::Shown { text, .. } => (cut(text, bytes).to_owned(), 0),
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    ///
    /// Those of `out`, and [`io::ErrorKind::InvalidData`] for what is no base64.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Data::Text(text) => text.pieces().try_for_each(|piece| match piece {
                Piece::Plain(text) => out.write_all(text.as_bytes()),
                Piece::Escaped(character) => out.write_all(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }),
            Data::Base64(text) => {
                let mut bytes = Vec::with_capacity(BASE64_BYTES / 4 * 3);
                let mut pieces = text.as_bytes().chunks(BASE64_BYTES).peekable();
                while let Some(piece) = pieces.next() {
                    bytes.clear();
                    let decoded = BASE64_STANDARD.decode_vec(piece, &mut bytes);
                    decoded.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                    // Signs that end it stand at its end alone.
                    if pieces.peek().is_some() && bytes.len() < BASE64_BYTES / 4 * 3 {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    out.write_all(&bytes)?;
                }
                Ok(())
            }
            Data::Json(json) | Data::Shown { json, .. } => out.write_all(json.as_bytes()),
        }
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(data: &Data<'_>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        data.write(&mut out).map(|()| out)
    }

    #[test]
    fn bytes_are_written_piece_by_piece_and_are_as_many_as_was_said() {
        for size in [0, 1, 2, 3, 100, BASE64_BYTES / 4 * 3, BASE64_BYTES / 4 * 3 + 1, 200_000] {
            let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let data = Data::Base64(BASE64_STANDARD.encode(&bytes).into());
            assert_eq!(data.measure(), Some((size as u64, false)));
            assert_eq!(written(&data).unwrap(), bytes);
        }
    }

    #[test]
    fn what_is_no_base64_is_not_written_as_if_it_were() {
        assert_eq!(Data::Base64("QUJ".into()).measure(), None);
        let padded = format!("{}Q===", "QUJD".repeat(BASE64_BYTES / 4 - 1));
        for text in ["QU!D".to_owned(), "=QUJ".to_owned(), format!("{padded}QUJD")] {
            let error = written(&Data::Base64(text.into())).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        let early = format!("{}QQ=={}", "QUJD".repeat(BASE64_BYTES / 4 - 1), "QUJD");
        assert!(written(&Data::Base64(early.into())).is_err());
    }
}
