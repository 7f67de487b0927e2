//! Where things are: a cache that cannot be written, a home that is none, and what `--skills` may name.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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

#[test]
fn the_skills_that_come_with_omni_have_a_name_that_stays() {
    let mut folder = Folder::empty();
    folder.env.push(("OMNI_CACHE_DIR", folder.path("cache").display().to_string()));
    folder.write("omni.toml", "skills_dir = \"shipped\"\n");
    folder.write("a.txt", "words\n");
    let by_flag = |arguments: &[&str]| {
        let mut words = arguments.to_vec();
        words.extend(["--skills", "shipped"]);
        folder.omni(&words).env_remove("OMNI_CONFIG").output().unwrap()
    };
    let by_variable = |arguments: &[&str]| {
        folder.omni(arguments).env_remove("OMNI_CONFIG").env("OMNI_SKILLS", "shipped").output().unwrap()
    };
    let by_file = |arguments: &[&str]| folder.run(arguments);
    type Way<'a> = &'a dyn Fn(&[&str]) -> Output;
    for way in [&by_flag as Way<'_>, &by_variable, &by_file] {
        for (arguments, expected) in [
            (&["list"][..], "shipped/files/scripts/"),
            (&["list", "--json"], "files.read"),
            (&["describe", "files.read"], "shipped/files/scripts/"),
            (&["doctor"], "--skills shipped"),
            (&["doctor", "--json"], "\"skills_dir\":\"shipped\""),
            (&["sync"], "manifest"),
            (&["call", "files.read", "path=a.txt"], "words"),
        ] {
            let output = way(arguments);
            let all = stdout(&output) + &stderr(&output);
            assert!(output.status.success() && all.contains(expected), "{arguments:?}: {all}");
            assert!(!all.contains("cache/skills-"), "{arguments:?}: {all}");
        }
    }
    // A folder that is called so has a path.
    folder.write("shipped/mine/SKILL.md", "---\nname: mine\ndescription: Mine.\n---\n");
    folder.write(
        "shipped/mine/scripts/mine.py",
        "from omni import tool\n\n\n@tool\ndef hi() -> str:\n    return 'hi'\n",
    );
    assert!(stdout(&by_flag(&["list"])).contains("files.read"));
    assert!(stdout(&folder.run(&["list", "--skills", "./shipped"])).starts_with("mine.hi"));
}

#[test]
fn a_single_skill_is_served_by_its_folder_and_nothing_beside_it() {
    let folder = Folder::new(TOOLS);
    folder.write("skills/other/SKILL.md", "---\nname: other\ndescription: Another.\n---\n");
    folder.write(
        "skills/other/scripts/other.py",
        "from omni import tool\n\n\n@tool\ndef no() -> str:\n    return 'no'\n",
    );
    folder.write("skills/secret.py", "1/0\n");
    symlink(folder.path("skills/secret.py"), folder.path("skills/t/scripts/secret.py")).unwrap();
    for skills in ["skills/t", "skills/t/", "./skills/../skills/t"] {
        let list = folder.run(&["list", "--skills", skills]);
        // A tool, and below it the page and the file of the skill.
        assert_eq!(stdout(&list).lines().count(), 5, "{}", stdout(&list));
        assert!(stdout(&list).starts_with("t.hi ") && stdout(&list).contains("skills/t/scripts/t.py"));
        assert_eq!(stdout(&folder.run(&["call", "t.hi", "--skills", skills])), "hi\n");
    }
    let doctor = stdout(&folder.run(&["doctor", "--skills", "skills/t"]));
    assert!(doctor.contains("link-leads-out") && doctor.contains("1 skill with 1 tool"), "{doctor}");
    let all = stdout(&folder.run(&["list"]));
    assert!(all.contains("other.no") && all.contains("t.hi"), "the two lists are kept apart: {all}");
    assert_eq!(stdout(&folder.run(&["list", "--skills", "skills/t"])).lines().count(), 5);
    // What changes in it is seen.
    folder.write(
        "skills/t/scripts/more.py",
        "from omni import tool\n\n\n@tool\ndef more() -> str:\n    return ''\n",
    );
    assert!(stdout(&folder.run(&["list", "--skills", "skills/t"])).contains("t.more"));
}

#[test]
fn a_path_that_holds_no_skills_is_answered_with_one_that_does() {
    let folder = Folder::new(TOOLS);
    folder.write("a project/.claude/skills/x/SKILL.md", "---\nname: x\ndescription: X.\n---\n");
    folder.write("a project/src/app.py", "");
    for (named, meant) in [
        (".", "--skills ./skills"),
        ("a project", "--skills 'a project/.claude/skills'"),
        ("skils", "did you mean `skills`"),
        ("skills/T", "did you mean `skills/t`"),
        ("skills/t/SKILL.md", "skills/t` serves"),
        ("skills/t/scripts", "skills/t`?"),
        ("skills/t/scripts/t.py", "skills/t` serves"),
        ("a project/src/app.py", "skills/NAME/scripts/"),
        ("elsewhere/skills", "--skills shipped"),
    ] {
        for command in [&["list"][..], &["doctor"], &["call", "t.hi"], &["mcp"], &["sync"]] {
            let mut words = command.to_vec();
            words.extend(["--skills", named]);
            let said = stderr(&folder.run(&words));
            assert!(said.starts_with("error: ") && said.lines().count() == 1, "{words:?}: {said}");
            assert!(said.contains(&format!("`--skills {named}`")), "{words:?}: {said}");
            assert!(said.contains(meant), "{words:?}: {meant} in {said}");
        }
    }
    if !is_root() {
        let shut = folder.path("shut");
        fs::create_dir(&shut).unwrap();
        set_mode(&shut, 0o300);
        let said = stderr(&folder.run(&["list", "--skills", "shut"]));
        assert!(said.contains("cannot be listed") && said.contains("permissions"), "{said}");
        set_mode(&shut, 0o700);
    }
}

#[test]
fn with_no_tools_it_says_how_to_begin_and_what_it_says_works() {
    for name in ["skills", "my skills, it's"] {
        let folder = Folder::empty();
        fs::create_dir(folder.path(name)).unwrap();
        for command in ["list", "doctor", "mcp"] {
            let words = [command, "--skills", name];
            let all = match command {
                "mcp" => said_until(&folder, &words, "--skills shipped"),
                _ => {
                    let output = folder.run(&words);
                    assert!(output.status.success(), "{words:?}");
                    stdout(&output) + &stderr(&output)
                }
            };
            assert!(all.contains("--skills shipped"), "{words:?}: {all}");
            let begin = all.find("\nmkdir -p ").unwrap_or_else(|| panic!("{words:?}: {all}"));
            let end = all.find("\nthen try it:").unwrap();
            let pasted = Command::new("sh").arg("-c").arg(&all[begin..end]).status().unwrap();
            assert!(pasted.success());
            assert_eq!(
                stdout(&folder.run(&["call", "greet.hello", "name=Ada", "--skills", name])),
                "Hello Ada!\n"
            );
            assert_eq!(stderr(&folder.run(&["list", "--skills", name])), "");
            fs::remove_dir_all(folder.path(name).join("greet/scripts")).unwrap();
            let bare = stderr(&folder.run(&["list", "--skills", name]));
            assert!(bare.contains("greet/scripts/hello.py") && bare.contains("omni doctor"), "{bare}");
            fs::remove_dir_all(folder.path(name).join("greet")).unwrap();
        }
    }
    let nowhere = Folder::empty();
    assert!(stderr(&nowhere.run(&["list"])).contains("no folder `./skills`"));
    nowhere.write("SKILL.md", "---\nname: here\ndescription: Here.\n---\n");
    assert!(stderr(&nowhere.run(&["list"])).contains("`--skills .` serves the skill in this folder"));
}

/// What a server whose client stays says on stderr, up to a line with `last`.
fn said_until(folder: &Folder, words: &[&str], last: &str) -> String {
    let mut server = folder
        .omni(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    for line in BufReader::new(server.stderr.take().unwrap()).lines().map_while(Result::ok) {
        said.push_str(&line);
        said.push('\n');
        if line.contains(last) {
            break;
        }
    }
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
    said
}

fn is_root() -> bool {
    fs::metadata("/proc/self").map(|found| std::os::unix::fs::MetadataExt::uid(&found)).unwrap() == 0
}
