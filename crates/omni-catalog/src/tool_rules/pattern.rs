//! Patterns with `*` and `?`, and the one function that matches them.

use std::str::Chars;

/// The characters that a pattern of tools may hold besides its wildcards: those of names.
fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Why a text is no pattern: a fragment that follows the text itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("is empty; `*` matches every tool")]
    Empty,
    #[error(
        "has `{0}`, which is in no name; a pattern has `*` for any characters, `?` for one, and else a tool's name \
         (`git.log`), a skill's (`git`) or a tag's (`tag:admin`)"
    )]
    NoName(char),
    #[error("begins with `!`, which is for `filter`; put the profile that these clients get before this one")]
    Negated,
}

/// A pattern that the whole of a name must match; upper and lower case are two things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    text: Box<str>,
    chars: Box<[char]>,
}

impl Pattern {
    /// A pattern of names.
    pub(super) fn of_names(text: &str) -> Result<Pattern, PatternError> {
        if let Some(sign) = text.chars().find(|c| !is_name_char(*c) && !matches!(c, '*' | '?')) {
            return Err(PatternError::NoName(sign));
        }
        Pattern::of_anything(text)
    }

    /// A pattern in which every other character stands for itself.
    pub(super) fn of_anything(text: &str) -> Result<Pattern, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        Ok(Pattern { text: text.into(), chars: text.chars().collect() })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The characters before the first wildcard, and whether there is one.
    pub(super) fn literal(&self) -> (&str, bool) {
        match self.text.find(['*', '?']) {
            Some(at) => (self.text.get(..at).unwrap_or_default(), true),
            None => (&self.text, false),
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        matches(&self.chars, name.chars())
    }
}

/// A pattern of clients or principals. Names of clients are compared without case, since each is spelt as its author
/// likes (`Cursor`, `claude-code`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPattern {
    pattern: Pattern,
}

impl ClientPattern {
    /// # Errors
    ///
    /// When it is empty or begins with `!`.
    pub fn new(text: &str) -> Result<ClientPattern, PatternError> {
        if text.starts_with('!') {
            return Err(PatternError::Negated);
        }
        Ok(ClientPattern { pattern: Pattern::of_anything(text)? })
    }

    pub(super) fn matches_client(&self, name: &str) -> bool {
        // A name may be as long as the client likes and is cut before it comes here.
        let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
        let pattern: Vec<char> = lower(&self.pattern.text).chars().collect();
        matches(&pattern, lower(name).chars())
    }

    pub(super) fn matches_principal(&self, principal: &str) -> bool {
        self.pattern.matches(principal)
    }

    /// Whether it matches everybody.
    pub(super) fn is_all(&self) -> bool {
        self.pattern.chars.iter().all(|c| *c == '*')
    }

    /// Whether it certainly matches whatever `other` does, case aside.
    pub(super) fn covers(&self, other: &ClientPattern) -> bool {
        // Its signs are read as characters, and `?` may stand for no more than one: `a?` does not cover `a*`.
        let mine: Vec<char> = self.pattern.text.to_lowercase().chars().collect();
        let theirs = other.pattern.text.to_lowercase();
        matches(&mine, theirs.chars()) && (!mine.contains(&'?') || !theirs.contains('*'))
    }

    /// Whether there may be a principal that it matches: `local`, `token`, `token:NAME`, `unknown` and `user:NUMBER` are all
    /// there are.
    pub(super) fn may_match_a_principal(&self) -> bool {
        let text = &*self.pattern.text;
        let (literal, wild) = text.split_at(text.find(['*', '?']).unwrap_or(text.len()));
        let a_user = match literal.strip_prefix("user:") {
            Some(number) => {
                number.bytes().all(|sign| sign.is_ascii_digit()) && !(number.is_empty() && wild.is_empty())
            }
            None => !wild.is_empty() && "user:".starts_with(literal),
        };
        let a_token = match literal.strip_prefix("token:") {
            Some(name) => !(name.is_empty() && wild.is_empty()),
            None => !wild.is_empty() && "token:".starts_with(literal),
        };
        a_user
            || a_token
            || ["local", "token", "unknown"].into_iter().any(|principal| self.matches_principal(principal))
    }
}

/// Whether a pattern matches the whole of a name. Goes back to the last `*` only, so it takes no more than one length
/// times the other.
fn matches(pattern: &[char], mut name: Chars<'_>) -> bool {
    let mut at = 0;
    // Where the last `*` stands, and the rest of the name after what it has taken.
    let mut star: Option<(usize, Chars<'_>)> = None;
    loop {
        let rest = name.clone();
        let Some(c) = name.next() else { break };
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, rest.clone()));
                at += 1;
                name = rest;
            }
            Some(sign) if *sign == '?' || *sign == c => at += 1,
            _ => match &mut star {
                Some((star_at, taken)) => {
                    taken.next();
                    at = *star_at + 1;
                    name = taken.clone();
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|sign| *sign == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_name() {
        let matches =
            |pattern: &str, name: &str| matches(&pattern.chars().collect::<Vec<char>>(), name.chars());
        for (pattern, name) in [
            ("git", "git"),
            ("git.*", "git.log"),
            ("*.delete", "a.b.delete"),
            ("*", ""),
            ("a?c*", "abc"),
            ("*a*b*", "xaxbx"),
            ("*ab", "aab"),
            ("größe.?", "größe.ß"),
            ("**", "x"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("git", "git.log"),
            ("git", "gi"),
            ("*.x", "a.y"),
            ("", "a"),
            ("a?", "a"),
            ("Git", "git"),
            ("a?", "abc"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(2_000), &"b".repeat(5_000)), "in no time");
    }

    #[test]
    fn what_other_programs_take_for_a_pattern_is_refused_and_not_matched_in_vain() {
        for (text, sign) in [("^git", '^'), ("[ab].*", '['), ("{a,b}.x", '{'), ("git/*", '/'), ("a b", ' ')] {
            assert_eq!(Pattern::of_names(text), Err(PatternError::NoName(sign)), "{text}");
        }
        assert_eq!(Pattern::of_names(""), Err(PatternError::Empty));
        assert_eq!(ClientPattern::new("!cursor").unwrap_err(), PatternError::Negated);
    }

    #[test]
    fn clients_are_matched_without_case_and_principals_with_it() {
        let pattern = |text: &str| ClientPattern::new(text).unwrap();
        assert!(pattern("cursor*").matches_client("Cursor-VSCode"));
        assert!(pattern("Visual Studio Code").matches_client("visual studio code"));
        assert!(!pattern("cursor").matches_client("cursor-vscode"));
        assert!(pattern("user:ada").matches_principal("user:ada"));
        assert!(!pattern("user:ada").matches_principal("user:Ada"));
        assert!(!pattern("token").matches_principal("token:ci"), "a token with a name has that");
        for (text, may) in
            [("token:ci", true), ("token:*", true), ("tok*", true), ("token:", false), ("tokens", false)]
        {
            assert_eq!(pattern(text).may_match_a_principal(), may, "{text}");
        }
    }
}
