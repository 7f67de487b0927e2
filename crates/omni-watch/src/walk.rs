//! Which folders have to be watched, so that a change is seen wherever it is made?

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::names::{file_matters, is_left_out};

/// A folder of folders, each of which is looked at whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// As somebody has named it. Where that leads through links, the links are watched too.
    pub path: PathBuf,
    /// The name of the one folder in it that matters, where the others do not.
    pub only: Option<OsString>,
}

/// What is watched in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is a tree's own: what comes and goes in it is a part of the tree.
    Tree,
    /// It lies in a part of a tree. Where there are documents, every file matters but what programs leave.
    Inside { documents: bool },
    /// Nothing in it matters but what has this name.
    Entry(OsString),
}

/// Whether a folder could be watched; an error ends the walk.
pub(crate) type Watch<'a, E> = &'a mut dyn FnMut(&Path, Role) -> Result<(), E>;

/// The folders of a part in which its tools keep what they write, or which are for its developers. Everywhere else in a part
/// any file may be one that clients read.
const OF_TOOLS: [&[u8]; 2] = [b"data", b"tests"];

/// Deeper folders are not read either.
const DEPTH_MAX: usize = 16;

/// As many links after one another as the kernel follows would be 40; so many are no accident.
const LINKS_MAX: usize = 8;

/// What makes a folder a virtual environment: thousands of folders that nobody edits.
const ENVIRONMENT_MARK: &str = "pyvenv.cfg";

/// Has all that lies on the way to `path` watched by name: so that it is seen when `path` comes, goes, or is replaced, and
/// when a link on the way leads elsewhere.
pub(crate) fn way_to<E>(path: &Path, watch: Watch<'_, E>) -> Result<(), E> {
    let Ok(path) = std::path::absolute(path) else { return Ok(()) };
    let mut steps: Vec<&Path> = path.ancestors().collect();
    steps.reverse();
    for step in steps {
        let (Some(folder), Some(name)) = (step.parent(), step.file_name()) else { continue };
        let found = fs::symlink_metadata(step).ok();
        if found.is_none() || step == path || found.as_ref().is_some_and(fs::Metadata::is_symlink) {
            watch(folder, Role::Entry(name.to_owned()))?;
        }
        match found {
            Some(found) if found.is_symlink() => link(step, watch)?,
            Some(_) => {}
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Has what a link leads to watched by name, from link to link.
fn link<E>(path: &Path, watch: Watch<'_, E>) -> Result<(), E> {
    let mut at = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(leads_to) = fs::read_link(&at) else { return Ok(()) };
        let target = at.parent().unwrap_or(Path::new("/")).join(leads_to);
        // `..` before a link's last name has to be resolved by the kernel: what it means depends on the links before it.
        let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else { return Ok(()) };
        let Ok(folder) = folder.canonicalize() else { return Ok(()) };
        watch(&folder, Role::Entry(name.to_owned()))?;
        at = folder.join(name);
    }
    Ok(())
}

/// Has one part of a tree watched, which is a folder in the tree's: it, and what lies below. Nothing where it is no
/// folder, or a link to one that lies outside of `tree`: such a one is not read.
pub(crate) fn part<E>(tree: &Path, name: &OsStr, watch: Watch<'_, E>) -> Result<(), E> {
    let folder = tree.join(name);
    let Ok(found) = fs::symlink_metadata(&folder) else { return Ok(()) };
    if found.is_symlink() {
        link(&folder, watch)?;
        if !folder.canonicalize().is_ok_and(|real| real.starts_with(tree)) {
            return Ok(());
        }
    }
    if folder.is_dir() { inside(&folder, 0, true, watch) } else { Ok(()) }
}

fn inside<E>(folder: &Path, depth: usize, documents: bool, watch: Watch<'_, E>) -> Result<(), E> {
    // Watched before it is listed: what is made in it meanwhile is either listed or told of.
    watch(folder, Role::Inside { documents })?;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_symlink() && file_matters(name.as_bytes(), documents) {
            link(&entry.path(), watch)?;
        }
        if !kind.is_dir() || is_left_out(name.as_bytes()) || depth == DEPTH_MAX {
            continue;
        }
        let inner = entry.path();
        if !inner.join(ENVIRONMENT_MARK).exists() {
            let of_tools = depth == 0 && OF_TOOLS.contains(&name.as_bytes());
            inside(&inner, depth + 1, documents && !of_tools, watch)?;
        }
    }
    Ok(())
}

/// The names of a tree's parts.
pub(crate) fn parts(tree: &Path, only: Option<&OsStr>) -> Vec<OsString> {
    if let Some(only) = only {
        return vec![only.to_owned()];
    }
    let entries = fs::read_dir(tree).into_iter().flatten().flatten();
    let parts = entries.filter(|entry| !is_left_out(entry.file_name().as_bytes()));
    // A link may lead to a folder, which only a look at each would tell.
    let parts = parts.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink()));
    parts.map(|entry| entry.file_name()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;
    use std::os::unix::fs::symlink;

    use super::*;

    struct World {
        dir: tempfile::TempDir,
    }

    impl World {
        fn new(files: &[&str]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let world = World { dir };
            for file in files {
                fs::create_dir_all(world.path(file).parent().unwrap()).unwrap();
                fs::write(world.path(file), "").unwrap();
            }
            world
        }

        fn path(&self, path: &str) -> PathBuf {
            self.dir.path().canonicalize().unwrap().join(path)
        }

        fn watched(
            &self,
            walk: impl FnOnce(Watch<'_, Infallible>) -> Result<(), Infallible>,
        ) -> BTreeSet<String> {
            let root = self.path("");
            let mut seen = BTreeSet::new();
            let result = walk(&mut |folder, role| {
                let folder = folder.strip_prefix(&root).unwrap_or(folder).display().to_string();
                seen.insert(match role {
                    Role::Tree => format!("{folder}: tree"),
                    Role::Inside { documents: false } => folder,
                    Role::Inside { documents: true } => format!("{folder}: documents"),
                    Role::Entry(name) => format!("{folder}: {}", name.display()),
                });
                Ok(())
            });
            let Ok(()) = result;
            seen
        }
    }

    fn set(expected: &[&str]) -> BTreeSet<String> {
        expected.iter().map(|one| (*one).to_owned()).collect()
    }

    #[test]
    fn a_part_is_watched_at_every_depth_but_not_where_programs_keep_things() {
        let world = World::new(&[
            "skills/a/scripts/deep/er/x.py",
            "skills/a/references/more/y.md",
            "skills/a/data/kept/y.json",
            "skills/a/references/data/y.json",
            "skills/a/scripts/__pycache__/x.pyc",
            "skills/a/.git/HEAD",
            "skills/a/env/pyvenv.cfg",
            "skills/a/env/lib/z.py",
        ]);
        let seen = world.watched(|watch| part(&world.path("skills"), OsStr::new("a"), watch));
        let expected = [
            "skills/a: documents",
            "skills/a/scripts: documents",
            "skills/a/scripts/deep: documents",
            "skills/a/scripts/deep/er: documents",
            "skills/a/references: documents",
            "skills/a/references/more: documents",
            "skills/a/references/data: documents",
            "skills/a/data",
            "skills/a/data/kept",
        ];
        assert_eq!(seen, set(&expected));
    }

    #[test]
    fn what_a_link_leads_to_is_watched_where_it_lies() {
        let world =
            World::new(&["skills/a/scripts/x.py", "skills/_shared/lib.py", "elsewhere/b/scripts/y.py"]);
        symlink("../../_shared/lib.py", world.path("skills/a/scripts/lib.py")).unwrap();
        symlink("a", world.path("skills/same")).unwrap();
        symlink(world.path("elsewhere/b"), world.path("skills/out")).unwrap();
        let of = |name: &str| world.watched(|watch| part(&world.path("skills"), OsStr::new(name), watch));
        assert_eq!(
            of("a"),
            set(&["skills/a: documents", "skills/a/scripts: documents", "skills/_shared: lib.py"])
        );
        let same = [
            "skills: a",
            "skills/same: documents",
            "skills/same/scripts: documents",
            "skills/_shared: lib.py",
        ];
        assert_eq!(of("same"), set(&same));
        assert_eq!(of("out"), set(&["elsewhere: b"]), "it is not read, but it may be another link soon");
        assert_eq!(of("nowhere"), set(&[]));
    }

    #[test]
    fn the_way_to_a_folder_is_watched_by_name_through_its_links_and_as_far_as_there_is_one() {
        let world = World::new(&["releases/5/skills/a/SKILL.md"]);
        symlink("releases/5", world.path("current")).unwrap();
        let to = |path: &str| world.watched(|watch| way_to(&world.path(path), watch));
        assert_eq!(to("current/skills"), set(&[": current", "releases: 5", "current: skills"]));
        assert_eq!(to("releases/5/skills"), set(&["releases/5: skills"]));
        assert_eq!(to("releases/6/skills/deep"), set(&["releases: 6"]));
    }

    #[test]
    fn the_parts_of_a_tree_are_its_folders_and_links() {
        let world = World::new(&["skills/a/x", "skills/.git/x", "skills/README.md"]);
        symlink("a", world.path("skills/same")).unwrap();
        let mut names = parts(&world.path("skills"), None);
        names.sort();
        assert_eq!(names, ["a", "same"]);
        assert_eq!(parts(&world.path("skills"), Some(OsStr::new("a"))), ["a"]);
    }
}
