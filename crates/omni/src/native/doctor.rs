//! `omni.doctor`: what `omni doctor` knows, as a tool that changes nothing.

use std::sync::Arc;

use bytes::Bytes;
use omni_call::{BoxFuture, EventSink, ToolResult};
use omni_exec::NativeTool;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::doctor::{Examination, Look};
use crate::settings::{Places, RunSettings};

/// Looks anew at each call: at the disk, not at what the server has in memory.
pub(super) struct DoctorTool {
    eyes: Arc<Mutex<Eyes>>,
}

/// What is needed to look. One call does at a time: each starts Python, and reads every skill.
struct Eyes {
    places: Arc<Places>,
    settings: RunSettings,
}

#[derive(Deserialize)]
struct Arguments {
    skill: Option<String>,
}

impl DoctorTool {
    pub(super) fn make(places: &Arc<Places>, settings: &RunSettings) -> Arc<dyn NativeTool> {
        let eyes = Eyes { places: Arc::clone(places), settings: settings.clone() };
        Arc::new(DoctorTool { eyes: Arc::new(Mutex::new(eyes)) })
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
            // The look goes on when its call is taken back, and keeps the next one waiting until it has ended.
            let eyes = Arc::clone(&self.eyes).lock_owned().await;
            let look = tokio::task::spawn_blocking(move || eyes.look(skill.as_deref()));
            let seen = look.await.map_err(|bug| format!("looking failed, which is a bug in omni: {bug}"))?;
            seen.map(|report| ToolResult::of_json(&report.to_string())).map_err(|error| format!("{error:#}"))
        })
    }
}

impl Eyes {
    fn look(&self, skill: Option<&str>) -> anyhow::Result<Value> {
        let sources = self.places.catalog(self.settings.executor)?;
        let examination = Examination::of(&self.places, &self.settings, &sources, &Look::default())?;
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
