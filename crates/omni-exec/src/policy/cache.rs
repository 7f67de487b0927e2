//! The layer that answers a call with the result of an earlier, equal call, for as long as the tool's author allows.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omni_call::{
    Affinity, BoxFuture, Call, CallPort, CallRequest, CallResult, Executor, Outcome, OutcomeKind, RunSpec,
    ToolResult,
};
use serde_json::Value;

use super::ask_recorder::AskRecorder;
use super::clock::now;
use crate::outcome::unstarted;

/// Answers a call with the result of an equal one, where its tool declares for how long its results are good. Errors
/// are never kept, nor is the result of a call that has asked its client or the server something: what one client has said,
/// or may see, is not the answer to another.
pub struct ResultCache<E> {
    executor: E,
    store: ResultStore,
}

impl<E: Executor> ResultCache<E> {
    /// Around `executor`. Results are kept up to `bytes_max` bytes in all, keys included; one may take an eighth of
    /// that.
    pub fn new(executor: E, bytes_max: usize) -> Self {
        ResultCache { executor, store: ResultStore::new(bytes_max) }
    }

    async fn run_cached(&self, ttl_ms: u64, call: Call, port: &mut dyn CallPort) -> Outcome {
        let Some(key) = ResultKey::of(&call) else { return self.executor.run(call, port).await };
        if let Some((result, age)) = self.store.get(&key, &call.spec, now()) {
            let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            let result = result.with_meta("omni/cached", &format!(r#"{{"age_ms":{age_ms}}}"#));
            return unstarted(&call, result.into());
        }
        let spec = Arc::clone(&call.spec);
        let mut port = AskRecorder::new(port);
        let outcome = self.executor.run(call, &mut port).await;
        if let OutcomeKind::Finished(CallResult::Tool(result)) = &outcome.kind
            && !result.is_error
            && !port.asked
            && !port.requested
        {
            self.store.put(key, spec, result, ttl_ms, now());
        }
        outcome
    }
}

impl<E: Executor> Executor for ResultCache<E> {
    fn run<'a>(&'a self, call: Call, port: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        match call.spec.policy.cache_ttl_ms {
            None | Some(0) => self.executor.run(call, port),
            Some(ttl_ms) => Box::pin(self.run_cached(ttl_ms, call, port)),
        }
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.executor.shut_down()
    }
}

/// Results by call. When the bound is reached, the least recently used are dropped.
struct ResultStore {
    bytes_max: usize,
    state: Mutex<ResultStoreState>,
}

#[derive(Default)]
struct ResultStoreState {
    entries: HashMap<ResultKey, StoredResult>,
    /// Keys by when they were used last, oldest first.
    used: BTreeMap<u64, ResultKey>,
    clock: u64,
    bytes: usize,
}

struct StoredResult {
    /// The tool that gave the result. After a reload it is another one, even under the same name.
    spec: Arc<RunSpec>,
    result: ToolResult,
    made: Instant,
    good_until: Instant,
    used: u64,
    bytes: usize,
}

/// What two calls must have in common to be equal: the tool and its arguments, however their JSON is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ResultKey {
    tool: Arc<str>,
    /// Members in alphabetical order, without blanks.
    arguments: Arc<str>,
    /// Set for a skill whose state belongs to one session.
    session: Arc<str>,
}

impl ResultKey {
    /// `None` for a request that is no tool call, and for arguments that are no JSON, which Python refuses.
    fn of(call: &Call) -> Option<ResultKey> {
        let CallRequest::Tool { arguments } = &call.request else { return None };
        let mut arguments: Value = serde_json::from_slice(arguments).ok()?;
        arguments.sort_all_objects();
        let session = match call.spec.policy.affinity {
            Some(Affinity::Session) => Arc::clone(&call.session),
            Some(Affinity::None | Affinity::Single) | None => "".into(),
        };
        Some(ResultKey {
            tool: call.spec.tool.as_str().into(),
            arguments: arguments.to_string().into(),
            session,
        })
    }

    fn bytes(&self) -> usize {
        self.tool.len() + self.arguments.len() + self.session.len()
    }
}

impl ResultStore {
    fn new(bytes_max: usize) -> Self {
        ResultStore { bytes_max, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, ResultStoreState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A result that is still good, and its age.
    fn get(&self, key: &ResultKey, spec: &Arc<RunSpec>, now: Instant) -> Option<(ToolResult, Duration)> {
        let mut state = self.lock();
        let entry = state.entries.get(key)?;
        if now >= entry.good_until || !Arc::ptr_eq(&entry.spec, spec) {
            state.remove(key);
            return None;
        }
        let found = (entry.result.clone(), now.duration_since(entry.made));
        state.touch(key);
        Some(found)
    }

    /// Keeps a result, unless it is so large that many others would have to go for it.
    fn put(&self, key: ResultKey, spec: Arc<RunSpec>, result: &ToolResult, ttl_ms: u64, now: Instant) {
        /// What an entry takes in memory besides its texts, roughly.
        const REST: usize = 512;
        let parts = [Some(&result.content), result.structured.as_ref(), result.meta.as_ref()];
        let bytes = parts.into_iter().flatten().map(|part| part.len()).sum::<usize>() + key.bytes() + REST;
        let Some(good_until) = now.checked_add(Duration::from_millis(ttl_ms)) else { return };
        if bytes > self.bytes_max / 8 {
            return;
        }
        let mut state = self.lock();
        state.remove(&key);
        while state.bytes + bytes > self.bytes_max {
            let Some((_, oldest)) = state.used.first_key_value() else { break };
            let oldest = oldest.clone();
            state.remove(&oldest);
        }
        state.clock += 1;
        let used = state.clock;
        state.bytes += bytes;
        state.used.insert(used, key.clone());
        // A part of a large frame would keep the whole frame in memory.
        let own = |part: &bytes::Bytes| bytes::Bytes::copy_from_slice(part);
        let result = ToolResult {
            content: own(&result.content),
            structured: result.structured.as_ref().map(own),
            meta: result.meta.as_ref().map(own),
            is_error: result.is_error,
        };
        state.entries.insert(key, StoredResult { spec, result, made: now, good_until, used, bytes });
    }
}

impl ResultStoreState {
    fn remove(&mut self, key: &ResultKey) {
        if let Some(entry) = self.entries.remove(key) {
            self.used.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }

    fn touch(&mut self, key: &ResultKey) {
        self.clock += 1;
        if let Some(entry) = self.entries.get_mut(key)
            && let Some(key) = self.used.remove(&entry.used)
        {
            entry.used = self.clock;
            self.used.insert(self.clock, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use omni_call::{CallId, Deadline, PythonTarget, Wants};

    use super::*;

    fn spec() -> Arc<RunSpec> {
        Arc::new(RunSpec::new("s", "c", PythonTarget::new("/s", "a.py", "c")))
    }

    fn key(spec: &Arc<RunSpec>, arguments: &'static str, session: &str) -> ResultKey {
        let call = Call {
            id: CallId(1),
            spec: Arc::clone(spec),
            request: CallRequest::tool(arguments),
            deadline: Deadline::new(Instant::now(), None, None),
            wants: Wants::default(),
            session: session.into(),
            affinity: None,
            origin: None,
            parent: None,
        };
        ResultKey::of(&call).unwrap()
    }

    fn result(text: &str) -> ToolResult {
        ToolResult { content: text.to_owned().into(), structured: None, meta: None, is_error: false }
    }

    #[test]
    fn the_spelling_of_arguments_makes_no_difference_and_their_values_do() {
        let spec = spec();
        let one = key(&spec, r#"{"a": 1, "b": {"x": [1, 2], "y": "é"}}"#, "s1");
        assert_eq!(one, key(&spec, r#"{"b":{"y":"\u00e9","x":[1,2]},"a":1}"#, "s2"));
        assert_ne!(one, key(&spec, r#"{"a": 1, "b": {"x": [2, 1], "y": "é"}}"#, "s1"));
        assert_ne!(key(&spec, r#"{"a": 1}"#, ""), key(&spec, r#"{"a": 1.5}"#, ""));
        assert_ne!(key(&spec, r#"{"a": 1}"#, ""), key(&spec, r#"{"a": "1"}"#, ""));
    }

    #[test]
    fn a_skill_with_state_of_a_session_is_cached_for_that_session_alone() {
        let mut own = RunSpec::new("s", "c", PythonTarget::new("/s", "a.py", "c"));
        own.policy.affinity = Some(Affinity::Session);
        let own = Arc::new(own);
        assert_ne!(key(&own, "{}", "s1"), key(&own, "{}", "s2"));
    }

    #[test]
    fn a_result_is_good_for_its_time_and_for_the_tool_that_gave_it() {
        let (store, spec_one, now) = (ResultStore::new(1 << 20), spec(), Instant::now());
        let key = key(&spec_one, "{}", "");
        store.put(key.clone(), Arc::clone(&spec_one), &result("[1]"), 1_000, now);
        let later = now + Duration::from_millis(999);
        let (found, age) = store.get(&key, &spec_one, later).unwrap();
        assert_eq!((found, age.as_millis()), (result("[1]"), 999));
        assert!(store.get(&key, &spec(), later).is_none(), "the skill was reloaded");
        store.put(key.clone(), Arc::clone(&spec_one), &result("[1]"), 1_000, now);
        assert!(store.get(&key, &spec_one, now + Duration::from_secs(1)).is_none());
        assert_eq!(store.lock().bytes, 0);
    }

    #[test]
    fn the_bound_holds_and_what_was_used_last_stays() {
        let (store, spec, now) = (ResultStore::new(8 * 1024), spec(), Instant::now());
        let keys: Vec<ResultKey> =
            ["[0]", "[1]", "[2]", "[3]", "[4]", "[5]", "[6]", "[7]", "[8]", "[9]", "[10]", "[11]"]
                .map(|arguments| key(&spec, arguments, ""))
                .into();
        for key in &keys {
            store.put(key.clone(), Arc::clone(&spec), &result(&"x".repeat(300)), 60_000, now);
            // The first is in use all along.
            assert!(store.get(&keys[0], &spec, now).is_some());
            let state = store.lock();
            assert!(state.bytes <= 8 * 1024 && state.used.len() == state.entries.len());
        }
        assert!(store.get(&keys[1], &spec, now).is_none());
        assert!(store.get(&keys[11], &spec, now).is_some());
        store.put(key(&spec, "[12]", ""), Arc::clone(&spec), &result(&"x".repeat(2_000)), 60_000, now);
        assert!(store.get(&key(&spec, "[12]", ""), &spec, now).is_none(), "too large");
    }
}
