//! Files that a store finds: damaged, newer, of others, exchanged while they are open.

#![expect(clippy::unwrap_used, reason = "a panic here is the report of a failure")]

mod support;

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use omni_call::TaskStatus;
use omni_store::{Ending, OpenError, Store, StoreConfig, StoreError, overview};
use rusqlite::Connection;
use support::Lab;

/// A database with some pages, all of them in the file itself.
fn filled(lab: &Lab) -> Vec<u8> {
    let store = lab.store();
    for number in 0..200 {
        let id = format!("task {number}");
        drop(store.create(lab.task(&id)));
        drop(store.finish(&id, Ending::Completed(vec![b'x'; 300]), lab.now));
    }
    store.close();
    fs::read(lab.database()).unwrap()
}

fn kept(lab: &Lab) -> Vec<PathBuf> {
    overview(&lab.folder(), &StoreConfig::default()).unwrap().map(|found| found.put_aside).unwrap_or_default()
}

/// Creates a task in whatever is there, and finds it again.
fn serves(lab: &Lab, store: &Store, id: &str) {
    store.create(lab.task(id)).wait().unwrap();
    assert_eq!(lab.seen(store, id).unwrap().status, TaskStatus::Working);
}

#[test]
fn a_damaged_database_is_kept_under_another_name_and_a_new_one_begun() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 7] = [
        ("no database at all", |bytes| *bytes = b"these are notes of mine\n".repeat(300)),
        ("a beginning of zeros", |bytes| bytes[..100].fill(0)),
        ("a page of zeros", |bytes| bytes[3 * 4096..4 * 4096].fill(0)),
        ("pages of noise", |bytes| {
            let mut noise = 1u32;
            for byte in &mut bytes[4096 * 4..4096 * 20] {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (noise >> 24) as u8;
            }
        }),
        ("half of it", |bytes| bytes.truncate(bytes.len() / 2)),
        ("a few bytes", |bytes| bytes.truncate(50)),
        ("no tables", |bytes| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x");
            let other = Connection::open(&path).unwrap();
            // `omni`, and the first schema.
            other.execute_batch("PRAGMA application_id = 1869442665; PRAGMA user_version = 1").unwrap();
            other.execute_batch("CREATE TABLE t (x)").unwrap();
            drop(other);
            *bytes = fs::read(path).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let lab = Lab::new();
        let mut bytes = filled(&lab);
        damage(&mut bytes);
        fs::write(lab.database(), &bytes).unwrap();
        let store = lab.store();
        assert!(lab.seen(&store, "task 7").is_none(), "{what}");
        serves(&lab, &store, "new");
        let kept = kept(&lab);
        assert_eq!(kept.len(), 1, "{what}");
        assert!(fs::read(&kept[0]).unwrap() == bytes, "{what}: it is kept as it was");
        store.close();
        serves(&lab, &lab.store(), "later");
    }
}

#[test]
fn an_emptied_database_does_not_take_its_log_with_it() {
    let lab = Lab::new();
    let store = lab.store();
    serves(&lab, &store, "a");
    // As after a kill: the log has what was acknowledged.
    let copy = Lab::new();
    fs::create_dir(copy.folder()).unwrap();
    fs::copy(lab.folder().join("omni.db-wal"), copy.folder().join("omni.db-wal")).unwrap();
    fs::write(copy.database(), b"").unwrap();
    serves(&copy, &copy.store(), "new");
    let kept = kept(&copy);
    let log = format!("{}-wal", kept[0].display());
    let before = fs::read(lab.folder().join("omni.db-wal")).unwrap();
    assert!(!before.is_empty() && fs::read(log).unwrap() == before);
}

#[test]
fn only_the_last_damaged_databases_are_kept() {
    let lab = Lab::new();
    for number in 0..5 {
        fs::create_dir_all(lab.folder()).unwrap();
        fs::write(lab.database(), format!("no database {number}").repeat(100)).unwrap();
        lab.store().close();
    }
    let texts: Vec<String> =
        kept(&lab).iter().map(|path| fs::read_to_string(path).unwrap()[..13].to_owned()).collect();
    assert_eq!(texts, ["no database 3", "no database 4"]);
}

#[test]
fn a_database_that_is_damaged_while_it_is_open_is_put_aside_too() {
    let lab = Lab::new();
    filled(&lab);
    let store = lab.store();
    assert!(lab.seen(&store, "task 3").is_some());
    let other = Connection::open(lab.database()).unwrap();
    other.query_row("SELECT tasks FROM usage", [], |_| Ok(())).unwrap();
    // Written in place, as a failing disk would.
    let pages = fs::metadata(lab.database()).unwrap().len() - 4096;
    let file = fs::OpenOptions::new().write(true).open(lab.database()).unwrap();
    file.write_all_at(&vec![0xa5; usize::try_from(pages).unwrap()], 4096).unwrap();
    // What another connection writes makes the store read its pages anew.
    other.pragma_update(None, "user_version", 1).unwrap();
    assert_eq!(lab.seen(&store, "task 3"), None);
    serves(&lab, &store, "new");
    assert_eq!(kept(&lab).len(), 1);
}

#[test]
fn a_server_that_has_the_damaged_database_open_goes_on_in_the_new_one() {
    let lab = Lab::new();
    let bytes = filled(&lab);
    let (first, idle) = (lab.store(), lab.store());
    serves(&lab, &first, "before");
    // The file is exchanged for a damaged one, which a third server finds.
    fs::remove_file(lab.database()).unwrap();
    fs::write(lab.database(), &bytes[..5000]).unwrap();
    let finder = lab.store();
    serves(&lab, &finder, "found");
    serves(&lab, &first, "of the first");
    serves(&lab, &idle, "of the idle one");
    for store in [&first, &idle, &finder] {
        for id in ["found", "of the first", "of the idle one"] {
            assert!(lab.seen(store, id).is_some(), "{id}");
        }
    }
    // Whoever had the old file open must not remove the new one's log.
    first.close();
    idle.close();
    assert!(lab.seen(&finder, "of the idle one").is_some());
    finder.close();
    let later = lab.store();
    for id in ["found", "of the first", "of the idle one"] {
        assert!(lab.seen(&later, id).is_some(), "{id}");
    }
    assert_eq!(kept(&lab).len(), 1);
}

#[test]
fn a_folder_that_is_removed_while_it_is_open_is_made_again() {
    let lab = Lab::new();
    let store = lab.store();
    serves(&lab, &store, "a");
    fs::remove_dir_all(lab.folder()).unwrap();
    serves(&lab, &store, "b");
    assert_eq!(lab.seen(&store, "a"), None);
    let other = lab.store();
    assert_eq!(other.declare_lost("", b"", lab.now).wait().unwrap(), [], "its lock is there again");
    assert!(lab.seen(&other, "b").is_some());
}

#[test]
fn a_newer_database_is_refused_and_left_as_it_is() {
    let lab = Lab::new();
    filled(&lab);
    let newer = |version: i64| {
        let connection = Connection::open(lab.database()).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
    };
    let store = lab.store();
    assert!(lab.seen(&store, "task 0").is_some());
    newer(2);
    let refused = |error: StoreError| match error {
        StoreError::Open(OpenError::Newer { found: 2, known: 1, ref path }) => {
            assert_eq!(*path, lab.database());
            error.to_string()
        }
        other => panic!("{other:?}"),
    };
    // By one that had it open, for reading and writing, and by one that opens it.
    refused(store.task("task 0", "ada", lab.now).wait().unwrap_err());
    refused(store.create(lab.task("x")).wait().unwrap_err());
    let before = fs::read(lab.database()).unwrap();
    let text = refused(Store::open(lab.folder(), StoreConfig::default()).unwrap_err());
    assert!(
        text.ends_with("was written by a newer omni: its schema is 2, and this one knows schemas up to 1"),
        "{text}"
    );
    assert!(matches!(overview(&lab.folder(), &StoreConfig::default()), Err(OpenError::Newer { .. })));
    assert!(fs::read(lab.database()).unwrap() == before, "it is as it was");
    newer(1);
    serves(&lab, &store, "it serves again");
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let lab = Lab::new();
    fs::create_dir(lab.folder()).unwrap();
    let other = Connection::open(lab.database()).unwrap();
    other
        .execute_batch("CREATE TABLE music (title TEXT); INSERT INTO music VALUES ('Gaspard de la nuit')")
        .unwrap();
    let before = fs::read(lab.database()).unwrap();
    let refused = Store::open(lab.folder(), StoreConfig::default()).unwrap_err();
    assert!(matches!(refused, StoreError::Open(OpenError::Foreign { .. })), "{refused:?}");
    assert!(refused.to_string().ends_with("is a database, but none of omni's; move it away"), "{refused}");
    assert!(matches!(overview(&lab.folder(), &StoreConfig::default()), Err(OpenError::Foreign { .. })));
    assert!(fs::read(lab.database()).unwrap() == before, "it is as it was");
    fs::remove_file(lab.database()).unwrap();
    serves(&lab, &lab.store(), "a");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let lab = Lab::new();
    fs::write(lab.folder(), "a file").unwrap();
    let store = Store::on_first_use(lab.folder(), StoreConfig::default());
    let error = store.create(lab.task("a")).wait().unwrap_err();
    assert!(
        matches!(&error, StoreError::Open(OpenError::Folder { path, .. }) if *path == lab.folder()),
        "{error:?}"
    );
    assert!(error.to_string().ends_with("store` cannot be used as the folder of the store"), "{error}");
    fs::remove_file(lab.folder()).unwrap();
    serves(&lab, &store, "a");
}

#[test]
fn an_overview_makes_nothing_and_counts_what_is_there() {
    let lab = Lab::new();
    assert_eq!(overview(&lab.folder(), &StoreConfig::default()).unwrap(), None);
    assert!(!lab.folder().exists());
    let store = lab.store();
    for id in ["a", "b", "c"] {
        store.create(lab.task(id)).wait().unwrap();
    }
    let _ = store
        .finish("a", Ending::Completed(vec![0; 10_000]), lab.now + Duration::from_secs(1))
        .wait()
        .unwrap();
    let found = overview(&lab.folder(), &StoreConfig::default()).unwrap().unwrap();
    assert_eq!((found.tasks, found.unfinished, &found.database), (3, 2, &lab.database()));
    assert!(found.bytes > 18_000 && found.bytes < 20_000, "{found:?}");
    serves(&lab, &store, "d");
}
