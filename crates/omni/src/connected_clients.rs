//! Which clients have connected to omni's servers: their names and versions, and when, for `omni doctor`.
//!
//! A file for each of them in a folder of the user's state that nobody else can read. Servers that run at the same time
//! write there without asking each other: a file is replaced in one step. Nothing else of a client is noted.

use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use omni_server::ClientLog;
use serde::{Deserialize, Serialize};

use crate::private;

/// Below the state folder.
const FOLDER: &str = "clients";

/// Clients that are kept; those that connected longest ago go.
const CLIENTS_MAX: usize = 64;

/// As much as is kept of what a client calls itself.
const CHARS_MAX: usize = 100;

/// A file of this folder is no larger.
const FILE_BYTES_MAX: u64 = 4 << 10;

/// A client that has connected.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ConnectedClient {
    /// What it calls itself, as it has said it.
    pub(crate) name: String,
    pub(crate) version: String,
    /// When it last connected to a server for the first time in that server's life, in seconds of Unix time.
    pub(crate) seen: u64,
}

/// Notes each client once in the life of its server.
#[derive(Debug)]
pub(crate) struct ClientNotes {
    folder: PathBuf,
    noted: Mutex<HashSet<(String, String)>>,
}

impl ClientNotes {
    /// Notes go below the state folder. Nothing is made there before a client connects.
    pub(crate) fn new(state: &Path) -> Self {
        ClientNotes { folder: state.join(FOLDER), noted: Mutex::default() }
    }
}

impl ClientLog for ClientNotes {
    fn connected(&self, name: &str, version: &str) {
        let cut = |text: &str| text.chars().take(CHARS_MAX).collect::<String>();
        let (name, version) = (cut(name), cut(version));
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever calls itself otherwise each time is not listened to for ever.
        if noted.len() >= CLIENTS_MAX || !noted.insert((name.clone(), version.clone())) {
            return;
        }
        drop(noted);
        let seen = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (folder, client) = (self.folder.clone(), ConnectedClient { name, version, seen });
        let note = move || {
            if let Err(error) = note(&folder, &client) {
                tracing::debug!(%error, "which client has connected could not be noted");
            }
        };
        // Files are written beside the one thread that answers clients.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(note)),
            Err(_) => note(),
        }
    }
}

fn note(folder: &Path, client: &ConnectedClient) -> io::Result<()> {
    let mut hasher = DefaultHasher::new();
    (&client.name, &client.version).hash(&mut hasher);
    private::write(&folder.join(format!("{:016x}.json", hasher.finish())), &serde_json::to_vec(client)?)?;
    let mut all = files(folder);
    all.sort_by_key(|(_, client)| client.seen);
    for (path, _) in all.iter().take(all.len().saturating_sub(CLIENTS_MAX)) {
        let _ = fs::remove_file(path);
    }
    Ok(())
}

/// The clients that are noted in a state folder, the last to connect first. What cannot be read is passed over.
pub(crate) fn connected_clients(state: &Path) -> Vec<ConnectedClient> {
    let mut all: Vec<ConnectedClient> =
        files(&state.join(FOLDER)).into_iter().map(|(_, client)| client).collect();
    all.sort_by(|a, b| (b.seen, &a.name, &a.version).cmp(&(a.seen, &b.name, &b.version)));
    all
}

fn files(folder: &Path) -> Vec<(PathBuf, ConnectedClient)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "json"));
    named.filter_map(|path| Some((path.clone(), read(&path)?))).collect()
}

fn read(path: &Path) -> Option<ConnectedClient> {
    let about = fs::symlink_metadata(path).ok()?;
    let small = about.is_file() && about.len() <= FILE_BYTES_MAX;
    small.then(|| serde_json::from_slice(&fs::read(path).ok()?).ok())?
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(state: &Path) -> Vec<(String, String)> {
        connected_clients(state).into_iter().map(|client| (client.name, client.version)).collect()
    }

    #[test]
    fn a_client_is_noted_once_with_its_name_and_version_alone_where_nobody_else_reads() {
        let state = tempfile::tempdir().unwrap();
        let notes = ClientNotes::new(state.path());
        assert_eq!(names(state.path()), []);
        for _ in 0..3 {
            notes.connected("claude-code", "2.1");
        }
        notes.connected("claude-code", "2.2");
        notes.connected(&"x".repeat(5_000), "");
        let mut found = names(state.path());
        found.sort();
        let expected = [("claude-code", "2.1"), ("claude-code", "2.2"), (&*"x".repeat(CHARS_MAX), "")];
        assert_eq!(found, expected.map(|(name, version)| (name.to_owned(), version.to_owned())));
        let folder = state.path().join(FOLDER);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600);
            let kept: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let keys: Vec<_> = kept.as_object().unwrap().keys().cloned().collect();
            assert_eq!(keys, ["name", "version", "seen"]);
        }
    }

    #[test]
    fn so_many_are_kept_and_no_more_whatever_clients_call_themselves() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join(FOLDER);
        for number in 0..2 * CLIENTS_MAX {
            let seen = number as u64;
            note(&folder, &ConnectedClient { name: format!("c{number}"), version: "1".into(), seen })
                .unwrap();
        }
        let found = names(state.path());
        assert_eq!(found.len(), CLIENTS_MAX);
        assert_eq!(found[0].0, format!("c{}", 2 * CLIENTS_MAX - 1), "the last to connect is first");
        let notes = ClientNotes::new(state.path());
        for number in 0..10 * CLIENTS_MAX {
            notes.connected(&format!("d{number}"), "1");
        }
        assert!(!names(state.path()).iter().any(|(name, _)| *name == format!("d{CLIENTS_MAX}")));
    }

    #[test]
    fn what_is_no_note_is_passed_over() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join(FOLDER);
        note(&folder, &ConnectedClient { name: "a".into(), version: "1".into(), seen: 1 }).unwrap();
        fs::write(folder.join("broken.json"), "{").unwrap();
        fs::write(folder.join("large.json"), vec![b' '; 5_000]).unwrap();
        fs::create_dir(folder.join("folder.json")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.join("link.json")).unwrap();
        assert_eq!(names(state.path()).len(), 1);
    }
}
