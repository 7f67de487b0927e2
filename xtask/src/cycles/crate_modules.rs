//! The modules of one crate, and which file takes which names from which other.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use super::paths::{self, Module, Path};

/// One crate: all modules that are reached from its root outside tests.
pub(super) struct CrateModules {
    /// By path from the root, whose own path is empty.
    modules: BTreeMap<Path, InFile>,
}

struct InFile {
    file: String,
    module: Module,
}

/// File → file → the names that the first takes from the second.
pub(super) type Uses = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Where a path ends.
struct End {
    /// The module that defines the item, or that the path names.
    module: Path,
    /// `None` when the path names the module itself.
    item: Option<String>,
}

/// What a name is taken for where it is both: names in the middle of a path are modules.
#[derive(Clone, Copy)]
enum NameKind {
    Item,
    Module,
}

/// How many `pub use` one name may pass through. No chain is nearly so long; a name that leads to itself is.
const HOPS_MAX: usize = 16;

impl CrateModules {
    /// Reads the crate whose root is the file `root` (`src/lib.rs`); `text` gives the text of a file.
    ///
    /// # Errors
    ///
    /// A module that is declared and is in neither of the two places where it may be.
    pub(super) fn read(root: &str, text: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let mut modules = CrateModules { modules: BTreeMap::new() };
        let Some(source) = text(root) else { bail!("`{root}` cannot be read") };
        let mut waiting = vec![(Path::new(), root.to_owned(), source)];
        while let Some((path, file, source)) = waiting.pop() {
            for module in paths::modules(&source) {
                let mut path = path.clone();
                path.extend(module.inside.iter().cloned());
                for (name, given) in &module.files {
                    let mut child = path.clone();
                    child.push(name.clone());
                    let places = match given {
                        Some(given) => vec![format!("{}/{given}", folder(&file))],
                        None => places(root, &child),
                    };
                    let Some((file, source)) = places.iter().find_map(|file| Some((file, text(file)?)))
                    else {
                        bail!("`{file}` declares `mod {name}`, but none of {places:?} can be read");
                    };
                    waiting.push((child, file.clone(), source));
                }
                modules.modules.insert(path, InFile { file: file.clone(), module });
            }
        }
        Ok(modules)
    }

    /// The files that were read.
    pub(super) fn files(&self) -> BTreeSet<&str> {
        self.modules.values().map(|module| module.file.as_str()).collect()
    }

    /// Who takes what from whom. A name counts for the file that defines it, however often it was handed on;
    /// to name a module is to take nothing yet; `mod x;` takes nothing at all.
    pub(super) fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for (path, InFile { file, module }) in &self.modules {
            let imports = module.imports.iter().map(|import| &import.path);
            let named = imports.chain(&module.mentions);
            let ends = named.filter_map(|named| self.end(path, named, NameKind::Item, HOPS_MAX));
            let ends = ends.filter_map(|end| Some((end.module, end.item?)));
            let globs =
                module.globs.iter().filter_map(|named| self.end(path, named, NameKind::Module, HOPS_MAX));
            for (defined_in, item) in ends.chain(globs.map(|end| (end.module, "*".to_owned()))) {
                let other = &self.modules[&defined_in].file;
                if other != file {
                    let of = uses.entry(file.clone()).or_default().entry(other.clone()).or_default();
                    of.insert(item);
                }
            }
        }
        uses
    }

    /// Follows a path that stands in the module `from`; `None` when it leads out of the crate.
    fn end(&self, from: &Path, named: &[String], wanted: NameKind, hops: usize) -> Option<End> {
        let mut at = End { module: from.clone(), item: None };
        for (place, name) in named.iter().enumerate() {
            match name.as_str() {
                "crate" => at.module.clear(),
                "self" => {}
                "super" => drop(at.module.pop()),
                name => {
                    let wanted = if place + 1 == named.len() { wanted } else { NameKind::Module };
                    at = self.lookup(&at.module, name, place == 0, wanted, hops)?;
                    if at.item.is_some() {
                        // What follows are names within the item: variants, associated functions.
                        return Some(at);
                    }
                }
            }
        }
        Some(at)
    }

    /// What `name` is in `module`, asked from `inside` or not.
    fn lookup(&self, module: &Path, name: &str, inside: bool, wanted: NameKind, hops: usize) -> Option<End> {
        let hops = hops.checked_sub(1)?;
        let here = &self.modules.get(module)?.module;
        let mut below = module.clone();
        below.push(name.to_owned());
        let child = self.modules.contains_key(&below).then_some(End { module: below, item: None });
        let item = || {
            let found = here.items.contains(name);
            found.then(|| End { module: module.clone(), item: Some(name.to_owned()) })
        };
        let imported = || {
            let visible =
                here.imports.iter().filter(|import| import.name == name && (inside || !import.local));
            visible.filter_map(|import| self.end(module, &import.path, wanted, hops)).next()
        };
        let through_glob = || {
            let sources = here.globs.iter().filter_map(|glob| self.end(module, glob, NameKind::Module, hops));
            sources.filter_map(|source| self.lookup(&source.module, name, false, wanted, hops)).next()
        };
        match wanted {
            NameKind::Item => item().or_else(imported).or(child).or_else(through_glob),
            NameKind::Module => child.or_else(imported).or_else(item).or_else(through_glob),
        }
    }
}

/// The two files in which a module's text may be.
fn places(root: &str, module: &Path) -> Vec<String> {
    let (folder, path) = (folder(root), module.join("/"));
    vec![format!("{folder}/{path}.rs"), format!("{folder}/{path}/mod.rs")]
}

fn folder(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `file > file: names`, one a line, of a crate with these files.
    fn uses(files: &[(&str, &str)]) -> Vec<String> {
        let text = |path: &str| files.iter().find(|file| file.0 == path).map(|file| file.1.to_owned());
        let uses = CrateModules::read("src/lib.rs", &text).unwrap().uses();
        let mut lines = Vec::new();
        for (from, others) in uses {
            for (to, names) in others {
                let names: Vec<String> = names.into_iter().collect();
                lines.push(format!(
                    "{} > {}: {}",
                    from.trim_start_matches("src/"),
                    to.trim_start_matches("src/"),
                    names.join(" ")
                ));
            }
        }
        lines
    }

    #[test]
    fn a_declared_module_is_no_use_and_a_name_from_it_is() {
        let child = ("src/a.rs", "pub(crate) struct X;");
        assert!(uses(&[("src/lib.rs", "mod a;"), child]).is_empty());
        assert_eq!(uses(&[("src/lib.rs", "mod a;\npub use a::X;"), child]), ["lib.rs > a.rs: X"]);
        assert_eq!(uses(&[("src/lib.rs", "mod a;\nfn f() { a::X }"), child]), ["lib.rs > a.rs: X"]);
    }

    #[test]
    fn what_is_handed_on_counts_for_the_file_that_defines_it() {
        let files = [
            ("src/lib.rs", "mod a;\nmod b;\npub use a::Deep as Plain;"),
            ("src/a/mod.rs", "mod deep;\nmod other;\npub use deep::Deep;"),
            ("src/a/deep.rs", "pub struct Deep;"),
            ("src/a/other.rs", "use super::Deep;"),
            ("src/b.rs", "use crate::{a, Plain};\nfn f() -> a::Deep { crate::Plain::new() }"),
        ];
        let expected = [
            "a/mod.rs > a/deep.rs: Deep",
            "a/other.rs > a/deep.rs: Deep",
            "b.rs > a/deep.rs: Deep",
            "lib.rs > a/deep.rs: Deep",
        ];
        assert_eq!(uses(&files), expected);
    }

    #[test]
    fn an_item_of_the_parent_counts_for_the_parent() {
        let files = [
            ("src/lib.rs", "mod a;"),
            ("src/a.rs", "mod b;\npub(crate) const C: u8 = 1;\nenum D { E }"),
            ("src/a/b.rs", "use super::D::E;\nfn f() -> u8 { super::C }"),
        ];
        assert_eq!(uses(&files), ["a/b.rs > a.rs: C D"]);
    }

    #[test]
    fn a_function_named_like_its_module_is_told_from_it() {
        let files = [
            ("src/lib.rs", "mod check;\nmod b;\npub use check::check;"),
            ("src/check.rs", "pub fn check() {}\npub fn again() {}"),
            ("src/b.rs", "use crate::check;\nfn f() { check::again(); check(); }"),
        ];
        assert_eq!(uses(&files), ["b.rs > check.rs: again check", "lib.rs > check.rs: check"]);
    }

    #[test]
    fn a_name_is_found_through_a_glob_and_the_glob_itself_counts() {
        let files = [
            ("src/lib.rs", "mod a;\nmod b;\npub use a::*;"),
            ("src/a.rs", "pub struct X;"),
            ("src/b.rs", "use crate::X;"),
        ];
        assert_eq!(uses(&files), ["b.rs > a.rs: X", "lib.rs > a.rs: *"]);
    }

    #[test]
    fn modules_in_braces_belong_to_their_file() {
        let files = [
            ("src/lib.rs", "mod a;\nmod b { use super::a::X; pub struct Y; }"),
            ("src/a.rs", "pub struct X;\nfn f() -> crate::b::Y {}"),
        ];
        assert_eq!(uses(&files), ["a.rs > lib.rs: Y", "lib.rs > a.rs: X"]);
    }

    #[test]
    fn other_crates_and_tests_are_left_alone() {
        let files = [
            ("src/lib.rs", "mod a;\n#[cfg(test)]\nmod tests;"),
            (
                "src/a.rs",
                "use serde::de::Error;\nuse serde;\nfn f() { serde::g(); std::fs::h() }\n#[cfg(test)]\nmod tests { use crate::Z; }",
            ),
        ];
        assert!(uses(&files).is_empty());
    }

    #[test]
    fn a_module_without_a_file_is_an_error_that_names_both_places() {
        let error =
            CrateModules::read("src/lib.rs", &|path| (path == "src/lib.rs").then(|| "mod a;".to_owned()));
        let error = error.err().unwrap().to_string();
        assert!(
            error.contains("`mod a`") && error.contains("src/a.rs") && error.contains("src/a/mod.rs"),
            "{error}"
        );
    }
}
