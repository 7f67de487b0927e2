//! How the resources, templates and prompts of all sources become the lists that each profile shows.
//!
//! Of two sources with one key the one that is named first wins, as for tools. A skill that is not served, because an
//! earlier folder has one of its name, has no items either. What lies beneath the URIs of a skill that is here is that
//! skill's alone, wherever the other source is named, and the rest of the server's own scheme is nobody's.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::catalog_kind::{ITEM_KINDS, place};
use crate::item_facts::ItemFacts;
use crate::item_list::{ItemList, Shadowed};
use crate::item_lists::{HiddenSkills, ItemLists, MergedItems, SkillsHere};
use crate::items::{Items, called, code_of, key_of};
use crate::skill_tags::SkillTags;
use crate::skill_uri::{is_of_skills, skill_of};
use crate::snapshot::SourceEntry;
use crate::some_names::some_of;
use crate::source_defaults::SourceDefaults;
use crate::tool_list::ToolList;
use crate::tool_rules::ToolRules;
use crate::uri_form::is_own_scheme;
use crate::{CatalogKind, Diagnostic, Severity, Snapshot};

/// Merges items, and says what is found. `tools` are the lists of tools that the profiles show. `before` has the same rules
/// and tools: what of it is made from the same items is taken over, with its parsed items and its version.
pub(crate) fn merge(
    sources: &[SourceEntry],
    rules: &ToolRules,
    tools: &[Arc<ToolList>],
    duplicates: &HiddenSkills,
    before: Option<&Snapshot>,
) -> (MergedItems, Vec<Diagnostic>) {
    let here = skills_here(sources);
    let (reserved, mut findings) = reserved(sources, &here);
    let mut merged = ITEM_KINDS.map(|kind| {
        let of_each: Vec<_> =
            sources.iter().filter_map(|source| source.snapshot.items(kind).cloned()).collect();
        if let Some(before) = before
            && before.items.here == here
            && before.items.all[place(kind)].is_of(&of_each)
        {
            let found = before.findings.iter().filter(|found| found.code == code_of(kind)).cloned();
            findings.extend(found);
            let lists = before.items.lists.iter().map(|lists| Arc::clone(&lists[place(kind)]));
            return (Arc::clone(&before.items.all[place(kind)]), lists.collect());
        }
        let (all, lists, found) =
            of_kind(kind, of_each, sources, rules, (tools, duplicates, &reserved[place(kind)]));
        findings.extend(found);
        (all, lists)
    });
    let all = merged.each_ref().map(|(all, _)| Arc::clone(all));
    let count = merged[0].1.len();
    let lists: Vec<ItemLists> = (0..count)
        .map(|profile| merged.each_mut().map(|(all, lists)| lists.get(profile).unwrap_or(all).clone()))
        .collect();
    let defaults = sources.iter().map(|source| {
        let defaults = source.snapshot.defaults().clone();
        SourceDefaults { prefix: source.prefix.clone(), ..defaults }
    });
    (MergedItems { all, lists: lists.into(), defaults: defaults.collect(), here }, findings)
}

/// All items of one kind, and what each profile shows of them.
fn of_kind(
    kind: CatalogKind,
    of_each: Vec<Arc<Items>>,
    sources: &[SourceEntry],
    rules: &ToolRules,
    (tools, duplicates, reserved): (&[Arc<ToolList>], &HiddenSkills, &Reserved),
) -> (Arc<ItemList>, Vec<Arc<ItemList>>, Vec<Diagnostic>) {
    let needs_facts = !duplicates.is_empty() || rules.ids().any(|id| rules.has_filter(id));
    let facts: Vec<Vec<ItemFacts>> = match needs_facts {
        false => Vec::new(),
        true => of_each.iter().map(|items| facts(kind, items)).collect(),
    };
    let fact = |source: usize, item: usize| facts.get(source).and_then(|facts| facts.get(item));
    let is_served = |source: usize, item: usize| {
        let skill = fact(source, item).map_or("", |facts| &facts.skill);
        !duplicates.iter().any(|(of, folder)| *of == source && folder == skill)
            && !reserved.contains(&(source, item))
    };
    let some_are_not = !duplicates.is_empty() || !reserved.is_empty();
    let (all, shadowed) =
        ItemList::new(kind, of_each.clone(), some_are_not.then_some(&is_served as &dyn Fn(_, _) -> _));
    let all = Arc::new(all);
    let lists = rules.ids().zip(tools).map(|(id, list)| {
        if !rules.has_filter(id) {
            return Arc::clone(&all);
        }
        let encoded = list.encoded();
        let with_tools: BTreeSet<String> =
            (0..encoded.tool_count()).map(|tool| SkillTags::of(encoded, tool).skill).collect();
        let is_shown = |source: usize, item: usize| {
            is_served(source, item)
                && fact(source, item).is_none_or(|facts| facts.is_shown(rules, id, &with_tools))
        };
        Arc::new(ItemList::new(kind, of_each.clone(), Some(&is_shown)).0)
    });
    let lists = lists.collect();
    let found = shadowed.iter().map(|shadowed| items_twice(kind, shadowed, sources)).collect();
    (all, lists, found)
}

fn facts(kind: CatalogKind, items: &Items) -> Vec<ItemFacts> {
    let encoded = items.encoded();
    (0..encoded.len()).map(|item| ItemFacts::of(kind, encoded, item)).collect()
}

/// The skills of folders, by the URIs of what they offer, where somebody else offers resources too.
fn skills_here(sources: &[SourceEntry]) -> SkillsHere {
    let is_folder = |source: &SourceEntry| source.snapshot.defaults().is_folder();
    let mut here = HashMap::new();
    if sources.iter().any(|source| !is_folder(source) && source.offers(CatalogKind::Resources)) {
        for (number, source) in sources.iter().enumerate().filter(|(_, source)| is_folder(source)) {
            let Some(items) = source.snapshot.items(CatalogKind::Resources) else { continue };
            let encoded = items.encoded();
            for skill in (0..encoded.len()).filter_map(|item| skill_of(encoded.key(item)?)) {
                here.entry(skill).or_insert(number);
            }
        }
    }
    SkillsHere(Arc::new(here))
}

/// What sources that are no folders list in the server's own scheme, and may not: by kind, their numbers and places.
fn reserved(sources: &[SourceEntry], here: &SkillsHere) -> ([Reserved; ITEM_KINDS.len()], Vec<Diagnostic>) {
    let mut findings = Vec::new();
    let places = ITEM_KINDS.map(|kind| {
        let mut places = Reserved::new();
        if kind == CatalogKind::Prompts {
            return places;
        }
        for (number, source) in sources.iter().enumerate() {
            if source.snapshot.defaults().is_folder() {
                continue;
            }
            let Some(items) = source.snapshot.items(kind) else { continue };
            let encoded = items.encoded();
            // By the source that has their skill; `None` is the server itself.
            let mut keys: BTreeMap<Option<usize>, Vec<String>> = BTreeMap::new();
            for (item, key) in (0..encoded.len()).filter_map(|item| Some((item, encoded.key(item)?))) {
                let owner = here.source_of(key);
                if is_own_scheme(key) && (owner.is_some() || !is_of_skills(key)) {
                    keys.entry(owner).or_default().push(key.to_owned());
                    places.insert((number, item));
                }
            }
            let found = |(owner, keys): (Option<usize>, Vec<String>)| {
                is_reserved(&source.name, owner.map(|owner| &*sources[owner].name), &keys)
            };
            findings.extend(keys.into_iter().map(found));
        }
        places
    });
    (places, findings)
}

fn is_reserved(source: &str, owner: Option<&str>, keys: &[String]) -> Diagnostic {
    let keys = some_of(keys);
    let message = match owner {
        Some(owner) => format!(
            "the skills of `{owner}` have these URIs beneath their names, so those of `{source}` are not listed: {keys}"
        ),
        None => {
            format!("the scheme `omni` is this server's own, so these of `{source}` are not listed: {keys}")
        }
    };
    let help = match owner {
        Some(_) => "rename one of the two skills, or serve one of them only",
        None => "it has to offer them in another scheme",
    };
    Diagnostic {
        severity: Severity::Error,
        skill: String::new(),
        file: source.to_owned(),
        line: 0,
        column: 0,
        code: RESERVED.to_owned(),
        message,
        help: Some(help.to_owned()),
    }
}

/// Items that are not listed: the numbers of their sources, and their places there.
type Reserved = HashSet<(usize, usize)>;

/// The code of a finding about what somebody offers where another has its own.
pub(crate) const RESERVED: &str = "reserved-uri";

pub(crate) fn is_of_items(found: &Diagnostic) -> bool {
    found.code == RESERVED || ITEM_KINDS.iter().any(|kind| found.code == code_of(*kind))
}

fn items_twice(kind: CatalogKind, shadowed: &Shadowed, sources: &[SourceEntry]) -> Diagnostic {
    let Shadowed { first, second, keys } = shadowed;
    let (first, second) = (&sources[*first].name, &sources[*second].name);
    let message = match keys.as_slice() {
        [key] => format!(
            "`{first}` has one with the {} `{key}` already, so that of `{second}` is not listed",
            key_of(kind)
        ),
        keys => {
            let (what, named) = (called(kind), some_of(keys));
            format!("`{first}` has {what}s of these already, so those of `{second}` are not listed: {named}")
        }
    };
    Diagnostic {
        severity: Severity::Error,
        skill: String::new(),
        file: second.to_string(),
        line: 0,
        column: 0,
        code: code_of(kind).to_owned(),
        message,
        help: Some("give one of the two another; the source that is named first wins".to_owned()),
    }
}
