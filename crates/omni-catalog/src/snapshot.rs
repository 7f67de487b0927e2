//! What the catalogue knew at one moment: every question about what a server offers is answered from here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use omni_call::{RunSpec, SkillChange};

use crate::catalog_kind::place;
use crate::item_list::ItemList;
use crate::item_lists::{HiddenSkills, ItemLists, MergedItems};
use crate::list_fields::ListFields;
use crate::pages::Page;
use crate::remote_skills::remote_skills;
use crate::resource_version::ResourceVersion;
use crate::seen_lists::SeenLists;
use crate::skill_list::SkillList;
use crate::skill_tags::SkillTags;
use crate::tool_list::ToolList;
use crate::tool_rules::{ProfileId, RuleConflicts, SettingLocation, ToolFacts, ToolRules};
use crate::{
    CatalogKind, Diagnostic, FoundResource, Item, Skill, SourceSnapshot, Tool, UnknownName, Visibility,
    items, similar,
};

/// An immutable picture of all sources. A request keeps the one it started with.
///
/// Each kind of thing has a list of its own, and a version that says whether clients would see another list.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) sources: Vec<SourceEntry>,
    pub(crate) rules: Arc<ToolRules>,
    /// Every tool there is, left out or not.
    pub(crate) all: Arc<ToolList>,
    /// What each profile shows, everybody else's first.
    pub(crate) lists: Arc<[Arc<ToolList>]>,
    /// Resources, templates and prompts.
    pub(crate) items: MergedItems,
    /// Folders of skills that are not served, each with the number of its source.
    pub(crate) hidden_skills: HiddenSkills,
    /// Of those, the ones that an earlier folder has.
    pub(crate) duplicate_skills: HiddenSkills,
    /// What the merge found.
    pub(crate) findings: Vec<Diagnostic>,
    pub(crate) rule_conflicts: RuleConflicts,
    pub(crate) skills: OnceLock<Vec<Skill>>,
    pub(crate) skills_version: OnceLock<String>,
    /// The skills that each profile shows, in the order of `lists`.
    pub(crate) skill_lists: Box<[OnceLock<Arc<SkillList>>]>,
    pub(crate) diagnostics: OnceLock<Vec<Diagnostic>>,
    /// Lists for clients that see something otherwise.
    pub(crate) seen: SeenLists,
}

/// A source's snapshot, and what the source is called.
#[derive(Clone, Debug)]
pub(crate) struct SourceEntry {
    pub(crate) name: Arc<str>,
    pub(crate) snapshot: Arc<SourceSnapshot>,
    /// Before the paths of its files, where there are several folders.
    pub(crate) prefix: Option<Arc<str>>,
    /// By kind, whether it may ever have any.
    pub(crate) offers: [bool; CatalogKind::ALL.len()],
}

impl SourceEntry {
    pub(crate) fn offers(&self, kind: CatalogKind) -> bool {
        self.offers[kind as usize]
    }
}

/// A tool that a client does not have, and the setting that leaves it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filtered {
    /// Its canonical name.
    pub tool: String,
    /// The pattern that leaves it out.
    pub pattern: String,
    pub setting: SettingLocation,
}

impl fmt::Display for Filtered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the pattern `{}` of {}", self.pattern, self.setting)
    }
}

impl Snapshot {
    /// A hash of what clients see of a kind: two snapshots that show them the same list of it have the same version.
    pub fn version(&self, kind: CatalogKind) -> &str {
        match kind {
            CatalogKind::Tools => self.everybodys().version(),
            CatalogKind::Resources | CatalogKind::Templates | CatalogKind::Prompts => {
                self.version_for(ProfileId::EVERYBODY, kind)
            }
            CatalogKind::Skills => self.skills_version.get_or_init(|| {
                let text = serde_json::to_vec(self.skills()).unwrap_or_default();
                blake3::hash(&text).to_hex()[..32].to_owned()
            }),
        }
    }

    /// The same of what a profile shows of a kind. All profiles have the same skills.
    pub fn version_for(&self, id: ProfileId, kind: CatalogKind) -> &str {
        match self.item_list(id, kind) {
            Some(list) => list.version(),
            None if kind == CatalogKind::Tools => self.for_profile(id).version(),
            None => self.version(kind),
        }
    }

    /// What a profile shows of the tools.
    pub fn for_profile(&self, id: ProfileId) -> &ToolList {
        self.lists.get(id.index()).unwrap_or(&self.all)
    }

    fn everybodys(&self) -> &ToolList {
        self.for_profile(ProfileId::EVERYBODY)
    }

    /// Every profile there is, everybody else's first.
    pub fn profiles(&self) -> impl Iterator<Item = ProfileId> + use<> {
        self.rules.ids()
    }

    /// The version of each profile's list of tools, everybody else's first.
    pub fn versions(&self) -> impl Iterator<Item = &str> {
        self.lists.iter().map(|list| list.version())
    }

    /// The version of everything that clients see lists of, by profile, everybody else's first.
    pub(crate) fn list_versions(&self) -> impl Iterator<Item = &str> {
        let items = self.items.lists.iter().flatten().map(|list| list.version());
        self.versions().chain(items)
    }

    /// The rules that cannot be obeyed with these tools: their aliases are not given.
    pub fn rule_conflicts(&self) -> &RuleConflicts {
        &self.rule_conflicts
    }

    /// Why a profile does not have a tool that there is, by any of its names; `None` where there is no such tool, or where
    /// the profile has it.
    pub fn filtered(&self, id: ProfileId, name: &str) -> Option<Filtered> {
        let encoded = self.all.encoded();
        encoded.find(name).find_map(|tool| {
            let SkillTags { skill, tags } = SkillTags::of(encoded, tool);
            let name = encoded.name(tool)?;
            let rule = self.rules.filtered(id, &ToolFacts { name, skill: &skill, tags: &tags })?;
            Some(Filtered { tool: name.to_owned(), pattern: rule.text(), setting: rule.setting().clone() })
        })
    }

    /// Of a profile that has none of the tools there are: how many there are, and why it does not have the first.
    pub fn all_filtered(&self, id: ProfileId) -> Option<(usize, Filtered)> {
        let encoded = self.all.encoded();
        let first = encoded.name(0).filter(|_| self.for_profile(id).tool_count() == 0)?;
        Some((encoded.tool_count(), self.filtered(id, first)?))
    }

    /// How many tools there are that any client has.
    pub fn tool_count(&self) -> usize {
        match &*self.lists {
            [only] => only.tool_count(),
            _ => self.whose().count(),
        }
    }

    /// The tools that any client has, by canonical name: the first list that has one, and its place there.
    fn whose(&self) -> impl Iterator<Item = (&ToolList, usize)> {
        let all = self.all.encoded();
        (0..all.tool_count()).filter_map(move |tool| {
            let name = all.name(tool)?;
            self.lists.iter().find_map(|list| Some((&**list, list.encoded().position(name)?)))
        })
    }

    /// The `n`th page of tools, from 0, of at most 1,000 or 1 MB, sorted by name; `None` past the last one.
    /// An empty catalogue has one empty page.
    ///
    /// [`ListFields::All`] is ready; a shorter list is derived for all pages when first asked for (about a
    /// millisecond per thousand tools), and kept.
    pub fn page(&self, fields: ListFields, n: usize) -> Option<Page> {
        self.everybodys().page(fields, n)
    }

    /// The whole list of tools on one page, for clients that do not follow cursors. Put together when first asked
    /// for, and kept; with one page it is that page.
    pub fn page_all(&self, fields: ListFields) -> Page {
        self.everybodys().page_all(fields)
    }

    /// The `n`th page, from 0, of the resources, templates or prompts that a profile shows, in the order of their sources;
    /// `None` past the last one, and for tools and skills. A list of none has one empty page. As for tools,
    /// [`ListFields::All`] is ready, and a shorter one is derived when first asked for, and kept.
    pub fn items(&self, id: ProfileId, kind: CatalogKind, fields: ListFields, n: usize) -> Option<Page> {
        self.item_list(id, kind)?.page(fields, n)
    }

    /// All resources, templates or prompts that a profile shows, on one page; `None` for tools and skills.
    pub fn items_all(&self, id: ProfileId, kind: CatalogKind, fields: ListFields) -> Option<Page> {
        self.item_list(id, kind).map(|list| list.page_all(fields))
    }

    /// All resources, templates or prompts that everybody has, as a JSON array, for a caller that serves them: what is off is
    /// among them and says so.
    pub fn items_told(&self, kind: CatalogKind) -> Option<Bytes> {
        let list = self.item_list(ProfileId::EVERYBODY, kind)?;
        if !list.has_off() {
            return Some(list.page_all(ListFields::All).items);
        }
        let told: Vec<Bytes> =
            list.encoded_places().filter_map(|(items, item)| items::told(items, item)).collect();
        Some([b"[", &told.join(&b","[..])[..], b"]"].concat().into())
    }

    /// How many resources, templates or prompts everybody sees; none of tools and skills.
    pub fn item_count(&self, kind: CatalogKind) -> usize {
        self.item_list(ProfileId::EVERYBODY, kind).map_or(0, |list| list.len())
    }

    /// How many of these everybody is shown: not what is off until a call shows it.
    pub fn shown_count(&self, kind: CatalogKind) -> usize {
        self.item_list(ProfileId::EVERYBODY, kind).map_or(0, |list| list.shown_count())
    }

    /// Those that everybody is shown. Parses each, as [`all_items`](Self::all_items).
    pub fn shown_items(&self, kind: CatalogKind) -> impl Iterator<Item = Arc<Item>> {
        let list = self.item_list(ProfileId::EVERYBODY, kind);
        list.into_iter().flat_map(|list| list.shown(&self.items.defaults))
    }

    /// Each resource, template or prompt, what is off among them, in the order of the list. Parses each: for the command line,
    /// not for a request.
    pub fn all_items(&self, kind: CatalogKind) -> impl Iterator<Item = Arc<Item>> {
        let list = self.item_list(ProfileId::EVERYBODY, kind);
        list.into_iter().flat_map(|list| list.all(&self.items.defaults))
    }

    /// Whether whoever has a profile is shown something for hosts of the extension for apps: a tool with a page, or a page.
    pub fn has_apps(&self, id: ProfileId) -> bool {
        self.for_profile(id).encoded().optional_members.apps
            || self.items.of(id).iter().any(|list| list.has_apps())
    }

    /// How everything is run that any client has: tools, resources, templates, prompts, and what completes their arguments.
    /// Parses all.
    pub fn run_specs(&self) -> impl Iterator<Item = Arc<RunSpec>> {
        let items = self.items.all.iter().flat_map(|list| list.all(&self.items.defaults));
        self.tools().map(|tool| Arc::clone(&tool.spec)).chain(items.flat_map(|item| item.run_specs()))
    }

    pub(crate) fn item_list(&self, id: ProfileId, kind: CatalogKind) -> Option<&Arc<ItemList>> {
        match kind {
            CatalogKind::Resources | CatalogKind::Templates | CatalogKind::Prompts => {
                self.items.of(id).get(place(kind))
            }
            CatalogKind::Tools | CatalogKind::Skills => None,
        }
    }

    /// What a URI means to whoever has a profile: the resource that is listed by it, be it with a range behind it where it is
    /// a file, else the first template that it comes of, else whatever the only source has that may have more than it
    /// lists. `seen` is what the client has otherwise; `None` is whoever has what is off as well. Parsed on first use and
    /// kept while it stays among the last few hundred used.
    pub fn resource(&self, id: ProfileId, uri: &str, seen: Option<&Visibility>) -> Option<FoundResource> {
        if let Some(found) = self.listed_resource(self.items.of(id), uri, seen) {
            return Some(found);
        }
        // What is withheld from the client is not had by its source being asked for it.
        let withholds = seen.is_some() || self.rules.has_filter(id);
        if withholds && self.listed_resource(&self.items.all, uri, None).is_some() {
            return None;
        }
        self.unlisted_resource(uri)
    }

    /// Whether there is something of that URI, and this client does not have it.
    pub fn withholds(&self, id: ProfileId, uri: &str, seen: Option<&Visibility>) -> bool {
        self.resource(id, uri, seen).is_none() && self.any_resource(uri).is_some()
    }

    /// The same as [`resource`](Self::resource) to whoever sees everything.
    fn any_resource(&self, uri: &str) -> Option<FoundResource> {
        self.listed_resource(&self.items.all, uri, None).or_else(|| self.unlisted_resource(uri))
    }

    fn listed_resource(
        &self,
        [resources, templates, _]: &ItemLists,
        uri: &str,
        seen: Option<&Visibility>,
    ) -> Option<FoundResource> {
        let defaults = &self.items.defaults;
        let is_here = self.items.here.source_of(uri).is_some();
        match resources.find_uri(uri, defaults).or_else(|| resources.find_in_range(uri, defaults)) {
            // What is hidden is not had by a template that would make its URI.
            Some(item) => item.is_seen(seen).then_some(FoundResource::Listed(item)),
            None => templates.template_of(uri, defaults, is_here, seen),
        }
    }

    /// The only source with resources that may have more than it lists; of a skill that is here nobody has.
    fn unlisted_resource(&self, uri: &str) -> Option<FoundResource> {
        if self.items.here.source_of(uri).is_some() {
            return None;
        }
        let is_open = |source: &SourceEntry| {
            source.offers(CatalogKind::Resources) && !source.snapshot.defaults().is_folder()
        };
        let mut open = (0..self.sources.len()).filter(|source| is_open(&self.sources[*source]));
        let only = open.next()?;
        open.next().is_none().then_some(FoundResource::Source(only))
    }

    /// The number of the source that has what a URI means to somebody: see [`resource`](Self::resource).
    pub fn source_of_resource(&self, uri: &str) -> Option<usize> {
        Some(match self.any_resource(uri)? {
            FoundResource::Listed(item) | FoundResource::FromTemplate(item, _) => item.source,
            FoundResource::Source(source) => source,
        })
    }

    /// What is known of the content of a URI.
    pub fn resource_version(&self, uri: &str) -> ResourceVersion {
        match self.any_resource(uri) {
            None => ResourceVersion::Absent,
            Some(FoundResource::Listed(item) | FoundResource::FromTemplate(item, _)) => {
                item.content_digest().map_or(ResourceVersion::Unknown, ResourceVersion::Digest)
            }
            Some(FoundResource::Source(_)) => ResourceVersion::Unknown,
        }
    }

    /// The URI of a resource of that source which was probably meant by one that there is not. Compares it with all.
    pub fn similar_resource(&self, source: usize, uri: &str) -> Option<&str> {
        let [resources, ..] = &self.items.all;
        let mut known: Vec<&str> = resources.keys_of(source).collect();
        known.sort_unstable();
        similar::closest(uri, known)
    }

    /// The prompt that a name means to whoever has a profile, and for whom that is otherwise: see
    /// [`resource`](Self::resource).
    pub fn prompt(&self, id: ProfileId, name: &str, seen: Option<&Visibility>) -> Option<Arc<Item>> {
        let [.., prompts] = self.items.of(id);
        prompts.find(name, &self.items.defaults).filter(|prompt| prompt.is_seen(seen))
    }

    /// What a template, or the URI of a resource, means to whoever has a profile and completes its variables.
    pub fn template(&self, id: ProfileId, uri: &str, seen: Option<&Visibility>) -> Option<FoundResource> {
        let [_, templates, _] = self.items.of(id);
        match templates.find(uri, &self.items.defaults) {
            Some(item) => item.is_seen(seen).then_some(FoundResource::Listed(item)),
            None => self.resource(id, uri, seen),
        }
    }

    /// What the source of that number is called: a folder's path, a runner's address.
    pub fn source_name(&self, source: usize) -> Option<&str> {
        self.sources.get(source).map(|source| &*source.name)
    }

    /// The tool that a name means, be it the one in the list or the canonical one; `None` also where it means several.
    /// Parsed on first use and kept while it stays among the last few hundred used.
    pub fn tool(&self, name: &str) -> Option<Arc<Tool>> {
        self.everybodys().tool(name)
    }

    /// Why [`tool`](Self::tool) has none for a name, and what was probably meant. Compares it with all there are.
    pub fn unknown_name(&self, name: &str) -> UnknownName {
        self.everybodys().unknown_name(name)
    }

    /// All tools that any client has, sorted by canonical name. Parses each: for the command line, not for a request.
    pub fn tools(&self) -> impl Iterator<Item = Arc<Tool>> {
        self.whose().filter_map(|(list, tool)| list.parse(tool))
    }

    /// How that is run which another snapshot has not, or of which it has another run specification: another version of the
    /// code, other requirements. Tools, resources, templates, prompts, and what completes their arguments. Parses these and no
    /// others.
    pub fn run_specs_unlike<'a>(&'a self, other: &'a Snapshot) -> impl Iterator<Item = Arc<RunSpec>> + 'a {
        let tools = self.tools_unlike(other).map(|tool| Arc::clone(&tool.spec));
        let lists = self.items.all.iter().zip(&other.items.all);
        let items = lists.flat_map(|(list, other)| list.unlike(other, &self.items.defaults));
        tools.chain(items.flat_map(|item| item.run_specs()))
    }

    fn tools_unlike<'a>(&'a self, other: &'a Snapshot) -> impl Iterator<Item = Arc<Tool>> + 'a {
        let differs = move |list: &ToolList, tool| {
            let name = list.encoded().name(tool)?;
            let others = other.lists.iter().map(|list| list.encoded());
            let others = others.filter_map(|list| Some((list, list.position(name)?))).next();
            let others = others.and_then(|(list, at)| list.detail(at));
            Some(others != list.encoded().detail(tool))
        };
        self.whose()
            .filter(move |(list, tool)| differs(list, *tool).unwrap_or(true))
            .filter_map(|(list, tool)| list.parse(tool))
    }

    /// All skills that are served, sorted by folder name, those without tools included.
    pub fn skills(&self) -> &[Skill] {
        self.skills.get_or_init(|| {
            let mut all: Vec<Skill> = Vec::new();
            for (source, SourceEntry { snapshot, .. }) in self.sources.iter().enumerate() {
                let hidden = |skill: &Skill| {
                    self.hidden_skills.iter().any(|(of, folder)| *of == source && *folder == skill.folder)
                };
                all.extend(snapshot.skills().into_iter().filter(|skill| !hidden(skill)));
            }
            all.sort_by(|a, b| a.folder.cmp(&b.folder));
            all
        })
    }

    /// The skills that a profile shows. Made when first asked for, and kept: that reads every skill, which takes about a
    /// millisecond for a hundred, so a thread that must not wait asks [`skill_list_ready`](Self::skill_list_ready) first.
    pub fn skill_list(&self, id: ProfileId) -> &Arc<SkillList> {
        let made = self.skill_lists.get(id.index()).or_else(|| self.skill_lists.first());
        let made = made.expect("there is a list for everybody");
        made.get_or_init(|| {
            let is_filtered = |facts: &ToolFacts<'_>| self.rules.filtered(id, facts).is_some();
            Arc::new(SkillList::new(&self.skills_with_remote(), self.for_profile(id), is_filtered, |_| false))
        })
    }

    /// The skills of folders here, and those of others of which something can be read, sorted by folder name.
    pub(crate) fn skills_with_remote(&self) -> Cow<'_, [Skill]> {
        let here = self.skills();
        let remote = remote_skills(self.sources.iter().map(|source| &*source.snapshot), &self.all, here);
        if remote.is_empty() {
            return Cow::Borrowed(here);
        }
        // A runner's tools name skills of which nothing more is known.
        let mut all: Vec<Skill> = here.iter().filter(|skill| !skill.files.is_empty()).cloned().collect();
        all.extend(remote);
        all.sort_by(|a, b| a.folder.cmp(&b.folder));
        Cow::Owned(all)
    }

    /// Bytes of text that are read when the skills are first asked for.
    pub fn skill_bytes(&self) -> usize {
        self.sources.iter().map(|source| source.snapshot.skill_bytes()).sum()
    }

    /// The same, where it has been made.
    pub fn skill_list_ready(&self, id: ProfileId) -> Option<&Arc<SkillList>> {
        self.skill_lists.get(id.index())?.get()
    }

    /// The skills whose code is another one here than in an earlier snapshot, and those that are gone: what executors are to
    /// be told before this one takes its place. Reads all skills.
    pub fn changes_since(&self, before: &Snapshot) -> Vec<SkillChange> {
        fn digests(snapshot: &Snapshot) -> HashMap<&Path, &Option<String>> {
            snapshot.skills().iter().map(|skill| (&*skill.path, &skill.digest)).collect()
        }
        let (old, new) = (digests(before), digests(self));
        let gone_or_other = before.skills().iter().filter(|skill| {
            skill.digest.is_some() && new.get(&*skill.path).is_none_or(|digest| **digest != skill.digest)
        });
        // One that comes back may be what it was before it went: then that is outdated no more.
        let come =
            self.skills().iter().filter(|skill| skill.digest.is_some() && !old.contains_key(&*skill.path));
        let change = |skill: &Skill, before: Option<String>| SkillChange {
            skill: skill.folder.clone(),
            folder: skill.path.clone(),
            before,
        };
        let changed = gone_or_other.map(|skill| change(skill, skill.digest.clone()));
        changed.chain(come.map(|skill| change(skill, None))).collect()
    }

    /// Everything that was found wrong, by file and line.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        self.diagnostics.get_or_init(|| {
            let mut all = self.findings.clone();
            for SourceEntry { snapshot, prefix, .. } in &self.sources {
                let found = snapshot.diagnostics();
                all.extend(found.into_iter().map(|found| match prefix {
                    Some(prefix) if found.code != "source-failed" => {
                        Diagnostic { file: format!("{prefix}/{}", found.file), ..found }
                    }
                    _ => found,
                }));
            }
            // These follow from the list as a whole, so they are not found while a skill is read.
            all.extend(self.everybodys().name_findings());
            all.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
            all
        })
    }
}
