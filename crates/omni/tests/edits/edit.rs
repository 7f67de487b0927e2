//! Random edits of a skill: what is written, and what the skill is afterwards.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::random::Random;
use crate::skill::{FILES, File, Skill};

/// One change of the disk. Paths are beneath the folder of skills.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// In place: for a moment the file is empty.
    InPlace(String, String),
    /// A new file is renamed over it, as most editors do.
    Over(String, String),
    Remove(String),
    RemoveFolder(String),
    Rename(String, String),
    Mode(String, u32),
    /// A link that leads nowhere, as one editor puts beside a file that is being edited.
    Link(String),
}

/// An edit, not yet done.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) about: &'static str,
    /// Each leaves a whole skill; within one only the last write does.
    pub(crate) steps: Vec<Step>,
    /// The file that cannot be read then. The last version without a fault is served.
    pub(crate) broken: Option<File>,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) writes: Vec<Write>,
    /// What the skill is then, where nothing is broken in it.
    pub(crate) skill: Skill,
}

/// What no Python accepts.
const FAULTS: [&str; 4] = ["def f(:\n", "\"\"\"open\n", "x = (1,\n", "\tx = 1\n  y = 2\n"];

/// The next edit of a skill. `next` gives constants that were never used.
pub(crate) fn next(skill: &Skill, broken: Option<File>, random: &mut Random, next: &mut u32) -> Edit {
    let skill = skill.clone();
    let mut planner = Planner { skill, broken, writes: Vec::new(), steps: Vec::new(), random, next };
    let about = planner.plan();
    planner.end_step();
    Edit { about, steps: planner.steps, broken: planner.broken }
}

/// All files of a skill that is not there yet.
pub(crate) fn all_files(skill: &Skill) -> Vec<Write> {
    let mut writes = vec![Write::Over(skill.skill_md_path(), skill.skill_md())];
    for file in FILES.into_iter().rev().filter(|file| skill.has(*file)) {
        writes.push(Write::Over(skill.path(file), skill.text(file)));
    }
    writes
}

struct Planner<'a> {
    skill: Skill,
    broken: Option<File>,
    writes: Vec<Write>,
    steps: Vec<Step>,
    random: &'a mut Random,
    next: &'a mut u32,
}

impl Planner<'_> {
    fn plan(&mut self) -> &'static str {
        if !self.skill.there {
            return self.restore_skill();
        }
        if let Some(file) = self.broken {
            return self.repair(file);
        }
        for file in [File::Tell, File::Also] {
            if !self.skill.has(file) && self.random.percent(50) {
                return self.restore_file(file);
            }
        }
        match self.random.below(100) {
            0..40 => self.constants(),
            40..52 => self.break_a_file(),
            52..60 => self.rename_tool(),
            60..67 => self.rename_file(),
            67..72 => self.rename_helper(),
            72..78 => self.rename_skill(),
            78..84 => self.delete_file(),
            84..88 => self.delete_skill(),
            88..93 => self.describe(),
            93..96 => self.write_long(),
            96..98 if self.skill.programs() => self.not_executable(),
            _ => self.beside(),
        }
    }

    fn end_step(&mut self) {
        let writes = std::mem::take(&mut self.writes);
        if !writes.is_empty() {
            self.steps.push(Step { writes, skill: self.skill.clone() });
        }
    }

    fn fresh(&mut self) -> u32 {
        *self.next += 1;
        *self.next
    }

    /// Writes the file as the skill says.
    fn write(&mut self, file: File) {
        let (path, text) = (self.skill.path(file), self.skill.text(file));
        self.write_text(path, text);
    }

    fn write_text(&mut self, path: String, text: String) {
        // A shell reads its script while it runs, so one that is changed in place is nobody's version.
        let ways = if self.skill.programs() { 2 } else { 3 };
        match self.random.below(ways) {
            0 => self.writes.push(Write::Over(path, text)),
            1 => {
                self.writes.push(Write::Remove(path.clone()));
                self.writes.push(Write::Over(path, text));
            }
            _ => self.writes.push(Write::InPlace(path, text)),
        }
    }

    fn write_skill_md(&mut self) {
        self.writes.push(Write::Over(self.skill.skill_md_path(), self.skill.skill_md()));
    }

    fn bump(&mut self, file: File) {
        *self.skill.constant_mut(file) = self.fresh();
        self.write(file);
    }

    fn constants(&mut self) -> &'static str {
        let mut files: Vec<File> = FILES.into_iter().filter(|file| self.skill.has(*file)).collect();
        let several = self.random.percent(50);
        if !several {
            let one = self.random.pick(&files);
            files = vec![one];
        }
        if self.random.percent(50) {
            files.reverse();
        }
        for file in files {
            self.bump(file);
        }
        if several && self.random.percent(30) {
            self.skill.described = self.fresh();
            self.write_skill_md();
        }
        if several { "several files" } else { "one file" }
    }

    fn break_a_file(&mut self) -> &'static str {
        let files: Vec<File> = FILES.into_iter().filter(|file| self.skill.has(*file)).collect();
        let file = self.random.pick(&files);
        if self.skill.programs() {
            // What is wrong with a program shows when it runs; no edit of ours breaks one.
            return self.constants();
        }
        *self.skill.constant_mut(file) = self.fresh();
        let text = self.skill.text(file);
        let fault = self.random.pick(&FAULTS);
        let text = if self.random.percent(50) { fault.to_owned() + &text } else { text + fault };
        self.write_text(self.skill.path(file), text);
        self.broken = Some(file);
        if self.random.percent(40) {
            for other in FILES.into_iter().filter(|other| *other != file) {
                if self.skill.has(other) {
                    self.bump(other);
                }
            }
        }
        "broken"
    }

    fn repair(&mut self, file: File) -> &'static str {
        if self.random.percent(20) {
            let text = self.skill.text(file) + self.random.pick(&FAULTS);
            self.write_text(self.skill.path(file), text);
            return "broken again";
        }
        if self.random.percent(30) {
            let others: Vec<File> = FILES.into_iter().filter(|other| self.skill.has(*other)).collect();
            let other = self.random.pick(&others);
            *self.skill.constant_mut(other) = self.fresh();
            self.write(other);
        }
        self.bump(file);
        self.broken = None;
        "repaired"
    }

    /// A tool that is there, and its file.
    fn some_tool(&mut self) -> Option<File> {
        let files: Vec<File> =
            [File::Tell, File::Also].into_iter().filter(|file| self.skill.has(*file)).collect();
        (!files.is_empty()).then(|| self.random.pick(&files))
    }

    fn rename_tool(&mut self) -> &'static str {
        let Some(file) = self.some_tool() else { return self.beside() };
        let tool = self.skill.tool_mut(file);
        tool.tool = match tool.tool {
            "tell" => "say",
            "say" => "tell",
            "also" => "too",
            _ => "also",
        };
        *self.skill.constant_mut(file) = self.fresh();
        if self.skill.programs() {
            self.write_skill_md();
        }
        self.write(file);
        "function renamed"
    }

    fn rename_file(&mut self) -> &'static str {
        let Some(file) = self.some_tool() else { return self.beside() };
        let old = self.skill.path(file);
        let tool = self.skill.tool_mut(file);
        tool.stem = match tool.stem {
            "tell" => "main",
            "main" => "tell",
            "also" => "other",
            _ => "also",
        };
        self.writes.push(Write::Rename(old, self.skill.path(file)));
        if self.skill.programs() {
            self.write_skill_md();
        }
        if self.random.percent(50) {
            self.bump(file);
        }
        "file renamed"
    }

    fn rename_helper(&mut self) -> &'static str {
        let old = self.skill.path(File::Helper);
        self.skill.helper_stem = if self.skill.helper_stem == "helper" { "base" } else { "helper" };
        self.skill.helper = self.fresh();
        if self.skill.programs() {
            self.writes.push(Write::Over(self.skill.path(File::Helper), self.skill.text(File::Helper)));
        } else {
            self.writes.push(Write::Rename(old.clone(), self.skill.path(File::Helper)));
            self.write(File::Helper);
        }
        for file in [File::Tell, File::Also] {
            if self.skill.has(file) {
                self.bump(file);
            }
        }
        if self.skill.programs() {
            // The old one goes last, since programs that run would miss it.
            self.writes.push(Write::Remove(old));
        }
        "helper renamed"
    }

    fn rename_skill(&mut self) -> &'static str {
        let old = self.skill.folder.clone();
        self.skill.folder = match old.strip_suffix("-new") {
            Some(first) => first.to_owned(),
            None => format!("{old}-new"),
        };
        self.writes.push(Write::Rename(old, self.skill.folder.clone()));
        self.write_skill_md();
        "skill renamed"
    }

    fn delete_file(&mut self) -> &'static str {
        if !self.skill.tell.there || !self.skill.also.there {
            return self.constants();
        }
        let Some(file) = self.some_tool() else { return self.beside() };
        let path = self.skill.path(file);
        self.skill.tool_mut(file).there = false;
        if self.skill.programs() {
            self.write_skill_md();
        }
        self.writes.push(Write::Remove(path));
        "file deleted"
    }

    fn restore_file(&mut self, file: File) -> &'static str {
        self.skill.tool_mut(file).there = true;
        if self.random.percent(50) {
            *self.skill.constant_mut(file) = self.fresh();
        }
        self.writes.push(Write::Over(self.skill.path(file), self.skill.text(file)));
        if self.skill.programs() {
            self.write_skill_md();
        }
        "file restored"
    }

    fn delete_skill(&mut self) -> &'static str {
        let folder = self.skill.folder.clone();
        self.skill.there = false;
        if self.random.percent(50) {
            self.writes.push(Write::Rename(folder.clone(), aside(&folder)));
        } else {
            self.writes.push(Write::RemoveFolder(folder));
        }
        "skill deleted"
    }

    fn restore_skill(&mut self) -> &'static str {
        self.skill.there = true;
        // What lies aside is as old as it was; where nothing lies there, nothing happens.
        let folder = self.skill.folder.clone();
        self.writes.push(Write::Rename(aside(&folder), folder));
        let all = all_files(&self.skill);
        self.writes.extend(all);
        "skill restored"
    }

    fn describe(&mut self) -> &'static str {
        self.skill.described = self.fresh();
        self.write_skill_md();
        "SKILL.md"
    }

    /// Longer than a burst may be: the server looks in between.
    fn write_long(&mut self) -> &'static str {
        for _ in 0..40 {
            self.skill.helper = self.fresh();
            self.writes.push(Write::Over(self.skill.path(File::Helper), self.skill.text(File::Helper)));
            self.end_step();
        }
        "long"
    }

    fn not_executable(&mut self) -> &'static str {
        let Some(file) = self.some_tool() else { return self.beside() };
        let path = self.skill.path(file);
        self.writes.push(Write::Mode(path.clone(), 0o644));
        self.bump(file);
        if let Some(Write::Over(..)) = self.writes.last() {
            self.writes.push(Write::Mode(path.clone(), 0o644));
        }
        self.writes.push(Write::Mode(path, 0o755));
        "not executable"
    }

    /// What belongs to no tool.
    fn beside(&mut self) -> &'static str {
        let folder = &self.skill.folder;
        match self.random.below(3) {
            0 => self.writes.push(Write::Over(format!("{folder}/assets/note.txt"), "x".to_owned())),
            1 => {
                let swap = format!("{folder}/scripts/.tell.py.swp");
                self.writes.push(Write::InPlace(swap.clone(), "x".to_owned()));
                self.writes.push(Write::Remove(swap));
            }
            _ => {
                let link = format!("{folder}/scripts/.#tell.py");
                self.writes.push(Write::Link(link.clone()));
                self.writes.push(Write::Remove(link));
            }
        }
        "beside"
    }
}

/// Where a skill lies that was moved out of the folder of skills.
fn aside(folder: &str) -> String {
    format!("../aside/{folder}")
}

impl Write {
    pub(crate) fn perform(&self, skills: &Path) {
        self.try_perform(skills).unwrap_or_else(|error| panic!("{self:?}: {error}"));
    }

    fn try_perform(&self, skills: &Path) -> io::Result<()> {
        let at = |path: &str| skills.join(path);
        match self {
            Write::InPlace(path, text) => write_file(&at(path), text),
            Write::Over(path, text) => {
                let path = at(path);
                let name = path.file_name().expect("a file").to_string_lossy().into_owned();
                let new = path.with_file_name(format!(".{name}.new"));
                write_file(&new, text)?;
                if name.ends_with(".sh") {
                    fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
                }
                fs::rename(new, path)
            }
            Write::Remove(path) => fs::remove_file(at(path)),
            Write::RemoveFolder(path) => fs::remove_dir_all(at(path)),
            Write::Rename(from, to) => {
                if !at(from).exists() {
                    return Ok(());
                }
                let to = at(to);
                fs::create_dir_all(to.parent().expect("it is beneath something"))?;
                if to.exists() {
                    fs::remove_dir_all(&to)?;
                }
                fs::rename(at(from), to)
            }
            Write::Mode(path, mode) => fs::set_permissions(at(path), fs::Permissions::from_mode(*mode)),
            Write::Link(path) => symlink("nowhere@here.1", at(path)),
        }
    }
}

fn write_file(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().expect("it is in a folder"))?;
    fs::write(path, text)
}
