//! The answer to `GET /tools`: what the catalogue lists, and what a caller has to know besides.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use omni_call::{InjectedParameter, Policy, RunSpec};
use omni_catalog::{Snapshot, Tool};
use serde::Serialize;

/// The list that was made last, and of which snapshot.
#[derive(Default)]
pub(super) struct Listing {
    made: Mutex<Option<(Arc<Snapshot>, List)>>,
}

/// A list and its tag.
#[derive(Clone)]
pub(super) struct List {
    pub(super) body: Bytes,
    pub(super) etag: String,
}

impl Listing {
    /// The list of a snapshot. Reads files where it is a new one: not for the front's thread.
    pub(super) fn of(&self, snapshot: Arc<Snapshot>) -> List {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, list)) = &*made
            && Arc::ptr_eq(of, &snapshot)
        {
            return list.clone();
        }
        let list = list(&snapshot);
        *made = Some((snapshot, list.clone()));
        list
    }
}

fn list(snapshot: &Snapshot) -> List {
    let mut body = b"{\"tools\":[".to_vec();
    for (n, tool) in snapshot.tools().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        describe(&tool, &mut body);
    }
    body.extend_from_slice(b"]}");
    let etag = format!("\"{}\"", &blake3::hash(&body).to_hex()[..32]);
    List { body: body.into(), etag }
}

/// Appends a tool as `tools/list` shows it, with the member `omni`.
fn describe(tool: &Tool, out: &mut Vec<u8>) {
    let spec = &*tool.spec;
    let run = serde_json::to_vec(&Run::of(spec, String::new())).unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&tool.listing).update(&run);
    // The description of a tool may stay while what it does is another thing.
    if let Some((dir, file)) = spec.target.dir().zip(spec.target.file()) {
        hasher.update(&fs::read(dir.join(file)).unwrap_or_default());
    }
    let run = Run::of(spec, hasher.finalize().to_hex()[..32].to_owned());
    out.extend_from_slice(tool.listing.strip_suffix(b"}").unwrap_or(&tool.listing));
    out.extend_from_slice(b",\"omni\":");
    out.extend(serde_json::to_vec(&run).unwrap_or_default());
    out.push(b'}');
}

#[derive(Serialize)]
struct Run<'a> {
    skill: &'a str,
    command: &'a str,
    #[serde(rename = "async")]
    is_async: bool,
    timeout_ms: Option<u64>,
    idle_timeout_ms: Option<u64>,
    policy: &'a Policy,
    file: &'a str,
    function: &'a str,
    wrap: bool,
    structured: bool,
    inject: &'a [InjectedParameter],
    digest: String,
}

impl<'a> Run<'a> {
    fn of(spec: &'a RunSpec, digest: String) -> Self {
        let python = spec.target.python();
        Run {
            skill: &spec.skill,
            command: &spec.command,
            is_async: python.is_some_and(|python| python.is_async),
            timeout_ms: spec.limits.timeout_ms,
            idle_timeout_ms: spec.limits.idle_timeout_ms,
            policy: &spec.policy,
            file: spec.target.file().unwrap_or_default(),
            function: python.map_or(&spec.command, |python| &python.function),
            wrap: python.is_some_and(|python| python.wrap_result),
            structured: spec.structured,
            inject: python.map_or(&[], |python| &python.inject),
            digest,
        }
    }
}
