//! A resource, a template and a prompt as MCP's lists show them.

use omni_scan::PromptArgument;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

/// What is written for one resource or template, in this order.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ResourceListing<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uri: Option<&'a str>,
    #[serde(rename = "uriTemplate", skip_serializing_if = "Option::is_none")]
    pub(crate) uri_template: Option<&'a str>,
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a str>,
    #[serde(rename = "mimeType", skip_serializing_if = "Option::is_none")]
    pub(crate) mime_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) icons: Option<&'a Value>,
    #[serde(rename = "_meta", skip_serializing_if = "Map::is_empty")]
    pub(crate) meta: Map<String, Value>,
}

/// What is written for one prompt, in this order: the name must be first, for the list replaces it by the one on the wire.
#[derive(Debug, Default, Serialize)]
pub(crate) struct PromptListing<'a> {
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) arguments: Vec<ListedArgument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) icons: Option<&'a Value>,
    #[serde(rename = "_meta", skip_serializing_if = "Map::is_empty")]
    pub(crate) meta: Map<String, Value>,
}

/// What is written for one argument of a prompt.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ListedArgument<'a> {
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a str>,
    pub(crate) required: bool,
}

impl<'a> From<&'a PromptArgument> for ListedArgument<'a> {
    fn from(argument: &'a PromptArgument) -> Self {
        ListedArgument {
            name: &argument.name,
            title: argument.title.as_deref(),
            description: argument.description.as_deref(),
            required: argument.required,
        }
    }
}

impl ResourceListing<'_> {
    /// As lists have it.
    pub(crate) fn to_raw(&self) -> Box<RawValue> {
        raw(self)
    }
}

impl PromptListing<'_> {
    /// As lists have it.
    pub(crate) fn to_raw(&self) -> Box<RawValue> {
        raw(self)
    }
}

/// Texts, numbers and maps with text keys: nothing here can fail to be JSON.
fn raw(listing: &impl Serialize) -> Box<RawValue> {
    to_raw_value(listing).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
