//! Is a source nested too deeply to be parsed within bounded memory?
//!
//! The parser grows its stack as it must, and the tree it returns is as deep as the source asks for; a
//! megabyte of `(` or `-` would cost gigabytes. The depth of an expression is bounded by the brackets open
//! around it plus the tokens since the last comma at each bracket level, so counting those is enough.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

/// Ten times what hand-written code reaches. Freeing a tree this deep needs well under a megabyte of stack.
const EXPRESSION_DEPTH_MAX: u32 = 1_500;

/// CPython's own limit for blocks within blocks.
const INDENTATION_MAX: u32 = 100;

/// Tells whether `text` is nested deeper than the parser may be given.
pub(super) fn too_deep(text: &str) -> bool {
    let mut lexer = lexer::lex(text, Mode::Module);
    let mut open: Vec<u32> = Vec::new();
    let mut indentation = 0_u32;
    // Depth of the brackets around the current position, and tokens since the last comma inside them.
    let mut around = 0_u32;
    let mut here = 0_u32;
    loop {
        match lexer.next_token() {
            TokenKind::EndOfFile => return false,
            TokenKind::Newline | TokenKind::Semi => {
                open.clear();
                (around, here) = (0, 0);
            }
            TokenKind::Indent => indentation += 1,
            TokenKind::Dedent => indentation = indentation.saturating_sub(1),
            TokenKind::Comma => here = 0,
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => {
                open.push(here);
                around += here + 1;
                here = 0;
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                here = open.pop().unwrap_or(0) + 1;
                around = around.saturating_sub(here);
            }
            TokenKind::Comment | TokenKind::NonLogicalNewline => {}
            _ => here += 1,
        }
        if around + here > EXPRESSION_DEPTH_MAX || indentation > INDENTATION_MAX {
            return true;
        }
    }
}
