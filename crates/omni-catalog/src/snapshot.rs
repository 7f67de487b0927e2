//! What the catalogue knew at one moment: every question about what a server offers is answered from here.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use omni_call::SkillChange;

use crate::item_list::ItemList;
use crate::list_fields::ListFields;
use crate::pages::Page;
use crate::resource_version::ResourceVersion;
use crate::skill_tags::SkillTags;
use crate::tool_list::ToolList;
use crate::tool_rules::{ProfileId, RuleConflicts, SettingLocation, ToolFacts, ToolRules};
use crate::{CatalogKind, Diagnostic, Skill, SourceSnapshot, Tool, UnknownName, similar};

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
    pub(crate) resources: Arc<ItemList>,
    pub(crate) templates: Arc<ItemList>,
    pub(crate) prompts: Arc<ItemList>,
    /// Folders of skills that are not served, each with the number of its source.
    pub(crate) hidden_skills: Vec<(usize, String)>,
    /// What the merge found.
    pub(crate) findings: Vec<Diagnostic>,
    pub(crate) rule_conflicts: RuleConflicts,
    pub(crate) skills: OnceLock<Vec<Skill>>,
    pub(crate) skills_version: OnceLock<String>,
    pub(crate) diagnostics: OnceLock<Vec<Diagnostic>>,
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
            CatalogKind::Resources => self.resources.version(),
            CatalogKind::Templates => self.templates.version(),
            CatalogKind::Prompts => self.prompts.version(),
            CatalogKind::Skills => self.skills_version.get_or_init(|| {
                let text = serde_json::to_vec(self.skills()).unwrap_or_default();
                blake3::hash(&text).to_hex()[..32].to_owned()
            }),
        }
    }

    /// What a profile shows of the tools.
    pub fn for_profile(&self, id: ProfileId) -> &ToolList {
        self.lists.get(id.index()).unwrap_or(&self.all)
    }

    fn everybodys(&self) -> &ToolList {
        self.for_profile(ProfileId::EVERYBODY)
    }

    /// The version of each profile's list of tools, everybody else's first.
    pub fn versions(&self) -> impl Iterator<Item = &str> {
        self.lists.iter().map(|list| list.version())
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

    /// The `n`th page, from 0, of resources, templates or prompts, in the order of their sources; `None` past the last
    /// one, and for tools and skills. A list of none has one empty page. As for tools, [`ListFields::All`] is ready, and
    /// a shorter one is derived when first asked for, and kept.
    pub fn items(&self, kind: CatalogKind, fields: ListFields, n: usize) -> Option<Page> {
        self.item_list(kind)?.page(fields, n)
    }

    /// All resources, templates or prompts on one page; `None` for tools and skills.
    pub fn items_all(&self, kind: CatalogKind, fields: ListFields) -> Option<Page> {
        self.item_list(kind).map(|list| list.page_all(fields))
    }

    pub(crate) fn item_list(&self, kind: CatalogKind) -> Option<&Arc<ItemList>> {
        match kind {
            CatalogKind::Resources => Some(&self.resources),
            CatalogKind::Templates => Some(&self.templates),
            CatalogKind::Prompts => Some(&self.prompts),
            CatalogKind::Tools | CatalogKind::Skills => None,
        }
    }

    /// The number of the source that has a resource: the one that lists it, else one with a template that it may be made
    /// from, else the only one with any resources, which may have more than it lists.
    pub fn source_of_resource(&self, uri: &str) -> Option<usize> {
        let mut any =
            (0..self.sources.len()).filter(|source| self.sources[*source].offers(CatalogKind::Resources));
        let only = any.next().filter(|_| any.next().is_none());
        self.resources.source_of(uri).or_else(|| self.templates.source_by_template(uri)).or(only)
    }

    /// What is known of the content of a URI.
    pub fn resource_version(&self, uri: &str) -> ResourceVersion {
        match self.source_of_resource(uri) {
            None => ResourceVersion::Absent,
            Some(_) => ResourceVersion::Unknown,
        }
    }

    /// The URI of a resource of that source which was probably meant by one that there is not. Compares it with all.
    pub fn similar_resource(&self, source: usize, uri: &str) -> Option<&str> {
        let mut known: Vec<&str> = self.resources.keys_of(source).collect();
        known.sort_unstable();
        similar::closest(uri, known)
    }

    /// The number of the source that has a prompt.
    pub fn source_of_prompt(&self, name: &str) -> Option<usize> {
        self.prompts.source_of(name)
    }

    /// The number of the source that has a template, or has a resource of which that is the URI.
    pub fn source_of_template(&self, uri: &str) -> Option<usize> {
        self.templates.source_of(uri).or_else(|| self.source_of_resource(uri))
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

    /// The tools that another snapshot has not, or of which it has another run specification: another version of the code,
    /// other requirements. Parses these and no others.
    pub fn tools_unlike<'a>(&'a self, other: &'a Snapshot) -> impl Iterator<Item = Arc<Tool>> + 'a {
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
