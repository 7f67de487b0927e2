//! Rules that contradict each other, or the tools there are.

use std::fmt;

use super::location::SettingLocation;
use super::rules::ToolRules;
use crate::NameStyle;

/// Clients put no more into a name; MCP itself allows twice as much.
const ALIAS_CHARS_MAX: usize = 64;
const DOTTED_CHARS_MAX: usize = 128;

/// An alias and the tool that is to have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AliasRule {
    pub(super) tool: String,
    pub(super) alias: String,
    pub(super) setting: SettingLocation,
}

/// Rules that cannot be obeyed, as a sentence that names the tools and where the rules are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleConflict {
    /// Only these clients' names are concerned.
    profile: Option<String>,
    what: ConflictKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ConflictKind {
    /// Some clients, or all, would refuse such a name.
    Misnamed { own: AliasRule, why: String },
    /// Several tools have one alias, or aliases that some client does not tell apart.
    Twice(Vec<AliasRule>),
    /// It is a name of another tool.
    Taken { own: AliasRule, other: String },
    /// Each is a name of the next, and the last one of the first.
    Circle(Vec<AliasRule>),
}

/// All that is wrong with the rules: one sentence a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct RuleConflicts(pub(crate) Vec<RuleConflict>);

impl RuleConflict {
    pub(super) fn twice(tools: Vec<AliasRule>) -> RuleConflict {
        RuleConflict { profile: None, what: ConflictKind::Twice(tools) }
    }

    pub(super) fn taken(own: AliasRule, other: String) -> RuleConflict {
        RuleConflict { profile: None, what: ConflictKind::Taken { own, other } }
    }

    pub(super) fn circle(tools: Vec<AliasRule>) -> RuleConflict {
        RuleConflict { profile: None, what: ConflictKind::Circle(tools) }
    }

    pub(super) fn of(mut self, profile: Option<&str>) -> RuleConflict {
        self.profile = profile.map(str::to_owned);
        self
    }

    /// The tools whose aliases are in question.
    pub(super) fn tools(&self) -> impl Iterator<Item = &str> {
        self.aliased().iter().map(|own| own.tool.as_str())
    }

    fn aliased(&self) -> &[AliasRule] {
        match &self.what {
            ConflictKind::Misnamed { own, .. } | ConflictKind::Taken { own, .. } => std::slice::from_ref(own),
            ConflictKind::Twice(tools) | ConflictKind::Circle(tools) => tools,
        }
    }

    /// Where the first of them is written.
    pub(crate) fn setting(&self) -> Option<&SettingLocation> {
        self.aliased().first().map(|own| &own.setting)
    }
}

/// Why a name cannot be an alias in lists of a style: a fragment that follows it.
pub(super) fn alias_problem(alias: &str, style: NameStyle) -> Option<String> {
    let dotted = style != NameStyle::Underscore;
    let takes = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || (dotted && *c == '.');
    let most = if dotted { DOTTED_CHARS_MAX } else { ALIAS_CHARS_MAX };
    if alias.is_empty() {
        return Some("is empty".to_owned());
    }
    if alias.contains('.') && !dotted {
        let plain = crate::names::plain(alias, style);
        return Some(format!(
            "has a dot, which many clients refuse: write `{plain}`, or set `names = \"dotted\"`"
        ));
    }
    if let Some(sign) = alias.chars().find(|c| !takes(c)) {
        return Some(format!("has `{sign}`, and a name has ASCII letters, digits, `_` and `-` only"));
    }
    (alias.len() > most).then(|| format!("has {} characters, and clients take {most}", alias.len()))
}

impl ToolRules {
    /// What is wrong with the rules, whatever tools there are.
    pub fn check(&self) -> RuleConflicts {
        let mut conflicts: Vec<RuleConflict> = Vec::new();
        for id in self.ids() {
            let own = self.profile(id).map(|profile| &profile.overrides);
            let common = self.overrides().all().iter().filter(|common| {
                // An override of the profile replaces the one for everybody.
                own.and_then(|own| own.of(&common.tool)).is_none_or(|own| own.alias.is_none())
            });
            for rule in own.into_iter().flat_map(|own| own.all()).chain(common) {
                let Some(alias) = &rule.alias else { continue };
                let Some(why) = alias_problem(&alias.value, self.names(id)) else { continue };
                let own = AliasRule {
                    tool: rule.tool.clone(),
                    alias: alias.value.clone(),
                    setting: alias.setting.clone(),
                };
                let profile = (!self.is_one()).then(|| self.name(id).to_owned());
                conflicts.push(RuleConflict { profile, what: ConflictKind::Misnamed { own, why } });
            }
        }
        RuleConflicts(once_each(conflicts))
    }
}

/// One conflict where several profiles have the same.
pub(super) fn once_each(conflicts: Vec<RuleConflict>) -> Vec<RuleConflict> {
    let mut unique: Vec<RuleConflict> = Vec::new();
    for conflict in conflicts {
        match unique.iter_mut().find(|unique| unique.what == conflict.what) {
            Some(unique) => unique.profile = None,
            None => unique.push(conflict),
        }
    }
    unique
}

impl RuleConflicts {
    /// All conflicts, each once, also where several profiles have it.
    pub(crate) fn of(conflicts: Vec<RuleConflict>) -> RuleConflicts {
        RuleConflicts(once_each(conflicts))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for RuleConflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, conflict) in self.0.iter().enumerate() {
            let line = if at == 0 { "" } else { "\n" };
            write!(f, "{line}{conflict}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RuleConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(profile) = &self.profile {
            write!(f, "in the profile `{profile}`: ")?;
        }
        match &self.what {
            ConflictKind::Misnamed { own: AliasRule { tool, alias, setting }, why } => {
                write!(f, "{setting} is no name for `{tool}`: `{alias}` {why}")
            }
            ConflictKind::Twice(tools) => {
                let same = tools.windows(2).all(|pair| pair[0].alias == pair[1].alias);
                let names: Vec<String> = tools
                    .iter()
                    .map(|own| match same {
                        true => format!("`{}` ({})", own.tool, own.setting),
                        false => format!("`{}` (`{}`, {})", own.tool, own.alias, own.setting),
                    })
                    .collect();
                match (same, tools.first()) {
                    (true, Some(first)) => {
                        write!(
                            f,
                            "the alias `{}` is given to several tools: {}",
                            first.alias,
                            names.join(", ")
                        )?;
                    }
                    _ => write!(f, "clients take these aliases for one: {}", names.join(", "))?,
                }
                write!(f, "; give each its own")
            }
            ConflictKind::Taken { own: AliasRule { tool, alias, setting }, other } => write!(
                f,
                "the alias `{alias}` of `{tool}` ({setting}) is a name of `{other}`; choose another, or leave `{other}` out \
                 with `filter`"
            ),
            ConflictKind::Circle(tools) => {
                let steps: Vec<String> = tools
                    .iter()
                    .enumerate()
                    .map(|(at, AliasRule { tool, alias, setting })| {
                        let next = &tools[(at + 1) % tools.len()].tool;
                        format!("`{tool}` is to be `{alias}` ({setting}), a name of `{next}`")
                    })
                    .collect();
                write!(f, "aliases go round in a circle: {}; give one of them another", steps.join("; "))
            }
        }
    }
}
