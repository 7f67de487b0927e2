//! A JSON object of ours, written member by member: for requests, of which there are few.

use bytes::Bytes;
use serde_json::{Value, json};

/// The members of a JSON object that is being written.
#[derive(Default)]
pub(crate) struct ObjectWriter(String);

impl ObjectWriter {
    pub(crate) fn message() -> Self {
        ObjectWriter(r#""jsonrpc":"2.0""#.to_owned())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn put(&mut self, name: &str, value: &Value) {
        self.put_raw(name, &value.to_string());
    }

    /// `json` is JSON text. Line ends in it, which can only be white space, would end a frame over stdio.
    pub(crate) fn put_raw(&mut self, name: &str, json: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(&json!(name).to_string());
        self.0.push(':');
        if json.contains(['\n', '\r']) {
            self.0.push_str(&json.replace(['\n', '\r'], " "));
        } else {
            self.0.push_str(json);
        }
    }

    pub(crate) fn put_object(&mut self, name: &str, object: Option<&Bytes>) {
        if let Some(object) = object {
            self.put_raw(name, &String::from_utf8_lossy(object));
        }
    }

    pub(crate) fn text(&self) -> String {
        format!("{{{}}}", self.0)
    }

    pub(crate) fn frame(&self) -> Bytes {
        self.text().into()
    }
}
