use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

fn base() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn left_in(base: &Path) -> usize {
    fs::read_dir(base).expect("a folder").count()
}

#[test]
fn a_folder_is_for_its_user_only_and_goes_with_the_server_s() {
    let base = base();
    let folders = TempFolders::below(base.path().to_owned());
    assert_eq!(left_in(base.path()), 0, "nothing is made before it is wanted");
    let (one, other) = (folders.make().expect("a folder"), folders.make().expect("a folder"));
    assert_ne!(one.path(), other.path());
    for path in [one.path(), one.path().parent().expect("a parent")] {
        let mode = fs::metadata(path).expect("a folder").permissions().mode();
        assert_eq!(mode & 0o7777, 0o700, "{}", path.display());
    }
    fs::write(one.path().join("file"), "x").expect("a file");
    assert!(!one.remove_empty());
    one.remove();
    assert!(!one.path().exists() && other.path().exists());
    drop((one, other, folders));
    assert_eq!(left_in(base.path()), 0);
}

#[test]
fn removal_follows_no_link_and_minds_no_mode_and_no_depth() {
    let base = base();
    let outside = base.path().join("outside");
    fs::create_dir(&outside).expect("a folder");
    fs::write(outside.join("file"), "x").expect("a file");
    let tree = base.path().join("tree");
    fs::create_dir(&tree).expect("a folder");
    symlink(&outside, tree.join("to-folder")).expect("a link");
    symlink(outside.join("file"), tree.join("to-file")).expect("a link");
    symlink("..", tree.join("up")).expect("a link");
    fs::create_dir_all(tree.join("closed/within")).expect("folders");
    symlink(&outside, tree.join("closed/within/link")).expect("a link");
    fs::write(tree.join("closed/.omni-1"), "a name that removal would take").expect("a file");
    fs::write(tree.join(".omni-1"), "and at the top").expect("a file");
    for number in 0..1500 {
        fs::write(tree.join(format!("many-{number}")), "").expect("a file");
    }
    for (path, mode) in [("closed/within", 0o000), ("closed", 0o500)] {
        fs::set_permissions(tree.join(path), fs::Permissions::from_mode(mode)).expect("a mode");
    }
    // Deeper than a path may be long.
    let mut at = remove::open_folder(CWD, &tree).expect("a folder");
    for _ in 0..3000 {
        mkdirat(&at, "deep", Mode::RWXU).expect("a folder");
        at = remove::open_folder(at.as_fd(), "deep").expect("a folder");
    }
    remove::remove_tree(CWD, &tree).expect("it is removed");
    assert!(!tree.exists());
    assert_eq!(fs::read_to_string(outside.join("file")).expect("what links led to"), "x");
    // A link in the place of the whole.
    symlink(&outside, &tree).expect("a link");
    remove::remove_tree(CWD, &tree).expect("it is removed");
    assert!(!tree.exists() && outside.join("file").exists());
}

#[test]
fn only_folders_of_ours_whose_server_is_dead_are_swept() {
    let base = base();
    let living = TempFolders::below(base.path().to_owned());
    let used = living.make().expect("a folder");
    let own = used.path().parent().expect("a parent").to_owned();
    let make = |name: &str, mode: u32, locks: bool| {
        let path = base.path().join(name);
        fs::create_dir_all(path.join("0")).expect("folders");
        fs::write(path.join("0/file"), "x").expect("a file");
        if locks {
            fs::write(path.join(LOCK), "").expect("a file");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        path
    };
    let dead = make("omni-0123456789ab", 0o700, true);
    let kept = make("omni-0123456789ac", 0o700, true);
    fs::write(kept.join("0.keep"), "").expect("a file");
    fs::create_dir(kept.join("1")).expect("a folder");
    fs::write(kept.join("1/file"), "x").expect("a file");
    let others = [
        make("omni-0123456789ad", 0o755, true),
        make("omni-0123456789ae", 0o700, false),
        make("omni-0123456789", 0o700, true),
        make("omni-exec-AbCdEf", 0o700, true),
        make("omni-0123456789aG", 0o700, true),
    ];
    let target = make("elsewhere", 0o700, true);
    let link = base.path().join("omni-0123456789af");
    symlink(&target, &link).expect("a link");
    stale::remove_stale(base.path(), Path::new("/"));
    assert!(!dead.exists());
    assert!(kept.join("0/file").exists() && !kept.join("1").exists());
    for path in [&own, &target, &link].into_iter().chain(&others) {
        assert!(path.exists(), "{}", path.display());
    }
    assert!(target.join("0/file").exists() && used.path().exists());
}

#[test]
fn files_that_are_to_be_kept_outlive_the_server_and_an_empty_folder_does_not() {
    let base = base();
    let folders = TempFolders::below(base.path().to_owned());
    let (one, other) = (folders.make().expect("a folder"), folders.make().expect("a folder"));
    one.keep();
    other.keep();
    let file = one.path().join("file");
    fs::write(&file, "x").expect("a file");
    one.remove();
    other.remove();
    drop((one, other, folders));
    assert!(file.exists());
    assert_eq!(
        left_in(file.parent().and_then(Path::parent).expect("a parent")),
        3,
        "lock, folder and marker"
    );
}

#[test]
fn a_server_whose_folder_was_removed_makes_another() {
    let base = base();
    let folders = TempFolders::below(base.path().to_owned());
    let one = folders.make().expect("a folder");
    fs::remove_dir_all(one.path().parent().expect("a parent")).expect("it is removed");
    let other = folders.make().expect("another one");
    assert!(other.path().exists());
    assert!(one.remove_empty(), "what is gone needs no removal");
}

#[test]
fn without_a_place_for_it_there_is_none() {
    let folders = TempFolders::below("/proc/no-such-place".into());
    assert!(folders.make().is_none() && folders.make().is_none());
}
