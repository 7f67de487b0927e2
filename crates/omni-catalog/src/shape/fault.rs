//! Rules that contradict each other, or the tools there are.

use std::fmt;

use super::rules::Shape;
use super::setting::Setting;
use crate::NameStyle;

/// Clients put no more into a name; MCP itself allows twice as much.
const ALIAS_CHARS_MAX: usize = 64;
const DOTTED_CHARS_MAX: usize = 128;

/// An alias and whose it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aliased {
    pub(super) tool: String,
    pub(super) alias: String,
    pub(super) setting: Setting,
}

/// A rule that cannot be obeyed, as a sentence that names all it concerns and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Only these clients' names are concerned.
    profile: Option<String>,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// No client, or not every one, would take it.
    Misnamed { own: Aliased, why: String },
    /// Several tools have one alias, or such as a client takes for one.
    Twice(Vec<Aliased>),
    /// It is a name of another tool.
    Taken { own: Aliased, other: String },
    /// Each is a name of the next, and the last one of the first.
    Circle(Vec<Aliased>),
}

/// All that is wrong with the rules: one sentence a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub(crate) Vec<Fault>);

impl Fault {
    pub(super) fn twice(tools: Vec<Aliased>) -> Fault {
        Fault { profile: None, what: What::Twice(tools) }
    }

    pub(super) fn taken(own: Aliased, other: String) -> Fault {
        Fault { profile: None, what: What::Taken { own, other } }
    }

    pub(super) fn circle(tools: Vec<Aliased>) -> Fault {
        Fault { profile: None, what: What::Circle(tools) }
    }

    pub(super) fn of(mut self, profile: Option<&str>) -> Fault {
        self.profile = profile.map(str::to_owned);
        self
    }

    /// The tools whose aliases are in question.
    pub(super) fn tools(&self) -> impl Iterator<Item = &str> {
        self.aliased().iter().map(|own| own.tool.as_str())
    }

    fn aliased(&self) -> &[Aliased] {
        match &self.what {
            What::Misnamed { own, .. } | What::Taken { own, .. } => std::slice::from_ref(own),
            What::Twice(tools) | What::Circle(tools) => tools,
        }
    }

    /// Where the first of them is written.
    pub(crate) fn setting(&self) -> Option<&Setting> {
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

impl Shape {
    /// What is wrong with the rules, whatever tools there are.
    pub fn check(&self) -> Faults {
        let mut faults: Vec<Fault> = Vec::new();
        for id in self.ids() {
            let own = self.profile(id).map(|profile| &profile.overrides);
            let common = self.overrides().all().iter().filter(|common| {
                // What the profile says itself stands in its place.
                own.and_then(|own| own.of(&common.tool)).is_none_or(|own| own.alias.is_none())
            });
            for rule in own.into_iter().flat_map(|own| own.all()).chain(common) {
                let Some(alias) = &rule.alias else { continue };
                let Some(why) = alias_problem(&alias.value, self.names(id)) else { continue };
                let own = Aliased {
                    tool: rule.tool.clone(),
                    alias: alias.value.clone(),
                    setting: alias.setting.clone(),
                };
                let profile = (!self.is_one()).then(|| self.name(id).to_owned());
                faults.push(Fault { profile, what: What::Misnamed { own, why } });
            }
        }
        Faults(told_once(faults))
    }
}

/// Without what is said of several profiles in the same words.
pub(super) fn told_once(faults: Vec<Fault>) -> Vec<Fault> {
    let mut told: Vec<Fault> = Vec::new();
    for fault in faults {
        match told.iter_mut().find(|told| told.what == fault.what) {
            Some(told) => told.profile = None,
            None => told.push(fault),
        }
    }
    told
}

impl Faults {
    /// All faults, each once, also where several profiles have it.
    pub(crate) fn of(faults: Vec<Fault>) -> Faults {
        Faults(told_once(faults))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            let line = if at == 0 { "" } else { "\n" };
            write!(f, "{line}{fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(profile) = &self.profile {
            write!(f, "in the profile `{profile}`: ")?;
        }
        match &self.what {
            What::Misnamed { own: Aliased { tool, alias, setting }, why } => {
                write!(f, "{setting} is no name for `{tool}`: `{alias}` {why}")
            }
            What::Twice(tools) => {
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
            What::Taken { own: Aliased { tool, alias, setting }, other } => write!(
                f,
                "the alias `{alias}` of `{tool}` ({setting}) is a name of `{other}`; choose another, or leave `{other}` out \
                 with `filter`"
            ),
            What::Circle(tools) => {
                let steps: Vec<String> = tools
                    .iter()
                    .enumerate()
                    .map(|(at, Aliased { tool, alias, setting })| {
                        let next = &tools[(at + 1) % tools.len()].tool;
                        format!("`{tool}` is to be `{alias}` ({setting}), a name of `{next}`")
                    })
                    .collect();
                write!(f, "aliases go round in a circle: {}; give one of them another", steps.join("; "))
            }
        }
    }
}
