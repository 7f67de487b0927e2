//! Where things are: a cache that cannot be written, a home that is none, and what `--skills` may name.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::Folder;

const TOOLS: &str = "@tool\ndef hi() -> str:\n    \"Say hi.\"\n    return 'hi'\n";

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// `omni call t.hi` with a temporary folder of its own, and nothing said of where caches go but `variables`.
fn call(folder: &Folder, variables: &[(&str, PathBuf)]) -> Output {
    let temporary = folder.path("tmp");
    fs::create_dir_all(&temporary).unwrap();
    let mut command = folder.omni(&["call", "t.hi"]);
    command.env("TMPDIR", temporary).env_remove("OMNI_CACHE_DIR").env_remove("HOME");
    command.envs(variables.iter().map(|(name, value)| (name, value))).output().unwrap()
}

/// The call worked, and one line says that caches are in the temporary folder instead of `cache`.
fn falls_back(folder: &Folder, cache: &Path, variables: &[(&str, PathBuf)]) {
    for _ in 0..2 {
        let output = call(folder, variables);
        let said = stderr(&output);
        assert_eq!(stdout(&output), "hi\n", "{variables:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{variables:?}: {said}");
        assert!(said.starts_with("warning: ") && said.contains("omni-"), "{variables:?}: {said}");
        assert!(said.contains(&format!("`{}`", cache.display())), "{variables:?}: {said}");
    }
    let kept: Vec<_> = fs::read_dir(folder.path("tmp")).unwrap().flatten().collect();
    assert_eq!(kept.len(), 1, "{variables:?}: {kept:?}");
    assert_eq!(kept[0].metadata().unwrap().permissions().mode() & 0o777, 0o700);
    fs::remove_dir_all(folder.path("tmp")).unwrap();
}

#[test]
fn a_cache_that_cannot_be_made_is_replaced_by_a_temporary_one_with_one_warning() {
    let folder = Folder::new(TOOLS);
    folder.write("file", "");
    fs::create_dir_all(folder.path("home/.cache")).unwrap();
    folder.write("home/.cache/omni", "a file");
    falls_back(&folder, &folder.path("home/.cache/omni"), &[("HOME", folder.path("home"))]);
    fs::create_dir_all(folder.path("other")).unwrap();
    folder.write("other/.cache", "a file");
    falls_back(&folder, &folder.path("other/.cache/omni"), &[("HOME", folder.path("other"))]);
    // A name with no entry behind it, as `nobody` has one, and a file that is no folder.
    falls_back(&folder, Path::new("/proc/omni/.cache/omni"), &[("HOME", "/proc/omni".into())]);
    falls_back(&folder, Path::new("/dev/null"), &[("HOME", "/dev/null".into())]);
    falls_back(&folder, Path::new("/proc/cache/omni"), &[("XDG_CACHE_HOME", "/proc/cache".into())]);
    // Named by the user: what cannot be had is no reason to serve nothing.
    falls_back(&folder, Path::new("/proc/cache"), &[("OMNI_CACHE_DIR", "/proc/cache".into())]);
    falls_back(&folder, &folder.path("file/cache"), &[("OMNI_CACHE_DIR", folder.path("file/cache"))]);
}

#[test]
fn a_cache_without_rights_to_write_is_replaced_and_one_that_is_prepared_is_used() {
    if is_root() {
        println!("skipped: root may write everywhere; see the next test for the same as another user");
        return;
    }
    let folder = Folder::new(TOOLS);
    let cache = folder.path("home/.cache/omni");
    fs::create_dir_all(&cache).unwrap();
    set_mode(&cache, 0o500);
    falls_back(&folder, &cache, &[("HOME", folder.path("home"))]);
    set_mode(&cache, 0o700);
    let home = [("HOME", folder.path("home"))];
    assert_eq!(
        (stdout(&call(&folder, &home)), stderr(&call(&folder, &home))),
        ("hi\n".into(), String::new())
    );
    // As in an image that was prepared by root.
    set_mode(&cache, 0o500);
    let output = call(&folder, &home);
    assert_eq!(stdout(&output), "hi\n");
    assert!(stderr(&output).lines().count() <= 1, "{}", stderr(&output));
    set_mode(&cache, 0o700);
}

/// What containers give to a user who has no entry, and `sudo -u` with the home of another.
#[test]
fn a_home_that_is_not_ours_is_no_home() {
    if !is_root() {
        println!("skipped: only root can become somebody else");
        return;
    }
    let folder = Folder::new(TOOLS);
    set_mode(folder.dir.path(), 0o755);
    let others = folder.path("others");
    fs::create_dir(&others).unwrap();
    set_mode(&others, 0o700);
    let owned = folder.path("owned");
    fs::create_dir(&owned).unwrap();
    for (home, named) in [("/", "/.cache/omni"), (others.to_str().unwrap(), others.to_str().unwrap())] {
        let temporary = folder.path("tmp");
        fs::create_dir_all(&temporary).unwrap();
        set_mode(&temporary, 0o1777);
        let mut nobody = Command::new("setpriv");
        nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_omni")]);
        nobody.args(["call", "t.hi", "--skills", "skills"]).current_dir(folder.dir.path()).env_clear();
        let path = std::env::var_os("PATH").unwrap();
        let output = nobody.env("PATH", path).env("TMPDIR", &temporary).env("HOME", home).output().unwrap();
        let said = stderr(&output);
        if said.contains("Permission denied") && stdout(&output).is_empty() {
            println!("skipped: user 65534 cannot run the binary or Python where they are: {said}");
            return;
        }
        assert_eq!(stdout(&output), "hi\n", "{home}: {said}");
        assert_eq!(said.lines().count(), 1, "{home}: {said}");
        assert!(said.contains(&format!("`{named}`")) && said.contains("omni-65534"), "{home}: {said}");
        fs::remove_dir_all(&temporary).unwrap();
    }
}

#[test]
fn a_disk_that_is_full_or_read_only_is_like_one_that_cannot_be_written() {
    let folder = Folder::new(TOOLS);
    for options in ["size=64k,mode=0700", "ro,mode=0700"] {
        fs::create_dir_all(folder.path("disk")).unwrap();
        fs::create_dir_all(folder.path("tmp")).unwrap();
        let script =
            format!("mount -t tmpfs -o {options} tmpfs disk && exec \"$0\" call t.hi --skills skills");
        let mut command = Command::new("unshare");
        command.args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            &script,
            env!("CARGO_BIN_EXE_omni"),
        ]);
        command.current_dir(folder.dir.path()).env("TMPDIR", folder.path("tmp"));
        command.env("OMNI_CACHE_DIR", folder.path("disk")).env("OMNI_ISOLATION", "none");
        let Ok(output) = command.output() else {
            println!("skipped: there is no `unshare`");
            return;
        };
        let said = stderr(&output);
        if said.contains("unshare:") || said.contains("mount:") {
            println!("skipped: no file system can be mounted here: {said}");
            return;
        }
        assert_eq!(stdout(&output), "hi\n", "{options}: {said}");
        assert_eq!(said.lines().count(), 1, "{options}: {said}");
        assert!(said.contains("disk` cannot be used"), "{options}: {said}");
        fs::remove_dir_all(folder.path("tmp")).unwrap();
    }
}

#[test]
fn where_nothing_can_be_written_tools_are_listed_and_a_call_says_what_to_do() {
    let folder = Folder::new(TOOLS);
    folder.write("file", "");
    let nowhere = |arguments: &[&str]| {
        let mut command = folder.omni(arguments);
        command.env("HOME", "/proc/omni").env("TMPDIR", folder.path("file/tmp")).env_remove("OMNI_CACHE_DIR");
        command.output().unwrap()
    };
    let list = nowhere(&["list"]);
    assert!(stdout(&list).contains("t.hi"), "{}", stderr(&list));
    for output in [list, nowhere(&["call", "t.hi"]), nowhere(&["list", "--skills", "shipped"])] {
        let said = stderr(&output);
        assert!(said.contains("--cache-dir") && said.contains("TMPDIR"), "{said}");
        assert!(said.contains("/proc/omni/.cache/omni") && said.contains("file/tmp/omni-"), "{said}");
    }
    assert_ne!(nowhere(&["call", "t.hi"]).status.code(), Some(0));
}

#[test]
fn a_temporary_cache_that_is_somebody_elses_is_not_used() {
    let folder = Folder::new(TOOLS);
    let uid =
        fs::metadata(folder.dir.path()).map(|found| std::os::unix::fs::MetadataExt::uid(&found)).unwrap();
    fs::create_dir_all(folder.path("tmp")).unwrap();
    fs::create_dir_all(folder.path("planted")).unwrap();
    symlink(folder.path("planted"), folder.path(&format!("tmp/omni-{uid}"))).unwrap();
    let output = call(&folder, &[("HOME", "/proc/omni".into())]);
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).contains("is a link") && stderr(&output).contains("--cache-dir"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read_dir(folder.path("planted")).unwrap().count(), 0, "nothing is written there");
}

fn is_root() -> bool {
    fs::metadata("/proc/self").map(|found| std::os::unix::fs::MetadataExt::uid(&found)).unwrap() == 0
}
