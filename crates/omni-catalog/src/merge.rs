//! How the snapshots of all sources become one: who wins where two have one name, what each client sees, and what
//! changed.
//!
//! ```text
//! snapshots of sources ──▶ gathered ──▶ one of each name ──▶ named and encoded ──▶ all tools ──▶ shaped ──▶ a list for each profile
//! ```
//!
//! Of two sources with one name, the one that is named first wins: a source may change while the server runs, and a list
//! that a client has begun to use must not become an error. Nothing is dropped without a finding that names both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use omni_call::shown_path;

use crate::encoded_list::{self, EncodedList, EncodedTool, ListMeta};
use crate::item_lists::HiddenSkills;
use crate::list_index::TooLarge;
use crate::listing::optional_members;
use crate::seen_lists::SeenLists;
use crate::skill_tags::SkillTags;
use crate::snapshot::SourceEntry;
use crate::some_names::some_of;
use crate::source_defaults::SourceDefaults;
use crate::tool_list::ToolList;
use crate::tool_rules::{Filter, ProfileId, RuleConflicts, ToolFacts, ToolRules};
use crate::{CatalogKind, Diagnostic, NameStyle, Severity, Skill, Snapshot, merged_items};

/// A tool on its way into the list.
struct MergeCandidate<'a> {
    source: usize,
    /// The canonical one.
    name: &'a str,
    /// The folder of its skill.
    skill: String,
    listing: Bytes,
    detail: Bytes,
}

/// Makes one snapshot of these. What of `before` is made from the same things is taken over, with its parsed tools
/// and its version.
pub(crate) fn merge(
    mut sources: Vec<SourceEntry>,
    rules: &Arc<ToolRules>,
    before: Option<&Snapshot>,
) -> Result<Snapshot, TooLarge> {
    let folders = sources.iter().filter(|source| source.snapshot.defaults().is_folder()).count();
    if folders < 2 {
        sources.iter_mut().for_each(|source| source.prefix = None);
    }
    let before = before.filter(|before| before.sources.len() == sources.len());
    let same_tools = before.filter(|before| Arc::ptr_eq(&before.rules, rules)).filter(|before| {
        before.sources.iter().zip(&sources).all(|(one, other)| {
            one.snapshot.has_tools_of(&other.snapshot) && one.snapshot.is_known() == other.snapshot.is_known()
        })
    });
    let mut tools = match same_tools {
        Some(before) => Merged::again(before),
        None => merged_tools(&sources, rules)?,
    };
    let before = before.filter(|_| same_tools.is_some());
    let (items, found) = merged_items::merge(&sources, rules, &tools.lists, &tools.duplicate_skills, before);
    tools.findings.extend(found);
    let Merged { all, lists, hidden_skills, duplicate_skills, findings, rule_conflicts } = tools;
    let skill_lists = lists.iter().map(|_| OnceLock::new()).collect();
    Ok(Snapshot {
        sources,
        rules: Arc::clone(rules),
        all,
        lists,
        items,
        hidden_skills,
        duplicate_skills,
        findings,
        rule_conflicts,
        skills: OnceLock::new(),
        skills_version: OnceLock::new(),
        skill_lists,
        diagnostics: OnceLock::new(),
        seen: SeenLists::default(),
    })
}

/// What becomes of the tools and skills.
struct Merged {
    all: Arc<ToolList>,
    /// By profile.
    lists: Arc<[Arc<ToolList>]>,
    hidden_skills: HiddenSkills,
    /// Of those, the ones that an earlier folder has.
    duplicate_skills: HiddenSkills,
    findings: Vec<Diagnostic>,
    rule_conflicts: RuleConflicts,
}

impl Merged {
    /// What there was before, where it would be made from the same tools.
    fn again(before: &Snapshot) -> Merged {
        Merged {
            all: before.all.clone(),
            lists: before.lists.clone(),
            hidden_skills: before.hidden_skills.clone(),
            duplicate_skills: before.duplicate_skills.clone(),
            findings: before
                .findings
                .iter()
                .filter(|found| !merged_items::is_of_items(found))
                .cloned()
                .collect(),
            rule_conflicts: before.rule_conflicts.clone(),
        }
    }
}

/// The tools of sources of which one at least has others than before.
fn merged_tools(sources: &[SourceEntry], rules: &ToolRules) -> Result<Merged, TooLarge> {
    let names = rules.names(ProfileId::EVERYBODY);
    let mut with_tools = sources.iter().enumerate().filter(|(_, source)| source.offers(CatalogKind::Tools));
    let only = with_tools.next().filter(|_| with_tools.next().is_none());
    if let Some((number, SourceEntry { snapshot, .. })) = only
        && snapshot.encoded().style == names
    {
        // The encoded list of the one source is served as it is, so nobody has to make its bytes again.
        let defaults = SourceDefaults { prefix: None, ..snapshot.defaults().clone() };
        let all = ToolList::of_one(snapshot.encoded().clone(), defaults, number);
        return shaped(sources, Arc::new(all), rules, Vec::new());
    }
    let (all, hidden, findings) = tools(sources, names)?;
    let mut merged = shaped(sources, Arc::new(all), rules, findings)?;
    merged.duplicate_skills = hidden.clone();
    merged.hidden_skills.extend(hidden);
    Ok(merged)
}

/// The tools of all sources under one set of names.
fn tools(
    sources: &[SourceEntry],
    names: NameStyle,
) -> Result<(ToolList, HiddenSkills, Vec<Diagnostic>), TooLarge> {
    let mut findings = Vec::new();
    let mut candidates: Vec<MergeCandidate<'_>> =
        sources.iter().enumerate().flat_map(|(number, source)| gathered(number, source)).collect();
    let skills = skills(sources);
    let hidden = skills_twice(sources, &skills, &mut findings);
    candidates.retain(|tool| !hidden.contains(&(tool.source, tool.skill.clone())));
    let candidates = one_of_each_name(sources, candidates, &mut findings);
    Ok((encoded(sources, &candidates, names)?, hidden, findings))
}

fn skills(sources: &[SourceEntry]) -> Vec<(usize, Skill)> {
    let numbered = sources.iter().enumerate();
    numbered
        .flat_map(|(number, source)| source.snapshot.skills().into_iter().map(move |skill| (number, skill)))
        .collect()
}

/// What each profile shows of all tools. With no rules that is all of them, and costs nothing.
fn shaped(
    sources: &[SourceEntry],
    all: Arc<ToolList>,
    rules: &ToolRules,
    mut findings: Vec<Diagnostic>,
) -> Result<Merged, TooLarge> {
    let encoded = all.encoded();
    if rules.is_plain(encoded.style) {
        let lists = Arc::from([all.clone()]);
        return Ok(Merged {
            all,
            lists,
            hidden_skills: Vec::new(),
            duplicate_skills: Vec::new(),
            findings,
            rule_conflicts: RuleConflicts::default(),
        });
    }
    let skill_tags: Vec<SkillTags> =
        (0..encoded.tool_count()).map(|tool| SkillTags::of(encoded, tool)).collect();
    let candidates: Vec<ToolFacts<'_>> = skill_tags
        .iter()
        .enumerate()
        .map(|(tool, SkillTags { skill, tags })| ToolFacts {
            name: encoded.name(tool).unwrap_or_default(),
            skill,
            tags,
        })
        .collect();
    let mut lists = Vec::new();
    let mut rule_conflicts = Vec::new();
    for id in rules.ids() {
        if rules.changes_nothing(id, encoded.style) {
            lists.push(all.clone());
            continue;
        }
        let mut shown = rules.profile_tools(id, &candidates);
        rule_conflicts.append(&mut shown.conflicts);
        lists.push(Arc::new(all.shaped(&shown, rules.names(id))?));
    }
    let rule_conflicts = RuleConflicts::of(rule_conflicts);
    findings.extend(rule_conflicts.0.iter().map(Diagnostic::from));
    // While a source has never listed its tools, a rule without effect may still get one.
    if sources.iter().all(|source| source.snapshot.is_known()) {
        findings.extend(rules.without_effect(&candidates).iter().map(Diagnostic::from));
    }
    let hidden_skills = skills_left_out(sources, rules, &candidates);
    let duplicate_skills = Vec::new();
    Ok(Merged { all, lists: lists.into(), hidden_skills, duplicate_skills, findings, rule_conflicts })
}

/// The skills that the filters for everybody leave out, with all their tools.
fn skills_left_out(sources: &[SourceEntry], rules: &ToolRules, tools: &[ToolFacts<'_>]) -> HiddenSkills {
    if rules.common_filters().all(Filter::is_empty) {
        return Vec::new();
    }
    let is_left_out =
        |tool: &ToolFacts<'_>| rules.common_filters().any(|filter| filter.blocks(tool).is_some());
    let with_tools: BTreeSet<&str> =
        tools.iter().filter(|tool| !is_left_out(tool)).map(|tool| tool.skill).collect();
    let mut skills = skills(sources);
    skills.retain(|(_, skill)| {
        let itself = ToolFacts { name: &skill.folder, skill: &skill.folder, tags: &skill.tags };
        !with_tools.contains(skill.folder.as_str()) && is_left_out(&itself)
    });
    skills.into_iter().map(|(number, skill)| (number, skill.folder)).collect()
}

/// The tools of one source.
fn gathered(number: usize, source: &SourceEntry) -> impl Iterator<Item = MergeCandidate<'_>> {
    let encoded = source.snapshot.encoded();
    (0..encoded.tool_count()).filter_map(move |tool| {
        Some(MergeCandidate {
            source: number,
            name: encoded.name(tool)?,
            skill: SkillTags::of(encoded, tool).skill,
            listing: encoded.listing(tool)?,
            detail: encoded.detail(tool)?,
        })
    })
}

/// The skills that are not served because a folder before theirs has one of that name. A skill is one thing, with
/// processes, limits and trust of its own: two of one name are not made one, tool by tool.
fn skills_twice(
    sources: &[SourceEntry],
    skills: &[(usize, Skill)],
    findings: &mut Vec<Diagnostic>,
) -> Vec<(usize, String)> {
    let mut first: BTreeMap<&str, (usize, &Skill)> = BTreeMap::new();
    let mut hidden = Vec::new();
    for (number, skill) in skills {
        if !sources[*number].snapshot.defaults().is_folder() {
            continue;
        }
        let (_, other) = first.entry(&skill.folder).or_insert((*number, skill));
        if std::ptr::eq(*other, skill) {
            continue;
        }
        hidden.push((*number, skill.folder.clone()));
        // The same folder, named twice.
        if other.path == skill.path {
            continue;
        }
        let (folder, other) = (shown_path(&skill.path), shown_path(&other.path));
        findings.push(Diagnostic {
            severity: Severity::Error,
            skill: skill.folder.clone(),
            file: skill.path.display().to_string(),
            line: 0,
            column: 0,
            code: "duplicate-skill".to_owned(),
            message: format!(
                "there are two skills `{}`: the one in `{other}` is served, and the one in `{folder}` is not",
                skill.folder
            ),
            help: Some(
                "rename one of the two folders; of two, the one whose folder is named first is served"
                    .to_owned(),
            ),
        });
    }
    hidden
}

/// All tools sorted by name. Of two with one name the first source's stays, and the other is in a finding.
fn one_of_each_name<'a>(
    sources: &[SourceEntry],
    candidates: Vec<MergeCandidate<'a>>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<MergeCandidate<'a>> {
    let mut tools: BTreeMap<&str, MergeCandidate<'_>> = BTreeMap::new();
    // One finding for each skill and pair of sources: a runner may list the very folder that is served here.
    let mut twice: BTreeMap<(usize, usize, String), Vec<&str>> = BTreeMap::new();
    for candidate in candidates {
        match tools.get(candidate.name) {
            Some(first) => {
                let between = (first.source, candidate.source, candidate.skill);
                twice.entry(between).or_default().push(candidate.name);
            }
            None => {
                tools.insert(candidate.name, candidate);
            }
        }
    }
    for ((first, second, skill), names) in twice {
        let (first, second) = (&sources[first].name, &sources[second].name);
        let what = if names.len() == 1 { "that tool" } else { "those tools" };
        findings.push(Diagnostic {
            severity: Severity::Error,
            skill,
            file: second.to_string(),
            line: 0,
            column: 0,
            code: "duplicate-name".to_owned(),
            message: format!(
                "`{first}` has {what} already, so of `{second}` these are not listed: {}",
                some_of(&names)
            ),
            help: Some("rename the tools of one of the two; the source that is named first wins".to_owned()),
        });
    }
    tools.into_values().collect()
}

fn encoded(
    sources: &[SourceEntry],
    candidates: &[MergeCandidate<'_>],
    names: NameStyle,
) -> Result<ToolList, TooLarge> {
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or("{}");
    let tools: Vec<EncodedTool<'_>> = candidates
        .iter()
        .map(|tool| EncodedTool { name: tool.name, listing: text(&tool.listing), detail: text(&tool.detail) })
        .collect();
    let mut content = blake3::Hasher::new();
    for source in sources {
        content.update(&source.snapshot.encoded().content);
    }
    let meta = ListMeta {
        content: *content.finalize().as_bytes(),
        style: names,
        optional_members: optional_members(tools.iter().map(|tool| tool.listing)),
        skills: "[]",
        diagnostics: "[]",
        items: [&[]; 3],
    };
    let file = encoded_list::encode(&tools, meta)?;
    let encoded = EncodedList::decode(file.into(), names).ok_or(TooLarge)?;
    let defaults = sources.iter().map(|source| {
        let defaults = source.snapshot.defaults().clone();
        SourceDefaults { prefix: source.prefix.clone(), ..defaults }
    });
    let source_of = candidates.iter().map(|tool| u16::try_from(tool.source).unwrap_or(u16::MAX)).collect();
    Ok(ToolList::of_several(encoded, defaults.collect(), source_of))
}
