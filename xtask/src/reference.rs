//! Which pages of docs/reference and which sources are generated, and whether they are up to date.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::command;
use crate::workspace::Workspace;

mod constants;
mod diagnostics;
mod executors;
mod options;
mod outcomes;
mod types;

/// A page whose file says something else than the code.
pub(crate) struct StalePage {
    path: &'static str,
    text: String,
}

/// Generates every source and page, and returns those that differ from their file.
pub(crate) fn stale(workspace: &Workspace) -> Result<Vec<StalePage>> {
    let mut stale = stale_sources(workspace)?;
    stale.extend(stale_pages(workspace)?);
    Ok(stale)
}

/// Generates what others are built from, and so needs nothing that is built of it: a new option stands in Rust's table
/// before the crates that have to know it compile again.
pub(crate) fn stale_sources(workspace: &Workspace) -> Result<Vec<StalePage>> {
    let options = options::read(&workspace.root)?;
    let mut decorators = Vec::new();
    for made in &options::DECORATORS {
        decorators.push(StalePage { path: made.file, text: options::decorator(&options, made)? });
    }
    Ok(differing(
        workspace,
        [
            StalePage {
                path: "crates/omni-call/src/options/table.rs",
                text: formatted(workspace, &options::rust_table(&options)?)?,
            },
            StalePage { path: "python/src/omni/options.py", text: options::python_table(&options)? },
            StalePage { path: "python/src/omni/executors.py", text: executors::module() },
            StalePage { path: "python/src/omni/constants.py", text: constants::module()? },
            StalePage { path: "docs/reference/options.md", text: options::page(&options)? },
        ]
        .into_iter()
        .chain(decorators)
        .collect(),
    ))
}

/// Generates the pages that the built program, or the sources above, have to say something for.
pub(crate) fn stale_pages(workspace: &Workspace) -> Result<Vec<StalePage>> {
    let binary = workspace.binary()?;
    Ok(differing(
        workspace,
        vec![
            StalePage { path: "docs/reference/cli.md", text: command_line(&binary)? },
            StalePage { path: "docs/reference/settings.md", text: settings(&binary)? },
            StalePage { path: "docs/reference/outcomes.md", text: outcomes::page() },
            StalePage { path: "docs/reference/python-api.md", text: python_api(workspace)? },
            StalePage { path: "docs/reference/types.md", text: types::page()? },
            StalePage { path: "docs/reference/diagnostics.md", text: diagnostics::page() },
            StalePage { path: "docs/reference/executors.md", text: executors::page() },
        ],
    ))
}

fn differing(workspace: &Workspace, pages: Vec<StalePage>) -> Vec<StalePage> {
    let stale = |page: &StalePage| {
        fs::read_to_string(workspace.root.join(page.path)).ok().as_ref() != Some(&page.text)
    };
    pages.into_iter().filter(stale).collect()
}

/// Rust as the stage `fmt` wants it.
fn formatted(workspace: &Workspace, text: &str) -> Result<String> {
    let mut command = workspace.program("rustfmt");
    command.args(["--edition", "2024", "--config-path", "rustfmt.toml"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("`rustfmt` could not be started")?;
    child.stdin.take().context("a pipe to `rustfmt`")?.write_all(text.as_bytes())?;
    let ran = child.wait_with_output()?;
    ensure!(ran.status.success(), "`rustfmt` refuses what was generated");
    Ok(String::from_utf8(ran.stdout)?)
}

/// Says which pages are stale; `true` when none is.
pub(crate) fn report(stale: &[StalePage]) -> bool {
    for page in stale {
        println!("{} is out of date; `cargo xtask docs` writes it anew", page.path);
    }
    stale.is_empty()
}

/// Writes the stale pages.
pub(crate) fn write(workspace: &Workspace, stale: &[StalePage]) -> Result<()> {
    for page in stale {
        let path: PathBuf = workspace.root.join(page.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, &page.text).with_context(|| format!("{} could not be written", page.path))?;
        println!("wrote {}", page.path);
    }
    Ok(())
}

/// What the Python package offers to authors. Read by Python's own parser, and the same in every version of it.
fn python_api(workspace: &Workspace) -> Result<String> {
    let mut python = workspace.program("python3");
    python.args(["-I", "xtask/src/reference/python_api.py", "python/src/omni"]);
    command::read(&mut python).context("the page of the Python API")
}

/// The help text of the program and of each of its commands.
fn command_line(binary: &Path) -> Result<String> {
    let mut page =
        String::from("# Command line\n\nGenerated from `--help` by `cargo xtask docs`; do not edit.\n");
    let overview = help(binary, None)?;
    page += &section("omni", &overview);
    for name in commands(&overview) {
        page += &section(&format!("omni {name}"), &help(binary, Some(name))?);
    }
    Ok(page)
}

/// What the binary says of the keys of its settings file.
fn settings(binary: &Path) -> Result<String> {
    let mut ask = Command::new(binary);
    ask.env_clear().arg("__settings");
    command::read(&mut ask).context("the page of the settings")
}

fn section(title: &str, help: &str) -> String {
    let lines: Vec<&str> = help.trim().lines().map(str::trim_end).collect();
    format!("\n## {title}\n\n```text\n{}\n```\n", lines.join("\n"))
}

/// Asks in an environment of our own making: a variable's present value would stand in the text.
fn help(binary: &Path, name: Option<&str>) -> Result<String> {
    let mut ask = Command::new(binary);
    ask.env_clear().args(name).arg("--help");
    command::read(&mut ask)
}

/// The names under `Commands:`, in the order of the text.
fn commands(help: &str) -> Vec<&str> {
    help.lines()
        .skip_while(|line| line.trim() != "Commands:")
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        // Deeper lines continue a description.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_the_overview() {
        let help = "Serves skills\n\nUsage: omni <COMMAND>\n\nCommands:\n  mcp       Serve\n  list      List,\n            and more\n  help      Print this\n\nOptions:\n  -h, --help  Print help\n";
        assert_eq!(commands(help), ["mcp", "list"]);
    }

    #[test]
    fn a_section_has_no_trailing_blanks() {
        assert_eq!(
            section("omni mcp", "Serve  \n\n  --x \n"),
            "\n## omni mcp\n\n```text\nServe\n\n  --x\n```\n"
        );
    }
}
