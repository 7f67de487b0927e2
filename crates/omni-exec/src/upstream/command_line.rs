//! A command line cut into words the way a shell does it. No shell runs: what only a shell could do is refused.

use thiserror::Error;

/// Why a text is no command line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandLineError {
    #[error("the quote {quote} at character {at} has no end")]
    Unclosed { quote: char, at: usize },
    #[error("a backslash at its end stands before nothing")]
    NothingEscaped,
    #[error(
        "`{sign}` at character {at} means something to a shell, and no shell runs: quote it, or write `sh -c '…'`"
    )]
    NeedsShell { sign: char, at: usize },
    #[error(
        "`{name}=…` before a command sets a variable in a shell, and no shell runs: write `env {name}=… COMMAND`"
    )]
    Variable { name: String },
    #[error("it has no words")]
    Empty,
}

/// Cuts a command line into words: white space separates them; single quotes keep everything, double quotes all but
/// `\"`, `\\`, `\$` and `` \` ``; a backslash keeps the next character.
///
/// # Errors
/// A quote without an end, an unquoted sign that a shell would act on (`| & ; < > ( )`, a backquote, `$` before a name, `~`
/// and `#` at the beginning of a word), or `NAME=VALUE` where the program stands.
pub(super) fn split(text: &str) -> Result<Vec<String>, CommandLineError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut signs = (1..).zip(text.chars()).peekable();
    while let Some((at, sign)) = signs.next() {
        match sign {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match signs.next() {
                        Some((_, '\'')) => break,
                        Some((_, sign)) => word.push(sign),
                        None => return Err(CommandLineError::Unclosed { quote: '\'', at }),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match signs.next() {
                        Some((_, '"')) => break,
                        Some((_, '\\')) => match signs.next() {
                            Some((_, sign @ ('"' | '\\' | '$' | '`'))) => word.push(sign),
                            Some((_, sign)) => word.extend(['\\', sign]),
                            None => return Err(CommandLineError::Unclosed { quote: '"', at }),
                        },
                        Some((at, sign @ '`')) => return Err(CommandLineError::NeedsShell { sign, at }),
                        Some((at, sign @ '$')) if expands(signs.peek().map(|(_, sign)| *sign)) => {
                            return Err(CommandLineError::NeedsShell { sign, at });
                        }
                        Some((_, sign)) => word.push(sign),
                        None => return Err(CommandLineError::Unclosed { quote: '"', at }),
                    }
                }
            }
            '\\' => match signs.next() {
                Some((_, sign)) => word.get_or_insert_default().push(sign),
                None => return Err(CommandLineError::NothingEscaped),
            },
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '`' => {
                return Err(CommandLineError::NeedsShell { sign, at });
            }
            '$' if expands(signs.peek().map(|(_, sign)| *sign)) => {
                return Err(CommandLineError::NeedsShell { sign, at });
            }
            '~' | '#' if word.is_none() => return Err(CommandLineError::NeedsShell { sign, at }),
            sign => word.get_or_insert_default().push(sign),
        }
    }
    words.extend(word);
    let first = words.first().ok_or(CommandLineError::Empty)?;
    if let Some(name) = first.split_once('=').map(|(name, _)| name).filter(|name| is_variable(name)) {
        return Err(CommandLineError::Variable { name: name.to_owned() });
    }
    Ok(words)
}

fn is_variable(name: &str) -> bool {
    let word = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
    name.chars().all(word) && name.starts_with(|sign: char| !sign.is_ascii_digit())
}

/// The words as one text that [`split`] cuts again in the same way.
pub(super) fn join(words: &[String]) -> String {
    let plain = |sign: char| sign.is_alphanumeric() || "-_./:=@%+,^".contains(sign);
    let quoted = words.iter().map(|word| match word.chars().all(plain) && !word.is_empty() {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Whether a shell would put something in the place of `$` and what follows.
fn expands(next: Option<char>) -> bool {
    next.is_some_and(|next| {
        next.is_alphanumeric() || matches!(next, '_' | '{' | '(' | '\'' | '"' | '*' | '@')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_a_shell_cuts_them() {
        for (text, expected) in [
            ("npx -y some-server --flag", &["npx", "-y", "some-server", "--flag"][..]),
            ("  a\t b\n", &["a", "b"]),
            ("'a b' \"c d\" e\\ f", &["a b", "c d", "e f"]),
            ("a'b'\"c\"d", &["abcd"]),
            ("'' \"\"", &["", ""]),
            (r#"'\n $HOME' "\n \" \\ \$x""#, &["\\n $HOME", "\\n \" \\ $x"]),
            ("5$ a$ '`|'", &["5$", "a$", "`|"]),
            ("größe \\\u{e9}", &["größe", "é"]),
            ("a~ b#c '~' \\~ d=e", &["a~", "b#c", "~", "~", "d=e"]),
            ("./a=b 1=2 --c=d", &["./a=b", "1=2", "--c=d"]),
        ] {
            assert_eq!(
                split(text).as_deref(),
                Ok(expected.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>().as_slice()),
                "{text}"
            );
        }
    }

    #[test]
    fn words_are_shown_so_that_they_are_cut_again_in_the_same_way() {
        let words = ["sh", "-c", "echo 'a' \"$b\" | c", "", "it's", "é"].map(str::to_owned);
        assert_eq!(split(&join(&words)).as_deref(), Ok(words.as_slice()));
        assert_eq!(join(&words[..2]), "sh -c");
    }

    #[test]
    fn what_cannot_be_cut_is_told_where() {
        let shell = |sign, at| CommandLineError::NeedsShell { sign, at };
        for (text, expected) in [
            ("a 'b", CommandLineError::Unclosed { quote: '\'', at: 3 }),
            ("a \"b\\\"", CommandLineError::Unclosed { quote: '"', at: 3 }),
            ("a \"b\\", CommandLineError::Unclosed { quote: '"', at: 3 }),
            ("a \\", CommandLineError::NothingEscaped),
            ("", CommandLineError::Empty),
            ("  ", CommandLineError::Empty),
            ("a | b", shell('|', 3)),
            ("a > b", shell('>', 3)),
            ("a; b", shell(';', 2)),
            ("é $HOME", shell('$', 3)),
            ("a \"$HOME\"", shell('$', 4)),
            ("a `b`", shell('`', 3)),
            ("a ~/b", shell('~', 3)),
            ("a # b", shell('#', 3)),
            ("A_1=b c", CommandLineError::Variable { name: "A_1".to_owned() }),
        ] {
            assert_eq!(split(text), Err(expected), "{text}");
        }
    }
}
