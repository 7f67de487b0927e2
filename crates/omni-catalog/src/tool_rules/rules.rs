//! The rules as somebody wrote them, each with the place where it is written, and which of them hold for a client.

use super::filter::Filter;
use super::location::{Located, SettingLocation};
use super::pattern::ClientPattern;
use crate::NameStyle;

/// What a list shows of one tool instead of what the tool says itself. A member that is `None` changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The tool's canonical name.
    pub tool: String,
    /// Where it is written.
    pub setting: SettingLocation,
    /// The name in the list. The tool's other names go on to mean it.
    pub alias: Option<Located<String>>,
    /// A paragraph more at the end of the description.
    pub append_doc: Option<String>,
    pub title: Option<String>,
    /// The tool is not listed, and can be called.
    pub hidden: Option<bool>,
}

/// Overrides by tool: no tool stands there twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(Vec<Override>);

impl Overrides {
    pub fn new(mut overrides: Vec<Override>) -> Overrides {
        overrides.sort_by(|a, b| a.tool.cmp(&b.tool));
        Overrides(overrides)
    }

    pub(super) fn of(&self, tool: &str) -> Option<&Override> {
        let at = self.0.binary_search_by(|own| own.tool.as_str().cmp(tool)).ok()?;
        self.0.get(at)
    }

    pub(super) fn all(&self) -> &[Override] {
        &self.0
    }
}

/// What some clients see.
#[derive(Clone, Debug)]
pub struct Profile {
    pub name: String,
    pub setting: SettingLocation,
    /// Matched with the name that a client gives itself. None: any client.
    pub clients: Vec<ClientPattern>,
    /// Matched with who the client is. None: anybody.
    pub principals: Vec<ClientPattern>,
    /// Leaves out more than the filters for everybody do.
    pub filter: Filter,
    /// Each member that is here counts before the one for everybody.
    pub overrides: Overrides,
    /// How its list names tools; `None` as everybody's does.
    pub names: Option<NameStyle>,
}

impl Profile {
    fn is_of(&self, client: Option<&str>, principal: &str) -> bool {
        let names_somebody = !(self.clients.is_empty() && self.principals.is_empty());
        let client_fits = self.clients.is_empty()
            || client.is_some_and(|name| self.clients.iter().any(|pattern| pattern.matches_client(name)));
        let principal_fits = self.principals.is_empty()
            || self.principals.iter().any(|pattern| pattern.matches_principal(principal));
        names_somebody && client_fits && principal_fits
    }
}

/// Which profile: its place among the profiles, or everybody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileId(u16);

impl ProfileId {
    /// What clients see for whom there is no profile.
    pub const EVERYBODY: ProfileId = ProfileId(0);

    /// For places that can hold a number only.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The profile of that number. A number that no profile has means everybody's.
    pub fn from_number(number: u16) -> ProfileId {
        ProfileId(number)
    }

    /// From 0, everybody first.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The rules by which each client sees the tools. Made once from the settings.
#[derive(Clone, Debug, Default)]
pub struct ToolRules {
    /// Each must let a tool through, or nobody has it.
    filters: Vec<Filter>,
    overrides: Overrides,
    names: NameStyle,
    /// For those whom no other profile is for: `[profiles.default]`.
    default: Option<Profile>,
    /// By their numbers, which stay while a server runs: sessions keep them.
    profiles: Vec<Profile>,
    /// The places of those that clients are given, in the order in which they are tried.
    tried: Vec<usize>,
}

/// The profile of those whom no other is for.
pub(super) const DEFAULT: &str = "default";

impl ToolRules {
    /// More profiles than this are not taken: each keeps lists of its own.
    pub const PROFILES_MAX: usize = 64;

    /// `profiles` in the order in which they are tried; one named `default` is for those whom no other is for.
    /// Of more than [`PROFILES_MAX`](Self::PROFILES_MAX) the last are dropped, so the caller refuses so many.
    pub fn new(
        filters: Vec<Filter>,
        overrides: Overrides,
        names: NameStyle,
        profiles: Vec<Profile>,
    ) -> ToolRules {
        let (mut default, mut rest): (Vec<_>, Vec<_>) =
            profiles.into_iter().partition(|profile| profile.name == DEFAULT);
        rest.truncate(Self::PROFILES_MAX);
        let tried = (0..rest.len()).collect();
        ToolRules { filters, overrides, names, default: default.pop(), profiles: rest, tried }
    }

    /// The same, to take the place of `before` while clients have profiles by their numbers: each profile that was there
    /// keeps its number. One that is no more is given to nobody, and stays for the sessions that have it: what everybody sees
    /// may be more. `None` where there would be more numbers than profiles may be; a server that starts anew counts from the beginning.
    pub fn in_place_of(mut self, before: &ToolRules) -> Option<ToolRules> {
        let mut new = std::mem::take(&mut self.profiles);
        let order: Vec<String> =
            self.tried.iter().filter_map(|at| Some(new.get(*at)?.name.clone())).collect();
        let mut profiles = Vec::with_capacity(before.profiles.len().max(new.len()));
        for known in &before.profiles {
            let still = new.iter().position(|profile| profile.name == known.name);
            profiles.push(match still {
                Some(at) => new.remove(at),
                None => Profile { clients: Vec::new(), principals: Vec::new(), ..known.clone() },
            });
        }
        profiles.append(&mut new);
        self.tried = order
            .iter()
            .filter_map(|name| profiles.iter().position(|profile| profile.name == *name))
            .collect();
        self.profiles = profiles;
        (self.profiles.len() <= Self::PROFILES_MAX).then_some(self)
    }

    /// The same, with `profile` alone for every client; `None` when there is none of that name.
    pub fn only(mut self, profile: &str) -> Option<ToolRules> {
        if profile != DEFAULT {
            let at = self.profiles.iter().position(|known| known.name == profile)?;
            self.default = Some(self.profiles.swap_remove(at));
        }
        self.profiles = Vec::new();
        self.tried = Vec::new();
        Some(self)
    }

    /// What is shown of a catalogue for which nobody has set anything.
    pub fn plain(names: NameStyle) -> ToolRules {
        ToolRules { names, ..ToolRules::default() }
    }

    /// The same filters for everybody, and nothing else: by the runner contract, whose names are the canonical ones.
    pub fn filters_alone(&self) -> ToolRules {
        ToolRules { filters: self.filters.clone(), ..ToolRules::plain(NameStyle::Canonical) }
    }

    /// What is said of a tool for a profile, its own rules first, each with where it is written.
    pub fn overrides_of(&self, id: ProfileId, tool: &str) -> impl Iterator<Item = &Override> {
        let own = self.profile(id).and_then(|profile| profile.overrides.of(tool));
        own.into_iter().chain(self.overrides.of(tool))
    }

    /// The profile of a client that calls itself `client` and is `principal`: the first that is for it.
    pub fn choose(&self, client: Option<&str>, principal: &str) -> ProfileId {
        let is_of =
            |at: &&usize| self.profiles.get(**at).is_some_and(|profile| profile.is_of(client, principal));
        let found = self.tried.iter().find(is_of);
        found.and_then(|at| u16::try_from(at + 1).ok()).map_or(ProfileId::EVERYBODY, ProfileId)
    }

    /// Every profile there is, everybody else's first.
    pub fn ids(&self) -> impl Iterator<Item = ProfileId> + use<> {
        (0..=u16::try_from(self.profiles.len()).unwrap_or(u16::MAX)).map(ProfileId)
    }

    /// The profile of a name.
    pub fn id(&self, name: &str) -> Option<ProfileId> {
        self.ids().find(|id| self.name(*id) == name)
    }

    pub fn name(&self, id: ProfileId) -> &str {
        self.profile(id).map_or(DEFAULT, |profile| &profile.name)
    }

    /// The names of all profiles, everybody else's first.
    pub fn profile_names(&self) -> impl Iterator<Item = &str> {
        self.ids().map(|id| self.name(id))
    }

    /// Whether all clients see the same.
    pub fn is_one(&self) -> bool {
        self.profiles.is_empty()
    }

    pub(super) fn profile(&self, id: ProfileId) -> Option<&Profile> {
        match id.index().checked_sub(1) {
            None => self.default.as_ref(),
            Some(at) => self.profiles.get(at),
        }
    }

    pub(super) fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.default.iter().chain(&self.profiles)
    }

    pub(super) fn filters(&self) -> &[Filter] {
        &self.filters
    }

    pub(super) fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// How a profile's list names tools.
    pub fn names(&self, id: ProfileId) -> NameStyle {
        self.profile(id).and_then(|profile| profile.names).unwrap_or(self.names)
    }

    /// Whether nobody sees anything but the catalogue's own list, in the style `names`.
    pub(crate) fn is_plain(&self, names: NameStyle) -> bool {
        self.is_one() && self.changes_nothing(ProfileId::EVERYBODY, names)
    }

    /// The filters that hold for everybody.
    pub(crate) fn common_filters(&self) -> impl Iterator<Item = &Filter> {
        self.filters.iter()
    }

    /// Whether a profile's list is the catalogue's own, in the style `names`.
    pub(crate) fn changes_nothing(&self, id: ProfileId, names: NameStyle) -> bool {
        let profile = self.profile(id);
        self.names(id) == names
            && self.filters.iter().all(Filter::is_empty)
            && self.overrides.all().is_empty()
            && profile.is_none_or(|profile| profile.filter.is_empty() && profile.overrides.all().is_empty())
    }

    /// Whether anything may be left out of what a profile shows.
    pub(crate) fn has_filter(&self, id: ProfileId) -> bool {
        self.filters_of(id).any(|filter| !filter.is_empty())
    }

    /// The filters of a profile: everybody's and its own.
    pub(super) fn filters_of(&self, id: ProfileId) -> impl Iterator<Item = &Filter> {
        self.filters.iter().chain(self.profile(id).map(|profile| &profile.filter))
    }

    /// Whether any tool is given an alias, so that names may collide.
    pub fn renames(&self) -> bool {
        let mut all = self.profiles().flat_map(|profile| profile.overrides.all()).chain(self.overrides.all());
        all.any(|own| own.alias.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(name: &str, clients: &[&str], principals: &[&str]) -> Profile {
        let patterns = |texts: &[&str]| texts.iter().map(|text| ClientPattern::new(text).unwrap()).collect();
        Profile {
            name: name.to_owned(),
            setting: SettingLocation::new(&format!("profiles.{name}"), "omni.toml", 1),
            clients: patterns(clients),
            principals: patterns(principals),
            filter: Filter::default(),
            overrides: Overrides::default(),
            names: None,
        }
    }

    #[test]
    fn the_first_profile_that_fits_is_a_clients_and_default_is_everybody_elses() {
        let rules = ToolRules::new(
            Vec::new(),
            Overrides::default(),
            NameStyle::default(),
            vec![
                profile("default", &[], &[]),
                profile("claude", &["claude-code*", "claude-ai"], &[]),
                profile("ada", &[], &["user:ada"]),
                profile("adas-cursor", &["cursor*"], &["user:bob"]),
                profile("all-claudes", &["claude*"], &[]),
                profile("by-hand", &[], &[]),
            ],
        );
        for (client, principal, wanted) in [
            (Some("claude-code"), "user:bob", "claude"),
            (Some("Claude-Code/2"), "user:ada", "claude"),
            (Some("claude-desktop"), "user:bob", "all-claudes"),
            (Some("cursor-vscode"), "user:bob", "adas-cursor"),
            (Some("cursor-vscode"), "user:eve", "default"),
            (Some("other"), "user:ada", "ada"),
            (None, "user:ada", "ada"),
            (None, "user:eve", "default"),
            (Some(""), "", "default"),
        ] {
            assert_eq!(rules.name(rules.choose(client, principal)), wanted, "{client:?} {principal}");
        }
        let one = rules.clone().only("by-hand").unwrap();
        assert_eq!(one.name(one.choose(Some("claude-code"), "user:ada")), "by-hand");
        assert!(one.is_one() && rules.only("nobody").is_none());
    }

    #[test]
    fn rules_that_take_the_place_of_others_keep_the_number_of_each_profile() {
        let rules = |profiles: Vec<Profile>| {
            ToolRules::new(Vec::new(), Overrides::default(), NameStyle::default(), profiles)
        };
        let before =
            rules(vec![profile("a", &["a*"], &[]), profile("b", &["b*"], &[]), profile("c", &["c*"], &[])]);
        let number = |rules: &ToolRules, name: &str| rules.id(name).unwrap().number();
        // One is new and comes first, one is gone, and one is tried before another that it stood behind.
        let now = rules(vec![
            profile("new", &["b-new"], &[]),
            profile("c", &["c*", "a-c"], &[]),
            profile("a", &["a*"], &[]),
        ]);
        let after = now.in_place_of(&before).unwrap();
        assert_eq!(["a", "b", "c", "new"].map(|name| number(&after, name)), [1, 2, 3, 4]);
        for (client, wanted) in [("a1", "a"), ("a-c", "c"), ("b1", "default"), ("b-new", "new"), ("c1", "c")]
        {
            assert_eq!(after.name(after.choose(Some(client), "")), wanted, "{client}");
        }
        let again = rules(vec![profile("b", &["b*"], &[])]).in_place_of(&after).unwrap();
        assert_eq!(number(&again, "b"), 2, "its clients are its own again");
        let many = (0..ToolRules::PROFILES_MAX).map(|n| profile(&format!("p{n}"), &["x"], &[])).collect();
        assert!(rules(many).in_place_of(&before).is_none());
    }
}
