//! A filter: which tools there are.

use super::location::SettingLocation;
use super::pattern::{Pattern, PatternError};
use super::tool_facts::ToolFacts;
use crate::{NameStyle, names};

/// Before the pattern of a tag.
const TAG: &str = "tag:";

/// Patterns of tools that are left out, and with `!` before it of such that are not. Their order means nothing: a tool is
/// left out if a pattern matches it and none with `!` does.
///
/// A pattern matches a tool by its canonical name (`git.log`), the same as clients see it (`git_log`), its skill's folder
/// (`git`) or, after `tag:`, one of its tags. Aliases are not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    rules: Vec<FilterRule>,
}

/// One pattern of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterRule {
    pattern: Pattern,
    is_tag: bool,
    /// It begins with `!`.
    allows: bool,
    setting: SettingLocation,
}

impl FilterRule {
    /// Reads a pattern; `setting` is where it is written.
    ///
    /// # Errors
    ///
    /// When nothing is left to match with, or a character is in it that no name has.
    pub fn new(text: &str, setting: SettingLocation) -> Result<FilterRule, PatternError> {
        let (allows, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let (is_tag, text) = text.strip_prefix(TAG).map_or((false, text), |rest| (true, rest));
        // A tag is any text.
        let pattern = if is_tag { Pattern::of_anything(text)? } else { Pattern::of_names(text)? };
        Ok(FilterRule { pattern, is_tag, allows, setting })
    }

    pub fn setting(&self) -> &SettingLocation {
        &self.setting
    }

    /// As it is written.
    pub fn text(&self) -> String {
        let (not, tag) = (if self.allows { "!" } else { "" }, if self.is_tag { TAG } else { "" });
        format!("{not}{tag}{}", self.pattern.text())
    }

    pub(super) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    pub(super) fn is_tag(&self) -> bool {
        self.is_tag
    }

    pub(super) fn allows(&self) -> bool {
        self.allows
    }

    pub(super) fn matches(&self, tool: &ToolFacts<'_>) -> bool {
        if self.is_tag {
            return tool.tags.iter().any(|tag| self.pattern.matches(tag));
        }
        // People write the name that their client shows: a pattern that is meant to leave a tool out must match that too.
        self.pattern.matches(tool.name)
            || self.pattern.matches(tool.skill)
            || self.pattern.matches(&names::plain(tool.name, NameStyle::Underscore))
    }
}

impl Filter {
    pub fn new(rules: Vec<FilterRule>) -> Filter {
        Filter { rules }
    }

    /// Whether it has no pattern.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The pattern that leaves a tool out, if one does.
    pub(crate) fn blocks(&self, tool: &ToolFacts<'_>) -> Option<&FilterRule> {
        let block = self.rules.iter().find(|rule| !rule.allows && rule.matches(tool))?;
        let allowed = self.rules.iter().any(|rule| rule.allows && rule.matches(tool));
        (!allowed).then_some(block)
    }

    pub(super) fn rules(&self) -> &[FilterRule] {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(patterns: &[&str]) -> Filter {
        let rule =
            |text: &&str| FilterRule::new(text, SettingLocation::new("filter", "omni.toml", 1)).unwrap();
        Filter::new(patterns.iter().map(rule).collect())
    }

    /// What there is, as `name skill tags`.
    const TOOLS: &[(&str, &str, &[&str])] = &[
        ("git.log", "git", &["read"]),
        ("git.push", "git", &["write", "admin"]),
        ("git-lfs.log", "git-lfs", &[]),
        ("github.issue.delete", "github", &["admin"]),
        ("notes.delete", "notes", &["write"]),
        ("ping", "tools", &[]),
        ("größe.messen", "größe", &[]),
    ];

    fn left(patterns: &[&str]) -> Vec<&'static str> {
        let filter = filter(patterns);
        let tools = TOOLS.iter().filter(|(name, skill, tags)| {
            let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            filter.blocks(&ToolFacts { name, skill, tags: &tags }).is_none()
        });
        tools.map(|(name, ..)| *name).collect()
    }

    const ALL: &[&str] = &[
        "git.log",
        "git.push",
        "git-lfs.log",
        "github.issue.delete",
        "notes.delete",
        "ping",
        "größe.messen",
    ];

    fn all_but(out: &[&str]) -> Vec<&'static str> {
        ALL.iter().copied().filter(|name| !out.contains(name)).collect()
    }

    #[test]
    fn twenty_filters_leave_what_they_say() {
        let cases: &[(&[&str], Vec<&str>)] = &[
            // 1: no filter.
            (&[], all_but(&[])),
            // 2–4: a tool, a skill, all.
            (&["git.log"], all_but(&["git.log"])),
            (&["git"], all_but(&["git.log", "git.push"])),
            (&["*"], vec![]),
            // 5–9: wildcards match anything, dots too, and always the whole name; a name is also what clients see.
            (&["git.*"], all_but(&["git.log", "git.push"])),
            (&["git*"], all_but(&["git.log", "git.push", "git-lfs.log", "github.issue.delete"])),
            (&["*.delete"], all_but(&["github.issue.delete", "notes.delete"])),
            (&["git_log", "git-*"], all_but(&["git.log", "git-lfs.log"])),
            (&["git?lfs.*"], all_but(&["git-lfs.log"])),
            // 10–12: case counts, a part is no match, and `?` is one character, whatever its bytes.
            (&["Git.*"], all_but(&[])),
            (&["log", "hub.issue"], all_but(&[])),
            (&["gr??e.messen"], all_but(&["größe.messen"])),
            // 13–16: `!` brings back, wherever it stands; a list of what is allowed is `*` and what is not meant.
            (&["git.*", "!git.log"], all_but(&["git.push"])),
            (&["!git.log", "git.*"], all_but(&["git.push"])),
            (&["*", "!git.*"], vec!["git.log", "git.push"]),
            (&["*", "!git", "!ping"], vec!["git.log", "git.push", "ping"]),
            // 17: what is brought back stays, also where a closer pattern leaves it out.
            (&["*", "!git.*", "git.push"], vec!["git.log", "git.push"]),
            // 18: `!` alone leaves nothing out.
            (&["!git.*"], all_but(&[])),
            // 19–20: tags, alone and against names.
            (&["tag:admin"], all_but(&["git.push", "github.issue.delete"])),
            (&["*", "!tag:read", "!tag:wri*"], vec!["git.log", "git.push", "notes.delete"]),
        ];
        assert_eq!(cases.len(), 20);
        for (patterns, wanted) in cases {
            assert_eq!(left(patterns), *wanted, "{patterns:?}");
            let mut reversed: Vec<&str> = patterns.to_vec();
            reversed.reverse();
            assert_eq!(left(&reversed), *wanted, "{reversed:?}: the order means nothing");
        }
    }

    #[test]
    fn a_tag_is_no_name_and_a_name_no_tag() {
        assert_eq!(left(&["admin", "read"]), all_but(&[]));
        assert_eq!(left(&["tag:git"]), all_but(&[]));
    }

    #[test]
    fn who_blocks_is_told() {
        let filter = filter(&["x", "git.*", "!git.log"]);
        let blocks =
            |name: &str| filter.blocks(&ToolFacts { name, skill: "git", tags: &[] }).map(FilterRule::text);
        assert_eq!(blocks("git.push").as_deref(), Some("git.*"));
        assert_eq!(blocks("git.log"), None);
    }
}
