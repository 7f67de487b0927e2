//! What in a Rust file is code, what is text in quotes, and what belongs to its tests.
//!
//! A small lexer, not a parser: enough that a rule about code is not tripped by a comment, and a rule
//! about strings not by code. Both views keep every byte's place, so a hit has its true line.

use std::ops::Range;

/// One file in two views of equal length, in which everything else is blank.
pub(crate) struct RustText {
    /// Code outside tests, without comments and without the contents of literals.
    pub(crate) code: String,
    /// The contents of string literals outside tests.
    pub(crate) strings: String,
}

impl RustText {
    pub(crate) fn of(source: &str) -> Self {
        let (mut code, mut strings) = views(source.as_bytes());
        for range in test_items(&code) {
            blank(&mut code, range.clone());
            blank(&mut strings, range);
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        RustText { code: text(code), strings: text(strings) }
    }
}

/// Splits the source into its two views. Bytes outside ASCII are blanked in code, where none of our
/// patterns has any.
fn views(source: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let empty: Vec<u8> = source.iter().map(|&byte| if byte == b'\n' { b'\n' } else { b' ' }).collect();
    let (mut code, mut strings) = (empty.clone(), empty);
    let mut at = 0;
    while at < source.len() {
        let (kind, end) = token(source, at);
        let view = match kind {
            Token::Code => Some(&mut code),
            Token::Text => Some(&mut strings),
            Token::Silent => None,
        };
        if let Some(view) = view {
            for place in at..end {
                view[place] = if source[place].is_ascii() { source[place] } else { b'?' };
            }
        }
        at = end;
    }
    (code, strings)
}

enum Token {
    Code,
    /// A string literal, quotes and prefix included.
    Text,
    /// A comment or a character.
    Silent,
}

/// The token that starts at `at` and where it ends (always further on).
fn token(source: &[u8], at: usize) -> (Token, usize) {
    let rest = &source[at..];
    let after_word = at > 0 && is_word(source[at - 1]);
    if rest.starts_with(b"//") {
        return (Token::Silent, at + line_end(rest));
    }
    if rest.starts_with(b"/*") {
        return (Token::Silent, at + block_comment_end(rest));
    }
    if !after_word && let Some(end) = raw_string_end(rest) {
        return (Token::Text, at + end);
    }
    match rest[0] {
        b'"' => (Token::Text, at + quoted_end(rest, b'"')),
        b'\'' if is_character(rest) => (Token::Silent, at + quoted_end(rest, b'\'')),
        _ => (Token::Code, at + 1),
    }
}

/// Whether a name may have this sign, be it of Rust or of Python.
pub(crate) fn is_in_name(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_end(rest: &[u8]) -> usize {
    rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())
}

/// Block comments nest.
fn block_comment_end(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Where a raw string (`r"…"`, `br##"…"##`) ends, if one starts here.
fn raw_string_end(rest: &[u8]) -> Option<usize> {
    let prefix = [&b"r"[..], b"br", b"cr"].into_iter().find(|prefix| rest.starts_with(prefix))?.len();
    let hashes = rest[prefix..].iter().take_while(|&&byte| byte == b'#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let close = [b"\"", &b"#".repeat(hashes)[..]].concat();
    let length = rest[open + 1..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(rest.len(), |length| open + 1 + length + close.len()))
}

/// Where a literal in `quote`s ends, minding backslashes.
fn quoted_end(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Tells `'x'` and `'\n'` from the lifetime `'x`.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(byte) if byte.is_ascii() => rest.get(2) == Some(&b'\''),
        Some(_) => true,
        None => false,
    }
}

/// The items under `#[cfg(test)]`, attribute included.
fn test_items(code: &[u8]) -> Vec<Range<usize>> {
    const ATTRIBUTE: &[u8] = b"#[cfg(test)]";
    let mut items: Vec<Range<usize>> = Vec::new();
    for start in 0..code.len() {
        let inside_last = items.last().is_some_and(|last| last.contains(&start));
        if !inside_last && code[start..].starts_with(ATTRIBUTE) {
            items.push(start..item_end(code, start + ATTRIBUTE.len()));
        }
    }
    items
}

/// Where the item that begins after `from` ends: behind its body's last brace, or its semicolon.
fn item_end(code: &[u8], from: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && *byte == b'}' {
                    return at + 1;
                }
            }
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

fn blank(view: &mut [u8], range: Range<usize>) {
    for byte in &mut view[range] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_neither_code_nor_text() {
        let text = RustText::of("a(); // Instant::now()\n/* b /* \"c\" */ d */ e(\"f\");");
        assert!(text.code.contains("a();") && text.code.contains("e("));
        assert!(!text.code.contains("now") && !text.code.contains('d'));
        assert!(text.strings.contains("\"f\"") && !text.strings.contains('c'));
    }

    #[test]
    fn a_literal_is_text_and_ends_where_rust_says() {
        let text = RustText::of(r####"x("a\"b", r#"c"d"#, b"e", 'f', '"', '\'', g);"####);
        assert!(text.code.contains("x(") && text.code.contains("g);"), "{}", text.code);
        for inner in ["a\\\"b", "c\"d", "\"e\""] {
            assert!(text.strings.contains(inner), "{inner}: {}", text.strings);
        }
        assert!(!text.strings.contains('g'));
    }

    #[test]
    fn a_lifetime_does_not_open_a_literal() {
        let text = RustText::of("fn a<'b>(c: &'b str) -> &'b str { exit() }");
        assert!(text.code.contains("exit()"));
    }

    #[test]
    fn test_items_are_left_out_and_what_follows_them_is_not() {
        let source = "fn a() { one(); }\n#[cfg(test)]\nuse x::{y, z};\n#[cfg(test)]\nmod tests {\n    fn b() { two(\"t\"); }\n}\nfn c() { three(\"s\"); }";
        let text = RustText::of(source);
        assert!(text.code.contains("one()") && text.code.contains("three("));
        assert!(!text.code.contains("two") && !text.strings.contains("\"t\""));
        assert!(text.strings.contains("\"s\""));
    }

    #[test]
    fn every_line_keeps_its_number() {
        let source = "let é = \"a\nb\";\n// ü\nhere();";
        let text = RustText::of(source);
        assert_eq!(text.code.lines().position(|line| line.contains("here")), Some(3));
        assert_eq!(text.strings.len(), source.len());
    }
}
