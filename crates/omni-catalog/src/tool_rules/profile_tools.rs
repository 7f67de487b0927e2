//! The rules applied: which tools a profile shows, under which names, and what each name means.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::conflicts::{self, AliasRule, RuleConflict};
use super::filter::{Filter, FilterRule};
use super::location::Located;
use super::rules::{Override, ProfileId, ToolRules};
use super::tool_facts::ToolFacts;
use crate::NameStyle;
use crate::names;

/// What a profile shows.
#[derive(Debug)]
pub(crate) struct ProfileTools<'a> {
    /// In the order of the tools that there are.
    pub(crate) tools: Vec<ProfileTool<'a>>,
    /// All names by which tools can be called, sorted, each with a place in `tools`. A name that stands there for two tools
    /// means neither.
    pub(crate) names: Vec<(String, usize)>,
    /// Rules that cannot be obeyed: these aliases are not given.
    pub(crate) conflicts: Vec<RuleConflict>,
}

/// A tool that can be called, and what its list says of it.
#[derive(Debug)]
pub(crate) struct ProfileTool<'a> {
    /// Its place among the tools that there are.
    pub(crate) tool: usize,
    /// The name in the list: its alias, else the one on the wire.
    pub(crate) name: String,
    pub(crate) is_aliased: bool,
    /// It is not listed.
    pub(crate) hidden: bool,
    pub(crate) title: Option<&'a str>,
    pub(crate) append_doc: Option<&'a str>,
}

/// The overrides of one tool in a profile: on each point its own counts before the one for everybody.
struct Effective<'a> {
    own: Option<&'a Override>,
    common: Option<&'a Override>,
}

impl<'a> Effective<'a> {
    fn first<T>(&self, point: impl Fn(&'a Override) -> Option<T>) -> Option<T> {
        self.own.and_then(&point).or_else(|| self.common.and_then(&point))
    }
}

impl ToolRules {
    /// What a profile shows of `tools`, which are sorted by name.
    pub(crate) fn profile_tools(&self, id: ProfileId, tools: &[ToolFacts<'_>]) -> ProfileTools<'_> {
        let style = self.names(id);
        let visible: Vec<usize> = (0..tools.len())
            .filter(|tool| tools.get(*tool).is_some_and(|tool| self.filtered(id, tool).is_none()))
            .collect();
        let canonical: Vec<&str> =
            visible.iter().filter_map(|tool| tools.get(*tool)).map(|tool| tool.name).collect();
        let wire = names::wire_names(&canonical, style);
        let own = self.profile(id).map(|profile| &profile.overrides);
        let effective: Vec<Effective<'_>> = canonical
            .iter()
            .map(|name| Effective {
                own: own.and_then(|own| own.of(name)),
                common: self.overrides().of(name),
            })
            .collect();
        let mut aliases: Vec<Option<&Located<String>>> = effective
            .iter()
            .map(|own| own.first(|own| own.alias.as_ref()))
            .map(|alias| alias.filter(|alias| conflicts::alias_problem(&alias.value, style).is_none()))
            .collect();
        let mut keys = names::meanings(&canonical, &wire, style);
        let conflicts = if aliases.iter().any(Option::is_some) {
            let conflicts =
                Collisions { canonical: &canonical, wire: &wire, keys: &keys, style }.of(&aliases);
            for conflict in &conflicts {
                for tool in conflict.tools() {
                    // Sorted, as the tools are.
                    if let Ok(tool) = canonical.binary_search(&tool) {
                        aliases[tool] = None;
                    }
                }
            }
            conflicts
        } else {
            Vec::new()
        };
        let given: HashMap<&str, usize> = aliases
            .iter()
            .enumerate()
            .filter_map(|(tool, alias)| alias.map(|alias| (alias.value.as_str(), tool)))
            .collect();
        // A name in the list means the tool listed under it, also where another tool would have it if it were alone.
        keys.retain(|(name, tool)| given.get(&**name).is_none_or(|given| given == tool));
        let mut names: Vec<(String, usize)> =
            keys.into_iter().map(|(name, tool)| (name.into_owned(), tool)).collect();
        names.extend(given.into_iter().map(|(alias, tool)| (alias.to_owned(), tool)));
        names.sort_unstable();
        names.dedup();
        let shown = visible.iter().zip(wire).zip(&aliases).zip(&effective);
        let tools = shown
            .map(|(((tool, wire), alias), own)| ProfileTool {
                tool: *tool,
                name: alias.map_or(wire, |alias| alias.value.clone()),
                is_aliased: alias.is_some(),
                hidden: own.first(|own| own.hidden).unwrap_or(false),
                title: own.first(|own| own.title.as_deref()),
                append_doc: own.first(|own| own.append_doc.as_deref()),
            })
            .collect();
        let profile = (!self.is_one()).then(|| self.name(id));
        ProfileTools {
            tools,
            names,
            conflicts: conflicts.into_iter().map(|conflict| conflict.of(profile)).collect(),
        }
    }

    /// The pattern by which a profile does not have a tool, if one does.
    pub(crate) fn filtered(&self, id: ProfileId, tool: &ToolFacts<'_>) -> Option<&FilterRule> {
        self.filters_of(id).find_map(|filter: &Filter| filter.blocks(tool))
    }
}

/// The aliases of a profile against each other and against the names that tools have anyway.
struct Collisions<'a> {
    canonical: &'a [&'a str],
    wire: &'a [String],
    keys: &'a [(Cow<'a, str>, usize)],
    style: NameStyle,
}

impl Collisions<'_> {
    fn of(&self, aliases: &[Option<&Located<String>>]) -> Vec<RuleConflict> {
        let aliased = |tool: usize| {
            let alias = aliases.get(tool).copied().flatten()?;
            let name = self.canonical.get(tool)?;
            Some(AliasRule {
                tool: (*name).to_owned(),
                alias: alias.value.clone(),
                setting: alias.setting.clone(),
            })
        };
        let mut conflicts = Vec::new();
        let mut same: BTreeMap<Cow<'_, str>, Vec<usize>> = BTreeMap::new();
        for (tool, alias) in aliases.iter().enumerate() {
            if let Some(alias) = alias {
                same.entry(names::as_clients_compare(&alias.value, self.style)).or_default().push(tool);
            }
        }
        let listed: HashMap<Cow<'_, str>, usize> = self
            .wire
            .iter()
            .enumerate()
            .map(|(tool, name)| (names::as_clients_compare(name, self.style), tool))
            .collect();
        // Each alias is one name, so each tool leads to one other at most.
        let mut next: Vec<Option<usize>> = vec![None; aliases.len()];
        for (alias, tools) in &same {
            if tools.len() > 1 {
                conflicts.push(RuleConflict::twice(tools.iter().filter_map(|tool| aliased(*tool)).collect()));
            }
            for tool in tools {
                next[*tool] = aliases[*tool]
                    .and_then(|written| self.owner(&written.value, *tool))
                    .or_else(|| listed.get(alias).copied().filter(|other| other != tool));
            }
        }
        let in_circle = |start: usize| {
            let mut steps = vec![start];
            let mut at = start;
            while let Some(to) = next.get(at).copied().flatten() {
                if to == start {
                    return Some(steps);
                }
                if steps.contains(&to) {
                    return None;
                }
                steps.push(to);
                at = to;
            }
            None
        };
        for (tool, other) in next.iter().enumerate() {
            let Some(other) = *other else { continue };
            match in_circle(tool) {
                // Each cycle is reported once, from its first tool.
                Some(steps) if steps.iter().min() == Some(&tool) => {
                    conflicts.push(RuleConflict::circle(steps.into_iter().filter_map(aliased).collect()));
                }
                Some(_) => {}
                None => {
                    let other = self.canonical.get(other).map(|name| (*name).to_owned());
                    conflicts
                        .extend(aliased(tool).zip(other).map(|(own, other)| RuleConflict::taken(own, other)));
                }
            }
        }
        conflicts
    }

    /// Another tool that a name means already. What several tools would be called if they were alone may be given to one
    /// of these.
    fn owner(&self, name: &str, tool: usize) -> Option<usize> {
        let from = self.keys.partition_point(|(key, _)| **key < *name);
        let meant: Vec<usize> = self
            .keys
            .get(from..)
            .unwrap_or_default()
            .iter()
            .take_while(|(key, _)| *key == name)
            .map(|(_, tool)| *tool)
            .collect();
        let is_own = meant.contains(&tool);
        meant.into_iter().filter(|other| *other != tool).find(|other| {
            !is_own
                || self.canonical.get(*other).is_some_and(|canonical| *canonical == name)
                || self.wire.get(*other).is_some_and(|wire| wire == name)
        })
    }
}

#[cfg(test)]
mod tests;
