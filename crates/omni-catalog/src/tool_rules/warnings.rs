//! Rules without effect: no client or no tool matches them.

use super::filter::{Filter, FilterRule};
use super::location::SettingLocation;
use super::rules::{Profile, ToolRules};
use super::tool_facts::ToolFacts;
use crate::similar;

/// A rule without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleWarning {
    pub(crate) setting: SettingLocation,
    /// A fragment that names what is concerned.
    pub(crate) message: String,
    pub(crate) help: String,
}

impl ToolRules {
    /// The rules that change nothing, with `tools` being all there are, sorted by name. Compares each with all of them:
    /// for a start and for the doctor.
    pub(crate) fn without_effect(&self, tools: &[ToolFacts<'_>]) -> Vec<RuleWarning> {
        let known = ToolNames { tools };
        let mut warnings = Vec::new();
        for filter in self.filters() {
            warnings.extend(known.nothing_left_out(filter));
            known.nothing_matched(filter, &mut warnings);
        }
        for profile in self.profiles() {
            let before = warnings.len();
            self.nothing_brought_back(&profile.filter, tools, &mut warnings);
            if warnings.len() == before {
                warnings.extend(known.nothing_left_out(&profile.filter));
            }
            known.nothing_matched(&profile.filter, &mut warnings);
        }
        let overrides = self.profiles().flat_map(|profile| profile.overrides.all());
        for own in self.overrides().all().iter().chain(overrides) {
            let tool = tools.binary_search_by(|tool| tool.name.cmp(&own.tool));
            let Some(tool) = tool.ok().and_then(|at| tools.get(at)) else {
                warnings.push(RuleWarning {
                    setting: own.setting.clone(),
                    message: format!("there is no tool `{}`", own.tool),
                    help: self.tool_with_alias(&own.tool).unwrap_or_else(|| known.tool_meant(&own.tool)),
                });
                continue;
            };
            if let Some(rule) = self.common_filters().find_map(|filter| filter.blocks(tool)) {
                warnings.push(RuleWarning {
                    setting: own.setting.clone(),
                    message: format!("nobody has the tool `{}`", own.tool),
                    help: format!("the pattern `{}` of {} leaves it out", rule.text(), rule.setting()),
                });
            }
        }
        self.profiles_of_nobody(&mut warnings);
        warnings
    }

    /// Patterns with `!` of a profile that bring back what nobody has.
    fn nothing_brought_back(
        &self,
        filter: &Filter,
        tools: &[ToolFacts<'_>],
        warnings: &mut Vec<RuleWarning>,
    ) {
        for rule in filter.rules().iter().filter(|rule| rule.allows()) {
            let mut by = None;
            for tool in tools.iter().filter(|tool| rule.matches(tool)) {
                by = self.common_filters().find_map(|filter| filter.blocks(tool));
                if by.is_none() {
                    break;
                }
            }
            if let Some(by) = by {
                warnings.push(RuleWarning {
                    setting: rule.setting().clone(),
                    message: format!("`{}` brings nothing back", rule.text()),
                    help: format!(
                        "the pattern `{}` of {} is for everybody, and no profile brings back what it leaves out",
                        by.text(),
                        by.setting()
                    ),
                });
            }
        }
    }

    /// What to say of a name that is no tool's own, and an alias.
    fn tool_with_alias(&self, name: &str) -> Option<String> {
        let overrides = self.profiles().flat_map(|profile| profile.overrides.all());
        let mut all = self.overrides().all().iter().chain(overrides);
        let own = all.find(|own| own.alias.as_ref().is_some_and(|alias| alias.value == name))?;
        Some(format!("that is the alias of `{0}`: write `[overrides.\"{0}\"]`", own.tool))
    }

    /// Profiles that no client gets.
    fn profiles_of_nobody(&self, warnings: &mut Vec<RuleWarning>) {
        let profiles = || self.profiles().filter(|profile| profile.name != super::rules::DEFAULT);
        for (at, profile) in profiles().enumerate() {
            let mut nobody = |help| {
                let message = format!("no client gets the profile `{}`", profile.name);
                warnings.push(RuleWarning { setting: profile.setting.clone(), message, help });
            };
            if let Some(before) = profiles().take(at).find(|before| before.covers(profile)) {
                nobody(if before.clients.iter().any(super::ClientPattern::is_all) {
                    format!("`{}` before it is for everybody; put it after this one", before.name)
                } else {
                    format!(
                        "`{}` before it is for all that this one is for; put it after this one",
                        before.name
                    )
                });
            } else if !profile.principals.is_empty()
                && !profile.principals.iter().any(super::ClientPattern::may_match_a_principal)
            {
                nobody(
                    "`principals` are `local`, `token:NAME`, `token`, and `user:NUMBER` as `id -u` tells it"
                        .to_owned(),
                );
            }
        }
    }
}

impl Profile {
    /// Whether every client that `other` is for gets this profile.
    fn covers(&self, other: &Profile) -> bool {
        let all = |mine: &[super::ClientPattern], theirs: &[super::ClientPattern]| {
            mine.is_empty()
                || !theirs.is_empty()
                    && theirs.iter().all(|theirs| mine.iter().any(|mine| mine.covers(theirs)))
        };
        // A profile with neither pattern is chosen by `--profile` only, so it takes no client from another.
        let has_any = |profile: &Profile| !(profile.clients.is_empty() && profile.principals.is_empty());
        has_any(self)
            && has_any(other)
            && all(&self.clients, &other.clients)
            && all(&self.principals, &other.principals)
    }
}

struct ToolNames<'a> {
    tools: &'a [ToolFacts<'a>],
}

impl ToolNames<'_> {
    /// A filter that only brings back.
    fn nothing_left_out(&self, filter: &Filter) -> Option<RuleWarning> {
        let rules = filter.rules();
        let first = rules.first().filter(|_| rules.iter().all(FilterRule::allows))?;
        Some(RuleWarning {
            setting: first.setting().clone(),
            message: format!(
                "`{}` leaves nothing out: `!` takes back what another pattern left out",
                first.text()
            ),
            help: format!("`[\"*\", \"{}\"]` leaves all others out", first.text()),
        })
    }

    fn nothing_matched(&self, filter: &Filter, warnings: &mut Vec<RuleWarning>) {
        for rule in filter.rules() {
            if !self.tools.iter().any(|tool| rule.matches(tool)) {
                warnings.push(RuleWarning {
                    setting: rule.setting().clone(),
                    message: format!(
                        "`{}` matches {}",
                        rule.text(),
                        if rule.is_tag() { "no tag" } else { "no tool" }
                    ),
                    help: self.pattern_meant(rule),
                });
            }
        }
    }

    fn pattern_meant(&self, rule: &FilterRule) -> String {
        let (text, not) = (rule.pattern().text(), if rule.allows() { "!" } else { "" });
        if rule.is_tag() {
            let tags = || self.tools.iter().flat_map(|tool| tool.tags).map(String::as_str);
            return match similar::closest(text, tags()) {
                Some(tag) => format!("did you mean `{not}tag:{tag}`?"),
                None => "`omni describe TOOL` shows a tool's tags".to_owned(),
            };
        }
        let tag = |tool: &ToolFacts<'_>| tool.tags.iter().any(|tag| rule.pattern().matches(tag));
        if self.tools.iter().any(tag) {
            return format!("there is a tag of that name; did you mean `{not}tag:{text}`?");
        }
        let (literal, wild) = rule.pattern().literal();
        let skills = || self.tools.iter().map(|tool| tool.skill);
        let names = || self.tools.iter().map(|tool| tool.name);
        let meant = if wild {
            let skill = literal.trim_end_matches('.');
            similar::closest(skill, skills()).map(|near| text.replacen(skill, near, 1))
        } else {
            similar::closest(text, skills().chain(names())).map(str::to_owned)
        };
        match meant.filter(|meant| meant != text) {
            Some(meant) => format!("did you mean `{not}{meant}`?"),
            None => "`omni list` shows the names there are".to_owned(),
        }
    }

    fn tool_meant(&self, name: &str) -> String {
        if let Some(tool) = self.tools.iter().find(|tool| tool.skill == name) {
            return format!("that is a skill; an override is for one tool: `[overrides.\"{}\"]`", tool.name);
        }
        let names = || self.tools.iter().map(|tool| tool.name);
        match similar::closest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`omni list` shows the names there are".to_owned(),
        }
    }
}
