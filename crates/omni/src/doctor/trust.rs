//! What is trusted, which skills share no process, and what clients read of exceptions.

use omni_call::{Trust, shown_line};
use omni_catalog::Snapshot;

use super::finding::{Finding, Section};
use crate::connect;
use crate::settings::{Places, RunSettings};

/// What was found in the working folder and is not trusted.
pub(super) fn standing(places: &Places) -> Section {
    let findings = places
        .settings_status
        .findings()
        .into_iter()
        .map(|(severity, message, help)| Finding::new(severity.into(), "trust", message).hint(help));
    Section::of(findings.collect()).with("trust", places.settings_status.json())
}

/// Who shares a process with nobody.
pub(super) fn own_processes(snapshot: &Snapshot) -> Section {
    let own = snapshot.skills().iter().filter(|skill| skill.trust == Trust::Own);
    let own: Vec<&str> = own.map(|skill| skill.folder.as_str()).collect();
    let shown: Vec<_> = own.iter().map(|skill| shown_line(skill)).collect();
    let fact = || Finding::fact("trust", format!("processes of their own: {}", shown.join(", ")));
    Section::of((!own.is_empty()).then(fact).into_iter().collect()).with("own_processes", &own)
}

/// What clients read of exceptions.
pub(super) fn errors(places: &Places, settings: &RunSettings) -> Section {
    let others = places.file.http.others_let_in_by();
    Section::of(vec![Finding::fact("errors", connect::errors_for_the_doctor(settings.errors, others))])
}
