//! Which skills a path means: those that come with omni, those in a folder, or the one in a folder.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use omni_call::shown_path;
use omni_catalog::closest;

use crate::connect::quoted;
use crate::terminal::plain;

/// The name of the skills that come with omni. A folder that is called so is `./shipped`.
pub(crate) const SHIPPED: &str = "shipped";

/// Where people and agents keep the skills of a project, below its root.
const IN_A_PROJECT: [&str; 3] = ["skills", ".claude/skills", ".agents/skills"];

/// More entries of a folder are not looked at to find out what it is.
const LOOKED_AT_MAX: usize = 4096;

/// The skills that a path means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SkillsPath {
    /// The skills that come with omni.
    Shipped,
    /// All skills in a folder. Without links.
    Folder(PathBuf),
    /// One skill: the folder it lies in, and its own name there.
    Skill { parent: PathBuf, name: String },
}

impl SkillsPath {
    /// Finds out what `path` means; `written` is how somebody wrote it.
    ///
    /// # Errors
    ///
    /// It is no folder that can be listed, or one of which the skills lie elsewhere; the sentence says where.
    pub(super) fn find(path: &Path, written: &str) -> Result<SkillsPath> {
        if path.as_os_str() == SHIPPED {
            return Ok(SkillsPath::Shipped);
        }
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => match (several(path), sibling(path)) {
                (Some(flags), _) => {
                    bail!("{written}: there is no such folder; folders are named one by one: `{flags}`")
                }
                (None, Some(sibling)) => {
                    bail!("{written}: there is no such folder; did you mean `{}`?", shown_path(&sibling))
                }
                (None, None) => bail!(
                    "{written}: there is no such folder; create it or name another (`--skills {SHIPPED}` are those \
                     that come with omni)"
                ),
            },
            Err(error) => bail!("{written} cannot be opened: {}", plain(&error)),
        };
        if !real.is_dir() {
            bail!("{written}: that is a file; {}", of_file(&real));
        }
        let folders = match folders(&real) {
            Ok(folders) => folders,
            Err(error) => bail!("{written} cannot be listed: {}; check its permissions", plain(&error)),
        };
        if folders.iter().any(|folder| is_skill(folder)) {
            return Ok(SkillsPath::Folder(real));
        }
        if real.join("SKILL.md").is_file() {
            return one_skill(real, written);
        }
        let is_there = |skills: &&&str| real.join(skills).is_dir();
        if let Some(skills) = IN_A_PROJECT.iter().find(is_there) {
            bail!(
                "{written}: there are no skills in this folder, and they may be in `./{skills}` below it; did you mean \
                 `--skills {}`?",
                quoted(&below(path, skills))
            );
        }
        if let Some(skill) = real.parent().filter(|parent| real.ends_with("scripts") && is_skill(parent)) {
            bail!(
                "{written}: that is the `scripts` folder of a skill; did you mean `--skills {}`?",
                quoted(skill)
            );
        }
        if has_tools(&real) { one_skill(real, written) } else { Ok(SkillsPath::Folder(real)) }
    }
}

fn one_skill(real: PathBuf, written: &str) -> Result<SkillsPath> {
    match (real.parent(), real.file_name().and_then(OsStr::to_str)) {
        (Some(parent), Some(name)) => {
            Ok(SkillsPath::Skill { parent: parent.to_owned(), name: name.to_owned() })
        }
        _ => bail!("{written}: a skill has the name of its folder, and that is no text; give it another"),
    }
}

/// Whether a folder looks like a skill.
fn is_skill(folder: &Path) -> bool {
    folder.join("SKILL.md").is_file() || has_tools(folder)
}

/// Whether there are scripts where those of a skill are.
fn has_tools(folder: &Path) -> bool {
    let scripts = fs::read_dir(folder.join("scripts")).into_iter().flatten().flatten();
    scripts
        .take(LOOKED_AT_MAX)
        .any(|entry| Path::new(&entry.file_name()).extension() == Some(OsStr::new("py")))
}

/// The folders in a folder that may be skills.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.flatten().take(LOOKED_AT_MAX);
    let visible = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    Ok(visible.map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}

/// A path as somebody would write it who has written `path`.
fn below(path: &Path, inner: &str) -> PathBuf {
    if path == Path::new(".") { Path::new("./").join(inner) } else { path.join(inner) }
}

/// The flags for several folders that somebody named as one, with `:` or `,` between them.
fn several(path: &Path) -> Option<String> {
    let parts: Vec<&str> = path.to_str()?.split([':', ',']).map(str::trim).collect();
    let is_folder = |part: &&str| **part == *SHIPPED || Path::new(part).is_dir();
    if parts.len() < 2 || !parts.iter().all(is_folder) {
        return None;
    }
    let flags: Vec<String> =
        parts.iter().map(|part| format!("--skills {}", quoted(Path::new(part)))).collect();
    Some(flags.join(" "))
}

/// The folder beside one that is not there which was probably meant.
fn sibling(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folders = folders(parent).ok()?;
    let names: Vec<&str> =
        folders.iter().filter_map(|folder| folder.file_name().and_then(OsStr::to_str)).collect();
    let meant = closest(name, names.iter().copied()).or_else(|| {
        let is_default = |name: &&&str| **name == crate::trust::SKILLS;
        names.iter().find(is_default).copied()
    })?;
    Some(if parent == Path::new(".") { meant.into() } else { parent.join(meant) })
}

/// What to name instead of a file.
fn of_file(file: &Path) -> String {
    let skill = file.ancestors().skip(1).take(4).find(|folder| folder.join("SKILL.md").is_file());
    match skill {
        Some(skill) => format!("`--skills {}` serves the skill that it belongs to", quoted(skill)),
        None if file.extension() == Some(OsStr::new("py")) => {
            "a tool is served as part of a skill: put the file in `skills/NAME/scripts/` and say `--skills skills`"
                .to_owned()
        }
        None => "name a folder of skills, or one skill's folder".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_a_folder_of_skills_a_skill_or_what_comes_with_omni() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let file = |path: &str| {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), "").unwrap();
        };
        for path in ["skills/hi/SKILL.md", "skills/bare/scripts/bare.py", "README", "src/app.py"] {
            file(path);
        }
        fs::create_dir(root.join("empty")).unwrap();
        let find = |path: &str| SkillsPath::find(&root.join(path), "`--skills x`");
        let skill = |name: &str| SkillsPath::Skill { parent: root.join("skills"), name: name.to_owned() };
        assert_eq!(SkillsPath::find(Path::new("shipped"), "").unwrap(), SkillsPath::Shipped);
        assert_eq!(find("skills").unwrap(), SkillsPath::Folder(root.join("skills")));
        assert_eq!(find("empty").unwrap(), SkillsPath::Folder(root.join("empty")));
        assert_eq!(find("skills/hi").unwrap(), skill("hi"));
        assert_eq!(find("skills/hi/.").unwrap(), skill("hi"));
        assert_eq!(find("skills/bare").unwrap(), skill("bare"));
        let several = format!("{0}/skills:{0}/empty", root.display());
        for (path, said) in [
            ("", "may be in `./skills`"),
            ("skils", "did you mean"),
            ("elsewhere", "skills`?"),
            (&several, "one by one: `--skills "),
            ("README", "that is a file; name a folder"),
            ("src/app.py", "put the file in"),
            ("skills/hi/SKILL.md", "skills/hi` serves the skill"),
            ("skills/bare/scripts", "did you mean `--skills"),
        ] {
            let error = find(path).unwrap_err().to_string();
            assert!(error.contains("`--skills x`") && error.contains(said), "{path}: {error}");
        }
        // A folder of skills may have a SKILL.md of its own, and a folder of that name.
        file("skills/SKILL.md");
        assert_eq!(find("skills").unwrap(), SkillsPath::Folder(root.join("skills")));
        file("shipped/hi/SKILL.md");
        assert_eq!(find("shipped").unwrap(), SkillsPath::Folder(root.join("shipped")));
    }
}
