//! What of a source a call means by a name, when it shows or hides something, and what its client then sees.

use std::sync::Arc;

use crate::tool_rules::ProfileId;
use crate::visibility::matches;
use crate::{CatalogKind, NamedItem, Snapshot, ToolList, Visibility, similar};

impl Snapshot {
    /// The tools, resources, templates and prompts of a source that a name means: the canonical name, the one that a
    /// profile's list shows, a URI, or a pattern with `*`. A name that is somebody's is no pattern.
    pub fn named(&self, source: usize, profile: ProfileId, name: &str) -> Vec<NamedItem> {
        let mut found = self.called(source, profile, name);
        if found.is_empty() && name.contains('*') {
            found = self.all_named(source).filter(|item| matches(name, &item.key)).collect();
        }
        found
    }

    /// What has exactly that name.
    fn called(&self, source: usize, profile: ProfileId, name: &str) -> Vec<NamedItem> {
        let all = self.all.encoded();
        let shown = self.for_profile(profile).encoded();
        let shown =
            shown.find(name).filter_map(|tool| shown.name(tool)).filter_map(|name| all.position(name));
        let mut tools: Vec<usize> = all.find(name).chain(shown).collect();
        tools.sort_unstable();
        tools.dedup();
        // A name that several tools would have means none of them.
        let canonical = all.position(name).map(|tool| vec![tool]);
        let tools = canonical.unwrap_or(if tools.len() == 1 { tools } else { Vec::new() });
        tools
            .into_iter()
            .filter(|tool| self.all.source_of(*tool) == source)
            .filter_map(|tool| self.tool_named(tool))
            .collect()
    }

    fn tool_named(&self, tool: usize) -> Option<NamedItem> {
        let all = self.all.encoded();
        Some(NamedItem { kind: CatalogKind::Tools, key: all.name(tool)?.into(), is_on: !all.is_off(tool) })
    }

    /// All that a source has.
    fn all_named(&self, source: usize) -> impl Iterator<Item = NamedItem> {
        let tools = 0..self.all.tool_count();
        tools.filter(move |tool| self.all.source_of(*tool) == source).filter_map(|tool| self.tool_named(tool))
    }

    /// What of a source was probably meant by a name that nothing of it has. Compares it with all.
    pub fn similar_name(&self, source: usize, name: &str) -> Option<String> {
        let known: Vec<NamedItem> = self.all_named(source).collect();
        // The command alone, without its skill, is the most common slip.
        let suffix = format!(".{name}");
        let by_command = known.iter().find(|item| item.key.ends_with(&suffix)).map(|item| &*item.key);
        let closest = || similar::closest(name, known.iter().map(|item| &*item.key));
        by_command.or_else(closest).map(str::to_owned)
    }

    /// The tools that one client sees, for whom something is otherwise than for everybody with its profile. Made anew, in
    /// about a millisecond for a thousand tools.
    pub fn tools_seen(&self, profile: ProfileId, visibility: &Visibility) -> Arc<ToolList> {
        let unlisted =
            |tool: &str| self.rules.overrides_of(profile, tool).find_map(|own| own.hidden).unwrap_or(false);
        let list = self.lists.get(profile.index()).unwrap_or(&self.all);
        list.seen(visibility, unlisted).map_or_else(|_| list.clone(), Arc::new)
    }
}
