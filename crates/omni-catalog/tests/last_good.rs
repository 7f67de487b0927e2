//! A broken edit while a folder is served: the version before stays, and nothing else does.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is the failure report; the lint does not see helpers of tests"
)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use omni_catalog::{Catalog, FolderConfig, FolderSource, Severity, Snapshot, ToolRules};
use tempfile::TempDir;

/// A folder that is being served, with one skill of two files and a helper.
struct Served {
    dir: TempDir,
    catalog: Catalog,
}

impl Served {
    fn new() -> Served {
        let dir = tempfile::tempdir().unwrap();
        let skills = dir.path().join("skills");
        write(skills.join("s/SKILL.md"), "---\nname: s\ndescription: Does.\n---\n");
        write(skills.join("s/scripts/a.py"), &tool("a", 1));
        write(skills.join("s/scripts/b.py"), &tool("b", 1));
        write(skills.join("s/scripts/inner/helper.py"), "WORD = 1\n");
        write(skills.join("other/SKILL.md"), "---\nname: other\ndescription: Does.\n---\n");
        write(skills.join("other/scripts/c.py"), &tool("c", 1));
        let served = Served::of(dir);
        served.catalog.keep_last_good();
        served.look();
        served
    }

    fn of(dir: TempDir) -> Served {
        let source = Arc::new(FolderSource::open(config(&dir)).unwrap());
        let catalog = Catalog::new(vec![source], ToolRules::default()).unwrap();
        Served { dir, catalog }
    }

    fn look(&self) -> Arc<Snapshot> {
        self.catalog.refresh().unwrap();
        self.catalog.snapshot()
    }

    fn edit(&self, path: &str, text: &str) -> Arc<Snapshot> {
        write(self.dir.path().join("skills").join(path), text);
        self.look()
    }

    /// What a process sees that begins now.
    fn anew(&self) -> Arc<Snapshot> {
        let catalog = Catalog::of_folder(config(&self.dir)).unwrap();
        catalog.refresh().unwrap();
        catalog.snapshot()
    }
}

fn config(dir: &TempDir) -> FolderConfig {
    FolderConfig {
        skills_dir: dir.path().join("skills"),
        cache_dir: Some(dir.path().join("cache")),
        ..FolderConfig::default()
    }
}

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn tool(name: &str, version: u32) -> String {
    format!(
        "from omni import tool\nfrom .inner.helper import WORD\n\n\n@tool\ndef {name}() -> int:\n    \"\"\"Version {version}.\"\"\"\n    \
         return {version}\n"
    )
    .replace("from .inner.helper import WORD\n", if name == "c" { "" } else { "from .inner.helper import WORD\n" })
}

const BROKEN: &str = "def f(:\n";

/// The tools with their descriptions, and the version of the skill `s`.
fn seen(snapshot: &Snapshot) -> (Vec<String>, Option<String>) {
    let told = |tool: Arc<omni_catalog::Tool>| {
        let listing: serde_json::Value = serde_json::from_slice(&tool.listing).unwrap();
        format!("{} {}", tool.spec.tool, listing["description"].as_str().unwrap())
    };
    let digest =
        snapshot.skills().iter().find(|skill| skill.folder == "s").and_then(|skill| skill.digest.clone());
    let called = snapshot.tools().find_map(|tool| {
        let python = tool.spec.target.python().filter(|_| tool.spec.skill == "s")?;
        python.digest.clone()
    });
    assert!(called.is_none() || called == digest, "a call names the version that is served");
    (snapshot.tools().map(told).collect(), digest)
}

/// The tools whose calls say that they mean a version which the folder does not have any more.
fn last_good(snapshot: &Snapshot) -> Vec<String> {
    let kept =
        snapshot.tools().filter(|tool| tool.spec.target.python().is_some_and(|python| python.last_good));
    kept.map(|tool| tool.spec.tool.clone()).collect()
}

#[test]
fn what_was_there_before_a_broken_edit_is_served_until_it_is_mended() {
    let served = Served::new();
    let before = served.catalog.snapshot();
    let good = seen(&before);
    assert_eq!(good.0, ["other.c Version 1.", "s.a Version 1.", "s.b Version 1."]);

    let broken = served.edit("s/scripts/a.py", &(tool("a", 2) + BROKEN));
    assert_eq!(seen(&broken), good);
    assert!(before.versions().eq(broken.versions()), "no list has changed");
    let finding = broken.diagnostics().iter().find(|finding| finding.code == "syntax-error").unwrap();
    assert_eq!(finding.file, "s/scripts/a.py");
    assert!(finding.help.as_deref().unwrap().contains("served as it was before the edit"), "{finding}");
    assert_eq!(last_good(&broken), ["s.a", "s.b"], "workers are told that the folder has another version");
    assert_eq!(last_good(&before), [""; 0]);

    // Its other files wait with it, and other skills do not.
    assert_eq!(seen(&served.edit("s/scripts/b.py", &tool("b", 2))), good);
    let others = seen(&served.edit("other/scripts/c.py", &tool("c", 2)));
    assert_eq!(others.0, ["other.c Version 2.", "s.a Version 1.", "s.b Version 1."]);
    assert_eq!(others.1, good.1);

    let mended = seen(&served.edit("s/scripts/a.py", &tool("a", 3)));
    assert_eq!(mended.0, ["other.c Version 2.", "s.a Version 3.", "s.b Version 2."]);
    assert_ne!(mended.1, good.1);
    assert_eq!(last_good(&served.catalog.snapshot()), [""; 0]);
}

#[test]
fn a_broken_helper_is_a_broken_edit_too() {
    let served = Served::new();
    let good = seen(&served.catalog.snapshot());
    assert_eq!(seen(&served.edit("s/scripts/inner/helper.py", BROKEN)), good);
    fs::remove_file(served.dir.path().join("skills/s/scripts/inner/helper.py")).unwrap();
    assert_eq!(seen(&served.look()), good, "what imports it could not be loaded");
    assert_ne!(seen(&served.edit("s/scripts/inner/helper.py", "WORD = 2\n")).1, good.1);
}

const PROGRAMS: &str = "---\nname: s\ndescription: Does.\ntools:\n  - name: p\n    description: Runs.\n    command: [cat]\n  \
                        - name: q\n    description: Runs.\n    command: [cat]\n---\n";

const WITH_PROGRAMS: [&str; 5] =
    ["other.c Version 1.", "s.a Version 1.", "s.b Version 1.", "s.p Runs.", "s.q Runs."];

#[test]
fn a_skill_md_of_which_tools_are_lost_is_a_broken_edit() {
    let served = Served::new();
    let good = seen(&served.edit("s/SKILL.md", PROGRAMS));
    assert_eq!(good.0, WITH_PROGRAMS);
    let half = &PROGRAMS[..PROGRAMS.find("    command: [cat]\n  -").unwrap()];
    let bracket = PROGRAMS.replacen("[cat]", "[cat", 1);
    let nameless = PROGRAMS.replace("name: q", "nam: q");
    for broken in ["", "---\n", half, &bracket, &nameless] {
        let snapshot = served.edit("s/SKILL.md", broken);
        assert_eq!(seen(&snapshot), good, "{broken:?}");
        let helps = snapshot.diagnostics().iter().filter_map(|finding| finding.help.as_deref());
        assert!(
            helps.into_iter().any(|help| help.contains("served as it was before the edit")),
            "{broken:?}"
        );
        assert_eq!(seen(&served.edit("s/SKILL.md", PROGRAMS)), good);
    }
    // What costs no tool takes effect, whatever a reader says of it.
    let kept = PROGRAMS.replace("description: Does.", "description: Does: it.");
    assert_eq!(seen(&served.edit("s/SKILL.md", &kept.replacen("Runs.", "Works.", 1))).0[3], "s.p Works.");
}

#[test]
fn a_skill_md_that_cannot_be_read_is_a_broken_edit() {
    let served = Served::new();
    let good = seen(&served.edit("s/SKILL.md", PROGRAMS));
    let skill_md = served.dir.path().join("skills/s/SKILL.md");
    fs::write(&skill_md, b"---\nname: s\xff\n---\n").unwrap();
    assert_eq!(seen(&served.look()), good);
    fs::remove_file(&skill_md).unwrap();
    std::os::unix::fs::symlink("nowhere.md", &skill_md).unwrap();
    assert_eq!(seen(&served.look()), good, "what it leads to may be on its way");
    fs::remove_file(&skill_md).unwrap();
    assert_eq!(seen(&served.look()).0, WITH_PROGRAMS[..3], "a deletion is no error");
}

#[test]
fn a_folder_that_cannot_be_read_is_a_broken_edit() {
    use std::os::unix::fs::PermissionsExt;
    let served = Served::new();
    let good = seen(&served.catalog.snapshot());
    for folder in ["skills/s/scripts/inner", "skills/s/scripts", "skills/s"] {
        let path = served.dir.path().join(folder);
        let permit = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        permit(0o000);
        if fs::read_dir(&path).is_ok() {
            eprintln!("skipped: this user reads everything, whatever its mode is");
            permit(0o755);
            break;
        }
        let unread = served.look();
        permit(0o755);
        assert_eq!(seen(&unread), good, "{folder}");
        assert!(unread.diagnostics().iter().any(|finding| finding.code == "unreadable"), "{folder}");
        assert_eq!(seen(&served.look()), good, "{folder}");
    }
    let (scripts, aside) = (served.dir.path().join("skills/s/scripts"), served.dir.path().join("aside"));
    fs::rename(&scripts, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &scripts).unwrap();
    assert_eq!(seen(&served.look()), good, "a link out of the folder is not followed");
    fs::remove_file(&scripts).unwrap();
    assert_eq!(seen(&served.look()).0, ["other.c Version 1."], "a deletion is no error");
}

#[test]
fn a_tool_that_is_deleted_is_gone() {
    let served = Served::new();
    served.edit("s/SKILL.md", PROGRAMS);
    let one = &PROGRAMS[..PROGRAMS.find("  - name: q").unwrap()];
    assert_eq!(seen(&served.edit("s/SKILL.md", &format!("{one}---\n"))).0, WITH_PROGRAMS[..4]);
    fs::remove_file(served.dir.path().join("skills/s/scripts/b.py")).unwrap();
    assert_eq!(seen(&served.look()).0, ["other.c Version 1.", "s.a Version 1.", "s.p Runs."]);
}

#[test]
fn it_is_not_served_by_who_starts_anew_nor_by_who_only_looks() {
    let served = Served::new();
    let broken = served.edit("s/scripts/a.py", BROKEN);
    let anew = served.anew();
    assert_eq!(seen(&anew).0, ["other.c Version 1.", "s.b Version 1."]);
    // That has written the cache; who serves goes on.
    assert_eq!(seen(&served.look()), seen(&broken));
    let Served { dir, .. } = served;
    let next = Served::of(dir);
    next.catalog.keep_last_good();
    assert_eq!(seen(&next.look()).0, ["other.c Version 1.", "s.b Version 1."]);
    let reader = Served::of(next.dir);
    reader.look();
    assert_eq!(seen(&reader.edit("s/scripts/b.py", BROKEN)).0, ["other.c Version 1."]);
}

#[test]
fn an_error_that_was_there_before_keeps_no_edit_back() {
    let served = Served::new();
    let Served { dir, .. } = served;
    write(dir.path().join("skills/s/scripts/a.py"), BROKEN);
    let served = Served::of(dir);
    served.catalog.keep_last_good();
    assert_eq!(seen(&served.look()).0, ["other.c Version 1.", "s.b Version 1."]);
    assert_eq!(
        seen(&served.edit("s/scripts/b.py", &tool("b", 2))).0,
        ["other.c Version 1.", "s.b Version 2."]
    );
    // Another one does.
    assert_eq!(seen(&served.edit("s/scripts/b.py", BROKEN)).0, ["other.c Version 1.", "s.b Version 2."]);
    assert_eq!(
        seen(&served.edit("s/scripts/b.py", &tool("b", 3))).0,
        ["other.c Version 1.", "s.b Version 3."]
    );
}

#[test]
fn an_error_that_another_has_hidden_for_a_while_is_no_new_one() {
    let served = Served::new();
    let lived_with = tool("a", 1).replace("@tool", "@tool(timeout=-1)");
    write(served.dir.path().join("skills/s/scripts/a.py"), &lived_with);
    let served = Served::of(served.dir);
    served.catalog.keep_last_good();
    let good = seen(&served.look());
    assert!(
        served.catalog.snapshot().diagnostics().iter().any(|finding| finding.severity == Severity::Error)
    );
    // A file that cannot be parsed has this error only; twice, since the second is held to what the first has left.
    for broken in [BROKEN, "def g(:\n"] {
        assert_eq!(seen(&served.edit("s/scripts/a.py", broken)), good);
    }
    assert_eq!(seen(&served.edit("s/scripts/b.py", &tool("b", 2))), good);
    let mended = seen(&served.edit("s/scripts/a.py", &lived_with));
    assert!(mended.0.contains(&"s.b Version 2.".to_owned()), "{mended:?}");
    assert_eq!(last_good(&served.catalog.snapshot()), [""; 0]);
}

#[test]
fn a_skill_that_is_deleted_is_gone_broken_or_not() {
    let served = Served::new();
    served.edit("s/scripts/a.py", BROKEN);
    fs::remove_dir_all(served.dir.path().join("skills/s")).unwrap();
    assert_eq!(seen(&served.look()).0, ["other.c Version 1."]);
}

#[test]
fn a_skill_that_comes_back_as_it_was_is_told_of_as_one_that_goes_is() {
    let served = Served::new();
    let before = served.catalog.snapshot();
    let (skill, aside) = (served.dir.path().join("skills/s"), served.dir.path().join("aside"));
    fs::rename(&skill, &aside).unwrap();
    let gone = served.look();
    let told = |now: &Snapshot, before: &Snapshot| -> Vec<(String, Option<String>)> {
        now.changes_since(before).into_iter().map(|change| (change.skill, change.before)).collect()
    };
    assert_eq!(told(&gone, &before), [("s".to_owned(), seen(&before).1)]);
    fs::rename(aside, skill).unwrap();
    let back = served.look();
    assert_eq!(seen(&back), seen(&before));
    // Executors pass the version over that was there when it went: it is in force again.
    assert_eq!(told(&back, &gone), [("s".to_owned(), None)]);
    assert_eq!(told(&back, &back), []);
}

#[test]
fn what_was_read_and_never_served_is_no_last_good_version() {
    let served = Served::new();
    let good = seen(&served.catalog.snapshot());
    write(served.dir.path().join("skills/s/scripts/a.py"), &tool("a", 2));
    served.catalog.refresh_sources().unwrap();
    assert_eq!(seen(&served.catalog.snapshot()), good, "nobody has made it take effect");
    assert_eq!(seen(&served.edit("s/scripts/a.py", BROKEN)), good);
}

#[test]
fn each_of_many_broken_skills_is_served_as_it_was_and_looking_again_makes_nothing_anew() {
    let served = Served::new();
    let skills = served.dir.path().join("skills");
    let path = |n: u32| skills.join(format!("m{n:02}/scripts/c.py"));
    (0..40).for_each(|n| write(path(n), &tool("c", n)));
    let good = seen(&served.look()).0;
    assert_eq!(good.len(), 43);
    (0..40).step_by(2).for_each(|n| write(path(n), BROKEN));
    let broken = served.look();
    assert_eq!(seen(&broken).0, good);
    assert_eq!(last_good(&broken).len(), 20);
    // What was written a moment ago is read again; after that nothing is made, nor written, as long as nothing changes.
    let stamps = || {
        let folders = fs::read_dir(served.dir.path().join("cache")).unwrap();
        let file = folders.map(|folder| folder.unwrap().path().join("stamps.bin")).next().unwrap();
        fs::metadata(file).unwrap().modified().unwrap()
    };
    let looks_without_work = (0..500).find(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let before = stamps();
        Arc::ptr_eq(&served.look(), &broken) && stamps() == before
    });
    assert!(looks_without_work.is_some(), "each look makes everything anew");
    // A good edit of another one is seen all the same.
    let edited = seen(&served.edit("m01/scripts/c.py", &tool("c", 100))).0;
    assert!(edited.contains(&"m01.c Version 100.".to_owned()), "{edited:?}");
    assert_eq!(edited.len(), good.len());
}

#[test]
fn a_mended_version_that_nobody_was_served_makes_no_error_an_old_one() {
    let served = Served::new();
    let good = seen(&served.catalog.snapshot());
    assert_eq!(seen(&served.edit("s/scripts/a.py", BROKEN)), good);
    write(served.dir.path().join("skills/s/scripts/a.py"), &tool("a", 2));
    served.catalog.refresh_sources().unwrap();
    assert_eq!(seen(&served.edit("s/scripts/a.py", BROKEN)), good, "the same error as in what is in force");
    assert_eq!(seen(&served.edit("s/scripts/a.py", &tool("a", 3))).0[1], "s.a Version 3.");
}
