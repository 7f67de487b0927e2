//! Which characters of a text does its reader not see, and how is the text shown so that none is missed?
//!
//! Text of others reaches a terminal, a log and a model: descriptions, names, results, errors. A control character
//! moves the cursor, a bidirectional one moves the words around it, a tag or a zero-width one is not seen at all. Where
//! people read, such a character is shown by its number; nothing is ever taken away. Scripts and emoji that need one of
//! them keep it where they need it: the tables here say where that is, and everywhere else it is hidden.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

/// A character that its reader does not see, or that changes how others are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Where it begins, in bytes.
    pub at: usize,
    pub character: char,
    pub kind: HiddenKind,
}

/// What a hidden character does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HiddenKind {
    /// A command to a terminal, or a line break that is none of `\n`.
    Control,
    /// Changes the order in which the characters around it are shown.
    Bidi,
    /// A copy of an ASCII character that nobody sees, and models read.
    Tag,
    /// Has no width and no look.
    Invisible,
}

impl HiddenKind {
    /// Says it in a few words: "U+202E: a change of …".
    pub fn what_it_is(self) -> &'static str {
        match self {
            HiddenKind::Control => "a command to a terminal",
            HiddenKind::Bidi => "a change of the order in which text is shown",
            HiddenKind::Tag => "letters that people do not see and models read",
            HiddenKind::Invisible => "nothing that can be seen",
        }
    }
}

/// The characters that a reader of `text` does not see, in order.
///
/// `\n`, `\t` and the `\r` of a Windows line end are none, nor is a byte order mark at the very start, nor what a
/// script or an emoji needs at its place: joiners in Arabic, Persian and the scripts of India, variation selectors
/// behind what has variants, direction marks in lines written from right to left.
pub fn hidden(text: &str) -> impl Iterator<Item = Hidden> + '_ {
    let mut before = None;
    let mut flag_end = 0;
    let mut line = LineDirection::default();
    let clear = is_plain(text);
    text.char_indices().take_while(move |_| !clear).filter_map(move |(at, character)| {
        let preceding = before.replace(character);
        if character == FLAG {
            let rest = &text[at + FLAG.len_utf8()..];
            let tags = FLAG_TAGS.iter().find(|tags| rest.starts_with(**tags));
            flag_end = tags.map_or(flag_end, |tags| at + FLAG.len_utf8() + tags.len());
        }
        if at < flag_end {
            return None;
        }
        let kind = kind(character)?;
        let around = CharInContext { text, at, before: preceding, character };
        (!around.is_needed(&mut line)).then_some(Hidden { at, character, kind })
    })
}

/// A text of several lines as it may be shown to people: line ends and tabs stay, what is hidden is shown by its
/// number, as `\x1b` or `\u{202e}`.
pub fn shown(text: &str) -> Cow<'_, str> {
    rewritten(text, hidden(text).map(|hidden| (hidden.at, hidden.character)), escape)
}

/// A text as it may be shown within one line: like [`shown`], and line ends and tabs are shown as `\n` and `\t`.
pub fn shown_line(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut marked: Vec<(usize, char)> = hidden(text).map(|hidden| (hidden.at, hidden.character)).collect();
    marked.extend(text.char_indices().filter(|(_, character)| matches!(character, '\n' | '\r' | '\t')));
    marked.sort_unstable();
    // A `\r` that ends no line is in both.
    marked.dedup();
    rewritten(text, marked.into_iter(), escape)
}

/// JSON as it may be shown: what is hidden in its strings is written as `\u202e`, which means the same.
///
/// `json` has to be JSON already: outside of strings there is nothing to be hidden but blanks.
pub fn shown_json(json: &str) -> Cow<'_, str> {
    rewritten(json, hidden(json).map(|hidden| (hidden.at, hidden.character)), |character, out| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// Bytes as they may be shown, in several lines: like [`shown`], and what is not UTF-8 is shown as `\xff`.
pub fn shown_bytes(bytes: &[u8]) -> String {
    shown_chunks(bytes, shown)
}

/// A path as it may be shown within one line, back-ticks not included.
pub fn shown_path(path: &Path) -> String {
    shown_chunks(path.as_os_str().as_encoded_bytes(), shown_line)
}

fn shown_chunks(bytes: &[u8], shown: fn(&str) -> Cow<'_, str>) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&shown(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// `text` with each character at one of `places` written by `write` instead.
fn rewritten(
    text: &str,
    places: impl Iterator<Item = (usize, char)>,
    write: fn(char, &mut String),
) -> Cow<'_, str> {
    let mut places = places.peekable();
    if places.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut copied = 0;
    for (at, character) in places {
        out.push_str(&text[copied..at]);
        write(character, &mut out);
        copied = at + character.len_utf8();
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

fn escape(character: char, out: &mut String) {
    let _ = match character {
        '\n' => write!(out, "\\n"),
        '\r' => write!(out, "\\r"),
        '\t' => write!(out, "\\t"),
        character if character.is_ascii() => write!(out, "\\x{:02x}", u32::from(character)),
        character => write!(out, "\\u{{{:x}}}", u32::from(character)),
    };
}

/// Nearly all text: nothing to look at twice.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'))
}

/// What a character does that is hidden where nobody needs it; `None` for one that never is.
fn kind(character: char) -> Option<HiddenKind> {
    Some(match character {
        '\n' | '\t' => return None,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => HiddenKind::Control,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            HiddenKind::Bidi
        }
        '\u{e0000}'..='\u{e007f}' => HiddenKind::Tag,
        _ => {
            let found = INVISIBLE.binary_search_by(|&(first, last)| match character {
                _ if last < character => std::cmp::Ordering::Less,
                _ if first > character => std::cmp::Ordering::Greater,
                _ => std::cmp::Ordering::Equal,
            });
            found.ok()?;
            HiddenKind::Invisible
        }
    })
}

/// Sorted. What Unicode lets a program ignore when it shows text (`Default_Ignorable_Code_Point`), without those above,
/// and the format characters that annotate text.
const INVISIBLE: [(char, char); 22] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200d}'),
    ('\u{2060}', '\u{2065}'),
    ('\u{206a}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{16fe4}', '\u{16fe4}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d159}', '\u{1d159}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0080}', '\u{e00ff}'),
    ('\u{e0100}', '\u{e01ef}'),
    ('\u{e01f0}', '\u{e0fff}'),
    ('\u{10fffe}', '\u{10ffff}'),
];

/// A black flag, which begins the flags of England, Scotland and Wales: the only tags with a use.
const FLAG: char = '\u{1f3f4}';
const FLAG_TAGS: [&str; 3] = [
    "\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// A character that may be hidden, and what stands around it.
struct CharInContext<'a> {
    text: &'a str,
    at: usize,
    character: char,
    before: Option<char>,
}

impl CharInContext<'_> {
    fn after(&self) -> Option<char> {
        self.text[self.at + self.character.len_utf8()..].chars().next()
    }

    /// Whether the script or the emoji at this place needs the character. It must stand directly behind what needs it,
    /// so of several in a row all but the first are hidden.
    fn is_needed(&self, line: &mut LineDirection) -> bool {
        let before = |test: fn(char) -> bool| self.before.is_some_and(test);
        let after = |test: fn(char) -> bool| self.after().is_some_and(test);
        match self.character {
            '\r' => self.after() == Some('\n'),
            '\u{feff}' => self.at == 0,
            '\u{61c}' | '\u{200e}' | '\u{200f}' => {
                !before(is_mark_of_direction) && line.is_rtl(self.text, self.at)
            }
            '\u{200c}' => before(joins),
            '\u{200d}' => before(joins) || (before(ends_an_emoji) && after(is_emoji)),
            '\u{200b}' => before(is_written_without_blanks) && after(is_written_without_blanks),
            '\u{ad}' => before(char::is_alphabetic) && after(char::is_alphabetic),
            '\u{34f}' => before(combines) || after(combines),
            '\u{115f}' => after(|next| matches!(next, '\u{1160}'..='\u{11a7}')),
            '\u{1160}' => before(|previous| matches!(previous, '\u{1100}'..='\u{115f}')),
            '\u{180b}'..='\u{180f}' => {
                before(|previous| matches!(previous, '\u{1807}' | '\u{1820}'..='\u{18aa}'))
            }
            '\u{fe00}'..='\u{fe0f}' => before(has_variants),
            '\u{e0100}'..='\u{e01ef}' => before(is_ideograph),
            '\u{13430}'..='\u{1343f}' => before(|previous| matches!(previous, '\u{13000}'..='\u{1345f}')),
            _ => false,
        }
    }
}

/// What is known of the line that is being read. Looked at once: a line may be long and full of marks.
#[derive(Default)]
struct LineDirection {
    end: usize,
    rtl: bool,
}

impl LineDirection {
    /// Whether anything in the line around `at` is written from right to left.
    fn is_rtl(&mut self, text: &str, at: usize) -> bool {
        if at >= self.end {
            let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
            let line = text[start..].split('\n').next().unwrap_or_default();
            self.end = start + line.len();
            self.rtl = line.chars().any(is_rtl);
        }
        self.rtl
    }
}

fn is_mark_of_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
}

/// Letters of the scripts that are written from right to left.
fn is_rtl(c: char) -> bool {
    !is_mark_of_direction(c)
        && matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// Scripts whose letters join, and in which joiners say how: Arabic and its relatives, those of India and its
/// neighbours, Mongolian.
fn joins(c: char) -> bool {
    c != '\u{61c}'
        && matches!(c, '\u{600}'..='\u{8ff}' | '\u{900}'..='\u{dff}' | '\u{f00}'..='\u{109f}'
            | '\u{1700}'..='\u{17b3}' | '\u{17b6}'..='\u{180a}' | '\u{1810}'..='\u{18af}' | '\u{1900}'..='\u{1cff}'
            | '\u{a800}'..='\u{abff}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
            | '\u{10a00}'..='\u{10fff}' | '\u{11000}'..='\u{11fff}' | '\u{1e900}'..='\u{1e95f}')
}

fn is_emoji(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{21ff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1faff}')
}

/// A joiner between emoji stands behind one, or behind how it is to look.
fn ends_an_emoji(c: char) -> bool {
    is_emoji(c) || c == '\u{fe0f}'
}

/// Thai, Lao, Myanmar, Khmer and their neighbours: a zero-width blank says where a line may break.
fn is_written_without_blanks(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17b3}'
        | '\u{17b6}'..='\u{17ff}' | '\u{1950}'..='\u{19df}' | '\u{1a20}'..='\u{1aaf}' | '\u{a9e0}'..='\u{aa7f}')
}

/// Accents and the points of Hebrew.
fn combines(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{34e}' | '\u{350}'..='\u{36f}' | '\u{591}'..='\u{5bd}' | '\u{5bf}'..='\u{5c7}')
}

/// What has looks to choose from, by Unicode's lists of variation sequences: symbols, emoji, some letters of Asia, and
/// the characters of a telephone's keys.
fn has_variants(c: char) -> bool {
    matches!(c, '0'..='9' | '#' | '*' | '\u{a9}' | '\u{ae}' | '\u{1000}'..='\u{109f}' | '\u{2010}'..='\u{2027}'
        | '\u{2030}'..='\u{205e}' | '\u{20d0}'..='\u{2bff}' | '\u{3001}'..='\u{303f}' | '\u{3200}'..='\u{32ff}'
        | '\u{a840}'..='\u{a87f}' | '\u{aa60}'..='\u{aa7f}' | '\u{ff01}'..='\u{ff60}'
        | '\u{13000}'..='\u{1342f}' | '\u{1f000}'..='\u{1faff}')
        || is_ideograph(c)
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, u32)> {
        hidden(text).map(|hidden| (hidden.at, u32::from(hidden.character))).collect()
    }

    #[test]
    fn what_moves_the_cursor_or_the_words_or_is_not_seen_is_shown_by_its_number() {
        for (text, expected) in [
            ("a\x1b[2Jb", r"a\x1b[2Jb"),
            ("a\u{9b}31mb", r"a\u{9b}31mb"),
            ("a\rb\x08\x7f", r"a\rb\x08\x7f"),
            ("user\u{202e}txt.exe", r"user\u{202e}txt.exe"),
            ("\u{2066}x\u{2069}", r"\u{2066}x\u{2069}"),
            ("a\u{200e}b", r"a\u{200e}b"),
            (
                "a\u{200b}b\u{200c}c\u{200d}d\u{2060}e\u{feff}f",
                r"a\u{200b}b\u{200c}c\u{200d}d\u{2060}e\u{feff}f",
            ),
            ("hi\u{e0049}\u{e0067}", r"hi\u{e0049}\u{e0067}"),
            ("a\u{2028}b\u{2029}c\u{85}d", r"a\u{2028}b\u{2029}c\u{85}d"),
            ("a\u{fe00}\u{fe01}", r"a\u{fe00}\u{fe01}"),
            ("\u{3164}\u{ffa0}\u{115f}", r"\u{3164}\u{ffa0}\u{115f}"),
            ("a\u{e0100}\u{e01ef}", r"a\u{e0100}\u{e01ef}"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn what_scripts_and_emoji_need_is_left_alone() {
        for text in [
            "plain\ttext\nof two lines\r\nand a third",
            "\u{feff}a file with a byte order mark",
            "👩\u{200d}💻 👩🏽\u{200d}🚀 🏳\u{fe0f}\u{200d}🌈 🙂\u{200d}\u{2194}\u{fe0f} ❤\u{fe0f}\u{200d}🔥 1\u{fe0f}\u{20e3}",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "שלום\u{200f} (abc)\u{200e}",
            "עברית וערבית العربية",
            "葛\u{e0100}城 辻\u{fe00}",
            "Donau\u{ad}dampf",
            "ภาษา\u{200b}ไทย",
            "ᠮᠣᠩᠭᠣᠯ\u{180b}",
            "naïve Ωμέγα Ж 日本語 한국어 €",
        ] {
            assert_eq!(found(text), [], "{text:?}");
            assert!(matches!(shown(text), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn what_is_needed_once_is_hidden_when_it_is_repeated_or_out_of_place() {
        for (text, hidden) in [
            ("👩\u{200d}x", 1),
            ("x\u{200d}👩", 1),
            ("👩\u{fe0f}\u{fe0e}\u{fe0d}", 2),
            ("葛\u{e0100}\u{e0101}\u{e0102}", 2),
            ("می\u{200c}\u{200c}\u{200d}", 2),
            ("שלום\u{200f}\u{200f}\u{200f}", 2),
            ("שלום\u{202e}abc\u{202c}", 2),
            ("שלום\nabc\u{200f}", 1),
            ("🏴\u{e0068}\u{e0069}\u{e007f}", 3),
            ("🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}\u{e0068}", 1),
            ("a\u{feff}", 1),
            ("-\u{ad}-", 1),
        ] {
            assert_eq!(found(text).len(), hidden, "{text:?}");
        }
    }

    #[test]
    fn within_one_line_there_is_no_other() {
        assert_eq!(shown_line("a\nerror: b\tc\r\nd\re"), r"a\nerror: b\tc\r\nd\re");
        assert_eq!(shown_line("déjà\u{202e}"), r"déjà\u{202e}");
        assert_eq!(shown_path(Path::new("a\n--> b\x1b")), r"a\n--> b\x1b");
        let path = std::ffi::OsString::from("plain");
        assert_eq!(shown_path(Path::new(&path)), "plain");
        assert_eq!(shown_bytes(b"ok\xffno\x1b"), r"ok\xffno\x1b");
    }

    #[test]
    fn json_means_the_same_as_before() {
        let text = "a\u{202e}b\u{e0041}c\u{7f}d\u{2028}e\x1b";
        let json = serde_json::to_string(text).unwrap();
        let shown = shown_json(&json);
        assert_eq!(shown, r#""a\u202eb\udb40\udc41c\u007fd\u2028e\u001b""#);
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }

    #[test]
    fn every_character_that_unicode_lets_a_program_ignore_is_known() {
        let mut last = '\0';
        for (first, end) in INVISIBLE {
            assert!(last < first && first <= end);
            last = end;
        }
        for character in ['\u{ad}', '\u{200b}', '\u{2064}', '\u{feff}', '\u{fffb}', '\u{e0fff}', '\u{10ffff}']
        {
            assert_eq!(kind(character), Some(HiddenKind::Invisible), "{character:?}");
        }
        for character in ['a', 'é', '\u{a0}', '\u{600}', '\u{2010}', '\u{1f600}', '\u{e000}'] {
            assert_eq!(kind(character), None, "{character:?}");
        }
    }
}
