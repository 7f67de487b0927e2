//! `omni reload`: has servers that run look at their folders now, and prints what each says.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use omni_call::{shown_line, shown_path};
use serde_json::json;

use super::control::{FOLDER, LOOK, Report, WHO, by_descriptor};
use super::look::some;
use crate::args::ReloadArguments;
use crate::terminal::say;
use crate::text::plural;
use crate::user_dirs::UserDirs;

/// How long a server may take to say what it serves. One that was stopped says nothing, for ever.
const WHO_WAIT: Duration = Duration::from_secs(5);

/// How long one that has said so may take to look.
const LOOK_WAIT: Duration = Duration::from_secs(10);

/// What came of asking a server.
type Answer = Result<Report, String>;

pub(crate) fn run(arguments: &ReloadArguments, out: &mut dyn Write) -> Result<u8> {
    let home = UserDirs::find();
    home.check()?;
    let folder = home.state.join(FOLDER);
    let path = match (&arguments.path, arguments.all || arguments.list && arguments.path.is_none()) {
        (_, true) => None,
        (Some(path), false) => Some(path.clone()),
        (None, false) => Some(PathBuf::from(".")),
    };
    let path = path
        .map(|path| path.canonicalize().with_context(|| format!("`{}` cannot be found", shown_path(&path))));
    let path = path.transpose()?;
    let servers: Vec<(PathBuf, Answer)> = ask_all(sockets(&folder), WHO, WHO_WAIT);
    let concerns = |answer: &Answer| match (&path, answer) {
        (Some(path), Ok(server)) => serves(server, path),
        // It may be the one that is meant.
        _ => true,
    };
    let meant: Vec<(PathBuf, Answer)> = servers.into_iter().filter(|(_, answer)| concerns(answer)).collect();
    if meant.is_empty() {
        match path {
            Some(path) => bail!(
                "no server of yours that runs serves `{}`; `omni reload --list` shows those there are",
                shown_path(&path)
            ),
            None if arguments.list => say("no server of yours runs"),
            None => bail!("no server of yours runs"),
        }
    }
    let answers = match arguments.list {
        true => meant,
        false => {
            let (there, silent): (Vec<_>, Vec<_>) = meant.into_iter().partition(|(_, answer)| answer.is_ok());
            let there = there.into_iter().map(|(socket, _)| socket).collect();
            let mut answers = ask_all(there, LOOK, LOOK_WAIT);
            answers.extend(silent);
            answers
        }
    };
    if arguments.json {
        let all = answers.iter().map(|(socket, answer)| match answer {
            Ok(report) => json!(report),
            Err(error) => json!({ "pid": pid(socket), "error": error }),
        });
        writeln!(out, "{}", serde_json::to_string_pretty(&all.collect::<Vec<_>>())?)?;
    } else {
        for (socket, answer) in &answers {
            print(socket, answer, !arguments.list, out)?;
        }
    }
    let well = |answer: &Answer| {
        answer.as_ref().is_ok_and(|report| report.failed.is_none() && report.settings_refused.is_none())
    };
    Ok(u8::from(!answers.iter().all(|(_, answer)| well(answer))))
}

/// The sockets of servers, those that were left behind among them.
fn sockets(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut sockets: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == "sock"))
        .collect();
    sockets.sort();
    sockets
}

/// Asks all at once, and waits for none of them longer than that. Of a server that is no more, the socket is removed.
fn ask_all(sockets: Vec<PathBuf>, question: &'static str, wait: Duration) -> Vec<(PathBuf, Answer)> {
    let (answered, answers) = mpsc::channel();
    for (n, socket) in sockets.iter().cloned().enumerate() {
        let answered = answered.clone();
        // One that waits for a silent server ends with this process: to connect may take as long as to read.
        thread::spawn(move || {
            // Nobody listens any more where it took too long.
            let _ = answered.send((n, ask(&socket, question)));
        });
    }
    drop(answered);
    let mut found: Vec<Option<io::Result<Report>>> = sockets.iter().map(|_| None).collect();
    let until = Instant::now() + wait;
    while let Ok((n, answer)) = answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
        found[n] = Some(answer);
    }
    let answer = |(socket, answer): (PathBuf, Option<io::Result<Report>>)| match answer {
        Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let _ = fs::remove_file(&socket);
            None
        }
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => None,
        Some(answer) => Some((socket, answer.map_err(|error| crate::terminal::plain(&error)))),
        None if question == WHO => {
            let error = format!("it has not answered within {} s; is it stopped?", wait.as_secs());
            Some((socket, Err(error)))
        }
        None => {
            let error = format!(
                "it has not finished looking within {} s; its log says what it finds",
                wait.as_secs()
            );
            Some((socket, Err(error)))
        }
    };
    sockets.into_iter().zip(found).filter_map(answer).collect()
}

fn ask(socket: &Path, question: &str) -> io::Result<Report> {
    let (folder, name) = (socket.parent().unwrap_or(Path::new("/")), socket.file_name().unwrap_or_default());
    let (_opened, short) = by_descriptor(folder)?;
    let mut stream = UnixStream::connect(short.join(name))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    serde_json::from_str(&line).map_err(|_| io::Error::other("it ended without an answer"))
}

/// Whether a server has something to do with a path: it serves skills in it or around it, obeys settings in it, or works
/// there.
fn serves(server: &Report, path: &Path) -> bool {
    let within = |place: &str| Path::new(place).starts_with(path);
    server.skills.iter().any(|skills| within(skills) || path.starts_with(skills))
        || server.settings.as_deref().is_some_and(within)
        || within(&server.root)
}

/// The process whose socket it is.
fn pid(socket: &Path) -> Option<u32> {
    socket.file_stem()?.to_str()?.split('-').next()?.parse().ok()
}

/// `: notes; clients see other tools`, after what has happened.
fn told(skills: &[String], lists: &[String], out: &mut dyn Write) -> io::Result<()> {
    if !skills.is_empty() {
        write!(out, ": {}", shown_line(&some(skills)))?;
    }
    if !lists.is_empty() {
        write!(out, "; clients see other {}", lists.join(", "))?;
    }
    Ok(())
}

/// `0.4 s ago`, `3 min ago`, `5 h ago`.
fn ago(seconds: f64) -> String {
    match seconds {
        ..60.0 => format!("{seconds:.1} s ago"),
        ..3600.0 => format!("{:.0} min ago", seconds / 60.0),
        _ => format!("{:.0} h ago", seconds / 3600.0),
    }
}

fn print(socket: &Path, answer: &Answer, looked: bool, out: &mut dyn Write) -> Result<()> {
    let report = match answer {
        Ok(report) => report,
        Err(error) => {
            let pid = pid(socket).map_or_else(|| "?".to_owned(), |pid| pid.to_string());
            let place = fs::read_link(format!("/proc/{pid}/cwd"));
            let place = place.map(|place| format!(" in {}", shown_path(&place))).unwrap_or_default();
            writeln!(out, "process {pid}{place}: {}", shown_line(error))?;
            return Ok(());
        }
    };
    let skills: Vec<String> = report.skills.iter().map(|path| shown_path(Path::new(path))).collect();
    write!(
        out,
        "{} (process {}), {} of {} from {}",
        shown_line(&report.serves),
        report.pid,
        plural(report.tools, "tool"),
        plural(report.skill_count, "skill"),
        if skills.is_empty() { "a runner".to_owned() } else { skills.join(", ") },
    )?;
    if looked {
        match (report.changed.as_slice(), report.lists.as_slice(), &report.last_change) {
            ([], [], None) => write!(out, ": nothing has changed")?,
            ([], [], Some(last)) => {
                write!(out, ": last change {}", ago(last.seconds_ago))?;
                told(&last.changed, &last.lists, out)?;
            }
            (changed, lists, _) => {
                write!(out, ": changed")?;
                told(changed, lists, out)?;
            }
        }
    }
    writeln!(out)?;
    if let Some(failed) = &report.failed {
        writeln!(out, "  error: {}; what was served before still is", shown_line(failed))?;
    }
    if let Some(refused) = &report.settings_refused {
        writeln!(out, "  error: {}; what was in force stays", shown_line(refused))?;
    }
    for problem in &report.problems {
        writeln!(
            out,
            "  {}: {}: {}",
            problem.severity,
            shown_line(&problem.at),
            shown_line(&problem.message)
        )?;
    }
    if let Some(more) = report.problem_count.checked_sub(report.problems.len()).filter(|more| *more > 0) {
        writeln!(out, "  {} more: `omni doctor` lists them", plural(more, "problem"))?;
    }
    if !report.served_as_before.is_empty() {
        let skills = some(&report.served_as_before);
        writeln!(out, "  served as before the edit until that is mended: {}", shown_line(&skills))?;
    }
    for polled in &report.polled {
        writeln!(out, "  note: {}", shown_line(polled))?;
    }
    Ok(())
}
