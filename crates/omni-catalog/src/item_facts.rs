//! What filters and profiles go by in a resource, template or prompt: read from the encoded items without the rest of them.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::CatalogKind;
use crate::encoded_items::EncodedItems;
use crate::skill_uri::skill_and_path;
use crate::tool_rules::{ProfileId, ToolFacts, ToolRules};

/// What rules ask of an item.
#[derive(Debug, Default)]
pub(crate) struct ItemFacts {
    /// `<skill>.<name>`, or `<skill>.<path>` of a file.
    name: String,
    /// The folder of its skill; empty for what is of none.
    pub(crate) skill: String,
    tags: Vec<String>,
    /// It is a file of the skill, which says what its tools are for.
    is_page: bool,
}

#[derive(Deserialize)]
struct Detail {
    run: Run,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct Run {
    tool: String,
    skill: String,
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    file: Option<File>,
}

#[derive(Deserialize)]
struct File {
    kind: FileKind,
}

#[derive(Deserialize)]
struct FileKind {
    resource: Option<IgnoredAny>,
}

impl ItemFacts {
    pub(crate) fn of(kind: CatalogKind, items: &EncodedItems, item: usize) -> ItemFacts {
        let detail = items.detail(item).unwrap_or_default();
        if let Ok(Detail { run, tags }) = serde_json::from_slice(&detail) {
            let is_page = run.target.file.is_some_and(|file| file.kind.resource.is_some());
            return ItemFacts { name: run.tool, skill: run.skill, tags, is_page };
        }
        ItemFacts::of_key(kind, items.key(item).unwrap_or_default())
    }

    /// Of an item that somebody else lists, of which nothing but its key is known.
    fn of_key(kind: CatalogKind, key: &str) -> ItemFacts {
        let plain = || ItemFacts { name: key.to_owned(), ..ItemFacts::default() };
        if kind == CatalogKind::Prompts {
            let skill = key.split_once('.').map_or("", |(skill, _)| skill).to_owned();
            return ItemFacts { skill, ..plain() };
        }
        let Some((skill, path)) = skill_and_path(key) else { return plain() };
        ItemFacts { name: format!("{skill}.{path}"), skill, tags: Vec::new(), is_page: true }
    }

    /// Whether a profile shows it. `with_tools` are the skills of which it shows a tool: their pages are shown with it, for
    /// nobody can use a tool well whose page is hidden.
    pub(crate) fn is_shown(&self, rules: &ToolRules, id: ProfileId, with_tools: &BTreeSet<String>) -> bool {
        if self.is_page && with_tools.contains(&self.skill) {
            return true;
        }
        let facts = |name| ToolFacts { name, skill: &self.skill, tags: &self.tags };
        let blocked = |name| rules.filtered(id, &facts(name)).is_some();
        !(blocked(&self.name) || self.is_page && blocked(&self.skill))
    }
}
