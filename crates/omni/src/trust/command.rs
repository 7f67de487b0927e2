//! `omni trust`: lets what a folder says be obeyed, lists what is trusted, and takes trust back.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use omni_call::shown_path;
use serde_json::json;

use super::store::{self, TrustEntry, TrustStore, TrustedKind};
use super::verdict::{SETTINGS, SKILLS, open_to_everybody, settings_place};
use crate::args::TrustArguments;
use crate::settings::CheckedFile;
use crate::user_dirs::UserDirs;

/// Exits with 1 when there was nothing to revoke.
pub(crate) fn run(arguments: &TrustArguments, out: &mut dyn Write) -> Result<u8> {
    let state = UserDirs::find().state;
    let path = arguments.path.as_deref().unwrap_or(Path::new("."));
    if arguments.list {
        return list(&state, arguments.json, out);
    }
    if arguments.revoke {
        return revoke(&state, path, arguments.json, out);
    }
    let before = TrustStore::read(&state);
    if let Some(problem) = before.problem() {
        tracing::warn!("{problem}; it is replaced");
    }
    let target = choose(path)?;
    let entries: Vec<TrustEntry> = target.iter().map(|one| one.entry.clone()).collect();
    store::update(&state, |all| {
        all.retain(|old| !entries.iter().any(|new| (new.kind, &new.path) == (old.kind, &old.path)));
        all.extend(entries.iter().cloned());
    })?;
    if arguments.json {
        writeln!(out, "{}", json!({ "trusted": entries }))?;
        return Ok(0);
    }
    for TrustTarget { entry, means } in &target {
        writeln!(out, "trusted: {}\n  {means}", shown_path(&entry.path))?;
    }
    Ok(0)
}

/// A place to be trusted, and what that allows.
struct TrustTarget {
    entry: TrustEntry,
    means: String,
}

/// What is meant by a path: a settings file; a folder's settings file and skills; or a folder of skills.
fn choose(path: &Path) -> Result<Vec<TrustTarget>> {
    let unreadable = || format!("`{}` cannot be trusted", shown_path(path));
    if !path.metadata().with_context(unreadable)?.is_dir() {
        if path.file_name().is_none_or(|name| name != SETTINGS) {
            bail!(
                "`{}` cannot be trusted: only a file named `{SETTINGS}` is ever found by itself; name this one with \
                 `--config`",
                shown_path(path)
            );
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return Ok(vec![settings(folder)?]);
    }
    let mut target = Vec::new();
    if path.join(SETTINGS).is_file() {
        target.push(settings(path)?);
    }
    if path.join(SKILLS).is_dir() {
        target.push(skills(&path.join(SKILLS))?);
    }
    if target.is_empty() {
        if skill_names(path).is_empty() {
            bail!(
                "there is nothing to trust in `{}`: neither a file `{SETTINGS}` nor a folder `{SKILLS}`, and no skill",
                shown_path(path)
            );
        }
        target.push(skills(path)?);
    }
    Ok(target)
}

fn settings(folder: &Path) -> Result<TrustTarget> {
    let path = settings_place(folder)?;
    let checked = CheckedFile::read(&path)?;
    let waiting = checked.waiting();
    let means = match waiting.is_empty() {
        true => {
            "all that it says holds without trust, too; a server that runs obeys it from now on".to_owned()
        }
        false => format!("in force as it is now: {}; a change needs trust anew", waiting.join(", ")),
    };
    let owner = owner(&path, folder)?;
    Ok(TrustTarget {
        entry: TrustEntry { kind: TrustedKind::Settings, path, owner, digest: Some(checked.digest()) },
        means,
    })
}

fn skills(folder: &Path) -> Result<TrustTarget> {
    let path = folder.canonicalize()?;
    let owner = owner(&path, &path)?;
    let names = skill_names(&path);
    let means = format!(
        "whatever is in it, now and later, may be imported and installed ahead of calls: {}",
        if names.is_empty() { "no skill yet".to_owned() } else { names.join(", ") }
    );
    Ok(TrustTarget { entry: TrustEntry { kind: TrustedKind::Skills, path, owner, digest: None }, means })
}

/// The owner of a folder that only its owner and perhaps a group can change.
fn owner(path: &Path, folder: &Path) -> Result<u32> {
    if path.to_str().is_none() {
        bail!("`{}` cannot be trusted: its path is not UTF-8", shown_path(path));
    }
    let found = fs::metadata(folder)?;
    if open_to_everybody(&found) {
        bail!(
            "`{}` cannot be trusted: everybody on this machine can change what is in it; `chmod o-w {}`",
            shown_path(path),
            crate::connect::quoted(folder)
        );
    }
    Ok(found.uid())
}

/// The folders in it that look like skills.
fn skill_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| {
            ["SKILL.md", "scripts", "pyproject.toml"].iter().any(|name| entry.path().join(name).exists())
        })
        .map(|entry| format!("`{}`", entry.file_name().to_string_lossy().escape_debug()))
        .collect();
    names.sort();
    names
}

fn list(state: &Path, as_json: bool, out: &mut dyn Write) -> Result<u8> {
    let store = TrustStore::read(state);
    let standing = |entry: &TrustEntry| match entry.kind {
        TrustedKind::Skills => store.skills(&entry.path),
        TrustedKind::Settings => {
            let folder = entry.path.parent().and_then(|folder| fs::metadata(folder).ok());
            match (fs::read(&entry.path), folder) {
                (Ok(content), Some(folder)) => store.settings(&entry.path, &content, &folder),
                _ => super::verdict::Verdict::Never,
            }
        }
    };
    if as_json {
        let entries: Vec<_> = store
            .entries()
            .iter()
            .map(|entry| {
                let mut value = json!(entry);
                value["state"] = if entry.path.exists() { standing(entry).name() } else { "gone" }.into();
                value
            })
            .collect();
        writeln!(out, "{}", json!({ "entries": entries, "problem": store.problem() }))?;
        return Ok(0);
    }
    if let Some(problem) = store.problem() {
        writeln!(out, "warning: {problem}")?;
    }
    for entry in store.entries() {
        let state = match entry.path.exists() {
            true => standing(entry).reason(),
            false => "is gone",
        };
        writeln!(out, "{} {state}", shown_path(&entry.path))?;
    }
    if store.entries().is_empty() {
        writeln!(out, "nothing is trusted")?;
    }
    Ok(0)
}

fn revoke(state: &Path, path: &Path, as_json: bool, out: &mut dyn Write) -> Result<u8> {
    let meant = meant(path)?;
    let mut gone = Vec::new();
    if !TrustStore::read(state).entries().is_empty() {
        store::update(state, |all| {
            all.retain(|entry| {
                let stays = !meant.contains(&entry.path);
                if !stays {
                    gone.push(entry.clone());
                }
                stays
            });
        })?;
    }
    if as_json {
        writeln!(out, "{}", json!({ "revoked": gone }))?;
    } else if gone.is_empty() {
        writeln!(out, "nothing there is trusted: {}", shown_path(path))?;
    }
    for entry in gone.iter().filter(|_| !as_json) {
        writeln!(out, "no longer trusted: {}", shown_path(&entry.path))?;
    }
    Ok(u8::from(gone.is_empty()))
}

/// Every entry that a path may stand for. What is there need not be there any more.
fn meant(path: &Path) -> Result<Vec<PathBuf>> {
    let written = std::path::absolute(path)?;
    let real = written.canonicalize().unwrap_or_else(|_| written.clone());
    // A settings file that is a link stands where the link is.
    let in_place = written
        .parent()
        .and_then(|parent| Some(parent.canonicalize().ok()?.join(written.file_name()?)))
        .unwrap_or_else(|| written.clone());
    let mut meant = Vec::new();
    for one in [written, real, in_place] {
        meant.extend([one.join(SETTINGS), one.join(SKILLS)]);
        // The skills beneath it may be a link.
        meant.extend(one.join(SKILLS).canonicalize());
        meant.push(one);
    }
    Ok(meant)
}
