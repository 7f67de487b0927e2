//! The tool `skill_read`: by it a model reads skills whose client has neither resources nor the extension for skills.
//!
//! It is the server's own, and not an executor's: it knows what its caller is shown, and reads files as resources are read.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use omni_call::{
    Call, CallPort, CallRequest, CallResult, ExecutorKind, FileKind, FileTarget, MimeType, Outcome,
    OutcomeKind, Phase, RunSpec, Target, ToolResult, range_uri,
};
use omni_catalog::{
    FoundResource, ProfileId, ShownSkill, SkillFile, SkillList, Visibility, closest, skill_file_uri,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::Server;
use crate::skills;

/// Its canonical name, and by that its name on the wire.
pub const SKILL_READER: &str = "skill_read";

/// What a read gives where nobody says how much. Clients show a model no more of one result than 40,000 characters (Gemini
/// CLI, Codex; Claude Code 50,000), and of a longer one the middle, or all but the first 2,000, is cut out.
const BYTES_DEFAULT: u64 = 32 << 10;
/// What a list of skills or of files has at most, in characters.
const LIST_CHARS_MAX: usize = 24_000;
/// A skill's line in it.
const DESCRIPTION_CHARS_MAX: usize = 300;
/// Files that an error names at most.
const NAMED_MAX: usize = 40;
/// An image up to this size is shown to the model; of another one it is told where it is.
const IMAGE_BYTES_MAX: u64 = 1 << 20;
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// The list of that one tool, as `tools/list` of MCP has it.
pub fn skill_reader_list() -> Value {
    json!({"tools": [{
        "name": SKILL_READER,
        "title": "Read a skill",
        "description": "Reads a skill of this server: what it is for, when to use its tools, and how. Read it before you \
                        use them. Without arguments it lists the skills.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "skill": {"type": "string", "description": "The skill's name, from the list."},
                "path": {
                    "type": "string",
                    "description": "A file of the skill, such as `references/api.md`; without it `SKILL.md`, and the names \
                                    of the others."
                },
                "offset": {"type": "integer", "minimum": 0, "description": "The first byte, to read on in a long file."},
                "length": {"type": "integer", "minimum": 1, "description": "Bytes at most; 32768 without it."}
            },
            "additionalProperties": false
        },
        "annotations": {"readOnlyHint": true, "openWorldHint": false},
        // Claude Code has its model look for tools before it sees more than their names, but not for one that says so.
        "_meta": {"anthropic/alwaysLoad": true},
        "omni": {"skill": "omni", "command": SKILL_READER}
    }]})
}

#[derive(Deserialize)]
struct Arguments {
    skill: Option<String>,
    path: Option<String>,
    offset: Option<u64>,
    length: Option<u64>,
}

/// A member of what `resources/read` answers.
#[derive(Deserialize)]
struct Contents {
    text: Option<String>,
    blob: Option<String>,
    #[serde(default, rename = "_meta")]
    meta: ContentsMeta,
}

#[derive(Default, Deserialize)]
struct ContentsMeta {
    #[serde(rename = "omni/range")]
    range: Option<Range>,
}

#[derive(Deserialize)]
struct Range {
    offset: u64,
    length: u64,
    size: u64,
}

/// Whether that is the tool, and not one of a skill that has its name.
pub(crate) fn is_skill_reader(spec: &RunSpec) -> bool {
    matches!(&spec.target, Target::Native { name } if name == SKILL_READER)
}

impl Server {
    /// Answers a call of the tool for who has that profile, and sees this otherwise.
    pub(crate) async fn read_skill(
        &self,
        profile: ProfileId,
        view: Option<Arc<Visibility>>,
        call: Call,
        port: &mut dyn CallPort,
    ) -> Outcome {
        let accepted = call.deadline.accepted();
        port.begun();
        let kind = self.skill_read(profile, view, call, port).await;
        let kind = kind.unwrap_or_else(|message| OutcomeKind::tool_error("ToolError", message, None));
        let elapsed = Instant::now().duration_since(accepted);
        Outcome { phase: Phase::Started, ..Outcome::unstarted(kind, elapsed) }
    }

    async fn skill_read(
        &self,
        profile: ProfileId,
        view: Option<Arc<Visibility>>,
        call: Call,
        port: &mut dyn CallPort,
    ) -> Result<OutcomeKind, String> {
        let arguments: Arguments =
            serde_json::from_slice(call.arguments()).map_err(|error| error.to_string())?;
        skills::known(self).await;
        let snapshot = self.snapshot();
        let list = skills::shown(&snapshot, profile, view).await;
        let list = &*list;
        let Some(asked) = arguments.skill.as_deref().map(str::trim).filter(|asked| !asked.is_empty()) else {
            if let Some(path) = &arguments.path {
                return Err(format!("`path` is `{path}`, of which skill? Give `skill` as well."));
            }
            return Ok(ToolResult::of_text(&skills_text(list)).into());
        };
        let skill = find(list, asked).ok_or_else(|| unknown_skill(list, asked))?;
        let path = arguments.path.as_deref().map_or("SKILL.md", own_path);
        let file = skill.files.iter().find(|file| file.path == path).ok_or_else(|| no_file(skill, path))?;
        let wanted = arguments.length.unwrap_or(BYTES_DEFAULT);
        let is_here = skill.path().is_some();
        let is_small = (1..=IMAGE_BYTES_MAX).contains(&file.size);
        let is_image = IMAGES.contains(&&*file.mime_type) && is_small;
        // A part of an image is none. How long code is that is not here nobody has said.
        let in_range = !is_image && (arguments.offset.is_some() || file.size > wanted || !is_here);
        let uri = skill_file_uri(&skill.folder, path);
        let read =
            if in_range { range_uri(&uri, arguments.offset.unwrap_or(0), wanted) } else { uri.clone() };
        let is_shown = is_image || is_text(file);
        if !is_shown {
            return Ok(linked(file, &uri).into());
        }
        let Some(spec) = self.reader_of(profile, skill, file, &uri) else {
            return Err(no_file(skill, path));
        };
        let contents = match self.contents(spec, read, call, port).await {
            Ok(contents) => contents,
            Err(kind) => return Ok(kind),
        };
        let mut blocks = Vec::new();
        match (contents.text, contents.blob) {
            (Some(text), _) => blocks.push(json!({"type": "text", "text": text})),
            (None, Some(data)) if is_image => {
                blocks.push(json!({"type": "image", "data": data, "mimeType": file.mime_type}));
            }
            (None, _) => return Ok(linked(file, &uri).into()),
        }
        if let Some(Range { offset, length, size }) = contents.meta.range
            && offset + length < size
        {
            let next = offset + length;
            blocks.push(json!({"type": "text", "text":
                format!("These are bytes {offset} to {next} of {size}: read on with `offset` {next}.")}));
        }
        if arguments.path.is_none() && arguments.offset.is_none() {
            blocks.extend(beside(skill).map(|text| json!({"type": "text", "text": text})));
        }
        Ok(blocks_result(&blocks).into())
    }

    /// What reads a file: from its folder where that is here, else whoever lists it as a resource.
    fn reader_of(
        &self,
        profile: ProfileId,
        skill: &ShownSkill,
        file: &SkillFile,
        uri: &str,
    ) -> Option<Arc<RunSpec>> {
        let Some(dir) = skill.path() else {
            return match self.snapshot().resource(profile, uri, None)? {
                FoundResource::Listed(item) => self.spec_of(&item),
                FoundResource::FromTemplate(..) | FoundResource::Source(_) => None,
            };
        };
        let target = FileTarget {
            dir: dir.to_owned(),
            path: file.path.clone(),
            kind: FileKind::Resource { mime_type: Some(file.mime_type.clone()), meta: None },
        };
        let mut spec = RunSpec::new(&skill.folder, SKILL_READER, Target::File(target));
        SKILL_READER.clone_into(&mut spec.tool);
        spec.executor = ExecutorKind::File;
        Some(Arc::new(spec))
    }

    /// Reads a file as the resource that it is.
    async fn contents(
        &self,
        spec: Arc<RunSpec>,
        uri: String,
        call: Call,
        port: &mut dyn CallPort,
    ) -> Result<Contents, OutcomeKind> {
        let reading = Call { spec, request: CallRequest::resource(uri), ..call };
        match self.executor.run(reading, port).await.kind {
            OutcomeKind::Finished(CallResult::Resource(read)) => {
                let contents: Result<Vec<Contents>, _> = serde_json::from_slice(&read.contents);
                contents.ok().and_then(|contents| contents.into_iter().next()).ok_or_else(|| {
                    OutcomeKind::BadResult { message: "the file was read as nothing".to_owned() }
                })
            }
            kind => Err(kind),
        }
    }
}

fn is_text(file: &SkillFile) -> bool {
    MimeType::of_path(&file.path).map_or(file.mime_type == MimeType::TEXT.name, |mime| mime.is_text)
}

fn blocks_result(blocks: &[Value]) -> ToolResult {
    let content = serde_json::to_vec(blocks).unwrap_or_default();
    ToolResult { content: content.into(), structured: None, meta: None, is_error: false }
}

/// What is said of a file that is no text.
fn linked(file: &SkillFile, uri: &str) -> ToolResult {
    let (path, mime_type, size) = (&file.path, &file.mime_type, file.size);
    let text = format!("`{path}` is no text: {mime_type}, {size} bytes. It is the resource {uri}");
    blocks_result(&[
        json!({"type": "text", "text": text}),
        json!({"type": "resource_link", "uri": uri, "name": path, "mimeType": mime_type, "size": size}),
    ])
}

/// The skill that a name means: its own, the name of one of its tools, or a URI of it.
fn find<'a>(list: &'a SkillList, asked: &str) -> Option<&'a ShownSkill> {
    let named =
        asked.strip_prefix("omni://skill/").map_or(asked, |rest| rest.split('/').next().unwrap_or(rest));
    let of_tool = |skill: &&ShownSkill| {
        let prefix = named.strip_prefix(&skill.folder).and_then(|rest| rest.strip_prefix('.'));
        prefix.is_some() || skill.tools.iter().any(|tool| tool == named)
    };
    list.find(named).or_else(|| list.skills().iter().find(of_tool))
}

/// A path as the skill's own files are named.
fn own_path(path: &str) -> &str {
    let path = path.trim();
    path.strip_prefix("./").unwrap_or(path)
}

fn unknown_skill(list: &SkillList, asked: &str) -> String {
    let asked: String = asked.chars().take(100).collect();
    let folders = || list.skills().iter().map(|skill| skill.folder.as_str());
    if list.skills().is_empty() {
        return "this server has no skill with a page to read".to_owned();
    }
    let lower = asked.to_lowercase();
    let has_word = |skill: &&ShownSkill| {
        let description = skill.description.as_deref().unwrap_or_default();
        skill.folder.to_lowercase().contains(&lower) || description.to_lowercase().contains(&lower)
    };
    let near: Vec<&str> = match closest(&asked, folders()) {
        Some(near) => vec![near],
        None => list.skills().iter().filter(has_word).take(5).map(|skill| skill.folder.as_str()).collect(),
    };
    let hint = if near.is_empty() {
        format!("call `{SKILL_READER}` without arguments for all {}", list.skills().len())
    } else {
        format!("did you mean {}?", quoted(near.into_iter()))
    };
    format!("there is no skill `{asked}`; {hint}")
}

fn no_file(skill: &ShownSkill, path: &str) -> String {
    let asked: String = path.chars().take(200).collect();
    let folder = format!("{}/", path.trim_end_matches('/'));
    let paths = || skill.files.iter().map(|file| file.path.as_str());
    let within: Vec<&str> = paths().filter(|path| path.starts_with(&folder)).collect();
    if !within.is_empty() {
        return format!("`{asked}` is a folder of the skill `{}`: it has {}", skill.folder, some(&within));
    }
    let last = path.rsplit('/').next().unwrap_or(path);
    let same_name = || paths().find(|path| path.rsplit('/').next() == Some(last));
    let hint = match closest(path, paths()).or_else(same_name) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", some(&paths().collect::<Vec<_>>())),
    };
    format!("the skill `{}` has no file `{asked}`; {hint}", skill.folder)
}

/// Names in back-ticks, as many as help.
fn some(names: &[&str]) -> String {
    let shown = quoted(names.iter().copied().take(NAMED_MAX));
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The skills, a line for each.
fn skills_text(list: &SkillList) -> String {
    if list.skills().is_empty() {
        return "This server has no skill with a page to read.".to_owned();
    }
    let mut text = String::from("Skills of this server; read one with `skill`:");
    for (at, skill) in list.skills().iter().enumerate() {
        let mut line = format!("\n- {}", skill.folder);
        let description = skill.description.as_deref().unwrap_or_default();
        let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
        if !description.is_empty() {
            let cut: String = description.chars().take(DESCRIPTION_CHARS_MAX).collect();
            let more = if cut.len() < description.len() { "…" } else { "" };
            let _ = write!(line, ": {cut}{more}");
        }
        if text.len() + line.len() > LIST_CHARS_MAX {
            let more = list.skills().len() - at;
            let _ = write!(text, "\nand {more} more: give a word of what you look for as `skill`.");
            break;
        }
        text.push_str(&line);
    }
    text
}

/// What there is of a skill beside its page.
fn beside(skill: &ShownSkill) -> Option<String> {
    let files: Vec<&str> =
        skill.files.iter().map(|file| file.path.as_str()).filter(|path| *path != "SKILL.md").collect();
    let mut said = Vec::new();
    if !files.is_empty() {
        said.push(format!("Its other files, read with `path`: {}.", some(&files)));
    }
    if !skill.tools.is_empty() {
        said.push(format!(
            "Its tools: {}.",
            some(&skill.tools.iter().map(String::as_str).collect::<Vec<_>>())
        ));
    }
    (!said.is_empty()).then(|| said.join("\n"))
}
