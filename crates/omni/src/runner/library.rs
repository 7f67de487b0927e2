//! A runner's resources and prompts, as the server wants them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use omni_call::{BoxFuture, CallRequest, ExecutorKind, RunSpec, Target};
use omni_exec::{Runner, RunnerError};
use omni_server::{ItemKind, Library, Offers, Unavailable};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Offer, RunnerSettings};

/// Forwards each request to the runner. Of lists the last good one is kept, for when it cannot be reached.
pub(crate) struct RunnerLibrary {
    runner: Arc<Runner>,
    resources: Offer,
    prompts: Offer,
    /// How any of them is read: by the runner, as the call says.
    spec: Arc<RunSpec>,
    last: Mutex<HashMap<ItemKind, Bytes>>,
}

impl RunnerLibrary {
    pub(crate) fn new(runner: Arc<Runner>, settings: &RunnerSettings) -> Self {
        let target = Target::Remote { source: settings.address.to_string(), name: "items".to_owned() };
        let mut spec = RunSpec::new("runner", "items", target);
        spec.executor = ExecutorKind::Runner;
        RunnerLibrary {
            runner,
            spec: Arc::new(spec),
            resources: settings.resources,
            prompts: settings.prompts,
            last: Mutex::default(),
        }
    }

    async fn forward_list(&self, kind: ItemKind) -> Result<Bytes, Unavailable> {
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
                    .ok_or_else(|| Unavailable(error.to_string()));
            }
        };
        let items = usable_items(&answer, kind)?;
        self.last().insert(kind, items.clone());
        Ok(items)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, HashMap<ItemKind, Bytes>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Library for RunnerLibrary {
    fn offers(&self) -> Offers {
        Offers { resources: self.resources != Offer::Off, prompts: self.prompts != Offer::Off }
    }

    fn list(&self, kind: ItemKind) -> BoxFuture<'_, Result<Bytes, Unavailable>> {
        let forward = match kind {
            ItemKind::Resource | ItemKind::ResourceTemplate => self.resources,
            ItemKind::Prompt => self.prompts,
        };
        match forward {
            Offer::Forward => Box::pin(self.forward_list(kind)),
            Offer::Empty | Offer::Off => Box::pin(std::future::ready(Ok(nothing()))),
        }
    }

    fn spec(&self, request: &CallRequest) -> Result<Arc<RunSpec>, String> {
        match request {
            CallRequest::Resource { .. } if self.resources == Offer::Forward => Ok(self.spec.clone()),
            CallRequest::Prompt { .. } if self.prompts == Offer::Forward => Ok(self.spec.clone()),
            CallRequest::Resource { .. } => Err("there are no resources".to_owned()),
            CallRequest::Prompt { .. } => Err("there are no prompts".to_owned()),
            CallRequest::Tool { .. } | CallRequest::Completion(_) => Err("it is not offered".to_owned()),
        }
    }
}

/// The items of a list that clients can use. One that they cannot would cost them all the others.
fn usable_items(answer: &[u8], kind: ItemKind) -> Result<Bytes, Unavailable> {
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

fn parsed<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Unavailable> {
    serde_json::from_slice(answer).map_err(|error| useless(&error.to_string()))
}

fn useless(why: &str) -> Unavailable {
    Unavailable(format!("the runner's answer is of no use: {why}"))
}

fn nothing() -> Bytes {
    Bytes::from_static(b"[]")
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
        assert!(matches!(usable_items(&answer, ItemKind::Prompt), Err(Unavailable(_))));
    }
}
