//! Which part of a resource is read: `?offset=…&length=…` behind its URI, as a value.
//!
//! They stand in the URI, because MCP knows no other way to give `resources/read` anything besides one. Both count bytes
//! of the whole. A range of text holds the characters whose *first* byte is in it, so ranges that lie side by side, cut
//! wherever a client likes, put together are the whole text, with no character lost, doubled or broken.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use thiserror::Error;

/// The part of a resource that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte, counted from 0.
    pub offset: u64,
    /// Bytes at most; `None` is as many as one read gives.
    pub length: Option<u64>,
}

/// Why there is no such range. Its text names the variable, the value and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RangeError {
    #[error("`{name}={value}`: it has to be a whole number of bytes, such as `{name}=65536`")]
    NotANumber { name: &'static str, value: String },
    #[error("`{name}=` stands twice: keep one of the two")]
    Twice { name: &'static str },
    #[error("`length=0` asks for nothing: leave it out, or ask for at least 1 byte")]
    Empty,
    #[error("`offset={offset}` is beyond the end: there are {size} bytes")]
    BeyondEnd { offset: u64, size: u64 },
}

/// The part of a resource that a client gets, told with it as `_meta` `omni/range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServedRange {
    /// The first byte that is there.
    pub offset: u64,
    /// How many bytes are there. Of text that can be up to 3 more or fewer than were asked for.
    pub length: u64,
    /// How many bytes the whole has.
    pub size: u64,
}

/// Bytes that a character of UTF-8 has at most besides its first.
pub const CONTINUATION_BYTES_MAX: usize = 3;

impl ByteRange {
    /// The names of the variables.
    pub const OFFSET: &'static str = "offset";
    pub const LENGTH: &'static str = "length";

    /// Reads the two from the variables of a query; `None` where neither is there.
    fn of_variables(variables: &Map<String, Value>) -> Result<Option<ByteRange>, RangeError> {
        let (offset, length) = (number(variables, Self::OFFSET)?, number(variables, Self::LENGTH)?);
        match (offset, length) {
            (None, None) => Ok(None),
            (_, Some(0)) => Err(RangeError::Empty),
            (offset, length) => Ok(Some(ByteRange { offset: offset.unwrap_or_default(), length })),
        }
    }

    /// The bytes that one read gives of a whole of `size` bytes, at most `bytes_max`.
    ///
    /// # Errors
    ///
    /// It begins beyond the end. At the end itself there is an empty range, so whoever reads on until nothing comes
    /// needs no special case.
    pub fn within(self, size: u64, bytes_max: u64) -> Result<ServedRange, RangeError> {
        let left =
            size.checked_sub(self.offset).ok_or(RangeError::BeyondEnd { offset: self.offset, size })?;
        let length = self.length.unwrap_or(bytes_max).min(bytes_max).min(left);
        Ok(ServedRange { offset: self.offset, length, size })
    }
}

fn number(variables: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, RangeError> {
    let Some(value) = variables.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    // `+5` is a number to Rust, and a blank and 5 in a query.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits => Ok(Some(number)),
        _ => Err(RangeError::NotANumber { name, value: text.chars().take(40).collect() }),
    }
}

impl ServedRange {
    /// Where the bytes end that are there.
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// Whether it is all that there is.
    pub fn is_whole(self) -> bool {
        self.offset == 0 && self.length == self.size
    }

    /// The value of `omni/range`. `next` is the URI of what follows, while something does: `uri` is that of the whole,
    /// without a range, and `bytes_max` what one read gives, or less where the client has asked for less.
    pub fn to_json(self, uri: &str, bytes_max: u64) -> Value {
        let mut range = json!({"offset": self.offset, "length": self.length, "size": self.size});
        if let Some(next) = self.next(uri, bytes_max) {
            range["next"] = next.into();
        }
        range
    }

    /// The URI of what follows, of at most so many bytes; `None` at the end.
    pub fn next(self, uri: &str, bytes_max: u64) -> Option<String> {
        let end = self.end();
        (end < self.size).then(|| range_uri(uri, end, bytes_max.clamp(1, self.size - end)))
    }

    /// The URI of what follows, and a sentence that names it, for a model: it reads nothing of what stands in `_meta`. `None`
    /// at the end. For a range from the beginning.
    pub fn goes_on(self, uri: &str, bytes_max: u64) -> Option<(String, String)> {
        let next = self.next(uri, bytes_max)?;
        let (length, size) = (self.length, self.size);
        let said = format!(
            "`{uri}` goes on: these are its first {length} bytes of {size}. Read `{next}` for what follows."
        );
        Some((next, said))
    }

    /// Cuts `bytes` down to whole characters: those that have their first byte in this range. `bytes` begins at the
    /// range's first byte and goes on up to [`CONTINUATION_BYTES_MAX`] beyond its last, where there are so many.
    /// `None` where they are no UTF-8, or hold a NUL, which no text has.
    pub fn text(self, bytes: &[u8]) -> Option<(ServedRange, &str)> {
        let is_continuation = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
        let length = usize::try_from(self.length).unwrap_or(usize::MAX).min(bytes.len());
        // They belong to a character that the range before this one has.
        let skipped = match self.offset {
            0 => 0,
            _ => bytes.iter().take(CONTINUATION_BYTES_MAX).take_while(is_continuation).count().min(length),
        };
        let more = bytes[length..].iter().take(CONTINUATION_BYTES_MAX).take_while(is_continuation).count();
        // A range within one character has none of its own.
        let end = if skipped == length { length } else { length + more };
        let text = std::str::from_utf8(&bytes[skipped..end]).ok().filter(|text| !text.contains('\0'))?;
        let served =
            ServedRange { offset: self.offset + skipped as u64, length: text.len() as u64, size: self.size };
        Some((served, text))
    }
}

/// A URI that a client asks for, cut into that of the whole and the range behind it. The other parts of a query stay.
///
/// # Errors
///
/// What stands there for a range is none.
pub fn split_range(uri: &str) -> Result<(Cow<'_, str>, Option<ByteRange>), RangeError> {
    let Some((path, query)) = uri.split_once('?') else { return Ok((uri.into(), None)) };
    let mut variables = Map::new();
    let mut rest = Vec::new();
    for part in query.split('&') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let Some(name) = [ByteRange::OFFSET, ByteRange::LENGTH].into_iter().find(|known| *known == name)
        else {
            rest.push(part);
            continue;
        };
        // As a template has it that is given only one of the two.
        let value = Some(value).filter(|value| !value.is_empty());
        if let Some(value) = value
            && variables.insert(name.to_owned(), value.into()).is_some()
        {
            return Err(RangeError::Twice { name });
        }
    }
    if rest.len() == query.split('&').count() {
        return Ok((uri.into(), None));
    }
    let range = ByteRange::of_variables(&variables)?;
    let bare = if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) };
    Ok((bare.into(), range))
}

/// A resource's URI with a range. `uri` has none yet; it may have another query.
pub fn range_uri(uri: &str, offset: u64, length: u64) -> String {
    let mark = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{mark}{}={offset}&{}={length}", ByteRange::OFFSET, ByteRange::LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(json: Value) -> Map<String, Value> {
        json.as_object().unwrap().clone()
    }

    #[test]
    fn a_range_is_read_from_a_template_s_variables() {
        let read = |json| ByteRange::of_variables(&variables(json));
        assert_eq!(read(json!({"path": "a"})), Ok(None));
        assert_eq!(read(json!({"offset": null})), Ok(None));
        assert_eq!(read(json!({"offset": "7"})), Ok(Some(ByteRange { offset: 7, length: None })));
        assert_eq!(read(json!({"length": "7"})), Ok(Some(ByteRange { offset: 0, length: Some(7) })));
        assert_eq!(
            read(json!({"offset": 7, "length": 1})),
            Ok(Some(ByteRange { offset: 7, length: Some(1) }))
        );
        assert_eq!(read(json!({"length": "0"})), Err(RangeError::Empty));
        for bad in ["", "-1", "+1", " 1", "1.5", "0x10", "1e3", "99999999999999999999999", "١"] {
            let error = read(json!({"offset": bad})).unwrap_err();
            assert_eq!(error, RangeError::NotANumber { name: "offset", value: bad.into() });
        }
    }

    #[test]
    fn a_range_is_cut_to_what_there_is_and_to_what_one_read_gives() {
        let served = |offset, length, size| {
            let range = ByteRange { offset, length }.within(size, 10)?;
            Ok((range.offset, range.length))
        };
        assert_eq!(served(0, None, 5), Ok((0, 5)));
        assert_eq!(served(0, None, 50), Ok((0, 10)));
        assert_eq!(served(3, Some(4), 50), Ok((3, 4)));
        assert_eq!(served(48, Some(u64::MAX), 50), Ok((48, 2)));
        assert_eq!(served(50, Some(1), 50), Ok((50, 0)));
        assert_eq!(served(51, Some(1), 50), Err(RangeError::BeyondEnd { offset: 51, size: 50 }));
        assert_eq!(
            served(u64::MAX, Some(u64::MAX), 0),
            Err(RangeError::BeyondEnd { offset: u64::MAX, size: 0 })
        );
    }

    #[test]
    fn ranges_side_by_side_are_the_whole_text_wherever_they_are_cut() {
        let text = "aé漢🙂e\u{301}\u{10FFFF}\nz";
        let size = text.len() as u64;
        for length in 1..=size {
            let (mut whole, mut covered) = (String::new(), 0);
            for offset in (0..size).step_by(usize::try_from(length).unwrap()) {
                let range = ByteRange { offset, length: Some(length) }.within(size, size).unwrap();
                let from = usize::try_from(offset).unwrap();
                let to = (from + usize::try_from(range.length).unwrap() + 3).min(text.len());
                let (served, part) = range.text(&text.as_bytes()[from..to]).unwrap();
                if served.length > 0 {
                    assert_eq!(served.offset, covered, "nothing is skipped or doubled");
                }
                covered += served.length;
                whole.push_str(part);
            }
            assert_eq!(whole, text, "{length} bytes at a time");
        }
    }

    #[test]
    fn following_next_reads_all_and_ends() {
        let text = "漢字かな".repeat(5);
        let (mut at, mut whole) = (0usize, String::new());
        loop {
            let size = text.len() as u64;
            let range = ByteRange { offset: at as u64, length: None }.within(size, 4).unwrap();
            let to = (at + 4 + 3).min(text.len());
            let (served, part) = range.text(&text.as_bytes()[at..to]).unwrap();
            whole.push_str(part);
            match served.next("omni://x", 4) {
                Some(next) => {
                    at = usize::try_from(served.end()).unwrap();
                    assert!(next.starts_with(&format!("omni://x?offset={at}&length=")), "{next}");
                }
                None => break,
            }
        }
        assert_eq!(whole, text);
    }

    #[test]
    fn what_is_no_text_is_told_from_what_is() {
        let range = ServedRange { offset: 0, length: 4, size: 4 };
        assert_eq!(range.text(b"a\0bc"), None);
        assert_eq!(range.text(b"a\xffbc"), None);
        assert_eq!(range.text(&[0xC0, 0xAF, b'a', b'b']), None, "an overlong form is no UTF-8");
        assert!(range.text("abcd".as_bytes()).is_some());
    }

    #[test]
    fn a_uri_is_cut_into_the_whole_and_the_range() {
        let cut = |uri| split_range(uri).map(|(bare, range)| (bare.into_owned(), range));
        let range = |offset, length| Some(ByteRange { offset, length });
        for (uri, bare, found) in [
            ("omni://a/b", "omni://a/b", None),
            ("omni://a?", "omni://a?", None),
            ("omni://a?q=1", "omni://a?q=1", None),
            ("omni://a?offset=5", "omni://a", range(5, None)),
            ("omni://a?length=5&offset=2", "omni://a", range(2, Some(5))),
            ("omni://a?offset=&length=5", "omni://a", range(0, Some(5))),
            ("omni://a?offset=&length=", "omni://a", None),
            ("omni://a?q=1&offset=5&r", "omni://a?q=1&r", range(5, None)),
            ("omni://a?Offset=5", "omni://a?Offset=5", None),
        ] {
            assert_eq!(cut(uri), Ok((bare.to_owned(), found)), "{uri}");
        }
        assert_eq!(cut("omni://a?offset=1&offset=2"), Err(RangeError::Twice { name: "offset" }));
        assert!(cut("omni://a?offset=%31").is_err());
        let uri = range_uri("omni://a?q=1", 7, 9);
        assert_eq!(cut(&uri), Ok(("omni://a?q=1".to_owned(), range(7, Some(9)))));
    }

    #[test]
    fn a_range_is_said_with_what_follows_it() {
        let range = ServedRange { offset: 0, length: 8, size: 20 };
        let expected =
            json!({"offset": 0, "length": 8, "size": 20, "next": "omni://a?v=1&offset=8&length=8"});
        assert_eq!(range.to_json("omni://a?v=1", 8), expected);
        let last = ServedRange { offset: 8, length: 12, size: 20 };
        assert_eq!(last.to_json("omni://a", 8), json!({"offset": 8, "length": 12, "size": 20}));
    }
}
