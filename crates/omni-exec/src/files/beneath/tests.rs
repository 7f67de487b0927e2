use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::TempDir;

use super::*;

const SECRET: &str = "the secret outside";

/// `skills/notes` with files, and a secret beside `skills`.
fn laid_out() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let skill = folder.path().join("skills/notes");
    fs::create_dir_all(skill.join("references/deep")).unwrap();
    fs::write(skill.join("references/a.md"), "inside").unwrap();
    fs::write(skill.join("references/deep/b.md"), "inside").unwrap();
    fs::write(folder.path().join("secret.txt"), SECRET).unwrap();
    fs::create_dir(folder.path().join("outside")).unwrap();
    fs::write(folder.path().join("outside/a.md"), SECRET).unwrap();
    fs::write(folder.path().join("outside/b.md"), SECRET).unwrap();
    (folder, skill)
}

/// With the kernel's check and without.
const WAYS: [bool; 2] = [false, true];

fn read(skill: &Path, path: &str, step_by_step: bool) -> Result<String, OpenError> {
    let mut text = String::new();
    let open = Root::of_skill_by(skill, step_by_step)?.file(path)?;
    (&open.file).read_to_string(&mut text).map_err(|_| OpenError::BadPath)?;
    Ok(text)
}

#[test]
fn an_ordinary_file_is_read_and_nothing_else_is() {
    let (_folder, skill) = laid_out();
    rustix::fs::mknodat(CWD, skill.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = UnixListener::bind(skill.join("socket")).unwrap();
    symlink("../../secret.txt", skill.join("link.txt")).unwrap();
    symlink("references/a.md", skill.join("inner-link.md")).unwrap();
    symlink("/", skill.join("link-folder")).unwrap();
    symlink("references", skill.join("inner-folder")).unwrap();
    symlink("/dev/zero", skill.join("zero")).unwrap();
    for way in WAYS {
        let read = |path| read(&skill, path, way);
        assert_eq!(read("references/a.md"), Ok("inside".to_owned()));
        assert_eq!(read("references/deep/b.md"), Ok("inside".to_owned()));
        for (path, error) in [
            ("references/none.md", OpenError::NotThere),
            ("none/a.md", OpenError::NotThere),
            ("references", OpenError::NotAFile("a folder")),
            ("pipe", OpenError::NotAFile("a pipe")),
            ("socket", OpenError::NotAFile("a socket")),
            ("references/a.md/b", OpenError::NotAFile("below a file")),
            ("link.txt", OpenError::Link),
            ("inner-link.md", OpenError::Link),
            ("link-folder/etc/passwd", OpenError::Link),
            ("inner-folder/a.md", OpenError::Link),
            ("zero", OpenError::Link),
        ] {
            assert_eq!(read(path), Err(error), "{path}, step by step: {way}");
        }
    }
}

#[test]
fn a_device_is_looked_at_and_not_opened() {
    // The only devices there are everywhere lie in `/dev`, which is no skill but a folder all the same.
    for way in WAYS {
        let opened = Root::of_skill_by(Path::new("/dev"), way).unwrap().file("zero");
        assert_eq!(opened.map(|_| ()), Err(OpenError::NotAFile("a device")));
    }
}

#[test]
fn a_path_that_is_none_of_a_skill_s_file_is_refused_before_it_is_opened() {
    let (folder, skill) = laid_out();
    let secret = folder.path().join("secret.txt");
    for path in [
        "",
        ".",
        "..",
        "/",
        "a//b",
        "a/",
        "./a",
        "a/.",
        "../x",
        "a/../b",
        "a\\b",
        "a\0",
        secret.to_str().unwrap(),
    ] {
        for way in WAYS {
            assert_eq!(read(&skill, path, way), Err(OpenError::BadPath), "{path:?}");
        }
    }
}

#[test]
fn no_spelling_of_a_path_leads_out() {
    let (folder, skill) = laid_out();
    symlink("../../secret.txt", skill.join("link.txt")).unwrap();
    symlink("../..", skill.join("link-folder")).unwrap();
    symlink("..", skill.join("link-up")).unwrap();
    let secret = folder.path().join("secret.txt");
    let escapes = omni_testkit::path_escapes(secret.to_str().unwrap());
    assert!(escapes.len() > 100, "{}", escapes.len());
    let mut tried = 0;
    for spelling in escapes {
        // As it is, and as whoever decodes it once, twice or three times would have it.
        let mut path = spelling.clone();
        for _ in 0..4 {
            for way in WAYS {
                let got = read(&skill, &path, way);
                assert!(
                    got.as_deref().map_or(true, |text| text == "inside"),
                    "{spelling:?} as {path:?} gave {got:?}"
                );
                tried += 1;
            }
            path = decoded(&path);
        }
    }
    assert!(tried > 3_000, "{tried}");
}

/// Percent-decoded once, as a careless reader would.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        let hex = more.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_skill_s_folder_may_be_a_link_to_another_beneath_the_same_and_to_none_elsewhere() {
    let (folder, skill) = laid_out();
    let skills = skill.parent().unwrap();
    symlink("notes", skills.join("relative")).unwrap();
    symlink(&skill, skills.join("absolute")).unwrap();
    symlink(folder.path().join("outside"), skills.join("out")).unwrap();
    symlink("../outside", skills.join("up")).unwrap();
    for way in WAYS {
        for link in ["relative", "absolute"] {
            assert_eq!(read(&skills.join(link), "references/a.md", way), Ok("inside".to_owned()), "{link}");
        }
        for link in ["out", "up"] {
            assert_eq!(read(&skills.join(link), "a.md", way), Err(OpenError::Link), "{link}");
        }
        assert_eq!(read(&skills.join("none"), "a.md", way), Err(OpenError::NotThere));
    }
}

#[test]
fn a_file_with_a_second_name_elsewhere_is_read_like_any_other() {
    // Package managers make such names, and whoever can make one could read the file anyway.
    let (folder, skill) = laid_out();
    fs::hard_link(folder.path().join("secret.txt"), skill.join("hard.txt")).unwrap();
    for way in WAYS {
        assert_eq!(read(&skill, "hard.txt", way), Ok(SECRET.to_owned()));
    }
}

/// Gives two files each other's name: in one step where the file system can, else in three.
fn exchange(one: &Path, other: &Path) {
    if renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_err() {
        let aside = other.with_extension("aside");
        fs::rename(one, &aside).unwrap();
        fs::rename(other, one).unwrap();
        fs::rename(&aside, other).unwrap();
    }
}

/// Swaps two names as fast as it can until it is told to stop.
fn swap(one: PathBuf, other: PathBuf, stop: &Arc<AtomicBool>) -> thread::JoinHandle<u64> {
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut swaps = 0;
        while !stop.load(Ordering::Relaxed) {
            exchange(&one, &other);
            swaps += 1;
        }
        swaps
    })
}

#[test]
fn whoever_swaps_folders_and_links_while_they_are_read_gets_nothing_from_outside() {
    const READS: usize = 4_000;
    let (folder, skill) = laid_out();
    let outside = folder.path().join("outside");
    // Each is swapped with a link that leads out: a file, a folder on the way, and the skill's own folder.
    symlink(outside.join("a.md"), folder.path().join("file-link")).unwrap();
    symlink(&outside, folder.path().join("folder-link")).unwrap();
    symlink(folder.path().join("fake"), folder.path().join("skill-link")).unwrap();
    fs::create_dir_all(folder.path().join("fake/references/deep")).unwrap();
    for path in ["fake/references/a.md", "fake/references/deep/b.md"] {
        fs::write(folder.path().join(path), SECRET).unwrap();
    }
    let places = [
        (skill.join("references/a.md"), "file-link", "references/a.md"),
        (skill.join("references/deep"), "folder-link", "references/deep/b.md"),
        (skill.clone(), "skill-link", "references/a.md"),
    ];
    for (place, link, path) in places {
        for way in WAYS {
            let stop = Arc::new(AtomicBool::new(false));
            let swapping = swap(place.clone(), folder.path().join(link), &stop);
            let (mut inside, mut refused) = (0, 0);
            for n in 0.. {
                match read(&skill, path, way) {
                    Ok(text) => {
                        assert_eq!(text, "inside", "{path} led out, step by step: {way}");
                        inside += 1;
                    }
                    Err(_) => refused += 1,
                }
                // Both have to have been met, or nothing was raced.
                if n >= READS && inside > 100 && refused > 100 {
                    break;
                }
            }
            stop.store(true, Ordering::Relaxed);
            let swaps = swapping.join().unwrap();
            assert!(swaps > 100, "{path}: {swaps} swaps");
            // Back as it was.
            if fs::symlink_metadata(&place).unwrap().is_symlink() {
                exchange(&place, &folder.path().join(link));
            }
        }
    }
}
