//! The catalogue as the commands see it that only read: `list`, `describe`, `sync`, `doctor`.

use anyhow::{Result, bail};
use omni_call::{shown_line, shown_path};
use omni_catalog::{Origin, ProfileId, Severity, Snapshot};

use crate::args::PlaceArguments;
use crate::settings::{Places, Sources};
use crate::terminal;
use crate::{mcp, runner};

/// Opens the catalogue of these places. Nothing has been looked at yet but the cache.
pub(crate) fn open(arguments: &PlaceArguments) -> Result<(Places, Sources)> {
    let places = Places::resolve(arguments)?;
    let sources = places.catalog(places.file.executor()?)?;
    Ok((places, sources))
}

/// Brings the catalogue up to date: with its folder, or with the runner that lists the tools. Without an answer of
/// the runner its last list stands, and stderr says so.
///
/// # Errors
///
/// When a folder cannot be read, and when names collide by what is set: no server starts then.
pub(crate) fn refresh(places: &Places, sources: &Sources) -> Result<()> {
    sources.catalog.refresh()?;
    if let (Some(settings), Some(source)) = (places.lister(), &sources.runner) {
        let runner = settings.connect();
        if let Err(error) = mcp::runtime()?.block_on(runner::look(&runner, source, &sources.catalog)) {
            let error = terminal::indented(&format!("{error:#}"));
            let instead = match source.is_known() {
                true => "this is the last list that it gave",
                false => "it has never given a list here, so none of its tools are known",
            };
            terminal::say(&format!("warning: {error}\n{instead}\n"));
        }
    }
    without_faults(&sources.catalog.snapshot())
}

/// Refuses aliases that collide with each other or with the names of tools.
pub(crate) fn without_faults(snapshot: &Snapshot) -> Result<()> {
    if snapshot.faults().is_empty() { Ok(()) } else { bail!("{}", snapshot.faults()) }
}

/// Why a name is no tool's, for people: also that something is set so that it is none.
pub(crate) fn not_named(snapshot: &Snapshot, name: &str) -> String {
    match snapshot.filtered(ProfileId::EVERYBODY, name) {
        Some(filtered) => format!("the tool `{}` is left out by {filtered}", filtered.tool),
        None => snapshot.not_named(name).for_people(),
    }
}

/// Where a tool is written, as a person can open it from where they are.
pub(crate) fn written_at(places: &Places, origin: &Origin) -> String {
    // What is in no file has no line.
    if origin.line == 0 {
        return origin.file.clone();
    }
    format!("{}:{}", shown_path(&places.shown(&origin.file)), origin.line)
}

/// How many findings of each severity there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Counts {
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    pub(crate) notes: usize,
}

impl Counts {
    pub(crate) fn of(snapshot: &Snapshot) -> Counts {
        let mut counts = Counts::default();
        for finding in snapshot.diagnostics() {
            counts.add(finding.severity);
        }
        counts
    }

    pub(crate) fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Note => self.notes += 1,
        }
    }
}

/// Points at `omni doctor` on stderr when the list is not all there is to say.
pub(crate) fn mention_findings(snapshot: &Snapshot) {
    let Counts { errors, warnings, .. } = Counts::of(snapshot);
    if errors + warnings > 0 {
        let found = join(&[plural(errors, "error"), plural(warnings, "warning")]);
        terminal::say(&format!("\n{found}: `omni doctor` shows them"));
    }
}

/// `no tools`, `1 tool`, `2 tools`.
pub(crate) fn plural(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// `310 MB`, as people count: in steps of a thousand.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{} MB", bytes.div_ceil(1_000_000)),
    }
}

/// The parts that are not `no …`, with commas.
pub(crate) fn join(parts: &[String]) -> String {
    let some: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.starts_with("no ")).collect();
    some.join(", ")
}

/// Text by the limits of a terminal's line: the first sentence of it, cut at `width` characters.
pub(crate) fn one_line(text: &str, width: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default().trim_end();
    let line = line.find(". ").map_or(line, |end| &line[..=end]);
    // Before it is cut, or half an escape would be left.
    let line = shown_line(line);
    match line.char_indices().nth(width) {
        Some(_) => {
            let kept: String = line.chars().take(width.saturating_sub(1)).collect();
            format!("{}…", kept.trim_end())
        }
        None => line.into_owned(),
    }
}
