//! Rules that say nothing: nobody is meant by them, or no tool.

use super::candidate::Candidate;
use super::filter::{Filter, FilterRule};
use super::rules::{Profile, Shape};
use super::setting::Setting;
use crate::similar;

/// A rule without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) setting: Setting,
    /// A fragment that names what is concerned.
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Shape {
    /// The rules that change nothing, with `tools` being all there are, sorted by name. Compares each with all of them:
    /// for a start and for the doctor.
    pub(crate) fn without_effect(&self, tools: &[Candidate<'_>]) -> Vec<Warning> {
        let known = Known { tools };
        let mut warnings = Vec::new();
        for filter in self.filters().iter().chain(self.profiles().map(|profile| &profile.filter)) {
            known.filter(filter, &mut warnings);
        }
        let overrides = self.profiles().flat_map(|profile| profile.overrides.all());
        for own in self.overrides().all().iter().chain(overrides) {
            if tools.binary_search_by(|tool| tool.name.cmp(&own.tool)).is_err() {
                warnings.push(Warning {
                    setting: own.setting.clone(),
                    message: format!("there is no tool `{}`", own.tool),
                    help: known.tool_meant(&own.tool),
                });
            }
        }
        let mut before: Option<&Profile> = None;
        for profile in self.profiles().filter(|profile| profile.name != super::rules::DEFAULT) {
            if let Some(before) = before {
                warnings.push(Warning {
                    setting: profile.setting.clone(),
                    message: format!("no client gets the profile `{}`", profile.name),
                    help: format!("`{}` before it is for everybody; put it after this one", before.name),
                });
            }
            let is_for_all =
                profile.clients.iter().any(super::ClientPattern::is_all) && profile.principals.is_empty();
            before = before.or(is_for_all.then_some(profile));
        }
        warnings
    }
}

struct Known<'a> {
    tools: &'a [Candidate<'a>],
}

impl Known<'_> {
    fn filter(&self, filter: &Filter, warnings: &mut Vec<Warning>) {
        let rules = filter.rules();
        if let Some(first) = rules.first().filter(|_| rules.iter().all(FilterRule::allows)) {
            warnings.push(Warning {
                setting: first.setting().clone(),
                message: format!(
                    "`{}` leaves nothing out: `!` takes back what another pattern left out",
                    first.text()
                ),
                help: format!("`[\"*\", \"{}\"]` leaves all others out", first.text()),
            });
        }
        for rule in rules {
            if !self.tools.iter().any(|tool| rule.matches(tool)) {
                warnings.push(Warning {
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
        let tag = |tool: &Candidate<'_>| tool.tags.iter().any(|tag| rule.pattern().matches(tag));
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
        let names = || self.tools.iter().map(|tool| tool.name);
        match similar::closest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`omni list` shows the names there are".to_owned(),
        }
    }
}
