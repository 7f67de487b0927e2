//! Which tools and skills are left out of the catalogue.

use bytes::Bytes;
use serde::Deserialize;

use crate::Skill;
use crate::listing::carries;
use crate::served::{self, Around, Served, ServedTool};

/// Patterns of names: `*` stands for any characters, `?` for one. A tool is left out whose name one of them matches, or
/// whose skill's folder one does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclude {
    patterns: Vec<String>,
}

impl Exclude {
    pub fn new(patterns: Vec<String>) -> Self {
        Exclude { patterns }
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    fn has(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern, name))
    }

    /// The served form without what is left out. Parses every tool's detail, and nothing where nothing is left out.
    pub(crate) fn apply(&self, served: Served) -> Served {
        #[derive(Deserialize)]
        struct Detail {
            run: Run,
        }
        #[derive(Deserialize)]
        struct Run {
            skill: String,
        }
        if self.is_empty() {
            return served;
        }
        let kept: Vec<(String, Bytes, Bytes)> = (0..served.tool_count())
            .filter_map(|tool| {
                let name = served.name(tool)?;
                let detail = served.detail(tool)?;
                let skill = serde_json::from_slice(&detail)
                    .map(|detail: Detail| detail.run.skill)
                    .unwrap_or_default();
                let out = self.has(name) || self.has(&skill);
                (!out).then_some((name.to_owned(), served.listing(tool)?, detail))
            })
            .collect();
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or("{}");
        let tools: Vec<ServedTool<'_>> = kept
            .iter()
            .map(|(name, listing, detail)| ServedTool { name, listing: text(listing), detail: text(detail) })
            .collect();
        let mut skills: Vec<Skill> = serde_json::from_slice(served.skills()).unwrap_or_default();
        skills.retain(|skill| !self.has(&skill.folder));
        let around = Around {
            content: served.content,
            style: served.style,
            carries: carries(&tools),
            skills: &serde_json::to_string(&skills).unwrap_or_else(|_| "[]".to_owned()),
            diagnostics: text(served.diagnostics()),
        };
        // Smaller than what there was, so it fits.
        let file = served::encode(&tools, around).ok();
        file.and_then(|file| Served::decode(file.into(), served.style)).unwrap_or(served)
    }
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
}
