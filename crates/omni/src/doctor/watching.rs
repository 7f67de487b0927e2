//! Whether a server in these places sees edits when they are made.

use omni_call::shown_path;
use omni_watch::{Tree, Watched, Watcher, Why};
use serde_json::json;

use super::finding::{Finding, Level, Section};
use crate::settings::{Places, ReloadMode, SkillsFolder};

/// Tries to watch the folders, and lets go of them.
pub(super) fn examine(places: &Places) -> Section {
    let mode = places.file.reload();
    let trees: Vec<Tree> = places.folders().iter().map(SkillsFolder::tree).collect();
    let watched = match mode {
        ReloadMode::Watch => Watcher::probe(&trees),
        ReloadMode::Poll | ReloadMode::Off => Vec::new(),
    };
    let polled = watched.iter().filter_map(|tree| Some((tree, tree.why_not.as_ref()?)));
    let told = polled.clone().map(|(tree, why)| json!({ "folder": tree.path, "why": why.to_string() }));
    let members = json!({ "mode": mode, "polled": told.collect::<Vec<_>>() });
    Section::of(polled.map(|(tree, why)| finding(tree, why)).collect()).with("reload", members)
}

fn finding(tree: &Watched, why: &Why) -> Finding {
    let text = format!("edits in `{}` are seen within 2 seconds, not at once: {why}", shown_path(&tree.path));
    match why {
        Why::WatchLimit => Finding::new(Level::Warning, "not-watched", text)
            .hint("`sysctl fs.inotify.max_user_watches=524288`, as root, raises the limit"),
        Why::QueueLimit => Finding::new(Level::Warning, "not-watched", text)
            .hint("`sysctl fs.inotify.max_user_instances=512`, as root, raises the limit"),
        Why::FileSystem(_) | Why::Wanted => Finding::new(Level::Note, "not-watched", text),
        Why::Refused(_) => Finding::new(Level::Warning, "not-watched", text),
    }
}
