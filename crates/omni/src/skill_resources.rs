//! What skills have besides tools, as resources: each one's `SKILL.md` and the files below its `references/`.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use omni_call::{
    BoxFuture, Call, CallPort, CallRequest, CallResult, Executor, ExecutorKind, Outcome, OutcomeKind, Phase,
    ResourceContents, Target,
};
use omni_catalog::{Catalog, CatalogKind, NameStyle, RemoteSource, Skill, Snapshot};
use omni_exec::within;
use serde_json::{Value, json};

/// A resource at most, and how many of one skill are listed.
const BYTES_MAX: u64 = 8 << 20;
const FILES_MAX: usize = 1_000;

const SCHEME: &str = "omni://skill/";

/// Reads skills' files, and has everything else run by another executor.
pub(crate) struct SkillResources {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) others: Arc<dyn Executor>,
}

/// The source of skills' files, whose list [`refresh`] makes. It has no cache: reading the folders costs little.
pub(crate) fn source() -> RemoteSource {
    RemoteSource::new(
        "skill files",
        None,
        NameStyle::Canonical,
        ExecutorKind::Native,
        &[CatalogKind::Resources],
    )
}

/// Has the catalogue look at its folders, and makes its resources the files of the skills in them. Links are not followed:
/// they may lead elsewhere. Blocks.
///
/// # Errors
///
/// When the folders cannot be read; what was listed before stays.
pub(crate) fn refresh(catalog: &Catalog, source: &RemoteSource) -> Result<()> {
    let refreshed = catalog.refresh();
    source.describe_items(CatalogKind::Resources, listed(&catalog.snapshot()).to_string().as_bytes())?;
    catalog.merge()?;
    refreshed?;
    Ok(())
}

/// Runs what reads the disk on another thread.
async fn look<T: Send + 'static>(
    catalog: &Arc<Catalog>,
    look: impl FnOnce(&Catalog) -> T + Send + 'static,
) -> std::result::Result<T, String> {
    let catalog = Arc::clone(catalog);
    let looked = tokio::task::spawn_blocking(move || look(&catalog)).await;
    looked.map_err(|bug| format!("looking at the skills failed: {bug}"))
}

impl Executor for SkillResources {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        let (Target::Native { .. }, CallRequest::Resource { uri, .. }) = (&call.spec.target, &call.request)
        else {
            return self.others.run(call, events);
        };
        let uri = uri.clone();
        Box::pin(async move {
            events.begun();
            let read = look(&self.catalog, move |catalog| contents(catalog, &uri));
            // A disk may be at the end of a network, and slow.
            let kind = match within(&call.deadline, read).await {
                Ok(Ok(kind)) | Err(kind) => kind,
                Ok(Err(message)) => OutcomeKind::Lost { message },
            };
            let elapsed = call.deadline.accepted().elapsed();
            Outcome { phase: Phase::Started, ..Outcome::unstarted(kind, elapsed) }
        })
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.others.shut_down()
    }
}

/// Each skill and, of its resources, the path below its folder and the size.
fn resources(snapshot: &Snapshot) -> Vec<(Skill, Vec<(String, u64)>)> {
    let mut all = Vec::new();
    for skill in snapshot.skills() {
        let mut files = Vec::new();
        look_at(&skill.path, "SKILL.md", &mut files);
        walk(&skill.path, "references", &mut files);
        all.push((skill.clone(), files));
    }
    all
}

fn look_at(folder: &Path, path: &str, files: &mut Vec<(String, u64)>) {
    if let Ok(found) = fs::symlink_metadata(folder.join(path))
        && found.is_file()
        && files.len() < FILES_MAX
    {
        files.push((path.to_owned(), found.len()));
    }
}

fn walk(folder: &Path, below: &str, files: &mut Vec<(String, u64)>) {
    let Ok(entries) = fs::read_dir(folder.join(below)) else { return };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    for name in names {
        let path = format!("{below}/{name}");
        let is_folder = fs::symlink_metadata(folder.join(&path)).is_ok_and(|found| found.is_dir());
        if is_folder && files.len() < FILES_MAX {
            walk(folder, &path, files);
        } else {
            look_at(folder, &path, files);
        }
    }
}

fn uri_of(skill: &str, path: &str) -> String {
    format!("{SCHEME}{}/{}", quoted(skill, false), quoted(path, true))
}

/// A text as a part of a URI.
fn quoted(text: &str, slash: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => out.push(byte.into()),
            b'/' if slash => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// The list of resources, as MCP has it, of the skills in a snapshot.
pub(crate) fn listed(snapshot: &Snapshot) -> Value {
    let resources = resources(snapshot);
    let resources = resources.iter().flat_map(|(skill, files)| {
        files.iter().map(move |(path, size)| {
            json!({
                "uri": uri_of(&skill.folder, path),
                "name": format!("{}/{path}", skill.folder),
                "mimeType": mime_type(path),
                "size": size,
            })
        })
    });
    json!({ "resources": resources.collect::<Value>() })
}

fn contents(catalog: &Catalog, uri: &str) -> OutcomeKind {
    // Compared with what is listed, not resolved: no name leads out of the folder.
    let found = resources(&catalog.snapshot()).into_iter().find_map(|(skill, files)| {
        let (path, _) = files.into_iter().find(|(path, _)| uri_of(&skill.folder, path) == uri)?;
        Some((skill.path.join(&path), path))
    });
    let Some((file, path)) = found else {
        let uri: String = uri.chars().take(200).collect();
        let why = format!("there is no resource `{uri}`; the list names all there are");
        return OutcomeKind::NotFound { message: why };
    };
    let mut data = Vec::new();
    let read = fs::File::open(&file).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut data));
    if let Err(error) = read {
        return OutcomeKind::NotFound { message: format!("`{uri}` cannot be read: {error}") };
    }
    if data.len() as u64 > BYTES_MAX {
        return OutcomeKind::NotFound { message: format!("`{uri}` has more than {BYTES_MAX} bytes") };
    }
    let mut contents = json!({ "uri": uri, "mimeType": mime_type(&path) });
    match String::from_utf8(data) {
        Ok(text) => contents["text"] = text.into(),
        Err(error) => contents["blob"] = BASE64_STANDARD.encode(error.as_bytes()).into(),
    }
    let contents = json!([contents]).to_string().into();
    OutcomeKind::Finished(CallResult::Resource(ResourceContents { contents, meta: None }))
}

fn mime_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase()).as_deref() {
        Some("md" | "markdown") => "text/markdown",
        Some("txt" | "log") => "text/plain",
        Some("csv") => "text/csv",
        Some("html" | "htm") => "text/html",
        Some("json") => "application/json",
        Some("yaml" | "yml") => "application/yaml",
        Some("toml") => "application/toml",
        Some("xml") => "application/xml",
        Some("py") => "text/x-python",
        Some("pdf") => "application/pdf",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("svg") => "image/svg+xml",
        Some("webp") => "image/webp",
        _ => "application/octet-stream",
    }
}
