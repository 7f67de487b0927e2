//! Which processes belong to a server under test, and which of them should not be there.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// One process, as the kernel describes it.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: u32,
    parent: u32,
    state: char,
    /// In ticks since the machine started.
    born: u64,
    arguments: Vec<String>,
}

/// All processes of a server, told apart by what they are for.
#[derive(Debug, Default)]
pub struct Family {
    /// The server's own: workers, fork parents and what starts or watches them.
    pub ours: usize,
    /// What a tool has started, in words.
    pub strays: Vec<String>,
}

/// Looks at every process of this machine. `folder` is where the server's tools work: what runs there, or
/// was told of it, is the server's, even if it has left everything else behind.
pub fn family(servers: &[u32], folder: &Path) -> Family {
    let all = all();
    let born = servers.iter().filter_map(|server| all.get(server)).map(|server| server.born).min();
    let mut family = Family::default();
    for process in all.values() {
        if servers.contains(&process.pid) || process.pid == std::process::id() {
            continue;
        }
        // Whoever was there before is nobody's child here. Looking at each of them would take longest.
        if born.is_some_and(|born| process.born < born) {
            continue;
        }
        let descends = ancestors(process, &all).any(|ancestor| servers.contains(&ancestor.pid));
        if !descends && !is_marked(process, servers, folder) {
            continue;
        }
        // Who is dead holds nothing but a number, until its parent asks; the server must have asked.
        if process.state == 'Z' && !servers.contains(&process.parent) {
            continue;
        }
        if descends && is_ours(process, servers, &all) {
            family.ours += 1;
        } else {
            family.strays.push(format!(
                "{} ({}, child of {}) {}",
                process.pid,
                process.state,
                process.parent,
                process.arguments.join(" ").chars().take(200).collect::<String>()
            ));
        }
    }
    family
}

/// A worker or fork parent directly below the server, a process it has forked, or a launcher anywhere between.
fn is_ours(process: &Process, servers: &[u32], all: &HashMap<u32, Process>) -> bool {
    if process.state == 'Z' || !process.has_role() {
        return false;
    }
    let above: Vec<&Process> = ancestors(process, all)
        .take_while(|ancestor| !servers.contains(&ancestor.pid))
        .filter(|ancestor| !ancestor.launches())
        .collect();
    match above.as_slice() {
        [] => true,
        [only] => only.arguments.iter().any(|word| word.contains("omni.fork_parent")),
        _ => false,
    }
}

fn is_marked(process: &Process, servers: &[u32], folder: &Path) -> bool {
    let folder = folder.to_string_lossy();
    let proc = Path::new("/proc").join(process.pid.to_string());
    let marks: Vec<String> = servers.iter().map(|server| format!("OMNI_WORKER={server}-")).collect();
    let environment = fs::read(proc.join("environ")).unwrap_or_default();
    let is_below = |link: &str| {
        fs::read_link(proc.join(link)).is_ok_and(|target| target.to_string_lossy().starts_with(&*folder))
    };
    let is_mark = |variable: &[u8]| marks.iter().any(|mark| variable.starts_with(mark.as_bytes()));
    environment.split(|byte| *byte == 0).any(is_mark)
        || process.arguments.iter().any(|word| word.contains(&*folder)) && !process.is_a_server()
        || is_below("cwd") && !process.is_a_server()
}

impl Process {
    fn is(&self, word: &str) -> bool {
        self.arguments.iter().any(|argument| argument == word)
    }

    /// Started by omni for its own purposes, as far as its arguments say.
    fn has_role(&self) -> bool {
        self.launches()
            || self.arguments.iter().any(|word| word.starts_with("omni.") || word.contains("; from omni."))
            // Between fork and exec, and while it ends, a process has no arguments.
            || self.arguments.is_empty()
    }

    fn launches(&self) -> bool {
        self.is("__launch")
    }

    fn is_a_server(&self) -> bool {
        self.arguments.get(1).is_some_and(|word| word == "mcp" || word == "runner")
    }
}

fn ancestors<'a>(
    process: &'a Process,
    all: &'a HashMap<u32, Process>,
) -> impl Iterator<Item = &'a Process> + 'a {
    // Bounded, in case numbers are reused while we look.
    std::iter::successors(all.get(&process.parent), |child| all.get(&child.parent)).take(100)
}

fn all() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // Behind the name, which may hold anything.
            let mut fields = stat.rsplit_once(") ")?.1.split(' ');
            let state = fields.next()?.chars().next()?;
            let parent = fields.next()?.parse().ok()?;
            let born = fields.nth(17)?.parse().ok()?;
            let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments);
            let arguments = arguments.split_terminator('\0').map(str::to_owned).collect();
            Some((pid, Process { pid, parent, state, born, arguments }))
        })
        .collect()
}
