//! Does a file import its own skill's files, or omni's names, in a way that fails?

use crate::diagnostic::Report;
use crate::package::{FileId, OMNI_MODULES, OMNI_NAMES, Package};
use crate::suggest::closest;
use crate::syntax::{Import, Reach};

/// Reports imports of the skill's own files that Python looks for elsewhere.
pub(crate) fn absolute(package: &Package, file: FileId, text: &str, report: &mut Report<'_>) {
    // A file that changes the path may well find its neighbours.
    if text.contains("sys.path") {
        return;
    }
    for import in &package.file(file).imports {
        if import.module.level > 0 || import.reach >= Reach::Guarded {
            continue;
        }
        let Some(relative) = package.own(file, &import.module.path) else { continue };
        let shown = &import.module.path;
        let message = format!("`{shown}` is a file of this skill, and an absolute import does not find it");
        let help = format!("write `{}`", rewritten(&relative, import));
        report.warning(import.at, "absolute-import", message, &help);
    }
}

/// Reports relative imports of files that the skill does not have.
pub(crate) fn missing(package: &Package, file: FileId, report: &mut Report<'_>) {
    for import in &package.file(file).imports {
        if import.module.level == 0 || import.reach >= Reach::Guarded {
            continue;
        }
        for (name, at) in package.lacks(file, import) {
            let message = format!("the skill has no file `{name}`");
            let help = "correct the name, or write the file; as it stands, the import fails";
            report.error(at, "missing-file", message, help);
        }
    }
}

/// The line to write: `relative` is the module with its dots, `.words` or `..a.words`.
fn rewritten(relative: &str, import: &Import) -> String {
    let renamed = |name: &str, alias: &Option<String>| match alias {
        Some(alias) => format!("{name} as {alias}"),
        None => name.to_owned(),
    };
    match &import.names {
        Some(names) => {
            let names: Vec<_> = names.iter().map(|(name, alias, _)| renamed(name, alias)).collect();
            format!("from {relative} import {}", names.join(", "))
        }
        None => {
            let dots = relative.len() - relative.trim_start_matches('.').len();
            let path = &relative[dots..];
            let (above, name) = path.rsplit_once('.').unwrap_or(("", path));
            format!("from {}{above} import {}", &relative[..dots], renamed(name, &import.alias))
        }
    }
}

/// Reports names that omni does not have; `true` when the file cannot be loaded for it.
pub(crate) fn unknown_names(package: &Package, file: FileId, report: &mut Report<'_>) -> bool {
    let mut fails = false;
    for import in &package.file(file).imports {
        if import.module.level > 0 || import.reach >= Reach::Guarded {
            continue;
        }
        let mut find = |at: u32, message: String, help: &str| {
            fails |= import.reach == Reach::Always;
            report.error(
                at,
                "unknown-name",
                message,
                &format!("{help} As it stands, the file can't be loaded"),
            );
        };
        if let Some(inner) = import.module.path.strip_prefix("omni.") {
            let module = inner.split('.').next().unwrap_or(inner);
            if !OMNI_MODULES.contains(&module) {
                find(import.at, format!("`omni` has no module `{inner}`"), "write `from omni import …`.");
            }
            continue;
        }
        for (name, _, at) in import.names.iter().flatten().filter(|_| import.module.path == "omni") {
            if name == "*" || OMNI_NAMES.contains(&&**name) || OMNI_MODULES.contains(&&**name) {
                continue;
            }
            let near = closest(
                &name.to_ascii_lowercase(),
                &["tool", "skill_command", "resource", "skill_resource", "prompt", "completion"],
            );
            let help = match near.or_else(|| closest(name, OMNI_NAMES)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its names are {}.", listed(OMNI_NAMES)),
            };
            find(*at, format!("`omni` has no `{name}`"), &help);
        }
    }
    fails
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_omni_are_read_from_its_package() {
        assert!(
            ["tool", "Context", "ToolResult"].iter().all(|name| OMNI_NAMES.contains(name)),
            "{OMNI_NAMES:?}"
        );
        assert!(
            ["skill", "describe", "report"].iter().all(|name| OMNI_MODULES.contains(name)),
            "{OMNI_MODULES:?}"
        );
    }
}
