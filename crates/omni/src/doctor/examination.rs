//! What `omni doctor` knows: the skills and this machine, looked at once, subject by subject.

use std::sync::Arc;

use anyhow::Result;
use omni_catalog::Snapshot;
use serde_json::Value;

use super::finding::{Finding, Section, counts};
use super::options::DoctorOptions;
use super::{clients, environments, isolation, json, root, runner, skills, task_store, trust, watching};
use crate::counts::Counts;
use crate::python;
use crate::settings::{Places, RunSettings, Sources};

/// What was found. Looking at it anew takes seconds: Python is started, and every skill is read.
pub(crate) struct Examination {
    pub(super) snapshot: Arc<Snapshot>,
    /// In the order in which people read them.
    sections: Vec<Section>,
}

impl Examination {
    /// Looks at the skills, as they are in their folders now, and at this machine. Blocks, and runs nothing of a skill
    /// unless it shall be loaded.
    ///
    /// # Errors
    ///
    /// When the skills cannot be read, or skills that nobody trusts shall be loaded.
    pub(crate) fn of(
        places: &Places,
        settings: &RunSettings,
        sources: &Sources,
        options: &DoctorOptions,
    ) -> Result<Self> {
        sources.catalog.refresh()?;
        // Before the snapshot is taken: its list may be the one that is served.
        let runner = runner::examine(places, sources);
        let snapshot = sources.catalog.snapshot();
        let python = python::find(settings.python.as_ref(), &places.cache);
        let has_python = python.is_ok();
        let sections = vec![
            skills::examine(options, places, settings, &snapshot, python.as_ref().ok())?,
            trust::standing(places),
            super::python::examine(&python, places),
            runner,
            isolation::examine(has_python, places, settings),
            watching::examine(places),
            trust::own_processes(&snapshot),
            trust::errors(places, settings),
            root::examine(places, settings, python.as_ref().ok()),
            skills::summary(options.load && has_python, places, &snapshot),
            environments::examine(has_python, places, settings, &snapshot)?,
            task_store::examine(places),
            clients::examine(places, &snapshot),
        ];
        Ok(Examination { snapshot, sections })
    }

    /// All findings, in the order in which people read them.
    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.sections.iter().flat_map(|section| &section.findings)
    }

    pub(super) fn counts(&self) -> Counts {
        counts(self.findings())
    }

    /// All of it, as `omni doctor --json` prints it.
    pub(crate) fn json(&self) -> Value {
        json::report(&self.sections)
    }
}
