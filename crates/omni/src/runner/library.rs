//! A runner's resources and prompts, as the server wants them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use omni_call::BoxFuture;
use omni_exec::{Runner, RunnerError};
use omni_server::{Contents, ItemKind, Library, LibraryError, Offers, Prompt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Offer, RunnerSettings};

/// Forwards each request to the runner. Of lists the last good one is kept, for when it cannot be reached.
pub(crate) struct RunnerLibrary {
    runner: Arc<Runner>,
    resources: Offer,
    prompts: Offer,
    last: Mutex<HashMap<ItemKind, Bytes>>,
}

impl RunnerLibrary {
    pub(crate) fn new(runner: Arc<Runner>, settings: &RunnerSettings) -> Self {
        RunnerLibrary {
            runner,
            resources: settings.resources,
            prompts: settings.prompts,
            last: Mutex::default(),
        }
    }

    async fn forward_list(&self, kind: ItemKind) -> Result<Bytes, LibraryError> {
        let answer = match kind {
            ItemKind::Resource | ItemKind::ResourceTemplate => self.runner.resources().await,
            ItemKind::Prompt => self.runner.prompts().await,
        };
        let answer = match answer {
            Ok(answer) => answer,
            // A runner without that route has none.
            Err(RunnerError::Refused { status: 404, .. }) => return Ok(nothing()),
            Err(error) => {
                let last = self.last().get(&kind).cloned();
                return last
                    .inspect(|_| tracing::warn!(%error, list = kind.member(), "the last list is served"))
                    .ok_or_else(|| LibraryError::Unavailable(error.to_string()));
            }
        };
        let items = usable_items(&answer, kind)?;
        self.last().insert(kind, items.clone());
        Ok(items)
    }

    async fn forward_read(&self, uri: &str) -> Result<Contents, LibraryError> {
        #[derive(Deserialize)]
        struct Answer {
            contents: Box<RawValue>,
            #[serde(rename = "_meta")]
            meta: Option<Box<RawValue>>,
        }
        let Answer { contents, meta } = parsed(&self.runner.read_resource(uri).await.map_err(refused)?)?;
        let fits = |item: &Map<String, Value>| {
            let has = |member: &str| item.get(member).is_some_and(Value::is_string);
            has("uri") && (has("text") || has("blob"))
        };
        let items: Vec<Map<String, Value>> = parsed(contents.get().as_bytes())?;
        if !items.iter().all(fits) {
            return Err(useless("each of `contents` must have `uri` and either `text` or `blob`"));
        }
        Ok(Contents { contents: owned(&contents), meta: object(meta) })
    }

    async fn forward_prompt(&self, name: &str, arguments: Option<Bytes>) -> Result<Prompt, LibraryError> {
        #[derive(Deserialize)]
        struct Answer {
            description: Option<String>,
            messages: Box<RawValue>,
            #[serde(rename = "_meta")]
            meta: Option<Box<RawValue>>,
        }
        let arguments = arguments.as_deref().unwrap_or(b"{}");
        let arguments: &RawValue = serde_json::from_slice(arguments)
            .map_err(|error| LibraryError::BadArguments(error.to_string()))?;
        let answer = self.runner.get_prompt(name, arguments).await.map_err(refused)?;
        let Answer { description, messages, meta } = parsed(&answer)?;
        let fits = |item: &Map<String, Value>| {
            item.get("role").is_some_and(Value::is_string)
                && item.get("content").is_some_and(Value::is_object)
        };
        let items: Vec<Map<String, Value>> = parsed(messages.get().as_bytes())?;
        if !items.iter().all(fits) {
            return Err(useless("each of `messages` must have a `role` and a `content`"));
        }
        Ok(Prompt { description, messages: owned(&messages), meta: object(meta) })
    }

    fn last(&self) -> std::sync::MutexGuard<'_, HashMap<ItemKind, Bytes>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Library for RunnerLibrary {
    fn offers(&self) -> Offers {
        Offers { resources: self.resources != Offer::Off, prompts: self.prompts != Offer::Off }
    }

    fn list(&self, kind: ItemKind) -> BoxFuture<'_, Result<Bytes, LibraryError>> {
        let forward = match kind {
            ItemKind::Resource | ItemKind::ResourceTemplate => self.resources,
            ItemKind::Prompt => self.prompts,
        };
        match forward {
            Offer::Forward => Box::pin(self.forward_list(kind)),
            Offer::Empty | Offer::Off => Box::pin(std::future::ready(Ok(nothing()))),
        }
    }

    fn read<'a>(&'a self, uri: &'a str) -> BoxFuture<'a, Result<Contents, LibraryError>> {
        match self.resources {
            Offer::Forward => Box::pin(self.forward_read(uri)),
            Offer::Empty | Offer::Off => {
                Box::pin(std::future::ready(Err(LibraryError::Unknown("there are no resources".into()))))
            }
        }
    }

    fn prompt<'a>(
        &'a self,
        name: &'a str,
        arguments: Option<Bytes>,
    ) -> BoxFuture<'a, Result<Prompt, LibraryError>> {
        match self.prompts {
            Offer::Forward => Box::pin(self.forward_prompt(name, arguments)),
            Offer::Empty | Offer::Off => {
                Box::pin(std::future::ready(Err(LibraryError::Unknown("there are no prompts".into()))))
            }
        }
    }
}

/// The items of a list that clients can use. One that they cannot would cost them all the others.
fn usable_items(answer: &[u8], kind: ItemKind) -> Result<Bytes, LibraryError> {
    let needed: &[&str] = match kind {
        ItemKind::Resource => &["uri", "name"],
        ItemKind::ResourceTemplate => &["uriTemplate", "name"],
        ItemKind::Prompt => &["name"],
    };
    let mut answer: Map<String, Value> = parsed(answer)?;
    let items = match answer.remove(kind.member()) {
        Some(Value::Array(items)) => items,
        None | Some(Value::Null) => Vec::new(),
        Some(_) => return Err(useless(&format!("`{}` is no array", kind.member()))),
    };
    let all = items.len();
    let usable: Vec<Value> = items
        .into_iter()
        .filter(|item| needed.iter().all(|member| item.get(member).is_some_and(Value::is_string)))
        .collect();
    if usable.len() < all {
        tracing::warn!(
            list = kind.member(),
            left_out = all - usable.len(),
            "some of the runner's descriptions are left out: each needs {}",
            needed.join(" and ")
        );
    }
    Ok(Value::Array(usable).to_string().into())
}

/// What the runner's refusal of a read or a prompt means.
fn refused(error: RunnerError) -> LibraryError {
    match error {
        RunnerError::Refused { status: 404, message, .. } => LibraryError::Unknown(message),
        RunnerError::Refused { status: 400, message, .. } => LibraryError::BadArguments(message),
        error => LibraryError::Unavailable(error.to_string()),
    }
}

fn parsed<T: DeserializeOwned>(answer: &[u8]) -> Result<T, LibraryError> {
    serde_json::from_slice(answer).map_err(|error| useless(&error.to_string()))
}

fn useless(why: &str) -> LibraryError {
    LibraryError::Unavailable(format!("the runner's answer is of no use: {why}"))
}

fn nothing() -> Bytes {
    Bytes::from_static(b"[]")
}

/// The value as it was written, on one line: a message of ours is one. In JSON a line can break only between tokens.
fn owned(value: &RawValue) -> Bytes {
    let bytes = value.get().bytes();
    bytes.map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }).collect()
}

/// `_meta` is passed on when it is what MCP has there.
fn object(value: Option<Box<RawValue>>) -> Option<Bytes> {
    value.filter(|value| value.get().starts_with('{')).map(|value| owned(&value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_that_no_client_can_use_costs_no_other() {
        let answer = json!({"resources": [{"uri": "a:b", "name": "b"}, {"uri": "a:c"}, 5], "prompts": {}});
        let answer = answer.to_string().into_bytes();
        let items = usable_items(&answer, ItemKind::Resource).unwrap();
        assert_eq!(&items[..], br#"[{"uri":"a:b","name":"b"}]"#);
        assert_eq!(&usable_items(&answer, ItemKind::ResourceTemplate).unwrap()[..], b"[]");
        assert!(matches!(usable_items(&answer, ItemKind::Prompt), Err(LibraryError::Unavailable(_))));
    }
}
