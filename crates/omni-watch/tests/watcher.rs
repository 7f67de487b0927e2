//! The thread, over real folders: who is told when, and that it ends.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use omni_watch::{Config, Look, Mode, Pace, Tree, Watched, Watcher, Why};

const PATIENCE: Duration = Duration::from_secs(60);

/// What is in a folder, by path.
type Content = BTreeMap<PathBuf, String>;

fn content(folder: &Path, into: &mut Content) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        content(&entry.path(), into);
        if let Ok(text) = fs::read_to_string(entry.path()) {
            into.insert(entry.path(), text);
        }
    }
}

/// Reads the folder, and tells the test of it.
struct Reading {
    folder: PathBuf,
    found: Content,
    watched: Sender<Vec<Watched>>,
    published: Sender<Content>,
    /// Before a look reads.
    meanwhile: Box<dyn FnMut() + Send>,
}

impl Look for Reading {
    fn watched(&mut self, trees: &[Watched]) {
        self.watched.send(trees.to_vec()).unwrap();
    }

    fn look(&mut self) -> bool {
        let mut found = Content::new();
        content(&self.folder, &mut found);
        (self.meanwhile)();
        let differs = found != self.found;
        self.found = found;
        differs
    }

    fn publish(&mut self) {
        let _ = self.published.send(self.found.clone());
    }
}

struct World {
    dir: tempfile::TempDir,
    watcher: Option<Watcher>,
    watched: Vec<Watched>,
    published: Receiver<Content>,
}

impl World {
    fn new(mode: Mode, pace: Pace) -> Self {
        World::with(mode, pace, |_| Box::new(|| {}))
    }

    fn with(mode: Mode, pace: Pace, meanwhile: impl FnOnce(&Path) -> Box<dyn FnMut() + Send>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("skills");
        fs::create_dir(&folder).unwrap();
        let (watched, was_watched) = channel();
        let (published, was_published) = channel();
        let meanwhile = meanwhile(&folder);
        let reading =
            Reading { folder: folder.clone(), found: Content::new(), watched, published, meanwhile };
        let config = Config { trees: vec![Tree { path: folder, only: None }], files: Vec::new(), mode, pace };
        let watcher = Watcher::start(config, reading).unwrap();
        let watched = was_watched.recv_timeout(PATIENCE).unwrap();
        World { dir, watcher: Some(watcher), watched, published: was_published }
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join("skills").join(file)
    }

    fn next(&self) -> Content {
        self.published.recv_timeout(PATIENCE).expect("it was published")
    }

    /// Asks for a look and waits until it is done.
    fn ask(&self) {
        let (done, is_done) = channel();
        self.watcher.as_ref().unwrap().ask(move || done.send(()).unwrap());
        is_done.recv_timeout(PATIENCE).expect("an answer");
    }
}

#[test]
fn what_was_there_before_is_looked_at_once_and_a_burst_is_published_once() {
    let world = World::new(Mode::Events, Pace::default());
    assert_eq!(world.watched[0].why_not, None);
    assert_eq!(world.next(), Content::new(), "once everything is watched");
    for number in 0..200 {
        world.write(&format!("a/scripts/{number}.py"), "1");
    }
    // Where the machine is busy the writes may take longer than half a second; then there are more, and the last has all.
    let mut published = 0;
    while world.next().len() < 200 {
        published += 1;
    }
    assert!(published < 20, "{published}");
}

#[test]
fn who_asks_is_answered_after_a_look_that_saw_what_was_done_before() {
    for mode in [Mode::Events, Mode::Poll, Mode::Asked] {
        // Far apart, so that no look but those that are asked for can have seen it.
        let pace = Pace { poll: PATIENCE * 10, ..Pace::default() };
        let world = World::new(mode, pace);
        for text in ["1", "2", "3"] {
            world.write("a/scripts/a.py", text);
            world.ask();
            let last = std::iter::from_fn(|| world.published.try_recv().ok()).last();
            assert_eq!(last.unwrap().values().collect::<Vec<_>>(), [text], "{mode:?}");
        }
    }
}

#[test]
fn without_events_a_change_is_found_by_looking_again_and_again() {
    let pace = Pace { poll: Duration::from_millis(20), ..Pace::default() };
    let world = World::new(Mode::Poll, pace);
    assert_eq!(world.watched[0].why_not, Some(Why::Wanted));
    world.write("a/scripts/a.py", "1");
    while world.next().is_empty() {}
    fs::remove_file(world.path("a/scripts/a.py")).unwrap();
    while !world.next().is_empty() {}
}

#[test]
fn what_changes_while_it_is_looked_at_is_looked_at_again_before_anybody_sees_it() {
    // Each of the first looks finds one half of an edit.
    let halves = |folder: &Path| -> Box<dyn FnMut() + Send> {
        let (one, other) = (folder.join("a/one.py"), folder.join("a/other.py"));
        let mut looks = 0;
        Box::new(move || {
            looks += 1;
            if looks == 2 {
                fs::write(&one, "2").unwrap();
                fs::write(&other, "2").unwrap();
            }
        })
    };
    let pace = Pace { most: PATIENCE, ..Pace::default() };
    let world = World::with(Mode::Events, pace, halves);
    world.next();
    world.write("a/one.py", "1");
    world.write("a/other.py", "1");
    let seen: Vec<String> = world.next().into_values().collect();
    assert_eq!(seen, ["2", "2"], "the look before was overlapped");
}

#[test]
fn the_thread_ends_when_it_is_told_to_and_answers_nobody_then() {
    let tasks = || {
        let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.trim() == "omni-watch").count()
    };
    let mut world = World::new(Mode::Events, Pace::default());
    assert!(tasks() > 0);
    world.next();
    // Nothing is looked at any more, so whoever asks hears that nobody answers.
    world.write("a/scripts/a.py", "1");
    let (done, is_done) = channel::<()>();
    world.watcher.as_ref().unwrap().ask(move || done.send(()).unwrap());
    world.watcher.take().unwrap().join();
    while is_done.recv_timeout(PATIENCE).is_ok() {}
    while world.published.recv_timeout(PATIENCE).is_ok() {}
}

#[test]
fn how_a_folder_would_be_watched_can_be_tried() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree { path: dir.path().to_owned(), only: None };
    let expected = Watched { path: dir.path().to_owned(), why_not: None };
    assert_eq!(Watcher::probe(&[tree]), [expected]);
}
