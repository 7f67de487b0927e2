//! One tool, taken out of the snapshot when it is first used.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use omni_call::RunSpec;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ArgumentFaults;
use crate::listing::Listed;
use crate::source_defaults::SourceDefaults;
use crate::validate::Schema;

/// Where a tool comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Relative to the skills folder, with `/`.
    pub file: String,
    /// The line of the function's `def`, from 1.
    pub line: u32,
}

/// One tool: how it is run, how it is shown, and what its arguments must look like.
#[derive(Debug)]
pub struct Tool {
    pub spec: Arc<RunSpec>,
    /// What it is called in the list.
    pub wire_name: String,
    /// Which of the catalogue's sources it is of, counted from 0.
    pub source: usize,
    /// The tool as a list with everything shows it: a JSON object.
    pub listing: Bytes,
    pub origin: Origin,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub version: Option<String>,
    input: OnceLock<Schema>,
    output: OnceLock<Option<Schema>>,
}

/// What the encoded list and the manifest keep of a tool besides its listing.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Detail<R> {
    /// Its folder is relative to the skills folder, so that a moved folder has the same manifest.
    pub(crate) run: R,
    pub(crate) origin: Origin,
    /// Neither the tool nor its skill says how it is run, so that is the server's to say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) any_executor: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) category: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

impl Tool {
    /// `source` is the number of the source that it is of, which has this `defaults`.
    pub(crate) fn parse(
        listing: Bytes,
        wire_name: &str,
        detail: &[u8],
        source: usize,
        defaults: &SourceDefaults,
    ) -> Result<Tool, serde_json::Error> {
        let Detail { mut run, mut origin, any_executor, category, tags, version } =
            serde_json::from_slice::<Detail<RunSpec>>(detail)?;
        run.target.place_in(&defaults.dir);
        if let Some(prefix) = &defaults.prefix {
            origin.file = format!("{prefix}/{}", origin.file);
        }
        if any_executor {
            run.executor = defaults.default_executor;
        }
        Ok(Tool {
            spec: Arc::new(run),
            wire_name: wire_name.to_owned(),
            source,
            listing,
            origin,
            category,
            tags,
            version,
            input: OnceLock::new(),
            output: OnceLock::new(),
        })
    }

    /// The canonical name: what people, files and logs say.
    pub fn name(&self) -> &str {
        &self.spec.tool
    }

    pub fn title(&self) -> Option<String> {
        self.text(|listed| listed.title)
    }

    pub fn description(&self) -> Option<String> {
        self.text(|listed| listed.description)
    }

    /// The JSON Schema of the arguments, as the list shows it.
    pub fn input_schema(&self) -> &RawValue {
        self.listed().map_or(RawValue::NULL, |listed| listed.input_schema)
    }

    /// The JSON Schema of the structured result, if the tool promises one.
    pub fn output_schema(&self) -> Option<&RawValue> {
        self.listed()?.output_schema
    }

    /// Checks arguments against the input schema: all faults at once, of large ones the first 20. `called` is the name
    /// that the caller knows the tool by, for the answer, and `raw` is the JSON as it was sent. The schema is compiled on
    /// first use, which takes tens of microseconds; a check of a small object takes a few.
    ///
    /// # Errors
    ///
    /// What is wrong, in words for the model that made the call. Also when `raw` is JSON that readers
    /// disagree about (a key that stands twice, a lone surrogate, nesting deeper than 64), and when the
    /// schema itself is unusable: an unchecked call is never made.
    pub fn check_arguments(&self, called: &str, raw: &[u8]) -> Result<(), ArgumentFaults> {
        let text = || self.input_schema().get();
        self.input.get_or_init(|| Schema::compile(text())).check_arguments(called, text, raw)
    }

    /// Checks structured content against the output schema; anything fits a tool without one.
    ///
    /// # Errors
    ///
    /// A sentence fragment and the list of faults, for the tool's author.
    pub fn check_output(&self, raw: &[u8]) -> Result<(), String> {
        let text = || self.output_schema().map(RawValue::get);
        match self.output.get_or_init(|| text().map(Schema::compile)) {
            Some(schema) => schema.check_output(|| text().unwrap_or_default(), raw),
            None => Ok(()),
        }
    }

    fn listed(&self) -> Option<Listed<'_>> {
        serde_json::from_slice(&self.listing).ok()
    }

    fn text<'a>(&'a self, member: impl Fn(&Listed<'a>) -> Option<&'a RawValue>) -> Option<String> {
        serde_json::from_str(member(&self.listed()?)?.get()).ok()
    }
}
