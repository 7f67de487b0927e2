//! What to say where there are no tools: how to get some.

use std::path::Path;

use omni_call::{FileKind, Target};
use omni_catalog::{CatalogKind, Item, ProfileId, Snapshot};

use crate::connect::quoted;
use crate::settings::{Places, SHIPPED};

const TOOL: &str = r#"from omni import tool

@tool(read_only=True)
def hello(name: str) -> str:
    """Greet somebody."""
    return f"Hello {name}!"
"#;

/// What to say to everybody who has no tools because all are left out; `None` to who has some, and where there are none.
pub(crate) fn with_all_left_out(snapshot: &Snapshot) -> Option<String> {
    let (count, first) = snapshot.all_filtered(ProfileId::EVERYBODY)?;
    let all = if count == 1 { "the only tool is".to_owned() } else { format!("all {count} tools are") };
    Some(format!(
        "{all} left out: `{0}` by {first}; `filter = [\"*\", \"!{0}\"]` leaves out all but that one",
        first.tool
    ))
}

/// What to do where a folder has no tools: commands for a shell that make the first one. `None` where there are some, and
/// where a runner lists its own.
pub(crate) fn with_no_tools(places: &Places, snapshot: &Snapshot) -> Option<String> {
    // The tool that reads skills is there with any folder.
    if snapshot.tools().any(|tool| tool.name() != omni_server::SKILL_READER) || offers_items(snapshot) {
        return None;
    }
    if let Some(text) = with_all_left_out(snapshot) {
        return Some(text);
    }
    if places.lister().is_some() {
        return None;
    }
    let shipped = format!("`--skills {SHIPPED}` serves the skills that come with omni");
    let is_meant = |folder: &str| places.own_skills().join(folder).join("SKILL.md").is_file();
    let Some(skill) = snapshot.skills().iter().find(|skill| is_meant(&skill.folder)) else {
        let folder = places.own_skills().join("greet");
        return Some(format!(
            "there are no skills with tools in `{}`\nto begin, paste this into a shell; it makes a skill with one tool:\n\n\
             mkdir -p {}\n{}{}\nthen try it:  omni call greet.hello name=Ada --skills {}\nor {shipped}",
            omni_call::shown_path(places.own_skills()),
            quoted(&folder.join("scripts")),
            file(&folder.join("SKILL.md"), "---\nname: greet\ndescription: Greets people by name.\n---\n"),
            file(&folder.join("scripts/greet.py"), TOOL),
            quoted(places.own_skills()),
        ));
    };
    let place = places.own_skills().join(&skill.folder).join("scripts/hello.py");
    let example = match place.symlink_metadata() {
        Ok(_) => String::new(),
        Err(_) => format!(
            "\nto begin, paste this into a shell; it makes one:\n\nmkdir -p {}\n{}",
            quoted(place.parent().unwrap_or(&place)),
            file(&place, TOOL)
        ),
    };
    Some(format!(
        "the skills there have no tools, only pages, which models read: a tool is a function with `@tool` in a file of the \
         skill's `scripts` folder; `omni doctor` says what is in the way of those that are there{example}\nor {shipped}"
    ))
}

/// Whether somebody has made something else than tools: a prompt, a template, or a resource that is no file as it lies there.
fn offers_items(snapshot: &Snapshot) -> bool {
    let made = |item: &Item| match item.spec.as_ref().map(|spec| &spec.target) {
        Some(Target::File(file)) => !matches!(file.kind, FileKind::Resource { .. }),
        _ => true,
    };
    let kinds = [CatalogKind::Prompts, CatalogKind::Templates, CatalogKind::Resources];
    kinds.into_iter().any(|kind| snapshot.all_items(kind).any(|item| made(&item)))
}

/// A command for a shell that writes a file.
fn file(path: &Path, text: &str) -> String {
    format!("cat > {} <<'END'\n{text}END\n", quoted(path))
}

/// What is said beside a list of the skills that come with omni, when nobody has asked for these.
pub(crate) fn with_shipped_skills(places: &Places) -> Option<String> {
    let is_unasked = places.settings_status.are_shipped_unasked() && places.lister().is_none();
    is_unasked.then(|| {
        let here = if Path::new("SKILL.md").is_file() {
            "; `--skills .` serves the skill in this folder"
        } else {
            ", and `--skills` names none"
        };
        format!("\nthere is no folder `./skills`{here}: these come with omni (`--skills {SHIPPED}`)")
    })
}
