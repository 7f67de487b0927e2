//! Every kind of change, made for real: the kernel has queued what it tells by the time a change is done, so nothing
//! is waited for.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use super::*;

struct World {
    dir: tempfile::TempDir,
    watches: Watches,
}

impl World {
    /// A folder of skills named by `path`, over files that are made before.
    fn new(files: &[&str], path: &str) -> Self {
        World::with(files, |_| {}, path, None)
    }

    fn with(files: &[&str], prepare: impl FnOnce(&Path), path: &str, only: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let file = dir.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "1").unwrap();
        }
        prepare(dir.path());
        let tree = Tree { path: dir.path().join(path), only: only.map(OsString::from) };
        let mut watches = Watches::new(Kernel::new().unwrap(), &[tree], &[dir.path().join("omni.toml")]);
        watches.walk();
        World { dir, watches }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), "another").unwrap();
    }

    /// Whether what was done since the last time matters. What is new is watched then.
    fn matters(&mut self) -> bool {
        let matters = self.watches.read();
        self.watches.walk();
        matters
    }

    #[track_caller]
    fn seen(&mut self, what: &str) {
        assert!(self.matters(), "{what} was not seen");
        // A look at it opens, reads and lists, which is no change.
        fn read(folder: &Path) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                read(&entry.path());
                let _ = fs::read(entry.path());
            }
        }
        read(self.dir.path());
        assert!(!self.matters(), "{what} was seen twice");
    }
}

const SKILL: [&str; 4] = [
    "skills/a/SKILL.md",
    "skills/a/scripts/a.py",
    "skills/a/scripts/deep/er/_helper.py",
    "skills/a/references/r.md",
];

#[test]
fn every_file_that_is_read_is_seen_when_it_is_written_replaced_renamed_or_removed() {
    let mut world = World::new(&SKILL, "skills");
    for file in SKILL {
        world.write(file);
        world.seen(&format!("a write to {file}"));
        // As editors do it.
        world.write("skills/a/scripts/.new.tmp");
        assert!(!world.matters(), "nobody reads what is hidden");
        fs::rename(world.path("skills/a/scripts/.new.tmp"), world.path(file)).unwrap();
        world.seen(&format!("another file in the place of {file}"));
        fs::set_permissions(world.path(file), Permissions::from_mode(0o600)).unwrap();
        world.seen(&format!("the permissions of {file}"));
        fs::rename(world.path(file), world.path(&format!("{file}.md"))).unwrap();
        world.seen(&format!("{file} under another name"));
        fs::rename(world.path(&format!("{file}.md")), world.path(file)).unwrap();
        world.seen(&format!("{file} under its name again"));
        fs::remove_file(world.path(file)).unwrap();
        world.seen(&format!("that {file} is gone"));
        world.write(file);
        world.seen(&format!("that {file} is back"));
    }
    for file in ["skills/a/pyproject.toml", "skills/a/uv.lock", "omni.toml"] {
        world.write(file);
        world.seen(file);
    }
}

#[test]
fn an_open_file_is_seen_while_it_is_being_written() {
    let mut world = World::new(&SKILL, "skills");
    let mut file = File::options().append(true).open(world.path(SKILL[1])).unwrap();
    for part in ["def", " run"] {
        file.write_all(part.as_bytes()).unwrap();
        world.seen(part);
    }
}

#[test]
fn folders_are_watched_from_the_moment_they_come_and_no_longer_when_they_went() {
    let mut world = World::new(&SKILL, "skills");
    let before = world.watches.by_id.len();
    world.write("skills/b/scripts/one/b.py");
    world.seen("a skill that came");
    world.write("skills/b/scripts/one/b.py");
    world.seen("an edit of it");
    fs::rename(world.path("skills/b"), world.path("skills/c")).unwrap();
    world.seen("another name of it");
    world.write("skills/c/scripts/one/b.py");
    world.seen("an edit under the new name");
    fs::rename(world.path("skills/a/scripts/deep"), world.path("skills/a/scripts/shallow")).unwrap();
    world.seen("another name of a folder in it");
    world.write("skills/a/scripts/shallow/er/_helper.py");
    world.seen("an edit in that");
    fs::rename(world.path("skills/c"), world.path("away")).unwrap();
    world.seen("a skill that went");
    world.write("away/scripts/one/b.py");
    assert!(!world.matters(), "it is watched still");
    fs::rename(world.path("away"), world.path("skills/c")).unwrap();
    world.seen("a skill that came back whole");
    fs::remove_dir_all(world.path("skills/c")).unwrap();
    world.seen("a skill that was removed");
    assert_eq!(world.watches.by_id.len(), before, "watches are left over");
}

#[test]
fn the_folder_of_skills_may_be_replaced_removed_and_made_again() {
    let mut world = World::new(&[&SKILL[..], &["next/a/scripts/a.py"]].concat(), "skills");
    fs::rename(world.path("skills"), world.path("old")).unwrap();
    fs::rename(world.path("next"), world.path("skills")).unwrap();
    world.seen("another folder in its place");
    world.write("old/a/scripts/a.py");
    assert!(!world.matters(), "the old one is watched still");
    world.write("skills/a/scripts/a.py");
    world.seen("an edit in the new one");
    fs::remove_dir_all(world.path("skills")).unwrap();
    world.seen("that it is gone");
    world.write("skills/b/scripts/b.py");
    world.seen("that it is back");
    world.write("skills/b/scripts/b.py");
    world.seen("an edit in it");
}

#[test]
fn a_link_on_the_way_may_lead_elsewhere_at_any_time() {
    let files = ["releases/5/skills/a/scripts/a.py", "releases/6/skills/a/scripts/a.py"];
    let mut world = World::with(
        &files,
        |dir| symlink("releases/5", dir.join("current")).unwrap(),
        "current/skills",
        None,
    );
    world.write(files[0]);
    world.seen("an edit behind the link");
    world.write(files[1]);
    assert!(!world.matters(), "nobody is served from there");
    symlink("releases/6", world.path("next")).unwrap();
    fs::rename(world.path("next"), world.path("current")).unwrap();
    world.seen("another link");
    world.write(files[1]);
    world.seen("an edit behind the new link");
    world.write(files[0]);
    assert!(!world.matters(), "the old one is watched still");
}

#[test]
fn what_a_linked_file_leads_to_is_seen_when_it_is_edited() {
    let files = [&SKILL[..], &["skills/_shared/lib.py", "skills/_shared/other.py"]].concat();
    let link = |dir: &Path| symlink("../../_shared/lib.py", dir.join("skills/a/scripts/lib.py")).unwrap();
    let mut world = World::with(&files, link, "skills", None);
    // A folder of that name is private, and a change in it of no skill: here it is seen all the same.
    world.write("skills/_shared/lib.py");
    world.seen("an edit of what the link leads to");
    world.write("skills/_shared/.lib.py.new");
    fs::rename(world.path("skills/_shared/.lib.py.new"), world.path("skills/_shared/lib.py")).unwrap();
    world.seen("another file in its place");
    fs::remove_file(world.path("skills/a/scripts/lib.py")).unwrap();
    world.seen("that the link is gone");
}

#[test]
fn of_one_skill_that_is_served_alone_no_other_matters() {
    let mut world =
        World::with(&[&SKILL[..], &["skills/b/scripts/b.py"]].concat(), |_| {}, "skills", Some("a"));
    world.write("skills/b/scripts/b.py");
    world.write("skills/c/SKILL.md");
    assert!(!world.matters());
    world.write(SKILL[2]);
    world.seen("an edit in it");
    fs::rename(world.path("skills/a"), world.path("skills/d")).unwrap();
    world.seen("that it is gone");
    fs::rename(world.path("skills/d"), world.path("skills/a")).unwrap();
    world.seen("that it is back");
    world.write(SKILL[1]);
    world.seen("an edit in it again");
}

#[test]
fn what_programs_leave_behind_is_not_seen() {
    let mut world = World::new(&SKILL, "skills");
    for file in [
        "skills/a/scripts/__pycache__/a.cpython-311.pyc",
        "skills/a/scripts/.a.py.swp",
        "skills/a/scripts/a.py~",
        "skills/a/scripts/4913",
        "skills/a/.git/index.lock",
        "skills/a/state.db",
        "skills/.git/HEAD",
        "elsewhere/omni.py",
        "README.md",
    ] {
        world.write(file);
        assert!(!world.matters(), "{file}");
    }
}

#[test]
fn a_settings_file_is_seen_when_it_comes_changes_and_goes_also_where_its_folder_comes_later() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config/omni/omni.toml");
    let mut watches = Watches::new(Kernel::new().unwrap(), &[], std::slice::from_ref(&file));
    watches.walk();
    let mut seen = |what: &str| {
        assert!(watches.read(), "{what}");
        watches.walk();
    };
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    seen("its folder");
    fs::write(&file, "a").unwrap();
    seen("the file");
    fs::write(&file, "b").unwrap();
    seen("an edit");
    fs::remove_file(&file).unwrap();
    seen("its end");
}

#[test]
fn more_events_than_the_kernel_keeps_have_everything_walked_again() {
    let Ok(kept) = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events") else {
        println!("skipped: this kernel does not say how many events it keeps");
        return;
    };
    let kept: usize = kept.trim().parse().unwrap();
    if kept > 100_000 {
        println!("skipped: this kernel keeps {kept} events, which takes long to exceed");
        return;
    }
    let mut world = World::new(&SKILL, "skills");
    // Two after one another that are the same are one, so names alternate.
    let names = [world.path("skills/a/one.txt"), world.path("skills/a/two.txt")];
    for turn in 0..=kept {
        fs::write(&names[turn % 2], "").unwrap();
    }
    fs::create_dir_all(world.path("skills/new/scripts")).unwrap();
    world.seen("the overflow");
    world.write("skills/new/scripts/n.py");
    world.seen("an edit in what was told of by no event");
}
