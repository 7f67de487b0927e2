//! What does a name in one file of the skill stand for, following imports and aliases through the others?

use std::cell::Cell;
use std::collections::HashMap;

use crate::library_versions::is_library;
use crate::syntax::{BindingKind, Expr, ExprKind, Import, Module, ModuleRef};

/// Index of a file in the package.
pub(crate) type FileId = usize;

/// All files of a skill that could be read as Python.
pub(crate) struct Package {
    files: Vec<Module>,
    /// `scripts/a/b` for `scripts/a/b.py`, and `scripts/a` for `scripts/a/__init__.py`.
    by_path: HashMap<String, FileId>,
    paths: Vec<String>,
    budget: Cell<u64>,
    depth: Cell<u32>,
}

/// One level of following names into values, given back when dropped.
pub(crate) struct Level<'p>(&'p Cell<u32>);

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Values within values, through however many names. Bounds the stack, where the budget bounds the time.
const DEPTH_MAX: u32 = 100;

/// What a name or a dotted name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Item<'p> {
    /// Something outside the skill, by its dotted path: `typing.Optional`, `builtins.int`, `omni.tool`.
    External(String),
    File(FileId),
    Function(FileId, usize),
    Class(FileId, usize),
    /// A name for a value that is not itself a name.
    Value(FileId, &'p Expr),
    /// The expression names nothing: it is a literal, a call, a subscript.
    Unnamed,
    TypeAlias(FileId, Alias<'p>),
    Unknown,
}

/// A `type` statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alias<'p> {
    pub(crate) name: &'p str,
    pub(crate) parameters: &'p [String],
    pub(crate) value: &'p Expr,
}

/// Steps that following names and constants may take for a whole skill: many times what any skill needs, and
/// a bound on what one can ask for, since names that name names can grow a short text without end.
const STEPS_BASE: u64 = 300_000;
const STEPS_PER_BYTE: u64 = 20;

/// Aliases of aliases, re-exports of re-exports: more steps than this is a cycle.
const STEPS_MAX: u32 = 32;

impl Package {
    /// `files` are pairs of a path (relative to the skill's folder, with `/`) and its module; `bytes` is the
    /// size of all their sources.
    pub(crate) fn new(files: Vec<(String, Module)>, bytes: usize) -> Self {
        let mut by_path = HashMap::new();
        let mut paths = Vec::new();
        let mut modules = Vec::new();
        for (id, (path, module)) in files.into_iter().enumerate() {
            let stem = path.strip_suffix(".py").unwrap_or(&path);
            match stem.strip_suffix("__init__").and_then(|stem| stem.strip_suffix('/')) {
                // A package beats a module of the same name, as in Python.
                Some(folder) => {
                    by_path.insert(folder.to_owned(), id);
                }
                None => {
                    by_path.entry(stem.to_owned()).or_insert(id);
                }
            }
            paths.push(path);
            modules.push(module);
        }
        let budget =
            STEPS_BASE + STEPS_PER_BYTE * u64::try_from(bytes).unwrap_or(u64::MAX / STEPS_PER_BYTE / 2);
        Package { files: modules, by_path, paths, budget: Cell::new(budget), depth: Cell::new(0) }
    }

    /// Takes a step of the skill's budget. Once it is spent, everything that needs a step is unknown.
    pub(crate) fn step(&self) -> Option<()> {
        self.budget.set(self.budget.get().checked_sub(1)?);
        Some(())
    }

    pub(crate) fn file(&self, id: FileId) -> &Module {
        &self.files[id]
    }

    pub(crate) fn ids(&self) -> std::ops::Range<FileId> {
        0..self.files.len()
    }

    /// The dotted name of a file below the scripts folder, as it shows in a schema's definitions.
    pub(crate) fn dotted(&self, id: FileId) -> String {
        let path = &self.paths[id];
        let path = path.strip_prefix("scripts/").unwrap_or(path);
        let path = path.strip_suffix(".py").unwrap_or(path);
        path.strip_suffix("/__init__").unwrap_or(path).replace('/', ".")
    }

    /// Takes a step of the budget, one level deeper than the caller.
    pub(crate) fn level(&self) -> Option<Level<'_>> {
        self.step()?;
        if self.depth.get() >= DEPTH_MAX {
            return None;
        }
        self.depth.set(self.depth.get() + 1);
        Some(Level(&self.depth))
    }

    /// Resolves an expression that should name something.
    pub(crate) fn resolve(&self, file: FileId, expr: &Expr) -> Item<'_> {
        self.resolve_within(file, expr, STEPS_MAX)
    }

    fn resolve_within(&self, file: FileId, expr: &Expr, steps: u32) -> Item<'_> {
        let (Some(steps), Some(())) = (steps.checked_sub(1), self.step()) else { return Item::Unknown };
        match &expr.kind {
            ExprKind::Name(name) => self.name(file, name, steps),
            ExprKind::Attribute(base, name) => match self.resolve_within(file, base, steps) {
                Item::External(path) => Item::External(format!("{path}.{name}")),
                Item::File(id) => self.member(id, name, steps),
                Item::Class(id, class) => {
                    let nested = self.files[id].classes[class].nested.iter().find(|(found, _)| found == name);
                    nested.map_or(Item::Unknown, |(_, index)| Item::Class(id, *index))
                }
                _ => Item::Unknown,
            },
            _ => Item::Unnamed,
        }
    }

    /// Whether a name is bound exactly once, come what may, so that its value is a constant. A name that
    /// comes from elsewhere is judged where it is bound.
    pub(crate) fn constant(&self, file: FileId, name: &str) -> bool {
        let mut place = (file, name.to_owned());
        for _ in 0..STEPS_MAX {
            let Some(bindings) = self.files[place.0].names.get(&place.1) else { return true };
            let [binding] = bindings.as_slice() else { return false };
            if binding.conditional {
                return false;
            }
            match &binding.kind {
                BindingKind::Member(module, member) => match self.module(place.0, module) {
                    Item::File(id) => place = (id, member.clone()),
                    _ => return true,
                },
                BindingKind::Value(Expr { kind: ExprKind::Name(other), .. }) => place.1.clone_from(other),
                _ => return true,
            }
        }
        false
    }

    fn name(&self, file: FileId, name: &str, steps: u32) -> Item<'_> {
        match self.bound(file, name, steps) {
            Some(item) => item,
            None if BUILTINS.contains(&name) => Item::External(format!("builtins.{name}")),
            None => Item::Unknown,
        }
    }

    /// A name bound in a file's module scope, a submodule of a package included.
    fn member(&self, file: FileId, name: &str, steps: u32) -> Item<'_> {
        if let Some(item) = self.bound(file, name, steps) {
            return item;
        }
        let folder = self.paths[file].strip_suffix("/__init__.py");
        let found = folder.and_then(|folder| self.by_path.get(&format!("{folder}/{name}")));
        found.map_or(Item::Unknown, |id| Item::File(*id))
    }

    fn bound(&self, file: FileId, name: &str, steps: u32) -> Option<Item<'_>> {
        let steps = steps.checked_sub(1)?;
        self.step()?;
        let Some(bindings) = self.files[file].names.get(name) else {
            return self.starred(file, name, steps);
        };
        // The last plain binding is what the module ends up with. Among branches only, the first is what
        // its author prefers: `try: from a import x` before `except ImportError: x = None`.
        let plain = bindings.iter().rev().find(|binding| !binding.conditional);
        let binding = plain.or_else(|| bindings.first())?;
        Some(match &binding.kind {
            BindingKind::Module(module) => self.module(file, module),
            BindingKind::Member(module, member) => self.imported(file, module, member, steps),
            BindingKind::Function(index) => Item::Function(file, *index),
            BindingKind::Class(index) => Item::Class(file, *index),
            BindingKind::Value(value) => match &value.kind {
                ExprKind::Name(other) if other == name => Item::Unknown,
                ExprKind::Name(_) | ExprKind::Attribute(..) => {
                    match self.resolve_within(file, value, steps) {
                        // `DEFAULT = Color.RED` names a value, though not one of a module.
                        Item::Unknown => Item::Value(file, value),
                        item => item,
                    }
                }
                _ => Item::Value(file, value),
            },
            BindingKind::TypeAlias { parameters, value } => {
                let (name, _) = self.files[file].names.get_key_value(name)?;
                Item::TypeAlias(file, Alias { name, parameters, value })
            }
            BindingKind::Opaque => Item::Unknown,
        })
    }

    /// A name that `from … import *` brings, through however many files; each is looked into once.
    fn starred(&self, file: FileId, name: &str, steps: u32) -> Option<Item<'_>> {
        let mut seen = vec![file];
        let mut next = 0;
        while let Some(at) = seen.get(next).copied() {
            next += 1;
            for module in &self.files[at].stars {
                self.step()?;
                match self.module(at, module) {
                    Item::File(id) if seen.contains(&id) => {}
                    Item::File(id) if self.files[id].names.contains_key(name) => {
                        return self.bound(id, name, steps);
                    }
                    Item::File(id) => seen.push(id),
                    Item::External(path) if star_exports(&path, name) => {
                        return Some(Item::External(format!("{path}.{name}")));
                    }
                    _ => {}
                }
            }
        }
        None
    }

    fn imported(&self, file: FileId, module: &ModuleRef, member: &str, steps: u32) -> Item<'_> {
        match self.module(file, module) {
            Item::File(id) => self.member(id, member, steps),
            Item::External(path) => Item::External(format!("{path}.{member}")),
            // `from . import helper` in a folder without `__init__.py`.
            _ => match self.folder(file, module) {
                Some(folder) => {
                    let path =
                        if folder.is_empty() { member.to_owned() } else { format!("{folder}/{member}") };
                    self.by_path.get(&path).map_or(Item::Unknown, |id| Item::File(*id))
                }
                None => Item::Unknown,
            },
        }
    }

    /// How a file of this skill is to be imported from `file` when an absolute import names it: `.words` for `words`,
    /// `scripts.words` or `skill.scripts.words`. `None` for what is no file of the skill.
    pub(crate) fn own(&self, file: FileId, path: &str) -> Option<String> {
        let here = self.paths[file].rsplit_once('/').map_or("", |(folder, _)| folder);
        let parts: Vec<&str> = path.split('.').collect();
        // What follows `scripts`, however much stands before it.
        let below = parts.iter().position(|part| *part == "scripts").map(|at| &parts[at + 1..]);
        if let Some(below) = below.filter(|_| self.paths[file].starts_with("scripts/")) {
            let target = below.join("/");
            let is_there = target.is_empty() || self.has(&join("scripts", &target));
            let first_is_file = self.has(&join("scripts", "scripts"));
            if is_there && !first_is_file {
                return Some(self.relative(here, "scripts", below));
            }
        }
        // A file that names itself means another one.
        let itself = self.paths[file].strip_suffix(".py").unwrap_or_default();
        for folder in [here, "scripts"] {
            let found = join(folder, parts[0]);
            if folder.starts_with("scripts") && self.has(&found) && found != itself && !is_library(parts[0]) {
                return Some(self.relative(here, folder, &parts));
            }
        }
        None
    }

    /// The files that a relative import names and that are not there, each with its place.
    pub(crate) fn lacks(&self, file: FileId, import: &Import) -> Vec<(String, u32)> {
        // Above `scripts` there is no package, and a file outside of it is of no skill.
        let Some(folder) = self.folder(file, &import.module).filter(|folder| folder.starts_with("scripts"))
        else {
            return Vec::new();
        };
        if !import.module.path.is_empty() {
            return if self.has(&folder) { Vec::new() } else { vec![(format!("{folder}.py"), import.at)] };
        }
        // `from . import a`: a file, or a name of the package itself.
        let package = self.by_path.get(&folder).map(|id| &self.files[*id]);
        let brought = |name: &str| {
            package.is_some_and(|package| package.names.contains_key(name) || !package.stars.is_empty())
        };
        let lacking = import.names.iter().flatten().filter(|(name, ..)| {
            name != "*" && !self.has(&join(&folder, name)) && !brought(name) && !name.starts_with("__")
        });
        lacking.map(|(name, _, at)| (format!("{}.py", join(&folder, name)), *at)).collect()
    }

    /// Whether there is a module or a folder of modules at this path.
    fn has(&self, path: &str) -> bool {
        self.by_path.contains_key(path)
            || self.paths.iter().any(|file| file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    }

    fn relative(&self, here: &str, folder: &str, parts: &[&str]) -> String {
        let depth = |folder: &str| folder.split('/').count();
        let up = depth(here).saturating_sub(depth(folder));
        format!("{}{}", ".".repeat(up + 1), parts.join("."))
    }

    /// Whether another file of the skill imports this one.
    pub(crate) fn is_imported(&self, file: FileId) -> bool {
        let path = self.paths[file].strip_suffix(".py").unwrap_or_default();
        self.ids().filter(|other| *other != file).any(|other| {
            self.files[other].imports.iter().any(|import| {
                let Some(folder) = self.folder(other, &import.module) else {
                    let relative = self.own(other, &import.module.path);
                    return relative.is_some()
                        && last_part(path) == last_part(&import.module.path.replace('.', "/"));
                };
                let member = |name: &str| join(&folder, name) == path;
                folder == path || import.names.iter().flatten().any(|(name, ..)| member(name))
            })
        })
    }

    fn module(&self, file: FileId, module: &ModuleRef) -> Item<'_> {
        match self.folder(file, module) {
            Some(path) => self.by_path.get(&path).map_or(Item::Unknown, |id| Item::File(*id)),
            None if module.level == 0 => Item::External(module.path.clone()),
            None => Item::Unknown,
        }
    }

    /// The path, without suffix, of a module inside the skill; `None` for one outside.
    fn folder(&self, file: FileId, module: &ModuleRef) -> Option<String> {
        let tail = module.path.replace('.', "/");
        if module.level == 0 {
            // The worker loads a skill's files as `omni_skills.<skill>.…`.
            let rest = module.path.strip_prefix("omni_skills.")?;
            let rest = rest.split_once('.').map_or("", |(_, rest)| rest).replace('.', "/");
            return Some(join("scripts", &rest));
        }
        let mut folder = self.paths[file].as_str();
        for _ in 0..module.level.min(STEPS_MAX) {
            folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
        }
        Some(join(folder, &tail))
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn join(folder: &str, tail: &str) -> String {
    match (folder.is_empty(), tail.is_empty()) {
        (true, _) => tail.to_owned(),
        (_, true) => folder.to_owned(),
        _ => format!("{folder}/{tail}"),
    }
}

/// Whether `from path import *` brings `name`: known for the modules that matter to a signature.
fn star_exports(path: &str, name: &str) -> bool {
    let root = path.split('.').next().unwrap_or(path);
    match root {
        "omni" => OMNI_NAMES.contains(&name),
        "typing" | "typing_extensions" | "pydantic" | "datetime" | "enum" | "dataclasses" | "decimal"
        | "uuid" | "pathlib" => name.starts_with(|c: char| c.is_uppercase()) || path == "dataclasses",
        _ => false,
    }
}

include!(concat!(env!("OUT_DIR"), "/omni_names.rs"));

const BUILTINS: &[&str] = &[
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "object",
    "range",
    "set",
    "slice",
    "str",
    "tuple",
    "type",
    "memoryview",
    "Exception",
    "BaseException",
    "ValueError",
    "property",
    "staticmethod",
    "classmethod",
    "len",
    "sorted",
    "min",
    "max",
    "sum",
    "abs",
    "round",
    "print",
    "open",
];

/// The last part of a dotted path.
pub(crate) fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
