//! A tool as `tools/list` shows it, and what of it a client of an older revision is shown.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::ListShape;
use crate::served::{Carries, ServedTool};

/// What is written for one tool, in this order.
#[derive(Debug, Serialize)]
pub(crate) struct Listing<'a> {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) icons: Option<&'a Value>,
    #[serde(rename = "inputSchema")]
    pub(crate) input_schema: &'a Value,
    #[serde(rename = "outputSchema", skip_serializing_if = "Option::is_none")]
    pub(crate) output_schema: Option<&'a Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) annotations: &'a Map<String, Value>,
    #[serde(rename = "_meta", skip_serializing_if = "Map::is_empty")]
    pub(crate) meta: Map<String, Value>,
}

/// The same, read back without looking into the values.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Listed<'a> {
    #[serde(borrow)]
    pub(crate) name: &'a RawValue,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) icons: Option<&'a RawValue>,
    #[serde(borrow, rename = "inputSchema")]
    pub(crate) input_schema: &'a RawValue,
    #[serde(borrow, rename = "outputSchema", default, skip_serializing_if = "Option::is_none")]
    pub(crate) output_schema: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta", default, skip_serializing_if = "Option::is_none")]
    pub(crate) meta: Option<&'a RawValue>,
}

impl Listed<'_> {
    pub(crate) fn carries(&self) -> Carries {
        Carries {
            annotations: self.annotations.is_some(),
            structured: self.title.is_some() || self.output_schema.is_some() || self.meta.is_some(),
            icons: self.icons.is_some(),
        }
    }

    fn cut(&mut self, shape: ListShape) {
        if shape < ListShape::All {
            self.icons = None;
        }
        if shape < ListShape::Structured {
            self.title = None;
            self.output_schema = None;
            self.meta = None;
        }
        if shape < ListShape::Annotated {
            self.annotations = None;
        }
    }
}

pub(crate) fn carries(tools: &[ServedTool<'_>]) -> Carries {
    let mut all = Carries::default();
    for tool in tools {
        let Ok(listed) = serde_json::from_str::<Listed<'_>>(tool.listing) else { continue };
        let one = listed.carries();
        all.annotations |= one.annotations;
        all.structured |= one.structured;
        all.icons |= one.icons;
    }
    all
}

/// Whether `shape` shows everything that a list with `carries` has.
pub(crate) fn complete(shape: ListShape, carries: Carries) -> bool {
    (shape >= ListShape::All || !carries.icons)
        && (shape >= ListShape::Structured || !carries.structured)
        && (shape >= ListShape::Annotated || !carries.annotations)
}

/// A page without the members that `shape` does not know.
pub(crate) fn cut(page: &[u8], shape: ListShape) -> Result<Bytes, serde_json::Error> {
    let mut tools: Vec<Listed<'_>> = serde_json::from_slice(page)?;
    for tool in &mut tools {
        tool.cut(shape);
    }
    serde_json::to_vec(&tools).map(Bytes::from)
}
