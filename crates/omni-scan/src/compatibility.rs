//! Does a skill's source run on one version of Python, and which modules does it need besides?
//!
//! [`scan`](crate::scan) reads what every Python accepts; this asks about one version, for who knows which it will be.

use ruff_python_ast::PythonVersion;
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use ruff_text_size::Ranged;

use crate::diagnostic::{Diagnostic, Report};
use crate::library_versions::{Presence, is_library, name_since, presence};
use crate::package::{FileId, Package};
use crate::scan::Source;
use crate::syntax::{Class, Expr, ExprKind, Import, Module, Operator, Reach, parse, too_deep};

/// What one file asks of its Python.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileCheck {
    /// As it was given in [`Source::path`].
    pub path: String,
    /// What this version of Python lacks.
    pub findings: Vec<Diagnostic>,
    /// Modules that neither the library nor the skill has.
    pub needs: Vec<Need>,
}

/// A module that something else has to bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// As it is imported, with dots.
    pub module: String,
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// Without it the file cannot be loaded; else only what runs later, or under a condition, fails.
    pub at_load: bool,
}

/// Checks the files that omni loads: those with decorated functions, and what they import. `minor` is that of the
/// version, as 12 in 3.12. Files that are no Python are left out, since [`scan`](crate::scan) reports them.
#[must_use]
pub fn check_compatibility(sources: &[Source<'_>], minor: u32) -> Vec<FileCheck> {
    let modules =
        sources.iter().map(|source| (source.path.to_owned(), parse(source.text).unwrap_or_default()));
    let package = Package::new(modules.collect(), sources.iter().map(|source| source.text.len()).sum());
    let mut checks = Vec::new();
    for (file, source) in package.ids().zip(sources) {
        let module = package.file(file);
        let is_loaded = module.functions.iter().any(|function| !function.decorators.is_empty())
            || package.is_imported(file)
            || source.path.ends_with("/__init__.py");
        if is_loaded {
            checks.push(file_check(&package, file, source, minor));
        }
    }
    checks
}

fn file_check(package: &Package, file: FileId, source: &Source<'_>, minor: u32) -> FileCheck {
    let module = package.file(file);
    let mut report = Report::new(source.path, source.text);
    syntax(source.text, minor, &mut report);
    unions(module, minor, &mut report);
    for import in &module.imports {
        if import.reach < Reach::Guarded && import.module.level == 0 {
            names(import, minor, &mut report);
        }
    }
    for class in &module.classes {
        bases(class, minor, &mut report);
    }
    let needs = needs(package, file, source, &report);
    FileCheck { path: source.path.to_owned(), findings: report.into_findings(), needs }
}

/// Syntax of later versions, as the parser knows it.
fn syntax(text: &str, minor: u32, report: &mut Report<'_>) {
    if too_deep(text) {
        return;
    }
    let version = PythonVersion { major: 3, minor: u8::try_from(minor).unwrap_or(u8::MAX) };
    let options = ParseOptions::from(Mode::Module).with_target_version(version);
    let Ok(parsed) = std::panic::catch_unwind(|| parse_unchecked(text, options)) else { return };
    for error in parsed.unsupported_syntax_errors() {
        let said = error.to_string();
        let message = match said.split_once(" on Python ") {
            Some((what, _)) => format!("Python 3.{minor} does not have this: {}", lower_first(what)),
            None => lower_first(&said),
        };
        let help = "write it in another way, or ask for a newer Python with `requires-python`; as it stands, the file \
                    can't be loaded";
        report.error(error.range().start().to_u32(), "too-new", message, help);
    }
}

/// `int | None`, which is evaluated when the function is defined.
fn unions(module: &Module, minor: u32, report: &mut Report<'_>) {
    if minor >= 10 || module.lazy_annotations {
        return;
    }
    let methods = module.classes.iter().flat_map(|class| &class.methods);
    let annotations =
        module.functions.iter().chain(methods).filter(|function| !function.never).flat_map(|function| {
            function
                .parameters
                .iter()
                .filter_map(|parameter| parameter.annotation.as_ref())
                .chain(&function.returns)
        });
    let fields =
        module.classes.iter().flat_map(|class| &class.fields).filter_map(|field| field.annotation.as_ref());
    if let Some(at) = annotations.chain(fields).find_map(union_of_types) {
        let message = format!("Python 3.{minor} does not have this: `X | Y` between types");
        let help = "write `from __future__ import annotations` at the top of the file, or `Optional[X]` and `Union[X, Y]`; \
                    as it stands, the file can't be loaded";
        report.error(at, "too-new", message, help);
    }
}

fn union_of_types(expr: &Expr) -> Option<u32> {
    match &expr.kind {
        ExprKind::Binary(_, Operator::Or, _) => Some(expr.at),
        ExprKind::Subscript(base, arguments) => arguments.iter().chain([&**base]).find_map(union_of_types),
        _ => None,
    }
}

/// Modules and names of the library that came later, or are gone.
fn names(import: &Import, minor: u32, report: &mut Report<'_>) {
    let path = &*import.module.path;
    let top = path.split('.').next().unwrap_or(path);
    let at_load = import.reach == Reach::Always;
    let mut find = |at: u32, message: String, help: &str| {
        if at_load {
            report.error(at, "too-new", message, &format!("{help}; as it stands, the file can't be loaded"));
        } else {
            report.warning(at, "too-new", message, help);
        }
    };
    match presence(top, minor) {
        Presence::Since(since) => find(
            import.at,
            format!("Python 3.{minor} has no module `{top}`; it came with 3.{since}"),
            "ask for a newer Python with `requires-python`, or declare a package that has it",
        ),
        Presence::Until(until) => find(
            import.at,
            format!("Python 3.{minor} has no module `{top}` any more; 3.{until} was the last to have it"),
            "use what its documentation names in its place, or declare a package that has it",
        ),
        Presence::There | Presence::Foreign => {}
    }
    for (name, _, at) in import.names.iter().flatten() {
        if let Some(since) = name_since(path, name).filter(|since| *since > minor) {
            let help = match path {
                "typing" => "take it from `typing_extensions`, declared in `dependencies`, or do without",
                _ => "ask for a newer Python with `requires-python`, or do without",
            };
            find(*at, format!("`{path}` has no `{name}` in Python 3.{minor}; it came with 3.{since}"), help);
        }
    }
}

fn bases(class: &Class, minor: u32, report: &mut Report<'_>) {
    for base in &class.bases {
        let shown = base.dotted();
        let since = shown.rsplit_once('.').and_then(|(module, name)| name_since(module, name));
        if let Some(since) = since.filter(|since| *since > minor) {
            let message = format!("there is no `{shown}` in Python 3.{minor}; it came with 3.{since}");
            let help = "ask for a newer Python with `requires-python`, or do without; as it stands, the file can't be loaded";
            report.error(base.at, "too-new", message, help);
        }
    }
}

fn needs(package: &Package, file: FileId, source: &Source<'_>, report: &Report<'_>) -> Vec<Need> {
    // Such a file finds modules that nobody else does.
    if source.text.contains("sys.path") || source.text.contains("site.addsitedir") {
        return Vec::new();
    }
    let mut needs: Vec<Need> = Vec::new();
    for import in &package.file(file).imports {
        let path = &import.module.path;
        let top = path.split('.').next().unwrap_or(path);
        let is_known =
            is_library(top) || matches!(top, "omni" | "omni_skills") || package.own(file, path).is_some();
        if import.module.level > 0 || import.reach >= Reach::Guarded || is_known {
            continue;
        }
        let (line, column) = report.position(import.at);
        let at_load = import.reach == Reach::Always;
        match needs.iter_mut().find(|need| need.module.split('.').next() == Some(top)) {
            Some(known) => known.at_load |= at_load,
            None => needs.push(Need { module: path.clone(), line, column, at_load }),
        }
    }
    needs
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
