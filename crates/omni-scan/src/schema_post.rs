//! What is left to do once a schema is written: definitions, names, order, titles.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value as Json};

use crate::reference::referenced;
use crate::schema::Writer;
use crate::type_ir::DefId;

impl Writer<'_> {
    /// Completes a root schema: definitions in use, names, order, titles.
    pub(crate) fn finish(mut self, root: Map<String, Json>) -> Map<String, Json> {
        let mut root = root;
        let mut used = self.uses(&root);
        self.inline_aliases(&mut used);
        // A lone reference is replaced by what it refers to, unless that is referred to again.
        if root.len() == 1
            && let Some(id) = root.get("$ref").and_then(referenced)
            && used.iter().any(|(used, count)| *used == id && *count == 1)
            && let Some(target) = self.written.get(&id)
        {
            root.clone_from(target);
            used = self.uses(&root);
        }
        let used: Vec<DefId> = used.into_iter().map(|(id, _)| id).collect();
        let names = self.names(&used);
        let mut definitions = BTreeMap::new();
        for id in used {
            if let (Some(name), Some(schema)) = (names.get(&id), self.written.remove(&id)) {
                definitions.insert(name.clone(), Json::Object(schema));
            }
        }
        if !definitions.is_empty() {
            root.insert("$defs".to_owned(), Json::Object(definitions.into_iter().collect()));
        }
        arrange(&mut root, None, &names);
        with_resolved_root(root)
    }

    /// The definitions that a schema refers to, directly or through others, and how often each is.
    fn uses(&self, root: &Map<String, Json>) -> Vec<(DefId, u32)> {
        let mut uses: Vec<(DefId, u32)> = Vec::new();
        let mut waiting = Vec::new();
        references_in(root, &mut waiting);
        while let Some(id) = waiting.pop() {
            match uses.iter_mut().find(|(used, _)| *used == id) {
                Some((_, count)) => *count += 1,
                None => {
                    uses.push((id, 1));
                    if let Some(target) = self.written.get(&id) {
                        references_in(target, &mut waiting);
                    }
                }
            }
        }
        uses
    }

    /// `type Name = Class` takes the class's place when nothing else refers to the class.
    fn inline_aliases(&mut self, uses: &mut Vec<(DefId, u32)>) {
        let aliases: Vec<(DefId, DefId)> = uses
            .iter()
            .filter_map(|(id, _)| {
                let schema = self.written.get(id).filter(|schema| schema.len() == 1)?;
                Some((*id, schema.get("$ref").and_then(referenced)?))
            })
            .collect();
        for (alias, class) in aliases {
            let once = uses.iter().any(|(id, count)| *id == class && *count == 1);
            if let Some(target) = self.written.get(&class).filter(|_| once && alias != class) {
                let target = target.clone();
                self.written.insert(alias, target);
                uses.retain(|(id, _)| *id != class);
            }
        }
    }

    /// Short names, or names with their module where two definitions share the short one.
    fn names(&self, used: &[DefId]) -> HashMap<DefId, String> {
        let mut shared: HashMap<String, usize> = HashMap::new();
        let normal = |id: DefId| {
            self.definitions.get(id).map(|found| (normalized(&found.name), normalized(&found.qualified)))
        };
        for (short, _) in used.iter().filter_map(|id| normal(*id)) {
            *shared.entry(short).or_default() += 1;
        }
        let mut taken: HashSet<String> = HashSet::new();
        let mut names = HashMap::new();
        for id in used {
            let Some((short, qualified)) = normal(*id) else { continue };
            let mut name = if shared.get(&short) == Some(&1) { short } else { qualified };
            while !taken.insert(name.clone()) {
                name.push_str("__2");
            }
            names.insert(*id, name);
        }
        names
    }
}

/// MCP wants an object at the root, so a `$ref` that is left there is replaced by what it refers to.
fn with_resolved_root(root: Map<String, Json>) -> Map<String, Json> {
    const HOPS_MAX: u32 = 32;
    if !root.contains_key("$ref") {
        return root;
    }
    let mut resolved = root.clone();
    for _ in 0..HOPS_MAX {
        if resolved.contains_key("type") {
            break;
        }
        let name = resolved.get("$ref").and_then(Json::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
        let target = name.and_then(|name| root.get("$defs")?.get(name)?.as_object());
        let Some(target) = target else { break };
        let mut merged = target.clone();
        merged.extend(resolved.into_iter().filter(|(key, _)| key != "$ref"));
        resolved = merged;
    }
    let used = named_references(&resolved);
    if let Some(Json::Object(definitions)) = resolved.get_mut("$defs") {
        definitions.retain(|name, _| used.contains(name));
    }
    resolved.retain(|key, value| key != "$defs" || value.as_object().is_some_and(|found| !found.is_empty()));
    resolved
}

/// Names of the definitions that a finished schema still refers to.
fn named_references(root: &Map<String, Json>) -> HashSet<String> {
    let definitions = root.get("$defs");
    let mut used = HashSet::new();
    let mut waiting: Vec<&Json> =
        root.iter().filter(|(key, _)| *key != "$defs").map(|(_, value)| value).collect();
    while let Some(node) = waiting.pop() {
        match node {
            Json::Array(items) => waiting.extend(items),
            Json::Object(map) => waiting.extend(map.values()),
            Json::String(text) => {
                if let Some(name) = text.strip_prefix("#/$defs/")
                    && used.insert(name.to_owned())
                {
                    waiting.extend(definitions.and_then(|definitions| definitions.get(name)));
                }
            }
            _ => {}
        }
    }
    used
}

fn references_in(schema: &Map<String, Json>, found: &mut Vec<DefId>) {
    schema.values().for_each(|value| references(value, found));
}

fn references(schema: &Json, found: &mut Vec<DefId>) {
    match schema {
        Json::String(_) => found.extend(referenced(schema)),
        Json::Array(items) => items.iter().for_each(|item| references(item, found)),
        Json::Object(map) => map.values().for_each(|value| references(value, found)),
        _ => {}
    }
}

fn normalized(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' };
    name.chars().map(kept).collect::<String>().replace('.', "__")
}

/// Puts keywords in alphabetical order, properties and defaults keeping theirs, and names the definitions.
fn arrange(schema: &mut Map<String, Json>, parent: Option<&str>, names: &HashMap<DefId, String>) {
    if !matches!(parent, Some("properties" | "default")) {
        schema.sort_keys();
    }
    for (key, value) in schema {
        arrange_value(value, key, names);
    }
}

fn arrange_value(value: &mut Json, parent: &str, names: &HashMap<DefId, String>) {
    match value {
        Json::Object(map) => arrange(map, Some(parent), names),
        Json::Array(items) => items.iter_mut().for_each(|item| arrange_value(item, parent, names)),
        Json::String(_) => {
            if let Some(name) = referenced(value).and_then(|id| names.get(&id)) {
                *value = Json::String(format!("#/$defs/{name}"));
            }
        }
        _ => {}
    }
}
