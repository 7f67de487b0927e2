//! Which settings file is in force and how much of it, and which folder of skills: named by the user, or found here.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use omni_call::shown_path;
use omni_catalog::Severity;
use serde_json::{Value, json};

use super::checked::CheckedFile;
use super::settings_file::SettingsFile;
use crate::args::PlaceArguments;
use crate::connect::quoted;
use crate::terminal::say;
use crate::text::first_of;
use crate::trust::{SETTINGS, SKILLS, TrustStore, Verdict, settings_place};
use crate::user_dirs::UserDirs;
use crate::variables;

/// How much of what was found in the working folder the user has trusted.
#[derive(Debug)]
pub(crate) struct SettingsStatus {
    /// The settings file that was found there, unless there is none or the user named another one.
    settings: Option<FoundSettings>,
    /// The settings file that is obeyed as a whole, whoever named or found it.
    config: Option<PathBuf>,
    skills: SkillsFrom,
    /// Why nothing is trusted, when the user's own entries cannot be believed.
    problem: Option<String>,
}

#[derive(Debug)]
struct FoundSettings {
    path: PathBuf,
    verdict: Verdict,
    /// The keys that are ignored, for people.
    ignored: Vec<String>,
}

/// How a folder of skills came to be served.
#[derive(Debug)]
pub(crate) enum SkillsFrom {
    /// By the user, or by a settings file that the user named or trusted.
    Named,
    /// It is the one that comes with omni: because the user has said so, or for want of another.
    Shipped { named: bool },
    /// It was in the working folder.
    Found { path: PathBuf, verdict: Verdict },
}

impl SkillsFrom {
    pub(super) fn found(path: &Path, store: &TrustStore) -> SkillsFrom {
        SkillsFrom::Found { path: path.to_owned(), verdict: store.skills(path) }
    }
}

/// The settings in force.
pub(super) struct SettingsInForce {
    pub(super) file: SettingsFile,
    found: Option<FoundSettings>,
    /// The file that is obeyed as a whole.
    whole: Option<PathBuf>,
}

impl SettingsInForce {
    /// Reads the file that the user names, else the one in the working folder as far as it is trusted, on top of the
    /// user's own.
    pub(super) fn find(
        arguments: &PlaceArguments,
        here: &Path,
        home: &UserDirs,
        store: &TrustStore,
    ) -> Result<SettingsInForce> {
        let whole = |path: &Path| {
            let path = std::path::absolute(path)?;
            CheckedFile::read(&path)?.whole(path.parent().unwrap_or(here))
        };
        if let Some(path) = &arguments.config {
            if !path.is_file() {
                bail!("{}: there is no such file", variables::written("config", shown_path(path)));
            }
            let place = std::path::absolute(path)?;
            return Ok(SettingsInForce { file: whole(path)?, found: None, whole: Some(place) });
        }
        let own = Some(home.config.join(SETTINGS)).filter(|path| path.is_file());
        let place = here.join(SETTINGS);
        if !place.is_file() || own.as_ref().is_some_and(|own| is_same(own, &place)) {
            let file = own.as_deref().map(whole).transpose()?.unwrap_or_default();
            return Ok(SettingsInForce { file, found: None, whole: own });
        }
        let place = settings_place(here)?;
        let checked = CheckedFile::read(&place)?;
        let verdict = store.settings(&place, checked.content(), &fs::metadata(here)?);
        let (file, ignored) = match verdict {
            Verdict::Trusted => {
                let file = checked.whole(here)?;
                let found = FoundSettings { path: place.clone(), verdict, ignored: Vec::new() };
                return Ok(SettingsInForce { file, found: Some(found), whole: Some(place) });
            }
            _ => {
                let base = own
                    .as_deref()
                    .map(|path| Ok::<_, anyhow::Error>((CheckedFile::read(path)?, &*home.config)));
                checked.narrowing(base.transpose()?)?
            }
        };
        Ok(SettingsInForce { file, found: Some(FoundSettings { path: place, verdict, ignored }), whole: own })
    }

    /// Whether the file that was found, if there is one, is obeyed as a whole.
    pub(super) fn is_trusted(&self) -> bool {
        self.found.as_ref().is_none_or(|found| found.verdict == Verdict::Trusted)
    }

    pub(super) fn status(self, skills: SkillsFrom, store: &TrustStore) -> (SettingsFile, SettingsStatus) {
        let problem = store.problem().map(str::to_owned);
        (self.file, SettingsStatus { settings: self.found, config: self.whole, skills, problem })
    }
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

impl SettingsStatus {
    /// Whether the skills may be imported, and what they need installed, before anybody calls them; and may run inside
    /// the server.
    pub(crate) fn skills_trusted(&self) -> bool {
        match self.skills {
            SkillsFrom::Named | SkillsFrom::Shipped { .. } => true,
            SkillsFrom::Found { verdict, .. } => verdict == Verdict::Trusted,
        }
    }

    /// The settings file that is obeyed as a whole. Absolute.
    pub(crate) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The settings file that is obeyed, as a whole or as far as it narrows.
    pub(crate) fn in_force(&self) -> Option<&Path> {
        self.narrowing().or(self.config())
    }

    /// A settings file that is obeyed as far as it narrows, if there is one.
    pub(crate) fn narrowing(&self) -> Option<&Path> {
        let found = self.settings.as_ref().filter(|found| found.verdict != Verdict::Trusted);
        found.map(|found| &*found.path)
    }

    /// Whether the shipped skills are served although nobody has named them.
    pub(crate) fn are_shipped_unasked(&self) -> bool {
        matches!(self.skills, SkillsFrom::Shipped { named: false })
    }

    /// The command that would trust the skills.
    pub(crate) fn trust_skills(&self) -> String {
        match &self.skills {
            SkillsFrom::Found { path, .. } => format!("omni trust {}", quoted(path)),
            SkillsFrom::Named | SkillsFrom::Shipped { .. } => "omni trust".to_owned(),
        }
    }

    /// Says on stderr what is ignored of a settings file that nobody has trusted.
    pub(crate) fn say_ignored(&self) {
        if let Some((message, help)) = self.ignored() {
            say(&format!("warning: {message}\n  = help: {help}"));
        }
        if let Some(problem) = self.problem.as_ref().filter(|_| self.is_concerned()) {
            say(&format!("warning: {problem}"));
        }
    }

    /// Whether anything here would need an entry.
    fn is_concerned(&self) -> bool {
        self.settings.is_some() || matches!(self.skills, SkillsFrom::Found { .. })
    }

    /// Which folder of skills was found and is served, for the start of a server.
    pub(crate) fn announcement(&self) -> Option<String> {
        let SkillsFrom::Found { path, verdict } = &self.skills else { return None };
        let path = shown_path(path);
        Some(match verdict {
            Verdict::Trusted => {
                format!("serving the skills in `{path}`, which is in the folder omni was started in")
            }
            _ => format!(
                "serving the skills in `{path}`, which {}: a tool of theirs runs when it is called, and nothing before\n  \
                 = help: `{}` lets them be imported and installed ahead; `--skills` names another folder",
                verdict.reason(),
                self.trust_skills()
            ),
        })
    }

    /// What is ignored and how it would be obeyed.
    fn ignored(&self) -> Option<(String, String)> {
        let found = self.settings.as_ref().filter(|found| !found.ignored.is_empty())?;
        let message = format!(
            "`{}` {}: ignored of it {}",
            shown_path(&found.path),
            found.verdict.reason(),
            first_of(&found.ignored, IGNORED_SHOWN_MAX)
        );
        let help = format!(
            "read it, then `omni trust {}`; without that it may lower limits and leave tools out, no more",
            quoted(&found.path)
        );
        Some((message, help))
    }

    /// What `omni doctor` says, each a message and a help.
    pub(crate) fn findings(&self) -> Vec<(Severity, String, String)> {
        let ignored = self.ignored().map(|(message, help)| (Severity::Warning, message, help));
        let mut findings: Vec<_> = ignored.into_iter().collect();
        if let SkillsFrom::Found { path, verdict } = &self.skills
            && *verdict != Verdict::Trusted
        {
            findings.push((
                Severity::Note,
                format!("`{}` {}: nothing in it is run before a call", shown_path(path), verdict.reason()),
                format!("`{}` lets its skills be imported and installed ahead", self.trust_skills()),
            ));
        }
        if let Some(problem) = &self.problem {
            findings.push((Severity::Warning, problem.clone(), "`omni trust` writes it anew".to_owned()));
        }
        findings
    }

    pub(crate) fn json(&self) -> Value {
        let settings = self.settings.as_ref().map(|found| {
            json!({
                "path": found.path.to_string_lossy(),
                "trust": found.verdict.name(),
                "ignored": found.ignored.iter().map(|key| key.trim_matches('`')).collect::<Vec<_>>(),
            })
        });
        let skills = match &self.skills {
            SkillsFrom::Named => "named",
            SkillsFrom::Shipped { .. } => "shipped",
            SkillsFrom::Found { verdict, .. } => verdict.name(),
        };
        json!({ "settings": settings, "skills": skills, "problem": self.problem })
    }
}

/// Keys that are named of those that are ignored: a file of others may have any number.
const IGNORED_SHOWN_MAX: usize = 12;

/// The folder of skills that is found by itself, if there is one.
pub(super) fn found_skills(here: &Path) -> Option<PathBuf> {
    Some(here.join(SKILLS)).filter(|skills| skills.is_dir())
}
