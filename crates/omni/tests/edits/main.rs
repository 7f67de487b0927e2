//! A server stays right while its skills are edited: random edits, one after the other, under fifty calls a second.
//!
//! Skills are edited as people and tools do it: in place, by renaming over, by deleting and creating; the file of a tool,
//! the helper it imports, several in one burst; functions, files and folders are renamed, deleted and restored; files
//! are broken and repaired. Every tool answers with a constant of each file that has a part in the answer, and every
//! edit writes constants that were never there before.
//!
//! A call **fails**
//!
//! - when it ends with anything but constants, or with "unknown tool" though every version that it may run has the tool;
//! - when it is answered by a version that is older than the newest that was visible when the call was sent. Visible is
//!   what a list shows (`list_changed` has come for it), and what has answered a call;
//! - when a tool answers that was visibly gone when the call was sent.
//!
//! It may run any version from that one to the newest whose first write came before the answer: a call that began before
//! an edit may end on the old version, and a tool that is being removed or renamed may be gone from the first write on.
//! While a file is broken, the last version without a fault is what there is. A call is **mixed** when its constants were
//! never there together. A program reads its files itself, so one that runs during an edit may have read one before
//! and one after; after the edit it may not.
//!
//! Each burst that changes the list is told of exactly once, and nothing else is. What nobody can judge is a burst that
//! the machine has torn, with a pause between two writes that the server may take for the end: those are counted.
//!
//! `OMNI_EDITS` sets the number of edits, `OMNI_EDITS_SEED` the seed that is printed: see CONTRIBUTING.md.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a panic is how a test fails, and its output is read"
)]

mod client;
mod edit;
mod figures;
mod history;
mod random;
mod skill;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Client, OverHttp, OverStdio};
use edit::{Edit, Step};
use figures::Figures;
use random::Random;
use skill::{File, Runs, Skill};
use support::{Folder, PATIENCE};
use world::World;

const EDITS: usize = 60;
const SEED: u64 = 19;

const CHANGED: &str = "notifications/tools/list_changed";
/// A skill's files are resources of it, and the list has the size of some.
const FILES_CHANGED: &str = "notifications/resources/list_changed";

/// The server waits for 50 ms without a change: a longer pause between two writes of one burst may be its end.
const PAUSE_MAX: Duration = Duration::from_millis(40);
/// And for 500 ms at most.
const BURST_MAX: Duration = Duration::from_millis(450);

#[test]
fn nothing_fails_and_nothing_is_mixed_over_stdio() {
    run("stdio", |folder, world| {
        Box::new(OverStdio::start(folder.stdio(&[]).initialised(), Arc::clone(world)))
    });
}

#[test]
fn nothing_fails_and_nothing_is_mixed_over_http() {
    run("http", |folder, world| Box::new(OverHttp::start(folder.http(&[]), world)));
}

fn run(over: &str, start: impl Fn(&Folder, &Arc<World>) -> Box<dyn Client>) {
    let edits = setting("OMNI_EDITS", EDITS);
    let seed = setting("OMNI_EDITS_SEED", SEED);
    println!("{edits} edits over {over}, OMNI_EDITS_SEED={seed}");
    let runs = ["pool", "pool", "pool", "fork", "spawn", "embedded"].map(Runs::Python);
    let skills: Vec<Skill> = (0..)
        .zip(runs.into_iter().chain([Runs::Programs, Runs::Programs]))
        .map(|(number, runs)| Skill::new(number, runs))
        .collect();
    let folder = Folder::empty();
    for write in skills.iter().flat_map(edit::all_files) {
        write.perform(&folder.path("skills"));
    }
    let world = Arc::new(World::new(&skills, seed ^ 1));
    let client = start(&folder, &world);
    let mut editor = Editor {
        skills_dir: folder.path("skills"),
        broken: vec![None; skills.len()],
        served: skills.clone(),
        skills,
        random: Random::new(seed),
        constant: 0,
        told: 0,
        told_more_max: 0,
        wrong: String::new(),
        figures: Figures::default(),
        world: Arc::clone(&world),
        client,
    };
    let began = Instant::now();
    editor.check_list("at the start");
    for number in 0..edits {
        if !editor.edit(number) {
            break;
        }
    }
    let Editor { client, figures, told, told_more_max, .. } = editor;
    world.stop();
    client.finish();
    let state = world.lock();
    figures.print(over, began.elapsed(), &state, told);
    let heard: usize = state.heard.values().sum();
    let told_of = |list: &str| state.heard.get(list).copied().unwrap_or(0);
    let (changed, files_changed) = (told_of(CHANGED), told_of(FILES_CHANGED));
    let shown = state.failures.join("\n");
    assert_eq!((state.counts.failed, state.counts.mixed), (0, 0), "\n{shown}");
    assert!(state.failures.is_empty(), "\n{shown}");
    assert!((told..=told + told_more_max).contains(&changed), "told of {changed} changes of {told}");
    assert_eq!(heard, changed + files_changed, "no other list has changed: {:?}", state.heard);
    assert!(files_changed <= figures.edits + told_more_max, "once an edit at most: {:?}", state.heard);
    assert!(state.counts.answered > 0, "no call was answered");
}

fn setting<T: std::str::FromStr + Copy>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("`{name}` is not a number: `{text}`")),
        Err(_) => default,
    }
}

struct Editor {
    skills_dir: PathBuf,
    /// As they were written.
    skills: Vec<Skill>,
    /// As they are served: the last without a fault.
    served: Vec<Skill>,
    broken: Vec<Option<File>>,
    random: Random,
    /// The last constant that was written.
    constant: u32,
    /// Bursts so far that changed the list.
    told: usize,
    /// So many more notifications are no fault, since bursts were torn.
    told_more_max: usize,
    /// What was wrong with the list the last time: said once.
    wrong: String,
    figures: Figures,
    world: Arc<World>,
    client: Box<dyn Client>,
}

/// What one step of a burst led to.
struct Written {
    skill: usize,
    /// The version it made, if it made one.
    version: Option<usize>,
}

impl Editor {
    /// One burst: an edit of one skill, or of several at once. `false` when the server does not follow any more.
    fn edit(&mut self, number: usize) -> bool {
        let mut which = vec![self.random.below(self.skills.len())];
        if self.random.percent(8) {
            for _ in 0..2 {
                let other = self.random.below(self.skills.len());
                if !which.contains(&other) {
                    which.push(other);
                }
            }
        }
        let before = self.listed();
        let mut abouts = Vec::new();
        let mut written = Vec::new();
        let mut torn = false;
        let began = Instant::now();
        for skill in which {
            let edit =
                edit::next(&self.skills[skill], self.broken[skill], &mut self.random, &mut self.constant);
            abouts.push(edit.about);
            torn |= self.perform(skill, edit, &mut written);
        }
        let done = Instant::now();
        torn |= done - began > BURST_MAX && abouts != ["long"];
        let writes = abouts.len();
        self.figures.edits += writes;
        self.figures.torn += usize::from(torn);
        let about = format!("edit {number} ({})", abouts.join(", "));
        for about in abouts {
            *self.figures.kinds.entry(about).or_default() += 1;
        }
        let changes = self.listed() != before;
        for one in &written {
            if let Some(version) = one.version {
                self.world.wrote(one.skill, version, torn);
            }
        }
        if torn {
            self.told_more_max += 10;
        }
        let follows = if changes {
            self.told += 1;
            self.wait_listed(&about, &written, done)
        } else {
            self.wait_called(&about, &written)
        };
        if follows {
            self.check_list(&about);
        }
        std::thread::sleep(Duration::from_millis(self.random.below(120) as u64));
        follows
    }

    /// Writes one edit; whether it was torn.
    fn perform(&mut self, skill: usize, edit: Edit, written: &mut Vec<Written>) -> bool {
        let mut torn = false;
        let long = edit.steps.len() > 1;
        let mut last = Instant::now();
        self.broken[skill] = edit.broken;
        for Step { writes, skill: then } in edit.steps {
            let step = Step { writes, skill: then };
            let version = self.world.begin(skill, &step, edit.broken.is_none());
            for write in &step.writes {
                write.perform(&self.skills_dir);
                torn |= last.elapsed() > PAUSE_MAX && !long;
                last = Instant::now();
                let pause = if long { 18 } else { self.random.below(6) };
                std::thread::sleep(Duration::from_millis(pause as u64));
            }
            if edit.broken.is_none() {
                self.served[skill] = step.skill.clone();
            }
            self.skills[skill] = step.skill;
            written.push(Written { skill, version });
        }
        torn
    }

    /// What the list should show.
    fn listed(&self) -> BTreeMap<String, String> {
        self.served.iter().flat_map(Skill::listed).collect()
    }

    /// Waits until it is told that the list has changed.
    fn wait_listed(&mut self, about: &str, written: &[Written], done: Instant) -> bool {
        match self.world.wait_heard(CHANGED, self.told, PATIENCE) {
            Ok(when) => {
                self.figures.to_visible.push(when.saturating_duration_since(done));
                for one in written {
                    if let Some(version) = one.version {
                        self.world.listed(one.skill, version, when);
                    }
                }
                true
            }
            Err(heard) => {
                self.world.fail(format!("{about}: it was not told, {heard} of {}", self.told));
                false
            }
        }
    }

    /// The list stays what it is: waits until a call has run what was written, where one can tell.
    fn wait_called(&mut self, about: &str, written: &[Written]) -> bool {
        let made: Vec<(usize, usize)> =
            written.iter().filter_map(|one| Some((one.skill, one.version?))).collect();
        for (skill, version) in made {
            // Of versions that follow each other in one burst only the last is sure to be served.
            let last = written.iter().rev().find_map(|one| (one.skill == skill).then_some(one.version?));
            if last == Some(version) && !self.world.wait_called(skill, version, PATIENCE) {
                self.world.fail(format!("{about}: no call ran it"));
                return false;
            }
        }
        true
    }

    /// Compares the list with what it should show.
    fn check_list(&mut self, about: &str) {
        let expected = self.listed();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tools = self.client.tools();
            let shown: BTreeMap<String, String> = tools
                .as_array()
                .unwrap_or_else(|| panic!("a list: {tools}"))
                .iter()
                .map(|tool| {
                    let word = |key: &str| tool[key].as_str().unwrap_or_default().to_owned();
                    (word("name"), word("description"))
                })
                .collect();
            if shown == expected {
                self.wrong.clear();
                return;
            }
            // Only where the burst was torn, something may still be to come.
            if self.told_more_max == 0 || Instant::now() > deadline {
                let differ = expected.iter().filter(|(name, text)| shown.get(*name) != Some(*text));
                let differ: Vec<_> = differ.collect();
                let more: Vec<_> = shown.keys().filter(|name| !expected.contains_key(*name)).collect();
                let wrong = format!("the list lacks {differ:?} and has {more:?}");
                if wrong != self.wrong {
                    self.world.fail(format!("{about}: {wrong}"));
                    self.wrong = wrong;
                }
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
