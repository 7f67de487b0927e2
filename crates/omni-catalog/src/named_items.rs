//! What of a source a call means by a name, when it shows or hides something.

use std::borrow::Cow;

use crate::catalog_kind::ITEM_KINDS;
use crate::tool_rules::ProfileId;
use crate::visibility::matches;
use crate::{CatalogKind, NamedItem, Snapshot, similar};

impl Snapshot {
    /// The tools, resources, templates and prompts of a source that a name means: a canonical name (`<skill>.<name>`), the
    /// one that a profile's list shows, a URI or template, or a pattern with `*`. A name that is somebody's is no pattern.
    pub fn named(&self, source: usize, profile: ProfileId, name: &str) -> Vec<NamedItem> {
        let mut found: Vec<NamedItem> = self.tool_called(source, profile, name).into_iter().collect();
        found.extend(self.items_named(source, |key, called| key == name || called == name));
        if found.is_empty() && name.contains('*') {
            let tools = self.tools_of(source).filter_map(|tool| self.tool_named(tool));
            found.extend(tools.filter(|tool| matches(name, &tool.key)));
            found.extend(self.items_named(source, |key, called| matches(name, called) || matches(name, key)));
        }
        found
    }

    /// The tool that has exactly that name.
    fn tool_called(&self, source: usize, profile: ProfileId, name: &str) -> Option<NamedItem> {
        let all = self.all.encoded();
        let shown = self.for_profile(profile).encoded();
        let shown =
            shown.find(name).filter_map(|tool| shown.name(tool)).filter_map(|name| all.position(name));
        let mut tools: Vec<usize> = all.find(name).chain(shown).collect();
        tools.sort_unstable();
        tools.dedup();
        // A name that several tools would have means none of them.
        let only = if let [only] = tools[..] { Some(only) } else { None };
        let tool = all.position(name).or(only)?;
        (self.all.source_of(tool) == source).then(|| self.tool_named(tool)).flatten()
    }

    fn tool_named(&self, tool: usize) -> Option<NamedItem> {
        let all = self.all.encoded();
        Some(NamedItem { kind: CatalogKind::Tools, key: all.name(tool)?.into(), is_on: !all.is_off(tool) })
    }

    fn tools_of(&self, source: usize) -> impl Iterator<Item = usize> {
        (0..self.all.tool_count()).filter(move |tool| self.all.source_of(*tool) == source)
    }

    /// What of a source besides tools `is_meant`, by its key and by what people call it.
    fn items_named(&self, source: usize, is_meant: impl Fn(&str, &str) -> bool) -> Vec<NamedItem> {
        let mut found = Vec::new();
        for (kind, list) in ITEM_KINDS.into_iter().zip(&self.items.all) {
            for (items, item) in list.encoded_of(source) {
                let Some(key) = items.key(item) else { continue };
                if is_meant(key, items.called(item).as_deref().unwrap_or(key)) {
                    found.push(NamedItem { kind, key: key.into(), is_on: !items.is_off(item) });
                }
            }
        }
        found
    }

    /// Whether a client with that profile may have it at all: nothing that is shown goes past filters.
    pub fn allows(&self, profile: ProfileId, item: &NamedItem) -> bool {
        match self.item_list(profile, item.kind) {
            Some(list) => list.encoded_item(&item.key).is_some(),
            None => self.for_profile(profile).encoded().position(&item.key).is_some(),
        }
    }

    /// What of a source was probably meant by a name that nothing of it has. Compares it with all.
    pub fn similar_name(&self, source: usize, name: &str) -> Option<String> {
        let mut known: Vec<String> = self
            .tools_of(source)
            .filter_map(|tool| Some(self.all.encoded().name(tool)?.to_owned()))
            .collect();
        for list in &self.items.all {
            known.extend(list.encoded_of(source).flat_map(|(items, item)| {
                let called = items.called(item).map(Cow::into_owned);
                let key = items.key(item).map(str::to_owned);
                called.into_iter().chain(key)
            }));
        }
        // The name alone, without its skill, is the most common slip.
        let suffix = format!(".{name}");
        let by_suffix = known.iter().find(|known| known.ends_with(&suffix)).cloned();
        by_suffix.or_else(|| similar::closest(name, known.iter().map(String::as_str)).map(str::to_owned))
    }
}
