//! The catalogue as the commands see it that only read: `list`, `describe`, `sync`, `doctor`.

use anyhow::{Result, bail};
use omni_call::shown_path;
use omni_catalog::{Origin, ProfileId, Snapshot};

use crate::args::PlaceArguments;
use crate::counts::Counts;
use crate::settings::{Places, Sources};
use crate::terminal;
use crate::text::{join, plural};
use crate::{process_setup, runner};

/// Opens the catalogue of these places. Nothing has been looked at yet but the cache.
pub(crate) fn open(arguments: &PlaceArguments) -> Result<(Places, Sources)> {
    let places = Places::resolve(arguments)?;
    let sources = places.catalog(places.file.executor()?)?;
    Ok((places, sources))
}

/// The same with what is listed besides: the tool by which a model reads skills.
pub(crate) fn open_served(arguments: &PlaceArguments) -> Result<(Places, Sources)> {
    let places = Places::resolve(arguments)?;
    let sources = places.served_catalog(places.file.executor()?)?;
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
        if let Err(error) =
            process_setup::runtime()?.block_on(runner::refresh_lists(&runner, source, &sources.catalog))
        {
            let error = terminal::indented(&format!("{error:#}"));
            let instead = match source.is_known() {
                true => "this is the last list that it gave",
                false => "it has never given a list here, so none of its tools are known",
            };
            terminal::say(&format!("warning: {error}\n{instead}\n"));
        }
    }
    refuse_rule_conflicts(&sources.catalog.snapshot())
}

/// Refuses aliases that collide with each other or with the names of tools.
pub(crate) fn refuse_rule_conflicts(snapshot: &Snapshot) -> Result<()> {
    if snapshot.rule_conflicts().is_empty() { Ok(()) } else { bail!("{}", snapshot.rule_conflicts()) }
}

/// Why a name is no tool's, for people: also that something is set so that it is none.
pub(crate) fn unknown_name(snapshot: &Snapshot, name: &str) -> String {
    match snapshot.filtered(ProfileId::EVERYBODY, name) {
        Some(filtered) => format!("the tool `{}` is left out by {filtered}", filtered.tool),
        None => snapshot.unknown_name(name).for_people(),
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

/// Points at `omni doctor` on stderr when the list is not all there is to say.
pub(crate) fn mention_findings(snapshot: &Snapshot) {
    let Counts { errors, warnings, .. } = Counts::of(snapshot);
    if errors + warnings > 0 {
        let found = join(&[plural(errors, "error"), plural(warnings, "warning")]);
        terminal::say(&format!("\n{found}: `omni doctor` shows them"));
    }
}
