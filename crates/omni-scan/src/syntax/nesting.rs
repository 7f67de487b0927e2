//! Is a source nested too deeply to be parsed within bounded memory?
//!
//! The parser grows its stack as it must, and the tree it returns is as deep as the source asks for; a
//! megabyte of `(` or `-` would cost gigabytes. The depth of an expression is bounded by the brackets open
//! around it, the tokens since the last comma at each bracket level, and the lambdas of the statement (whose
//! commas end nothing), so counting those is enough.
//!
//! The lexer counts exactly but costs a third of a parse. A plain walk over the bytes settles ordinary files
//! first; wherever it could disagree with the lexer about where a string ends, it gives up.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

/// Ten times what hand-written code reaches. Freeing a tree this deep needs well under a megabyte of stack.
const EXPRESSION_DEPTH_MAX: u32 = 1_500;

/// CPython's own limit for blocks within blocks.
const INDENTATION_MAX: u32 = 100;

/// Tells whether `text` is nested deeper than the parser may be given.
pub(crate) fn too_deep(text: &str) -> bool {
    !plainly_shallow(text.as_bytes()) && counted_too_deep(text)
}

/// Depth of one statement so far.
#[derive(Default)]
struct Depth {
    /// Tokens since the last comma, of each bracket level that is open.
    open: Vec<u32>,
    /// What the open levels add up to.
    around: u32,
    here: u32,
    lambdas: u32,
}

impl Depth {
    fn token(&mut self) {
        self.here += 1;
    }

    fn comma(&mut self) {
        self.here = 0;
    }

    fn open(&mut self) {
        self.open.push(self.here);
        self.around += self.here + 1;
        self.here = 0;
    }

    fn close(&mut self) {
        let before = self.open.pop();
        self.here = before.unwrap_or(0) + 1;
        if before.is_some() {
            self.around = self.around.saturating_sub(self.here);
        }
    }

    /// The end of a line or a semicolon, which end a statement outside brackets.
    fn end(&mut self) {
        if self.open.is_empty() {
            (self.around, self.here, self.lambdas) = (0, 0, 0);
        }
    }

    fn excessive(&self) -> bool {
        self.around + self.here + self.lambdas > EXPRESSION_DEPTH_MAX
    }
}

fn counted_too_deep(text: &str) -> bool {
    let mut lexer = lexer::lex(text, Mode::Module);
    let mut depth = Depth::default();
    let mut indentation = 0_u32;
    loop {
        match lexer.next_token() {
            TokenKind::EndOfFile => return false,
            TokenKind::Newline | TokenKind::Semi => depth.end(),
            TokenKind::Indent => indentation += 1,
            TokenKind::Dedent => indentation = indentation.saturating_sub(1),
            TokenKind::Comma => depth.comma(),
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => depth.open(),
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => depth.close(),
            TokenKind::Comment | TokenKind::NonLogicalNewline | TokenKind::String => {}
            TokenKind::Lambda => depth.lambdas += 1,
            _ => depth.token(),
        }
        if depth.excessive() || indentation > INDENTATION_MAX {
            return true;
        }
    }
}

/// Walks over the bytes. `true` is certain; `false` means that the lexer has to look.
fn plainly_shallow(text: &[u8]) -> bool {
    let mut depth = Depth::default();
    let mut at = 0;
    let mut line_start = 0;
    while let Some(byte) = text.get(at).copied() {
        match byte {
            b' ' | b'\t' | b'\x0c' => {
                at += 1;
                if at - line_start > INDENTATION_MAX as usize && blank(&text[line_start..at]) {
                    return false;
                }
                continue;
            }
            b'\n' | b'\r' => {
                depth.end();
                line_start = at + 1;
            }
            b'\\' => {
                // A line that goes on: its end is no end.
                at +=
                    if text.get(at + 1) == Some(&b'\r') && text.get(at + 2) == Some(&b'\n') { 3 } else { 2 };
                continue;
            }
            b'#' => {
                at += text[at..].iter().take_while(|byte| !matches!(byte, b'\n' | b'\r')).count();
                continue;
            }
            b'"' | b'\'' => match string(text, at, 0, &mut depth) {
                Some(end) => {
                    at = end;
                    continue;
                }
                None => return false,
            },
            b',' => depth.comma(),
            b';' => depth.end(),
            b'(' | b'[' | b'{' => depth.open(),
            b')' | b']' | b'}' => depth.close(),
            b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => {
                let length = text[at..].iter().take_while(|byte| word(**byte)).count();
                let quoted = matches!(text.get(at + length), Some(b'"' | b'\''));
                if quoted {
                    // `1f"…"` is a number and a string for the lexer; such a file is not ordinary.
                    if byte.is_ascii_digit() {
                        return false;
                    }
                    let prefix = if length <= 2 { length } else { 0 };
                    match string(text, at + length, prefix, &mut depth) {
                        Some(end) => at = end,
                        None => return false,
                    }
                    depth.token();
                    if depth.excessive() {
                        return false;
                    }
                    continue;
                }
                if &text[at..at + length] == b"lambda" {
                    depth.lambdas += 1;
                } else {
                    depth.token();
                }
                at += length;
                if depth.excessive() {
                    return false;
                }
                continue;
            }
            _ => depth.token(),
        }
        at += 1;
        if depth.excessive() {
            return false;
        }
    }
    true
}

fn word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

fn blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\x0c'))
}

/// The index behind the string whose quote is at `at` and whose prefix has `prefix` bytes; `None` when the
/// lexer might see another end.
fn string(text: &[u8], at: usize, prefix: usize, depth: &mut Depth) -> Option<usize> {
    let quote = text[at];
    let triple = text.get(at + 1) == Some(&quote) && text.get(at + 2) == Some(&quote);
    let start = if triple { at + 3 } else { at + 1 };
    let mut end = start;
    loop {
        match text.get(end) {
            None => break,
            Some(b'\\') => end += 2,
            Some(b'\n' | b'\r') if !triple => break,
            Some(byte) if *byte == quote => {
                if !triple || (text.get(end + 1) == Some(&quote) && text.get(end + 2) == Some(&quote)) {
                    break;
                }
                end += 1;
            }
            Some(_) => end += 1,
        }
    }
    let end = end.min(text.len());
    let interpolated = text[at - prefix..at].iter().any(|byte| matches!(byte, b'f' | b'F' | b't' | b'T'));
    if interpolated {
        fields(&text[start..end])?;
        // What is in the braces is at most as deep as it is long.
        let size = u32::try_from(end - start).unwrap_or(EXPRESSION_DEPTH_MAX);
        if text[start..end].contains(&b'{') && depth.around + depth.here + size > EXPRESSION_DEPTH_MAX {
            return None;
        }
    }
    let closed = if triple { 3 } else { usize::from(text.get(end) == Some(&quote)) };
    Some((end + closed).min(text.len()))
}

/// Checks that the braces of an f-string's text pair up and hide no quote: then the lexer ends the string
/// where a plain string would end.
fn fields(text: &[u8]) -> Option<()> {
    let mut level = 0_u32;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, level) {
            (b'{' | b'}', 0) if text.get(at + 1) == Some(byte) => at += 1,
            (b'{', _) => level += 1,
            (b'}', _) => level = level.checked_sub(1)?,
            (b'"' | b'\'', 1..) => {
                let inner = &text[at + 1..];
                let length = inner.iter().position(|found| found == byte)?;
                if inner[..length].iter().any(|byte| matches!(byte, b'\n' | b'\r' | b'\\')) {
                    return None;
                }
                at += length + 1;
            }
            (b'\\' | b'#', 1..) => return None,
            _ => {}
        }
        at += 1;
    }
    (level == 0).then_some(())
}

#[cfg(test)]
mod tests {
    use super::{counted_too_deep, plainly_shallow};

    #[test]
    fn ordinary_files_need_no_lexer() {
        for text in [
            "x = f\"{a} and {b['c']} {{}} {d:>{width}}\"\n",
            "'''doc ( [ {'''\nx = r'\\'\ny = \"it's\" # (((\n",
            "def f(a, b):\n    return f'{\", \".join(a)}'\n",
            "x = 'a' \\\n  'b'\n",
        ] {
            assert!(plainly_shallow(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn strings_that_the_lexer_may_end_elsewhere_are_left_to_it() {
        for text in
            ["x = f\"{d[\"a\"]}\"\n", "x = f\"}{\" + y", "x = f'{a # b}'", "x = 1f'{a}'", "x = f'{'{'}'"]
        {
            assert!(!plainly_shallow(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_is_too_deep_for_the_lexer_is_never_plainly_shallow() {
        for part in [
            "(",
            "[",
            "-",
            "not ",
            "a.",
            "a[",
            "f'{",
            "f\"{-",
            "lambda: ",
            "lambda a, b: ",
            "1 if 1 else ",
            "{1: ",
            "x = (\n",
            "f'{(' '",
            "\"(\" (",
            "#(\n(",
            "(\\\n",
        ] {
            let text = part.repeat(2_000);
            assert!(!(plainly_shallow(text.as_bytes()) && counted_too_deep(&text)), "{part}");
        }
    }
}
