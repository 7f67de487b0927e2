//! Which tools of omni's own there are, and which of them `native_tools` of `omni.toml` switches on.

use anyhow::{Context, Result, bail};
use omni_catalog::NativeSource;
use serde_json::{Value, json};

use super::description;

/// The name of their source, for people and in findings.
const SOURCE: &str = "omni itself";

/// One tool of omni's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnTool {
    Doctor,
}

impl OwnTool {
    const ALL: [OwnTool; 1] = [OwnTool::Doctor];

    /// Its name in `native_tools`.
    fn name(self) -> &'static str {
        match self {
            OwnTool::Doctor => "doctor",
        }
    }

    pub(super) fn description(self) -> Value {
        match self {
            OwnTool::Doctor => description::doctor(),
        }
    }
}

/// Those that `native_tools` of `omni.toml` names; none unless it does.
#[derive(Clone, Debug, Default)]
pub(crate) struct NativeTools(Vec<OwnTool>);

impl NativeTools {
    /// # Errors
    ///
    /// A name that none has; the message names those there are.
    pub(crate) fn named(names: &[String]) -> Result<Self> {
        let mut chosen = Vec::new();
        for name in names {
            let Some(own) = OwnTool::ALL.into_iter().find(|own| own.name() == name) else {
                let known: Vec<String> = OwnTool::ALL.iter().map(|own| format!("`{}`", own.name())).collect();
                bail!(
                    "`native_tools` in omni.toml names `{}`, and omni has no such tool of its own: it has {}",
                    name.escape_debug(),
                    known.join(", ")
                );
            };
            if !chosen.contains(&own) {
                chosen.push(own);
            }
        }
        Ok(NativeTools(chosen))
    }

    pub(super) fn chosen(&self) -> impl Iterator<Item = OwnTool> {
        self.0.iter().copied()
    }

    /// The source that lists them; `None` where there are none.
    pub(crate) fn source(&self) -> Result<Option<NativeSource>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tools: Vec<Value> = self.chosen().map(OwnTool::description).collect();
        let list = json!({"tools": tools}).to_string();
        NativeSource::new(SOURCE, list.as_bytes())
            .map(Some)
            .context("a bug: omni's own list of tools is none")
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
        assert_eq!(twice.chosen().count(), 1);
        assert_eq!(twice.source().unwrap().unwrap().name(), SOURCE);
    }

    #[test]
    fn every_one_is_described_so_that_clients_can_use_it() {
        for own in OwnTool::ALL {
            let described = own.description();
            assert_eq!(described["name"], format!("omni.{}", own.name()));
            assert_eq!(described["inputSchema"]["type"], "object");
            for member in ["title", "description"] {
                assert!(described[member].as_str().is_some_and(|text| !text.is_empty()), "{member}");
            }
        }
    }
}
