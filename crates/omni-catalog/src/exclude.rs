//! Which tools and skills are left out of the catalogue.

use crate::{Diagnostic, Severity, similar};

/// Patterns of names: `*` stands for any characters, `?` for one. A tool is left out that one of them matches: its
/// canonical name, its name in the list, or its skill's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclude {
    patterns: Vec<Pattern>,
}

/// A pattern, and where somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub text: String,
    /// The settings file; empty where it is not known.
    pub file: String,
    /// Counted from 1; 0 where it is not known.
    pub line: u32,
}

impl Exclude {
    pub fn new(patterns: Vec<Pattern>) -> Self {
        Exclude { patterns }
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Pattern {
        Pattern { text: text.to_owned(), file: String::new(), line: 0 }
    }
}

/// Which patterns have left something out.
pub(crate) struct Hits<'a> {
    exclude: &'a Exclude,
    hit: Vec<bool>,
}

impl<'a> Hits<'a> {
    pub(crate) fn new(exclude: &'a Exclude) -> Hits<'a> {
        Hits { exclude, hit: vec![false; exclude.patterns.len()] }
    }

    /// Whether any pattern matches any of the names of one thing.
    pub(crate) fn has(&mut self, names: &[&str]) -> bool {
        let mut out = false;
        for (pattern, hit) in self.exclude.patterns.iter().zip(&mut self.hit) {
            if names.iter().any(|name| matches(&pattern.text, name)) {
                *hit = true;
                out = true;
            }
        }
        out
    }

    /// A finding for each pattern that has left nothing out: most likely a slip, and then something is served that
    /// somebody did not want to be. The nearest of the names is offered.
    pub(crate) fn without_any<'n>(
        &self,
        tools: &[&'n str],
        skills: impl Iterator<Item = &'n str>,
    ) -> Vec<Diagnostic> {
        let missed = self.exclude.patterns.iter().zip(&self.hit).filter(|(_, hit)| !**hit);
        let missed: Vec<&Pattern> = missed.map(|(pattern, _)| pattern).collect();
        if missed.is_empty() {
            return Vec::new();
        }
        let names: Vec<&str> = skills.chain(tools.iter().copied()).collect();
        let finding = |pattern: &Pattern| Diagnostic {
            severity: Severity::Warning,
            skill: String::new(),
            file: if pattern.file.is_empty() { "exclude".to_owned() } else { pattern.file.clone() },
            line: pattern.line,
            column: pattern.line.min(1),
            code: "exclude-matches-nothing".to_owned(),
            message: format!("`exclude` names `{}`, and no tool and no skill is called so", pattern.text),
            help: Some(match nearest(&pattern.text, &names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "`omni list` shows the names of tools; a skill has the name of its folder".to_owned(),
            }),
        };
        missed.into_iter().map(finding).collect()
    }
}

/// What a pattern was probably to match. Its stars stay where they stand at an end, since so much of it was meant.
fn nearest(pattern: &str, names: &[&str]) -> Option<String> {
    let bare = pattern.trim_matches('*').trim_end_matches('.');
    if let Some(meant) = similar::closest(bare, names.iter().copied()) {
        return Some(meant.to_owned());
    }
    // `note.*` is meant for the tools of `notes`.
    let (skill, command) = bare.split_once('.')?;
    let skills = names.iter().filter_map(|name| name.split_once('.')).map(|(skill, _)| skill);
    similar::closest(skill, skills).map(|skill| format!("{skill}.{command}"))
}

/// Whether a pattern matches the whole of a name. Goes back to the last `*` only, so it takes no more than one length
/// times the other.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(sign) if *sign == '?' || Some(sign) == name.get(from) => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    from = taken + 1;
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
        for (pattern, name) in [
            ("git", "git"),
            ("git.*", "git.log"),
            ("*.delete", "a.b.delete"),
            ("*", ""),
            ("a?c*", "abc"),
            ("*a*b*", "xaxbx"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("git", "git.log"), ("git", "gi"), ("*.x", "a.y"), ("", "a"), ("a?", "a"), ("Git", "git")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(2_000), &"b".repeat(5_000)), "in no time");
    }

    #[test]
    fn a_pattern_that_leaves_nothing_out_is_named_with_its_place_and_what_was_meant() {
        let pattern = |text: &str, line| Pattern { text: text.into(), file: "/omni.toml".into(), line };
        let exclude = Exclude::new(vec![
            pattern("git", 1),
            pattern("note.*", 2),
            pattern("zzz", 3),
            pattern("git_log", 4),
        ]);
        let mut hits = Hits::new(&exclude);
        assert!(hits.has(&["git.status", "git_status", "git"]));
        assert!(!hits.has(&["notes.save", "notes_save", "notes"]));
        let found = hits.without_any(&["git.log", "notes.save"], ["git", "notes"].into_iter());
        let said: Vec<(u32, &str)> =
            found.iter().map(|found| (found.line, found.help.as_deref().unwrap())).collect();
        assert_eq!(said[0], (2, "did you mean `notes`?"));
        assert_eq!((said[1].0, said[1].1.contains("omni list")), (3, true));
        assert_eq!(said[2], (4, "did you mean `git.log`?"));
        assert!(found[0].message.contains("`note.*`") && found[0].file == "/omni.toml");
    }
}
