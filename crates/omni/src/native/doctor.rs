//! `omni.doctor`: what `omni doctor` knows, as a tool that changes nothing.

use std::sync::Arc;

use bytes::Bytes;
use omni_call::{BoxFuture, EventSink, ToolResult};
use omni_exec::NativeTool;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::doctor::{Examination, Look};
use crate::settings::{Places, RunSettings};

pub(super) fn description() -> Value {
    json!({
        "name": "omni.doctor",
        "title": "Doctor",
        "description": "Everything that is wrong with the skills of this server or with its machine, and what to do about \
                        it: reads the skills as they are on disk now, looks for Python and for what they need installed, \
                        and runs nothing of them. Takes a few seconds.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "skill": {
                    "type": "string",
                    "description": "The folder of one skill, to see its findings only."
                }
            },
            "additionalProperties": false
        },
        "outputSchema": {
            "type": "object",
            "properties": {
                "diagnostics": {
                    "type": "array",
                    "description": "What is wrong with the skills, by file and line.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "severity": {"type": "string", "enum": ["error", "warning", "note"]},
                            "skill": {"type": "string"},
                            "file": {"type": "string"},
                            "line": {"type": "integer", "description": "From 1; 0 for the whole file."},
                            "column": {"type": "integer"},
                            "code": {"type": "string"},
                            "message": {"type": "string"},
                            "help": {"type": ["string", "null"]}
                        },
                        "required": ["severity", "skill", "file", "line", "code", "message"]
                    }
                },
                "findings": {
                    "type": "array",
                    "description": "What there is to say of the machine: facts, and what is wrong.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "what": {"type": "string"},
                            "level": {"type": "string", "enum": ["error", "warning", "note", "fact"]},
                            "text": {"type": "string"},
                            "notes": {"type": "array", "items": {"type": "string"}},
                            "hint": {"type": "string"}
                        },
                        "required": ["what", "level", "text"]
                    }
                },
                "counts": {
                    "type": "object",
                    "description": "Of all findings, those about the machine too.",
                    "properties": {
                        "errors": {"type": "integer"},
                        "warnings": {"type": "integer"},
                        "notes": {"type": "integer"}
                    },
                    "required": ["errors", "warnings", "notes"]
                },
                "python": {"type": ["object", "null"], "description": "The interpreter that runs the tools."},
                "python_error": {"type": ["string", "null"]},
                "environments": {"description": "What has been installed for skills, and what is missing."}
            },
            "required": ["diagnostics", "findings", "counts"]
        },
        "annotations": {
            "readOnlyHint": true,
            "openWorldHint": false
        }
    })
}

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
