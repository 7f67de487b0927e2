//! `omni.doctor`: what `omni doctor` knows, as a tool that changes nothing.

use std::sync::Arc;

use bytes::Bytes;
use omni_call::{BoxFuture, EventSink, ToolResult};
use omni_exec::NativeTool;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::doctor::{DoctorOptions, Examination};
use crate::settings::{Places, RunSettings};

/// Looks anew at each call: at the disk, not at what the server has in memory.
pub(super) struct DoctorTool {
    examiner: Arc<Mutex<Examiner>>,
}

/// What an examination needs. One call does at a time: each starts Python, and reads every skill.
struct Examiner {
    places: Arc<Places>,
    settings: RunSettings,
}

#[derive(Deserialize)]
struct Arguments {
    skill: Option<String>,
}

impl DoctorTool {
    pub(super) fn make(places: &Arc<Places>, settings: &RunSettings) -> Arc<dyn NativeTool> {
        let examiner = Examiner { places: Arc::clone(places), settings: settings.clone() };
        Arc::new(DoctorTool { examiner: Arc::new(Mutex::new(examiner)) })
    }
}

impl NativeTool for DoctorTool {
    fn call<'a>(
        &'a self,
        arguments: Bytes,
        _said: &'a mut dyn EventSink,
    ) -> BoxFuture<'a, Result<ToolResult, String>> {
        Box::pin(async move {
            let Arguments { skill } =
                serde_json::from_slice(&arguments).map_err(|error| error.to_string())?;
            // The examination goes on when its call is taken back, and keeps the next one waiting until it has ended.
            let examiner = Arc::clone(&self.examiner).lock_owned().await;
            let examine = tokio::task::spawn_blocking(move || examiner.examine(skill.as_deref()));
            let examined =
                examine.await.map_err(|bug| format!("looking failed, which is a bug in omni: {bug}"))?;
            examined
                .map(|report| ToolResult::of_json(&report.to_string()))
                .map_err(|error| format!("{error:#}"))
        })
    }
}

impl Examiner {
    fn examine(&self, skill: Option<&str>) -> anyhow::Result<Value> {
        let sources = self.places.catalog(self.settings.executor)?;
        let examination = Examination::of(&self.places, &self.settings, &sources, &DoctorOptions::default())?;
        let snapshot = sources.catalog.snapshot();
        if let Some(skill) = skill {
            let folders = || snapshot.skills().iter().map(|known| known.folder.as_str());
            if !folders().any(|folder| folder == skill) {
                let near = omni_catalog::closest(skill, folders());
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                anyhow::bail!("there is no skill `{}`{hint}", skill.escape_debug());
            }
        }
        let mut report = examination.json();
        if let (Some(skill), Some(found)) = (skill, report["diagnostics"].as_array_mut()) {
            found.retain(|finding| finding["skill"] == skill);
        }
        Ok(report)
    }
}
