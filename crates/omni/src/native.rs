//! The tools of omni's own that a server may offer, and which of them are switched on: the one table of them.

mod doctor;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use omni_catalog::NativeSource;
use omni_exec::{Native, NativeTool};
use serde_json::{Value, json};

use crate::settings::{Places, RunSettings};

/// What a part of a result may have.
const RESULT_BYTES_MAX: usize = 8 << 20;

/// What stands in findings, and where a person asks where such a tool is from.
const SOURCE: &str = "omni itself";

/// One tool of omni's own.
struct Entry {
    /// What the setting calls it.
    name: &'static str,
    /// As `tools/list` of MCP describes it. Its name is the canonical one.
    description: fn() -> Value,
    make: fn(&Arc<Places>, &RunSettings) -> Arc<dyn NativeTool>,
}

const ENTRIES: [Entry; 1] =
    [Entry { name: "doctor", description: doctor::description, make: doctor::DoctorTool::make }];

/// Those that `native_tools` of `omni.toml` names; none unless it does.
#[derive(Clone, Debug, Default)]
pub(crate) struct NativeTools(Vec<usize>);

impl NativeTools {
    /// # Errors
    ///
    /// A name that none has; the message names those there are.
    pub(crate) fn named(names: &[String]) -> Result<Self> {
        let mut chosen = Vec::new();
        for name in names {
            let Some(at) = ENTRIES.iter().position(|entry| entry.name == name) else {
                let known: Vec<String> = ENTRIES.iter().map(|entry| format!("`{}`", entry.name)).collect();
                bail!(
                    "`native_tools` in omni.toml names `{}`, and omni has no such tool of its own: it has {}",
                    name.escape_debug(),
                    known.join(", ")
                );
            };
            if !chosen.contains(&at) {
                chosen.push(at);
            }
        }
        Ok(NativeTools(chosen))
    }

    fn entries(&self) -> impl Iterator<Item = &'static Entry> {
        self.0.iter().filter_map(|at| ENTRIES.get(*at))
    }

    /// What lists them; `None` where there are none.
    pub(crate) fn source(&self) -> Result<Option<NativeSource>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tools: Vec<Value> = self.entries().map(|entry| (entry.description)()).collect();
        let list = json!({"tools": tools}).to_string();
        NativeSource::new(SOURCE, list.as_bytes())
            .map(Some)
            .context("a bug: omni's own list of tools is none")
    }

    /// What runs them.
    pub(crate) fn executor(&self, places: &Arc<Places>, settings: &RunSettings) -> Native {
        let table = self.entries().map(|entry| {
            let name = (entry.description)()["name"].as_str().unwrap_or_default().to_owned();
            (name, (entry.make)(places, settings))
        });
        Native::new(table.collect(), RESULT_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use omni_catalog::Source;

    use super::*;

    #[test]
    fn each_is_off_until_it_is_named_and_a_wrong_name_is_an_error_that_names_them() {
        assert!(NativeTools::named(&[]).unwrap().source().unwrap().is_none());
        let error = NativeTools::named(&["docter".into()]).unwrap_err().to_string();
        assert!(error.contains("`docter`") && error.contains("`doctor`"), "{error}");
        let twice = NativeTools::named(&["doctor".into(), "doctor".into()]).unwrap();
        assert_eq!(twice.entries().count(), 1);
        assert_eq!(twice.source().unwrap().unwrap().name(), SOURCE);
    }

    #[test]
    fn every_one_is_described_so_that_clients_can_use_it() {
        for entry in &ENTRIES {
            let described = (entry.description)();
            assert_eq!(described["name"], format!("omni.{}", entry.name));
            assert_eq!(described["inputSchema"]["type"], "object");
            for member in ["title", "description"] {
                assert!(described[member].as_str().is_some_and(|text| !text.is_empty()), "{member}");
            }
        }
    }
}
