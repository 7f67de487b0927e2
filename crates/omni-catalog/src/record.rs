//! What the manifest keeps of one skill: everything that was learnt from its files, as one line of JSON.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use omni_call::{
    ExecutorKind, FileKind, FunctionKind, Policy, ProgramTarget, PythonTarget, RunSpec, Target, Trust,
};
use omni_scan::{Scan, Source, is_tool_name};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::declared_tools::{self, DeclaredTool, PYPROJECT};
use crate::folder::SkillFolder;
use crate::hidden_characters;
use crate::icon_files;
use crate::item_detail::{RecordedItem, SkillItem};
use crate::items::called;
use crate::listing::Listing;
use crate::own_words::{meta, tags};
use crate::pyproject::{self, Pyproject};
use crate::requirements::SkillRequirements;
use crate::skill_items;
use crate::skill_list::{SKILL_OF_TOOL, is_public_skill};
use crate::skill_uri::skill_uri;
use crate::tool::{Detail, Origin};
use crate::{Diagnostic, Severity, Skill, usable_schemas};

/// A record as it is written.
#[derive(Debug, Serialize)]
struct SkillRecord<'a> {
    folder: &'a str,
    digest: &'a str,
    files: Vec<FileHash<'a>>,
    skill: &'a Skill,
    tools: Vec<ToolRecord<'a>>,
    #[serde(skip_serializing_if = "<[SkillItem]>::is_empty")]
    items: &'a [SkillItem],
    diagnostics: &'a [Diagnostic],
}

#[derive(Debug, Serialize)]
struct FileHash<'a> {
    path: &'a str,
    bytes: usize,
    blake3: String,
}

#[derive(Debug, Serialize)]
struct ToolRecord<'a> {
    name: String,
    listing: Listing<'a>,
    detail: Detail<RunSpec>,
}

/// A record as it is read back: found by its name and digest, its tools copied as they are. Written anew, it is the same.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record<'a> {
    #[serde(borrow)]
    pub(crate) folder: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) digest: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) skill: &'a RawValue,
    #[serde(borrow)]
    pub(crate) tools: Vec<RecordedTool<'a>>,
    /// Resources, templates and prompts.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) items: Vec<RecordedItem<'a>>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RecordedTool<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) listing: &'a RawValue,
    #[serde(borrow)]
    pub(crate) detail: &'a RawValue,
}

/// Learns everything about a skill from its files, without running any. `digest` is the folder's.
pub(crate) fn describe(folder: &SkillFolder, digest: &str) -> String {
    let mut findings = folder.findings.clone();
    let (mut skill, mut declared) = front_matter(folder, &mut findings);
    skill.digest.clone_from(&folder.code);
    skill.files.clone_from(&folder.offered);
    let project = project(folder, &mut findings);
    declared_tools::read_pyproject(&folder.folder, &project, &mut declared, &mut findings);
    let mut scan = scan(folder, &mut findings);
    embed_icons(folder, &mut scan, &mut findings);
    let scanned = std::mem::take(&mut scan.tools);
    declared.retain(|declared| {
        let taken = scanned.iter().find(|tool| tool.command == declared.tool.command);
        if let Some(taken) = taken {
            findings.push(named_twice(&folder.folder, declared, taken));
        }
        taken.is_none()
    });
    let requirements = SkillRequirements::read(folder, &mut findings);
    let functions = scanned.iter().map(|tool| (tool, None));
    let programs = declared.iter().map(|declared| (&declared.tool, Some(&declared.program)));
    let tools: Vec<ToolRecord<'_>> = functions
        .chain(programs)
        .filter_map(|(tool, program)| written(&skill, tool, program, &requirements, &mut findings))
        .collect();
    let items = skill_items::read(&skill, folder, &scan, &requirements, &mut findings);
    look_for_hidden(folder, &skill, &tools, &items, &mut findings);
    skill.tools = tools.len();
    let nothing = scanned.is_empty() && declared.is_empty() && items.iter().all(is_file);
    if nothing && folder.skill_md.is_none() && !folder.has_scripts && folder.findings.is_empty() {
        findings.push(not_a_skill(&folder.folder));
    }
    if nothing {
        // omni runs nothing of a skill without tools, so it needs no packages installed: a note is enough.
        let aside = findings.iter_mut().filter(|finding| finding.code == "installer-file");
        aside.for_each(|finding| finding.severity = Severity::Note);
    }
    findings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    let files = folder.files().map(|file| FileHash {
        path: &file.path,
        bytes: file.text.len(),
        blake3: file.hash.to_hex().to_string(),
    });
    let record = SkillRecord {
        folder: &folder.folder,
        digest,
        files: files.collect(),
        skill: &skill,
        tools,
        items: &items,
        diagnostics: &findings,
    };
    // Strings, numbers and maps with text keys: nothing here can fail to be JSON.
    serde_json::to_string(&record).unwrap_or_default()
}

/// Puts the files that icons of functions name into them.
fn embed_icons(folder: &SkillFolder, scan: &mut Scan, findings: &mut Vec<Diagnostic>) {
    let origin = |file: &str, line: u32| Origin { file: format!("{}/{file}", folder.folder), line };
    for tool in &mut scan.tools {
        let (whose, origin) = (format!("the tool `{}`", tool.command), origin(&tool.file, tool.line));
        icon_files::embed(folder, &mut tool.icons, &whose, &origin, findings);
    }
    for resource in &mut scan.resources {
        let (whose, origin) =
            (format!("the resource `{}`", resource.name), origin(&resource.file, resource.line));
        icon_files::embed(folder, &mut resource.icons, &whose, &origin, findings);
    }
    for prompt in &mut scan.prompts {
        let (whose, origin) = (format!("the prompt `{}`", prompt.name), origin(&prompt.file, prompt.line));
        icon_files::embed(folder, &mut prompt.icons, &whose, &origin, findings);
    }
}

/// Finds what people do not see: in the files of the skill, and in what its tools and its own text say by escapes.
fn look_for_hidden(
    folder: &SkillFolder,
    skill: &Skill,
    tools: &[ToolRecord<'_>],
    items: &[SkillItem],
    findings: &mut Vec<Diagnostic>,
) {
    // A lock file is for programs.
    let read =
        || folder.skill_md.iter().chain(&folder.pyproject).chain(&folder.sources).chain(&folder.prompts);
    for file in read() {
        findings.extend(hidden_characters::in_file(
            &folder.folder,
            &format!("{}/{}", folder.folder, file.path),
            &file.text,
        ));
    }
    let mut look = |value: &Value, file: &str, line: u32, whose: String| {
        let source = read().find(|read| format!("{}/{}", folder.folder, read.path) == file);
        let source = source.map(|source| &*source.text).unwrap_or_default();
        findings.extend(hidden_characters::in_texts([value], source).map(|message| Diagnostic {
            severity: Severity::Warning,
            skill: folder.folder.clone(),
            file: file.to_owned(),
            line,
            column: line.min(1),
            code: hidden_characters::code().to_owned(),
            message: format!("{whose} has {message}"),
            help: Some(hidden_characters::help().to_owned()),
        }));
    };
    for tool in tools {
        let listing = serde_json::to_value(&tool.listing).unwrap_or_default();
        let Origin { file, line } = &tool.detail.origin;
        look(&listing, file, *line, format!("a text of the tool `{}`", tool.name));
    }
    // Each file is looked at for itself.
    for item in items.iter().filter(|item| !is_file(item)) {
        let listing = serde_json::from_str(item.listing.get()).unwrap_or_default();
        let Origin { file, line } = &item.detail.origin;
        look(&listing, file, *line, format!("a text of the {} `{}`", called(item.kind), item.key));
    }
    // The front matter stands in the other members, and each file is looked at for itself.
    let own = Skill { front_matter: Map::new(), files: Vec::new(), ..skill.clone() };
    let own = serde_json::to_value(own).unwrap_or_default();
    look(&own, &format!("{}/SKILL.md", folder.folder), 1, "the front matter".to_owned());
}

fn front_matter(folder: &SkillFolder, findings: &mut Vec<Diagnostic>) -> (Skill, Vec<DeclaredTool>) {
    match &folder.skill_md {
        Some(file) => Skill::read(&folder.folder, &file.text, findings),
        None => {
            // An unreadable or misspelt SKILL.md has been reported by its own name.
            let reported = folder
                .findings
                .iter()
                .any(|finding| finding.file.to_ascii_lowercase().ends_with("/skill.md"));
            if folder.has_scripts && !reported {
                findings.push(missing_skill_md(&folder.folder));
            }
            (Skill { folder: folder.folder.clone(), ..Skill::default() }, Vec::new())
        }
    }
}

/// The skill's `pyproject.toml`, empty where there is none.
fn project(folder: &SkillFolder, findings: &mut Vec<Diagnostic>) -> Pyproject {
    let Some(file) = &folder.pyproject else { return Pyproject::default() };
    let (project, problem) = pyproject::read(&file.text);
    findings.extend(problem.map(|problem| Diagnostic {
        severity: Severity::Warning,
        skill: folder.folder.clone(),
        file: format!("{}/{PYPROJECT}", folder.folder),
        line: problem.place.line,
        column: problem.place.column,
        code: "bad-pyproject".to_owned(),
        message: problem.message,
        help: Some(problem.help),
    }));
    project
}

/// Runs the scanner. A panic in it is a bug of ours that must cost this one skill only.
fn scan(folder: &SkillFolder, findings: &mut Vec<Diagnostic>) -> Scan {
    let sources: Vec<Source<'_>> =
        folder.sources.iter().map(|file| Source { path: &file.path, text: &file.text }).collect();
    let Ok(mut scan) = catch_unwind(AssertUnwindSafe(|| omni_scan::scan(&sources))) else {
        findings.push(Diagnostic {
            severity: Severity::Error,
            skill: folder.folder.clone(),
            file: format!("{}/scripts", folder.folder),
            line: 0,
            column: 0,
            code: "internal".to_owned(),
            message: "omni failed while reading this skill, so its tools are not listed".to_owned(),
            help: Some("this is a bug in omni: please report it with the skill's source".to_owned()),
        });
        return Scan::default();
    };
    findings.extend(scan.diagnostics.drain(..).map(|finding| Diagnostic {
        severity: finding.severity,
        skill: folder.folder.clone(),
        file: format!("{}/{}", folder.folder, finding.file),
        line: finding.line,
        column: finding.column,
        code: finding.code.to_owned(),
        message: finding.message,
        help: finding.help,
    }));
    scan
}

/// `None`, with a finding, for a tool that no client could use or that would spoil the list for one.
fn written<'a>(
    skill: &Skill,
    tool: &'a omni_scan::Tool,
    program: Option<&ProgramTarget>,
    requirements: &SkillRequirements,
    findings: &mut Vec<Diagnostic>,
) -> Option<ToolRecord<'a>> {
    let name = skill.canonical(&tool.command);
    let mut find = |severity, code: &str, message: String, help: &str| {
        findings.push(Diagnostic {
            severity,
            skill: skill.folder.clone(),
            file: format!("{}/{}", skill.folder, tool.file),
            line: tool.line,
            column: 1,
            code: code.to_owned(),
            message,
            help: Some(help.to_owned()),
        });
    };
    if !is_tool_name(&name) {
        let message = format!("`{name}` cannot be a tool's name, so the tool is not listed");
        let help = "names have 1 to 128 letters, digits, `_`, `-` and `.`, no blank and no other sign; rename the folder or give `name=` to the decorator";
        find(Severity::Error, "illegal-name", message, help);
        return None;
    }
    if skill.trust == Trust::Own && tool.executor.or(skill.executor) == Some(ExecutorKind::Embedded) {
        let message = format!(
            "`{name}` cannot run: its skill says `trust: own`, and `embedded` is the server's own process, which all share"
        );
        find(Severity::Error, "own-embedded", message, "choose `pool`, `fork` or `spawn`");
    }
    let output_schema =
        usable_schemas::output_schema(&name, &tool.input_schema, tool.output_schema.as_ref(), find)?;
    let listing = Listing {
        name: name.clone(),
        title: tool.title.as_deref(),
        description: tool.description.as_deref(),
        icons: tool.icons.as_ref(),
        input_schema: &tool.input_schema,
        output_schema,
        annotations: &tool.annotations,
        meta: linked(
            skill,
            meta(tool.meta.as_ref(), tool.category.as_deref(), &tool.tags, tool.version.as_deref()),
        ),
    };
    let structured = output_schema.is_some();
    let target = target(skill, tool, program, requirements, structured);
    let detail = Detail {
        run: run_spec(skill, tool, target, &name, structured),
        origin: Origin { file: format!("{}/{}", skill.folder, tool.file), line: tool.line },
        any_executor: tool.executor.or(skill.executor).is_none(),
        category: tool.category.clone(),
        tags: tags(skill, &tool.tags),
        version: tool.version.clone(),
    };
    Some(ToolRecord { name, listing, detail })
}

fn run_spec(skill: &Skill, tool: &omni_scan::Tool, target: Target, name: &str, structured: bool) -> RunSpec {
    let mut run = RunSpec::new(&skill.folder, &tool.command, target);
    name.clone_into(&mut run.tool);
    run.executor = tool.executor.or(skill.executor).unwrap_or_default();
    run.structured = structured;
    run.limits = tool.limits.or(&skill.limits);
    run.policy = policy(skill, tool);
    run.trust = skill.trust;
    run.keep_temp = skill.keep_temp;
    run
}

/// What is called. The folder's name stands for its path until the skills folder is known again.
fn target(
    skill: &Skill,
    tool: &omni_scan::Tool,
    program: Option<&ProgramTarget>,
    requirements: &SkillRequirements,
    structured: bool,
) -> Target {
    let (dir, file) = (skill.folder.clone().into(), tool.file.clone());
    let requirements = requirements.of(&tool.file, program);
    match program {
        Some(program) => ProgramTarget { dir, file, requirements, ..program.clone() }.into(),
        None => PythonTarget {
            dir,
            file,
            function: tool.function.clone(),
            kind: FunctionKind::Tool,
            mime_type: None,
            meta: None,
            is_async: tool.is_async,
            wrap_result: tool.wrap_result && structured,
            inject: tool.inject.clone(),
            preload: skill.preload,
            fork: tool.fork.or(&skill.fork),
            requirements,
            digest: skill.digest.clone(),
            last_good: false,
        }
        .into(),
    }
}

/// What the tool says, else what its skill says.
fn policy(skill: &Skill, tool: &omni_scan::Tool) -> Policy {
    let declared = |hint: &str| tool.annotations.get(hint) == Some(&Value::Bool(true));
    let mut policy = tool.policy.clone().or(&skill.policy);
    policy.repeatable = declared("readOnlyHint") || declared("idempotentHint");
    policy
}

/// Whether it is a file of the skill, and no function.
fn is_file(item: &SkillItem) -> bool {
    matches!(&item.detail.run.target, Target::File(file) if matches!(file.kind, FileKind::Resource { .. }))
}

/// With the page of the tool's skill, where clients can look that up.
fn linked(skill: &Skill, mut meta: Map<String, Value>) -> Map<String, Value> {
    if is_public_skill(&skill.folder, &skill.front_matter) {
        meta.entry(SKILL_OF_TOOL).or_insert_with(|| skill_uri(&skill.folder).into());
    }
    meta
}

fn named_twice(folder: &str, declared: &DeclaredTool, taken: &omni_scan::Tool) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        skill: folder.to_owned(),
        file: format!("{folder}/{}", declared.tool.file),
        line: declared.tool.line,
        column: 1,
        code: "declared-tool".to_owned(),
        message: format!(
            "the tool `{}` is not served: the function at {}:{} has that name",
            taken.command, taken.file, taken.line
        ),
        help: Some("rename one of the two".to_owned()),
    }
}

fn missing_skill_md(folder: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        skill: folder.to_owned(),
        file: folder.to_owned(),
        line: 0,
        column: 0,
        code: "missing-skill-md".to_owned(),
        message: "the skill has no `SKILL.md`".to_owned(),
        help: Some("its tools are served; add one to tell a model when to use them".to_owned()),
    }
}

fn not_a_skill(folder: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Note,
        skill: folder.to_owned(),
        file: folder.to_owned(),
        line: 0,
        column: 0,
        code: "not-a-skill".to_owned(),
        message: format!("`{folder}` is not a skill"),
        help: Some("a skill has a `SKILL.md` and, for tools, Python files in `scripts`".to_owned()),
    }
}
