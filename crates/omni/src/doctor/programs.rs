//! Whether the program that a tool runs is there and can be started.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use omni_call::shown_line;
use omni_catalog::{Diagnostic, Severity, Tool};

use crate::python;

/// What keeps a declared tool's command from running.
pub(super) fn missing(skill: &str, tool: &Tool) -> Vec<Diagnostic> {
    let Some(program) = tool.spec.target.program() else { return Vec::new() };
    let Some((first, rest)) = program.argv.split_first() else { return Vec::new() };
    let mut findings = Vec::new();
    let mut find = |severity: Severity, message: String, help: &str| {
        findings.push(Diagnostic {
            severity,
            skill: skill.to_owned(),
            file: tool.origin.file.clone(),
            line: tool.origin.line,
            column: tool.origin.line.min(1),
            code: "missing-command".to_owned(),
            message: format!("`{}` cannot run: {message}", tool.spec.tool),
            help: Some(help.to_owned()),
        });
    };
    let folder = &program.dir;
    if first.contains('/') {
        if let Some((message, help)) = unusable(&folder.join(first)) {
            find(Severity::Error, format!("`{}` {message}", shown_line(first)), help);
        }
    } else if python::locate(Path::new(first)).is_none() {
        let help = "install it, or write its path: one with `/` is looked for in the skill's folder";
        find(Severity::Error, format!("there is no program `{}` on the PATH", shown_line(first)), help);
    }
    let own = rest.iter().filter(|word| word.starts_with("scripts/") || word.starts_with("./"));
    for word in own.filter(|word| !folder.join(word).exists()) {
        let help = "correct the path, which begins at the skill's folder";
        find(Severity::Warning, format!("the skill has no file `{}`", shown_line(word)), help);
    }
    findings
}

/// Why a file cannot be started.
fn unusable(path: &Path) -> Option<(String, &'static str)> {
    let Ok(found) = fs::metadata(path) else {
        return Some(("is not there".to_owned(), "correct the path, which begins at the skill's folder"));
    };
    if !found.is_file() {
        return Some(("is not a file".to_owned(), "name the program itself"));
    }
    if found.permissions().mode() & 0o111 == 0 {
        return Some((
            "may not be executed".to_owned(),
            "`chmod +x` it, or name its interpreter first: `[python3, scripts/…]`",
        ));
    }
    let mut head = [0; 256];
    let length = fs::File::open(path).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    let head = String::from_utf8_lossy(&head[..length]);
    match head.strip_prefix("#!") {
        None if head.starts_with('\u{7f}') || head.is_empty() || head.contains('\u{fffd}') => None,
        None => Some((
            "does not say what runs it".to_owned(),
            "begin it with a line such as `#!/usr/bin/env python3`, or name its interpreter first",
        )),
        Some(line) => {
            let interpreter = line.split_whitespace().next().unwrap_or_default();
            let is_there = Path::new(interpreter.trim_end_matches('\r')).exists();
            (!is_there).then(|| {
                (
                    format!("is to be run by `{}`, which is not there", shown_line(interpreter)),
                    "write `#!/usr/bin/env python3`, or name its interpreter first",
                )
            })
        }
    }
}
