//! Where things are, and how the tools that the stages need come to be there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;

/// The pinned tools, in pip's format.
const TOOLS: &str = include_str!("../tools.txt");

/// The oldest Python that runs the workers and the tests.
const PYTHON_MIN: (u32, u32) = (3, 9);

/// The checkout that is being worked on.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Cargo's target folder; everything that a stage installs or builds lies beneath it.
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn here() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().unwrap_or(manifest).to_owned();
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        Workspace { root, target }
    }

    /// A program of the machine, to be run in the checkout's root.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.current_dir(&self.root);
        command
    }

    /// The cargo that runs us.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        command
    }

    /// A program of the virtual environment, which is made when it is missing or out of date.
    pub(crate) fn tool(&self, name: &str) -> Result<Command> {
        let venv = self.virtual_environment()?;
        let mut command = Command::new(venv.join("bin").join(name));
        command.current_dir(&self.root);
        Ok(command)
    }

    /// `cargo <name>` for a tool from tools.txt: from the environment, or built where no wheel fits.
    pub(crate) fn cargo_tool(&self, name: &str) -> Result<Command> {
        let file = format!("cargo-{name}");
        let prebuilt = self.virtual_environment()?.join("bin").join(&file);
        let path = if prebuilt.is_file() { prebuilt } else { self.built_tool(&file)? };
        let mut command = Command::new(path);
        command.current_dir(&self.root).arg(name);
        Ok(command)
    }

    /// The tool in target/tools, built now if it is not there yet.
    fn built_tool(&self, file: &str) -> Result<PathBuf> {
        let folder = self.target.join("tools");
        let path = folder.join("bin").join(file);
        if !path.is_file() {
            println!("no prebuilt `{file}` for this machine: building it, which takes some minutes");
            let mut install = self.cargo();
            install.args(["install", "--locked", "--root"]).arg(&folder).arg(pinned(TOOLS, file));
            if !command::run(&mut install)?.ok {
                bail!(
                    "`{file}` could be neither installed nor built; `cargo install {file} --locked` says why"
                );
            }
        }
        Ok(path)
    }

    /// Builds the binary in the profile that all stages share.
    pub(crate) fn binary(&self) -> Result<PathBuf> {
        if !command::run(self.cargo().args(["build", "-p", "omni"]))?.ok {
            bail!("`omni` does not build");
        }
        Ok(self.target.join("debug/omni"))
    }

    /// The virtual environment with the pinned tools. Making it is skipped while the list of tools and
    /// the interpreter are those that it was made from.
    fn virtual_environment(&self) -> Result<PathBuf> {
        let venv = self.target.join("venv");
        let stamp = venv.join("omni-tools.txt");
        let wanted = format!("{TOOLS}# {}\n", python_version(&self.program("python3"))?);
        if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
            return Ok(venv);
        }
        let mut create = self.program("python3");
        create.args(["-m", "venv", "--clear"]).arg(&venv);
        if !command::run(&mut create)?.ok {
            bail!(
                "no virtual environment at {}: this Python lacks `venv` or `ensurepip`; on Debian and Ubuntu \
                 `apt install python3-venv` brings both",
                venv.display()
            );
        }
        for line in requirements(TOOLS) {
            let mut install = Command::new(venv.join("bin/python"));
            install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", line]);
            let installed = command::run(&mut install)?.ok;
            // The cargo tools have a second source: see `cargo_tool`.
            if !installed && !line.contains("-cargo-") {
                bail!("`pip install {line}` failed; its own words are above");
            }
        }
        fs::write(&stamp, wanted).with_context(|| format!("{} could not be written", stamp.display()))?;
        Ok(venv)
    }
}

fn requirements(list: &str) -> impl Iterator<Item = &str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// `cargo-deny@0.20.2` for the wheel `…-cargo-deny==0.20.2`: the same version from the other source.
fn pinned(list: &str, file: &str) -> String {
    let version = requirements(list)
        .filter_map(|line| line.split_once("=="))
        .find_map(|(name, version)| name.ends_with(file).then_some(version));
    version.map_or_else(|| file.to_owned(), |version| format!("{file}@{version}"))
}

/// The version of the interpreter, refused when it is too old.
fn python_version(python: &Command) -> Result<String> {
    let mut ask = Command::new(python.get_program());
    ask.args(["-c", "import sys; print('%d.%d.%d %s' % (sys.version_info[:3] + (sys.executable,)))"]);
    let version =
        command::read(&mut ask).context("Python 3.9 or newer is needed, as `python3` on the path")?;
    if !recent_enough(&version) {
        bail!("Python 3.9 or newer is needed; `python3` is {}", version.trim());
    }
    Ok(version.trim().to_owned())
}

fn recent_enough(version: &str) -> bool {
    let mut parts = version.split(['.', ' ']).map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= PYTHON_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_pinned() {
        let lines: Vec<&str> = requirements(TOOLS).collect();
        assert!(!lines.is_empty());
        for line in lines {
            assert!(line.split_once("==").is_some_and(|(_, version)| version.contains('.')), "{line}");
        }
    }

    #[test]
    fn a_tool_that_is_built_has_the_version_of_its_wheel() {
        assert_eq!(pinned("ruff==1.0\nx-cargo-deny==0.20.2\n", "cargo-deny"), "cargo-deny@0.20.2");
        assert!(pinned(TOOLS, "cargo-deny").contains('@') && pinned(TOOLS, "cargo-nextest").contains('@'));
    }

    #[test]
    fn an_old_python_is_refused_and_a_new_one_is_not() {
        assert!(!recent_enough("3.8.18 /usr/bin/python3"));
        assert!(!recent_enough("2.7.18"));
        assert!(recent_enough("3.9.0 /usr/bin/python3"));
        assert!(recent_enough("3.13.0"));
    }
}
