//! The skills that a profile shows: as entries of the extension for skills (`io.modelcontextprotocol/skills`), as
//! directories, and as lines for a client's model.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::item_listing::ResourceListing;
use crate::pages::{self, Page, joined};
use crate::skill_tags::SkillTags;
use crate::skill_uri::{directory_uri, skill_file_uri, skill_uri};
use crate::tool_list::ToolList;
use crate::tool_rules::ToolFacts;
use crate::{Skill, SkillFile};

/// The MIME type of a directory, by the extension.
const DIRECTORY: &str = "inode/directory";

/// The member of a tool's `_meta` that has the URI of its skill's page.
pub(crate) const SKILL_OF_TOOL: &str = "omni/skill";
/// The member of a skill's `_meta` that has the names of its tools, as the same client's list has them.
const TOOLS_OF_SKILL: &str = "omni/tools";

/// An immutable list of the skills that some clients see, in the order of their folders' names.
#[derive(Debug)]
pub struct SkillList {
    pages: Vec<Bytes>,
    whole: Bytes,
    version: String,
    /// By the URI of the skill's page.
    entries: HashMap<String, Bytes>,
    skills: Vec<ShownSkill>,
}

/// A skill that has a page to read.
#[derive(Debug)]
pub struct ShownSkill {
    /// The name of its folder, by which it is asked for.
    pub folder: String,
    /// What it is for, as its front matter says.
    pub description: Option<String>,
    /// What clients may read of it, `SKILL.md` first.
    pub files: Vec<SkillFile>,
    /// The names of its tools on the wire.
    pub tools: Vec<String>,
    name: Option<String>,
    path: std::path::PathBuf,
    front_matter: Map<String, Value>,
}

impl SkillList {
    /// `tools` are those that the clients see, `is_filtered` says what their filters leave out, and `is_hidden` the URIs of
    /// files that are hidden from them.
    pub(crate) fn new(
        all: &[Skill],
        tools: &ToolList,
        is_filtered: impl Fn(&ToolFacts<'_>) -> bool,
        is_hidden: impl Fn(&str) -> bool,
    ) -> SkillList {
        let mut tools = tools_by_skill(tools);
        let mut skills: Vec<ShownSkill> = Vec::new();
        for skill in all.iter().filter(|skill| has_page(skill)) {
            let tools = tools.remove(&skill.folder);
            // Of a skill whose tools are all left out nothing is shown; one without tools is filtered by its own name.
            let itself = ToolFacts { name: &skill.folder, skill: &skill.folder, tags: &skill.tags };
            if tools.is_none() && (skill.tools > 0 || is_filtered(&itself)) {
                continue;
            }
            let is_hidden = |file: &SkillFile| is_hidden(&skill_file_uri(&skill.folder, &file.path));
            let files: Vec<SkillFile> = skill.files.iter().filter(|file| !is_hidden(file)).cloned().collect();
            // Nothing is left of a skill whose page is hidden.
            if files.first().map(|file| &file.path) != skill.files.first().map(|file| &file.path) {
                continue;
            }
            skills.push(ShownSkill {
                folder: skill.folder.clone(),
                description: skill.description.clone(),
                files,
                tools: tools.unwrap_or_default(),
                name: skill.name.clone(),
                path: skill.path.clone(),
                front_matter: skill.front_matter.clone(),
            });
        }
        let entries: Vec<(String, Bytes)> = skills.iter().filter_map(ShownSkill::entry).collect();
        let pages = pages::of_texts(entries.iter().map(|(_, entry)| &entry[..]));
        let whole = joined(&pages);
        let version = blake3::hash(&whole).to_hex()[..32].to_owned();
        SkillList { pages, whole, version, entries: entries.into_iter().collect(), skills }
    }

    /// A hash of the list: two that show clients the same have the same version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The `n`th page, from 0, of entries of the extension; `None` past the last one. A skill's entry is never on two.
    pub fn page(&self, n: usize) -> Option<Page> {
        let items = self.pages.get(n)?.clone();
        Some(Page { items, next: Some(n + 1).filter(|next| *next < self.pages.len()) })
    }

    /// All of them on one page.
    pub fn page_all(&self) -> Page {
        Page { items: self.whole.clone(), next: None }
    }

    /// The entry of the skill with that page.
    pub fn entry(&self, uri: &str) -> Option<Bytes> {
        self.entries.get(uri).cloned()
    }

    /// The URIs of the pages of all skills that have an entry.
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// All that have a page, those too that are no skill by the public format.
    pub fn skills(&self) -> &[ShownSkill] {
        &self.skills
    }

    pub fn find(&self, folder: &str) -> Option<&ShownSkill> {
        let at = self.skills.binary_search_by(|skill| skill.folder.as_str().cmp(folder)).ok()?;
        self.skills.get(at)
    }

    /// What lies directly in a directory, as a JSON array of resources; `None` for what is no directory of a skill.
    pub fn directory(&self, uri: &str) -> Option<Bytes> {
        let uri = uri.strip_suffix('/').unwrap_or(uri);
        self.skills.iter().find_map(|skill| skill.directory(uri))
    }
}

impl ShownSkill {
    /// Its folder, absolute; `None` where it is not here, but at a source that reads its files.
    pub fn path(&self) -> Option<&std::path::Path> {
        (!self.path.as_os_str().is_empty()).then_some(&*self.path)
    }

    /// Its URI and its entry. `None` where its front matter lacks what the public format wants of every skill, or names
    /// another skill: a client that checks, as the extension has it do, would refuse the entry.
    fn entry(&self) -> Option<(String, Bytes)> {
        if !is_public_skill(&self.folder, &self.front_matter) {
            return None;
        }
        let uri = skill_uri(&self.folder);
        let resource = |file: &SkillFile| {
            json!({
                "uri": skill_file_uri(&self.folder, &file.path),
                "digest": format!("sha256:{}", file.sha256),
                "size": file.size,
            })
        };
        let resources: Vec<Value> = self.files.iter().map(resource).collect();
        let mut entry = json!({"uri": uri, "frontmatter": self.front_matter, "resources": resources});
        if !self.tools.is_empty() {
            entry["_meta"] = json!({ TOOLS_OF_SKILL: self.tools });
        }
        Some((uri, entry.to_string().into()))
    }

    fn directory(&self, uri: &str) -> Option<Bytes> {
        let below = uri.strip_prefix(&directory_uri(&self.folder))?;
        if !(below.is_empty() || below.starts_with('/')) {
            return None;
        }
        let (mut folders, mut listings) = (BTreeSet::new(), Vec::new());
        let mut is_one = below.is_empty();
        for file in &self.files {
            let whole = skill_file_uri(&self.folder, &file.path);
            let Some(rest) = whole.strip_prefix(uri).and_then(|rest| rest.strip_prefix('/')) else {
                continue;
            };
            is_one = true;
            match rest.split_once('/') {
                Some((folder, _)) => {
                    let depth = below.matches('/').count();
                    let name = file.path.split('/').nth(depth).unwrap_or(folder).to_owned();
                    folders.insert((format!("{uri}/{folder}"), name));
                }
                None => listings.push(resource_of(&self.folder, self.name.as_deref(), file)),
            }
        }
        let directory = |(uri, name): &(String, String)| {
            ResourceListing { uri: Some(uri), name, mime_type: Some(DIRECTORY), ..Default::default() }
                .to_raw()
        };
        listings.extend(folders.iter().map(directory));
        is_one.then(|| serde_json::to_vec(&listings).ok().map(Bytes::from)).flatten()
    }
}

/// A file of a skill as lists of resources show it. Its page has the skill's own name, as its front matter gives it.
pub(crate) fn resource_of(folder: &str, skill_name: Option<&str>, file: &SkillFile) -> Box<RawValue> {
    let is_page = file.path == "SKILL.md";
    let name = skill_name.filter(|_| is_page).map(str::to_owned);
    // The size of code changes with each edit of it, of which no client needs to read the list anew: `skills/get` has it.
    let is_code = file.path.starts_with("scripts/") && file.path.ends_with(".py");
    let is_unknown = file.size == 0 && file.sha256.is_empty();
    let listing = ResourceListing {
        uri: Some(&skill_file_uri(folder, &file.path)),
        name: &name.unwrap_or_else(|| format!("{folder}/{}", file.path)),
        title: file.title.as_deref(),
        description: file.description.as_deref(),
        mime_type: Some(&file.mime_type),
        size: Some(file.size).filter(|_| !is_code && !is_unknown),
        ..ResourceListing::default()
    };
    listing.to_raw()
}

/// Whether it has a page for a model.
fn has_page(skill: &Skill) -> bool {
    skill.files.first().is_some_and(|file| file.path == "SKILL.md")
}

/// Whether front matter has what the public format wants of every skill.
pub(crate) fn is_public_skill(folder: &str, front_matter: &Map<String, Value>) -> bool {
    let text = |key: &str| front_matter.get(key).and_then(Value::as_str).map(str::trim);
    text("name") == Some(folder) && text("description").is_some_and(|text| !text.is_empty())
}

/// The names on the wire of the tools that are listed, by the folder of their skill. One whose tools are off has none of
/// them, and is a skill all the same: its page says how to come by them.
fn tools_by_skill(list: &ToolList) -> BTreeMap<String, Vec<String>> {
    let encoded = list.encoded();
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for tool in (0..encoded.tool_count()).filter(|tool| encoded.is_listed(*tool) || encoded.is_off(*tool)) {
        let tools = all.entry(SkillTags::of(encoded, tool).skill).or_default();
        tools.extend(encoded.wire_name(tool).filter(|_| encoded.is_listed(tool)).map(str::to_owned));
    }
    all
}
