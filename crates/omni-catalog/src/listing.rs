//! A tool as `tools/list` shows it, and what of it a client of an older revision is shown.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::list_fields::{ListFields, OptionalMembers};
use crate::own_words::has_app;

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
    pub(crate) fn optional_members(&self) -> OptionalMembers {
        OptionalMembers {
            annotations: self.annotations.is_some(),
            structured: self.title.is_some() || self.output_schema.is_some() || self.meta.is_some(),
            icons: self.icons.is_some(),
            apps: self.meta.is_some_and(has_app),
        }
    }

    fn cut(&mut self, fields: ListFields) {
        if fields < ListFields::All {
            self.icons = None;
        }
        if fields < ListFields::Structured {
            self.title = None;
            self.output_schema = None;
            self.meta = None;
        }
        if fields < ListFields::Annotated {
            self.annotations = None;
        }
    }
}

/// A tool's JSON object with another title, and a paragraph more at the end of its description. As it is where neither is
/// asked for, or where it cannot be read.
pub(crate) fn rewritten<'a>(listing: &'a str, title: Option<&str>, append_doc: Option<&str>) -> Cow<'a, str> {
    if title.is_none() && append_doc.is_none() {
        return Cow::Borrowed(listing);
    }
    rewrite(listing, title, append_doc).map_or(Cow::Borrowed(listing), Cow::Owned)
}

fn rewrite(listing: &str, title: Option<&str>, append_doc: Option<&str>) -> serde_json::Result<String> {
    let mut listed: Listed<'_> = serde_json::from_str(listing)?;
    let title = title.map(to_raw_value).transpose()?;
    let description = match append_doc {
        None => None,
        Some(more) => {
            let own: Option<String> =
                listed.description.map(|own| serde_json::from_str(own.get())).transpose()?;
            let own = own.map(|own| own.trim_end().to_owned()).filter(|own| !own.is_empty());
            Some(to_raw_value(&own.map_or_else(|| more.to_owned(), |own| format!("{own}\n\n{more}")))?)
        }
    };
    listed.title = title.as_deref().or(listed.title);
    listed.description = description.as_deref().or(listed.description);
    serde_json::to_string(&listed)
}

/// What a list of these tools carries, each as a list shows it. One that cannot be read carries nothing.
pub(crate) fn optional_members<'a>(listings: impl Iterator<Item = &'a str>) -> OptionalMembers {
    let read = listings.filter_map(|listing| serde_json::from_str::<Listed<'_>>(listing).ok());
    read.map(|listed| listed.optional_members()).fold(OptionalMembers::default(), OptionalMembers::and)
}

/// A page with the members of `fields` only.
pub(crate) fn cut(page: &[u8], fields: ListFields) -> Result<Bytes, serde_json::Error> {
    let mut tools: Vec<Listed<'_>> = serde_json::from_slice(page)?;
    for tool in &mut tools {
        tool.cut(fields);
    }
    serde_json::to_vec(&tools).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_rewritten_in_its_place_and_everything_else_stays() {
        let plain = r#"{"name":"a","description":"Says \"a\".\n","inputSchema":{"b":1.0},"_meta":{"x":[]}}"#;
        assert_eq!(rewritten(plain, None, None), plain);
        assert_eq!(
            rewritten(plain, Some("T\"t"), Some("More.")),
            r#"{"name":"a","title":"T\"t","description":"Says \"a\".\n\nMore.","inputSchema":{"b":1.0},"_meta":{"x":[]}}"#
        );
        let titled = r#"{"name":"a","title":"Old","inputSchema":{}}"#;
        assert_eq!(
            rewritten(titled, Some("New"), Some("Only.")),
            r#"{"name":"a","title":"New","description":"Only.","inputSchema":{}}"#
        );
    }
}
