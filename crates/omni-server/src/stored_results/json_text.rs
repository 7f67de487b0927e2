//! A string of JSON as it is written, read piece by piece: what it says may be tens of megabytes, which are not held twice.

use serde_json::value::RawValue;

/// What stands between the quotes of a JSON string.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonText<'a>(&'a str);

/// A part of what a string says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Written as it is.
    Plain(&'a str),
    /// Written by an escape. Half of a surrogate pair, which is no character, is U+FFFD.
    Escaped(char),
}

impl<'a> JsonText<'a> {
    /// `None` where the value is no string.
    pub(super) fn of(value: &'a RawValue) -> Option<Self> {
        JsonText::written(value.get())
    }

    /// What `json` says, if it is one string. Whether its escapes are any is not looked at.
    pub(super) fn written(json: &'a str) -> Option<Self> {
        let inside = json.strip_prefix('"')?.strip_suffix('"')?;
        let (bytes, mut at) = (inside.as_bytes(), 0);
        while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..)?) {
            if bytes[at + found] == b'"' {
                return None;
            }
            at += found + 2;
        }
        Some(JsonText(inside))
    }

    /// As it is written, where that is what it says.
    pub(super) fn unescaped(self) -> Option<&'a str> {
        memchr::memchr(b'\\', self.0.as_bytes()).is_none().then_some(self.0)
    }

    pub(super) fn pieces(self) -> Pieces<'a> {
        Pieces(self.0)
    }

    /// What it says, up to about so many bytes, and whether that is all.
    pub(super) fn head(self, bytes: usize) -> (String, bool) {
        let mut head = String::new();
        let mut pieces = self.pieces();
        while head.len() <= bytes {
            match pieces.next() {
                None => return (head, true),
                Some(Piece::Escaped(character)) => head.push(character),
                Some(Piece::Plain(text)) => {
                    let room = bytes + 1 - head.len();
                    head.push_str(&text[..text.ceil_char_boundary(room)]);
                }
            }
        }
        head.truncate(head.floor_char_boundary(bytes));
        (head, false)
    }

    /// How many bytes of UTF-8 it says, and whether NUL is among them.
    pub(super) fn measure(self) -> (u64, bool) {
        self.pieces().fold((0, false), |(bytes, has_nul), piece| match piece {
            Piece::Plain(text) => (bytes + text.len() as u64, has_nul),
            Piece::Escaped(character) => (bytes + character.len_utf8() as u64, has_nul || character == '\0'),
        })
    }

    /// Whether it says these bytes.
    pub(super) fn says(self, mut bytes: &[u8]) -> bool {
        self.pieces().all(|piece| {
            let mut written = [0; 4];
            let part = match piece {
                Piece::Plain(text) => text.as_bytes(),
                Piece::Escaped(character) => character.encode_utf8(&mut written).as_bytes(),
            };
            bytes.strip_prefix(part).map(|rest| bytes = rest).is_some()
        }) && bytes.is_empty()
    }

    /// Whether it says what the other says.
    pub(super) fn says_the_same(self, other: JsonText<'_>) -> bool {
        self.0 == other.0 || self.characters().eq(other.characters())
    }

    fn characters(self) -> impl Iterator<Item = char> + 'a {
        self.pieces().flat_map(|piece| {
            let (text, character) = match piece {
                Piece::Plain(text) => (text, None),
                Piece::Escaped(character) => ("", Some(character)),
            };
            text.chars().chain(character)
        })
    }
}

/// What is left of a string.
pub(super) struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\\', self.0.as_bytes()).unwrap_or(self.0.len());
        if end > 0 {
            let (plain, rest) = self.0.split_at(end);
            self.0 = rest;
            return Some(Piece::Plain(plain));
        }
        let character = match self.0.as_bytes().get(1) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => return Some(Piece::Escaped(self.unicode())),
            // A quote, a backslash or a slash.
            Some(other) => char::from(*other),
            None => char::REPLACEMENT_CHARACTER,
        };
        self.0 = self.0.get(2..).unwrap_or_default();
        Some(Piece::Escaped(character))
    }
}

impl Pieces<'_> {
    /// The character of `\uXXXX`, or of a pair of them.
    fn unicode(&mut self) -> char {
        let unit = |text: &str| {
            let digits = text.strip_prefix("\\u")?.get(..4)?;
            u16::from_str_radix(digits, 16).ok()
        };
        let first = unit(self.0);
        self.0 = self.0.get(6..).unwrap_or_default();
        let Some(first) = first else { return char::REPLACEMENT_CHARACTER };
        let second = unit(self.0);
        let units = [Some(first), second];
        let mut characters = char::decode_utf16(units.into_iter().flatten());
        match characters.next() {
            Some(Ok(character)) => {
                if character.len_utf16() == 2 {
                    self.0 = self.0.get(6..).unwrap_or_default();
                }
                character
            }
            _ => char::REPLACEMENT_CHARACTER,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(json: &str) -> String {
        JsonText::written(json).unwrap().characters().collect()
    }

    #[test]
    fn escapes_say_their_character_and_half_a_pair_is_none() {
        assert_eq!(said(r#""a\n\t\r\b\f\"\\\/\u00e9\u0000z""#), "a\n\t\r\u{8}\u{c}\"\\/é\0z");
        assert_eq!(said(r#""\ud83d\ude00 \uD83D\uDE00""#), "😀 😀");
        assert_eq!(said(r#""\ud83d!\ude00\ud83d\u0041""#), "\u{fffd}!\u{fffd}\u{fffd}A");
    }

    #[test]
    fn what_is_not_one_string_is_none() {
        for json in ["", "\"", "1", "null", r#""a","b""#, r#""a\""#, r#""a\"#] {
            assert!(JsonText::written(json).is_none(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn it_says_what_a_parser_reads(text in "(?s).{0,40}", other in "(?s).{0,3}", at in 0_usize..50) {
            let json = serde_json::to_string(&text).unwrap();
            let read = JsonText::written(&json).unwrap();
            prop_assert_eq!(said(&json), text.as_str());
            prop_assert_eq!(read.measure(), (text.len() as u64, text.contains('\0')));
            prop_assert!(read.says(text.as_bytes()));
            let longer = format!("{text}{other}");
            prop_assert_eq!(read.says(longer.as_bytes()), other.is_empty());
            prop_assert_eq!(longer.is_empty() || !read.says(&longer.as_bytes()[1..]) || text.len() < 2, true);
            let (head, all) = read.head(at);
            let end = text.floor_char_boundary(at);
            prop_assert_eq!((head.as_str(), all), (&text[..end], text.len() <= at));
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let escaped = format!("\"{escaped}\"");
            prop_assert!(read.says_the_same(JsonText::written(&escaped).unwrap()));
        }
    }
}
