//! How the parts of all sources become one snapshot: what is left out, who wins where two have one name, and what changed.
//!
//! ```text
//! parts ──▶ gathered ──▶ without what `exclude` names ──▶ one of each name ──▶ named and encoded ──▶ tool list
//! ```
//!
//! Of two sources with one name, the one that is named first wins: a source may change while the server runs, and a list
//! that a client has begun to use must not become an error. Nothing is dropped without a finding that names both.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use omni_call::shown_path;
use serde::Deserialize;

use crate::exclude::Hits;
use crate::item_list::{ItemList, Shadowed};
use crate::items::key_of;
use crate::listing::carries;
use crate::part::Home;
use crate::served::{self, Around, Served, ServedTool, TooLarge};
use crate::snapshot::Sourced;
use crate::tool_list::ToolList;
use crate::{Diagnostic, Exclude, Kind, NameStyle, Severity, Skill, Snapshot, names};

/// What is done to the parts when they are merged.
#[derive(Clone, Debug, Default)]
pub struct Shaping {
    /// How lists name the tools.
    pub names: NameStyle,
    /// What is left out.
    pub exclude: Exclude,
}

/// More names than this are not said of one skill that is partly hidden.
const NAMED_MAX: usize = 5;

/// A tool on its way into the list.
struct Candidate<'a> {
    source: usize,
    /// The canonical one.
    name: &'a str,
    /// The folder of its skill.
    skill: String,
    listing: Bytes,
    detail: Bytes,
}

/// Makes the snapshot of these parts. What of `before` is made from the same things is taken over, with its parsed tools
/// and its version.
pub(crate) fn merge(
    mut sources: Vec<Sourced>,
    shaping: &Shaping,
    before: Option<&Snapshot>,
) -> Result<Snapshot, TooLarge> {
    let folders = sources.iter().filter(|source| source.part.home().is_folder()).count();
    if folders < 2 {
        sources.iter_mut().for_each(|source| source.prefix = None);
    }
    let before = before.filter(|before| before.sources.len() == sources.len());
    let same_tools = before.filter(|before| {
        before.sources.iter().zip(&sources).all(|(one, other)| {
            one.part.has_tools_of(&other.part) && one.part.is_known() == other.part.is_known()
        })
    });
    let Merged { tools, hidden_skills, mut findings } = match (&*sources, same_tools) {
        (_, Some(before)) => Merged {
            tools: before.tools.clone(),
            hidden_skills: before.hidden_skills.clone(),
            findings: before.findings.iter().filter(|found| !is_of_items(found)).cloned().collect(),
        },
        ([Sourced { part, .. }], _) if shaping.exclude.is_empty() && part.served().style == shaping.names => {
            // The served form as it lies, whose bytes nobody has to make again.
            let home = Home { prefix: None, ..part.home().clone() };
            let tools = Arc::new(ToolList::of_one(part.served().clone(), home));
            Merged { tools, hidden_skills: Vec::new(), findings: Vec::new() }
        }
        _ => tools(&sources, shaping)?,
    };
    let mut items = |kind| {
        let of_each: Vec<_> = sources.iter().filter_map(|source| source.part.items(kind).cloned()).collect();
        let known = before.and_then(|before| match kind {
            Kind::Resources => Some(&before.resources),
            Kind::Templates => Some(&before.templates),
            Kind::Prompts => Some(&before.prompts),
            Kind::Tools | Kind::Skills => None,
        });
        if let Some(same) = known.filter(|known| known.is_of(&of_each)) {
            let before = before.map_or(&[][..], |before| &before.findings);
            findings.extend(before.iter().filter(|found| found.code == code_of(kind)).cloned());
            return Arc::clone(same);
        }
        let (list, shadowed) = ItemList::new(kind, of_each);
        findings.extend(shadowed.into_iter().map(|shadowed| item_twice(kind, &shadowed, &sources)));
        Arc::new(list)
    };
    let (resources, templates, prompts) =
        (items(Kind::Resources), items(Kind::Templates), items(Kind::Prompts));
    Ok(Snapshot {
        sources,
        tools,
        resources,
        templates,
        prompts,
        hidden_skills,
        findings,
        skills: OnceLock::new(),
        skills_version: OnceLock::new(),
        diagnostics: OnceLock::new(),
    })
}

/// What becomes of the tools and skills.
struct Merged {
    tools: Arc<ToolList>,
    hidden_skills: Vec<(usize, String)>,
    findings: Vec<Diagnostic>,
}

fn tools(sources: &[Sourced], shaping: &Shaping) -> Result<Merged, TooLarge> {
    let (mut findings, mut hidden_skills) = (Vec::new(), Vec::new());
    let mut candidates: Vec<Candidate<'_>> =
        sources.iter().enumerate().flat_map(|(number, source)| gathered(number, source)).collect();
    let mut skills: Vec<(usize, Skill)> = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        skills.extend(source.part.skills().into_iter().map(|skill| (number, skill)));
    }
    if !shaping.exclude.is_empty() {
        let folders: Vec<String> = skills.iter().map(|(_, skill)| skill.folder.clone()).collect();
        let mut hits = Hits::new(&shaping.exclude);
        let names: Vec<&str> = candidates.iter().map(|candidate| candidate.name).collect();
        let wire = wire_names(&names, shaping.names);
        candidates.retain(|tool| {
            let wire = wire.get(tool.name).map_or(tool.name, String::as_str);
            !hits.has(&[tool.name, wire, &tool.skill])
        });
        skills.retain(|(number, skill)| {
            let out = hits.has(&[&skill.folder]);
            if out {
                hidden_skills.push((*number, skill.folder.clone()));
            }
            !out
        });
        // Of a source that has never been heard of, nothing can be said.
        if sources.iter().all(|source| source.part.is_known()) {
            findings.extend(hits.without_any(&names, folders.iter().map(String::as_str)));
        }
    }
    let hidden = skills_twice(sources, &skills, &mut findings);
    candidates.retain(|tool| !hidden.contains(&(tool.source, tool.skill.clone())));
    hidden_skills.extend(hidden);
    let candidates = one_of_each_name(sources, candidates, &mut findings);
    let tools = encoded(sources, &candidates, shaping)?;
    Ok(Merged { tools: Arc::new(tools), hidden_skills, findings })
}

/// The tools of one source.
fn gathered(number: usize, source: &Sourced) -> impl Iterator<Item = Candidate<'_>> {
    let served = source.part.served();
    (0..served.tool_count()).filter_map(move |tool| {
        let detail = served.detail(tool)?;
        let skill = skill_of(&detail);
        Some(Candidate {
            source: number,
            name: served.name(tool)?,
            skill,
            listing: served.listing(tool)?,
            detail,
        })
    })
}

/// The folder of the skill that a tool belongs to.
fn skill_of(detail: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Detail {
        run: Run,
    }
    #[derive(Deserialize)]
    struct Run {
        skill: String,
    }
    serde_json::from_slice(detail).map(|detail: Detail| detail.run.skill).unwrap_or_default()
}

/// What each tool would be listed as if nothing were left out.
fn wire_names<'a>(names: &[&'a str], style: NameStyle) -> BTreeMap<&'a str, String> {
    let mut once = names.to_vec();
    once.sort_unstable();
    once.dedup();
    let wire = names::wire_names(&once, style);
    once.into_iter().zip(wire).collect()
}

/// The skills that are not served because a folder before theirs has one of that name. A skill is one thing, with
/// processes, limits and trust of its own: two of one name are not made one, tool by tool.
fn skills_twice(
    sources: &[Sourced],
    skills: &[(usize, Skill)],
    findings: &mut Vec<Diagnostic>,
) -> Vec<(usize, String)> {
    let mut first: BTreeMap<&str, (usize, &Skill)> = BTreeMap::new();
    let mut hidden = Vec::new();
    for (number, skill) in skills {
        if !sources[*number].part.home().is_folder() {
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
    sources: &[Sourced],
    candidates: Vec<Candidate<'a>>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Candidate<'a>> {
    let mut tools: BTreeMap<&str, Candidate<'_>> = BTreeMap::new();
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
        let named: Vec<String> = names.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
        let more = match names.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let what = if names.len() == 1 { "that tool" } else { "those tools" };
        findings.push(Diagnostic {
            severity: Severity::Error,
            skill,
            file: second.to_string(),
            line: 0,
            column: 0,
            code: "duplicate-name".to_owned(),
            message: format!(
                "`{first}` has {what} already, so of `{second}` these are not listed: {}{more}",
                named.join(", ")
            ),
            help: Some("rename the tools of one of the two; the source that is named first wins".to_owned()),
        });
    }
    tools.into_values().collect()
}

fn encoded(
    sources: &[Sourced],
    candidates: &[Candidate<'_>],
    shaping: &Shaping,
) -> Result<ToolList, TooLarge> {
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or("{}");
    let tools: Vec<ServedTool<'_>> = candidates
        .iter()
        .map(|tool| ServedTool { name: tool.name, listing: text(&tool.listing), detail: text(&tool.detail) })
        .collect();
    let mut content = blake3::Hasher::new();
    for source in sources {
        content.update(&source.part.served().content);
    }
    let around = Around {
        content: *content.finalize().as_bytes(),
        style: shaping.names,
        carries: carries(&tools),
        skills: "[]",
        diagnostics: "[]",
    };
    let file = served::encode(&tools, around)?;
    let served = Served::decode(file.into(), shaping.names).ok_or(TooLarge)?;
    let homes = sources.iter().map(|source| {
        let home = source.part.home().clone();
        Home { prefix: source.prefix.clone(), ..home }
    });
    let source_of = candidates.iter().map(|tool| u16::try_from(tool.source).unwrap_or(u16::MAX)).collect();
    Ok(ToolList::of_several(served, homes.collect(), source_of))
}

/// The code of a finding about two items with one key.
fn code_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Resources => "duplicate-resource",
        Kind::Templates => "duplicate-template",
        Kind::Prompts => "duplicate-prompt",
        Kind::Tools => "duplicate-name",
        Kind::Skills => "duplicate-skill",
    }
}

fn is_of_items(found: &Diagnostic) -> bool {
    [Kind::Resources, Kind::Templates, Kind::Prompts].iter().any(|kind| found.code == code_of(*kind))
}

fn item_twice(kind: Kind, shadowed: &Shadowed, sources: &[Sourced]) -> Diagnostic {
    let Shadowed { key, first, second } = shadowed;
    let (first, second) = (&sources[*first].name, &sources[*second].name);
    Diagnostic {
        severity: Severity::Error,
        skill: String::new(),
        file: second.to_string(),
        line: 0,
        column: 0,
        code: code_of(kind).to_owned(),
        message: format!(
            "`{first}` has one with the {} `{key}` already, so that of `{second}` is not listed",
            key_of(kind)
        ),
        help: Some("give one of the two another; the source that is named first wins".to_owned()),
    }
}
