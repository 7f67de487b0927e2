//! Tools that somebody else describes: what is taken over, what is reported, and what is still there without them.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is the failure report; the lint does not see helpers of tests"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use omni_call::{Affinity, ExecutorKind, Target};
use omni_catalog::{
    Catalog, CatalogKind, DescribeError, ListFields, NameStyle, RefreshReport, RemoteSource, Severity,
    Snapshot, ToolRules,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const RUNNER: &str = "http://127.0.0.1:9";

/// A runner's list, and the catalogue of nothing else.
struct Remote {
    source: Arc<RemoteSource>,
    catalog: Catalog,
}

impl Remote {
    fn of(name: &str, cache: &Path) -> Remote {
        let offers =
            [CatalogKind::Tools, CatalogKind::Resources, CatalogKind::Templates, CatalogKind::Prompts];
        let names = NameStyle::Underscore;
        let source = Arc::new(RemoteSource::new(name, Some(cache), names, ExecutorKind::Runner, &offers));
        let catalog = Catalog::new(vec![source.clone()], ToolRules::default()).unwrap();
        Remote { source, catalog }
    }

    fn describe(&self, list: &[u8], etag: Option<&str>) -> Result<RefreshReport, DescribeError> {
        let refreshed = self.source.describe(list, etag)?;
        assert_eq!(self.catalog.merge().unwrap(), refreshed.changed);
        Ok(refreshed)
    }

    fn etag(&self) -> Option<String> {
        self.source.etag()
    }
}

impl std::ops::Deref for Remote {
    type Target = Catalog;

    fn deref(&self) -> &Catalog {
        &self.catalog
    }
}

fn open(cache: &Path) -> Remote {
    Remote::of(RUNNER, cache)
}

fn list(tools: &[Value]) -> Vec<u8> {
    json!({ "tools": tools }).to_string().into_bytes()
}

fn tool(name: &str) -> Value {
    json!({"name": name, "description": "Does it.", "inputSchema": {"type": "object"}})
}

fn listed(snapshot: &Snapshot) -> Vec<Value> {
    serde_json::from_slice(&snapshot.page_all(ListFields::All).items).unwrap()
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    listed(snapshot).iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_description_is_listed_without_what_only_we_read_and_run_as_it_says() {
    let cache = TempDir::new().unwrap();
    let catalog = open(cache.path());
    let described = json!({
        "name": "notes.save", "title": "Save", "description": "Saves.",
        "inputSchema": {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]},
        "outputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}, "icons": [{"src": "x:y"}],
        "_meta": {"k": 1},
        "omni": {"skill": "notes", "command": "save", "async": true, "timeout_ms": 5, "idle_timeout_ms": null,
            "policy": {"retry_on": ["OSError"], "affinity": "session", "repeatable": true}, "digest": "d", "later": 1}
    });
    let refreshed = catalog.describe(&list(std::slice::from_ref(&described)), None).unwrap();
    assert!(refreshed.changed && refreshed.replaced);
    let snapshot = catalog.snapshot();
    assert_eq!(snapshot.diagnostics(), []);
    let mut shown = described.clone();
    shown.as_object_mut().unwrap().remove("omni");
    shown["name"] = "notes_save".into();
    assert_eq!(listed(&snapshot), [shown]);
    let tool = snapshot.tool("notes.save").unwrap();
    assert_eq!(
        (tool.spec.executor, tool.spec.skill.as_str(), tool.spec.command.as_str()),
        (ExecutorKind::Runner, "notes", "save")
    );
    assert!(tool.spec.structured);
    let Target::Remote { source, name } = &tool.spec.target else { panic!("{:?}", tool.spec.target) };
    assert_eq!((source.as_str(), name.as_str()), ("http://127.0.0.1:9", "notes.save"));
    assert_eq!((tool.spec.limits.timeout_ms, tool.spec.limits.idle_timeout_ms), (Some(5), None));
    assert_eq!(tool.spec.policy.affinity, Some(Affinity::Session));
    assert!(tool.check_arguments(tool.name(), b"{}").is_err(), "arguments are held to the schema");
    assert_eq!((snapshot.skills()[0].folder.as_str(), snapshot.skills()[0].tools), ("notes", 1));
}

#[test]
fn a_bad_description_is_reported_and_hides_no_other() {
    let cache = TempDir::new().unwrap();
    let catalog = open(cache.path());
    let mut odd = tool("a.odd");
    odd["title"] = json!(7);
    odd["outputSchema"] = json!({"type": "string"});
    odd["omni"] = json!({"policy": {"max_attempts": 99}});
    let mut text = tool("a.text");
    text["omni"] = json!("none");
    let tools = [
        json!(5),
        json!({"inputSchema": {"type": "object"}}),
        tool("no spaces"),
        json!({"name": "a.schema", "inputSchema": {"type": "array"}}),
        odd,
        tool("a.good"),
        tool("a.good"),
        text,
    ];
    catalog.describe(&list(&tools), None).unwrap();
    let snapshot = catalog.snapshot();
    assert_eq!(names(&snapshot), ["a_good", "a_odd", "a_text"]);
    let found: Vec<(Severity, &str, &str)> = snapshot
        .diagnostics()
        .iter()
        .map(|found| (found.severity, found.code.as_str(), found.file.strip_prefix(RUNNER).unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            (Severity::Error, "bad-description", " /tools/0"),
            (Severity::Error, "illegal-name", " /tools/1"),
            (Severity::Error, "illegal-name", " /tools/2"),
            (Severity::Error, "bad-input-schema", " /tools/3"),
            (Severity::Warning, "bad-output-schema", " /tools/4"),
            (Severity::Warning, "bad-description", " /tools/4"),
            (Severity::Warning, "bad-description", " /tools/4"),
            (Severity::Error, "duplicate-name", " /tools/6"),
            (Severity::Warning, "bad-description", " /tools/7"),
        ]
    );
    assert_eq!(listed(&snapshot)[1].get("title"), None);
    assert_eq!(snapshot.tool("a.odd").unwrap().spec.policy.max_attempts, None);
}

#[test]
fn the_last_good_list_is_there_at_the_next_start_with_its_tag() {
    let cache = TempDir::new().unwrap();
    let catalog = open(cache.path());
    assert!(!catalog.has_cached(CatalogKind::Tools));
    catalog.describe(&list(&[tool("a.b")]), Some("\"1\"")).unwrap();
    assert!(catalog.describe(b"<html>", Some("\"2\"")).is_err());
    assert!(catalog.describe(b"{\"tools\":{}}", None).is_err());
    assert_eq!(names(&catalog.snapshot()), ["a_b"], "what is no list changes nothing");

    let again = open(cache.path());
    assert!(again.has_cached(CatalogKind::Tools));
    assert_eq!(names(&again.snapshot()), ["a_b"]);
    assert_eq!(again.etag().as_deref(), Some("\"1\""));
    let other = Remote::of("unix:/other", cache.path());
    assert!(!other.has_cached(CatalogKind::Tools), "another runner has another list");

    // The two files are replaced one after the other: a tag of another list vouches for nothing.
    let folder = fs::read_dir(cache.path()).unwrap().next().unwrap().unwrap().path();
    let tag = fs::read(folder.join("etag.bin")).unwrap();
    again.describe(&list(&[tool("a.c")]), Some("\"3\"")).unwrap();
    fs::write(folder.join("etag.bin"), tag).unwrap();
    assert_eq!(open(cache.path()).etag(), None);
}

#[test]
fn the_same_list_in_other_words_is_no_change_for_clients() {
    let cache = TempDir::new().unwrap();
    let catalog = open(cache.path());
    catalog.describe(&list(&[tool("a.b"), tool("a.c")]), None).unwrap();
    let turned = catalog.describe(&list(&[tool("a.c"), tool("a.b")]), Some("x")).unwrap();
    assert!(turned.replaced && !turned.changed);
    let same = catalog.describe(&list(&[tool("a.c"), tool("a.b")]), Some("y")).unwrap();
    assert!(!same.replaced && !same.changed);
    assert_eq!(catalog.etag().as_deref(), Some("y"));
    let gone = catalog.describe(&list(&[]), None).unwrap();
    assert!(gone.changed);
    assert!(!catalog.refresh().unwrap().changed, "there is no folder to look at");
    assert!(catalog.diff().unwrap().up_to_date);
}
