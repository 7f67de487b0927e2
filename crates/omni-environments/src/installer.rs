//! What has to be run to make an environment: with `uv`, or with `python -m venv` and pip.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use omni_call::Requirements;

use crate::config::EnvironmentConfig;
use crate::store::interpreter;

/// One program to run.
pub(crate) struct InstallerStep {
    /// For people: `uv pip install`.
    pub(crate) name: &'static str,
    pub(crate) argv: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    /// It reads [`CONSTRAINTS`].
    pub(crate) constrained: bool,
}

/// Where an environment is to be made, from what.
pub(crate) struct InstallRequest<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) requirements: &'a Requirements,
    pub(crate) skill_dir: &'a Path,
}

/// Where an installer that does not read a `uv.lock` finds the versions that it names, beneath the environment.
pub(crate) const CONSTRAINTS: &str = "omni-constraints.txt";

/// Whose pip installs, where there is no `uv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PipLocation {
    /// That of the interpreter the environment is made with. Spares seconds and 12 MB for each environment.
    Outside,
    /// One that is installed in the environment first.
    Inside,
}

/// Ends well when the interpreter has a pip that can work for another one (since 22.3).
pub(crate) fn probe(config: &EnvironmentConfig) -> InstallerStep {
    const CODE: &str = "import pip, sys; sys.exit(tuple(map(int, pip.__version__.split('.')[:2])) < (22, 3))";
    let python = OsString::from(&config.interpreter);
    InstallerStep::new("pip", vec![python, "-I".into(), "-c".into(), CODE.into()])
}

/// The programs to run, one after the other. `pip` counts where there is no `uv`.
pub(crate) fn steps(
    config: &EnvironmentConfig,
    order: &InstallRequest<'_>,
    pip: PipLocation,
) -> Vec<InstallerStep> {
    match &config.uv {
        Some(uv) => with_uv(uv, config, order),
        None => with_pip(config, order, pip),
    }
}

fn with_uv(uv: &Path, config: &EnvironmentConfig, order: &InstallRequest<'_>) -> Vec<InstallerStep> {
    let InstallRequest { folder, requirements, skill_dir } = order;
    let python: OsString = match &requirements.python {
        // Any of those that are installed.
        Some(range) if !config.python_allows(requirements) => range.into(),
        _ => (&config.interpreter).into(),
    };
    let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let uv = [OsString::from(uv)];
    let venv =
        [words(&["venv", "--no-project", "--allow-existing", "--python"]), vec![python, (*folder).into()]];
    let mut steps = vec![InstallerStep::new("uv venv", [&uv[..], &venv.concat()].concat())];
    let own_python = OsString::from(interpreter(folder));
    let only_binary = config.builds_refused.is_some();
    // `uv sync` obeys the project's own settings, and takes packages from wherever its lock says.
    if requirements.locked.is_some() && !only_binary {
        let sync = [
            words(&["sync", "--frozen", "--no-dev", "--no-install-project", "--python"]),
            vec![own_python, "--project".into(), (*skill_dir).into()],
            words_of(&config.install_args),
        ];
        let mut step = InstallerStep::new("uv sync", [&uv[..], &sync.concat()].concat());
        step.env.push(("UV_PROJECT_ENVIRONMENT".into(), (*folder).into()));
        steps.push(step);
    } else if !requirements.dependencies.is_empty() {
        let install = [
            words(&["pip", "install", "--python"]),
            vec![own_python],
            words_of(&config.install_args),
            words(if only_binary { &["--no-build"] } else { &[] }),
            constraint_words(order),
            words(&["--"]),
            words_of(&requirements.dependencies),
        ];
        let mut step = InstallerStep::new("uv pip install", [&uv[..], &install.concat()].concat());
        step.constrained = requirements.locked.is_some();
        steps.push(step);
    }
    steps
}

fn with_pip(config: &EnvironmentConfig, order: &InstallRequest<'_>, pip: PipLocation) -> Vec<InstallerStep> {
    let InstallRequest { folder, requirements, .. } = order;
    let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let base = OsString::from(&config.interpreter);
    let own = OsString::from(interpreter(folder));
    let mut venv = [vec![base.clone()], words(&["-I", "-m", "venv"])].concat();
    if pip == PipLocation::Outside {
        venv.push("--without-pip".into());
    }
    venv.push((*folder).into());
    let mut steps = vec![InstallerStep::new("python -m venv", venv)];
    if requirements.dependencies.is_empty() {
        return steps;
    }
    let mut install = match pip {
        PipLocation::Outside => [vec![base], words(&["-I", "-m", "pip", "--python"]), vec![own]].concat(),
        PipLocation::Inside => [vec![own], words(&["-I", "-m", "pip"])].concat(),
    };
    install.extend(words(&["install", "--no-input", "--progress-bar", "off"]));
    install.extend(words_of(&config.install_args));
    if config.builds_refused.is_some() {
        install.extend(words(&["--only-binary", ":all:"]));
    }
    install.extend(constraint_words(order));
    install.push("--".into());
    install.extend(words_of(&requirements.dependencies));
    let mut step = InstallerStep::new("pip install", install);
    step.constrained = requirements.locked.is_some();
    steps.push(step);
    steps
}

/// The words that hold an installer to the versions of a lock.
fn constraint_words(order: &InstallRequest<'_>) -> Vec<OsString> {
    match order.requirements.locked {
        Some(_) => vec!["-c".into(), order.folder.join(CONSTRAINTS).into()],
        None => Vec::new(),
    }
}

impl InstallerStep {
    fn new(name: &'static str, argv: Vec<OsString>) -> InstallerStep {
        InstallerStep { name, argv, env: Vec::new(), constrained: false }
    }
}

fn words_of(texts: &[String]) -> Vec<OsString> {
    texts.iter().map(OsString::from).collect()
}

/// The versions in a `uv.lock` as constraints for pip, which cannot read it. A package that the lock has in
/// several versions, for different machines, is left to pip.
pub(crate) fn constraints(lock: &str) -> Result<String, toml::de::Error> {
    #[derive(serde::Deserialize)]
    struct Lock {
        #[serde(default)]
        package: Vec<Package>,
    }
    #[derive(serde::Deserialize)]
    struct Package {
        name: String,
        version: Option<String>,
        #[serde(default)]
        source: toml::Table,
    }
    let Lock { package: packages } = toml::from_str(lock)?;
    let mut lines: Vec<String> = packages
        .iter()
        .filter(|package| package.source.contains_key("registry"))
        .filter(|package| packages.iter().filter(|other| other.name == package.name).count() == 1)
        .filter_map(|package| Some(format!("{}=={}\n", package.name, package.version.as_ref()?)))
        // Whatever else could stand there must not become an option of pip.
        .filter(|line| {
            line.starts_with(|sign: char| sign.is_ascii_alphanumeric()) && line.lines().count() == 1
        })
        .collect();
    lines.sort();
    Ok(lines.concat())
}

/// Where to find `uv` when no setting names it: the folders of `path`, then where its own installer puts it.
pub fn find_uv(path: &[PathBuf], home: Option<&Path>) -> Option<PathBuf> {
    let usual = home.into_iter().flat_map(|home| [home.join(".local/bin"), home.join(".cargo/bin")]);
    path.iter()
        .cloned()
        .chain(usual)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("uv"))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_becomes_constraints_for_what_has_one_version() {
        let lock = r#"
version = 1
[[package]]
name = "idna"
version = "3.7"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "numpy"
version = "2.1.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "skill"
version = "0.1"
source = { virtual = "." }
"#;
        assert_eq!(constraints(lock).unwrap(), "idna==3.7\n");
        assert!(constraints("[[package").is_err());
    }
}
