//! Which stages there are, and what each one runs.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::test_counts::{self, Runner, TestCounts};
use crate::workspace::Workspace;
use crate::{cycles, edges, map, reference, source_rules};

/// One part of `cargo xtask test`.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Runs before each commit too (`--quick`).
    pub(crate) quick: bool,
    /// An error is a failure that no runner counted.
    pub(crate) run: fn(&Workspace) -> Result<TestCounts>,
}

/// In the order in which they run: what fails fastest first, then what others build on.
pub(crate) const STAGES: &[Stage] = &[
    Stage { name: "fmt", about: "Rust is formatted", quick: true, run: fmt },
    Stage {
        name: "sources",
        about: "words that only some files may use",
        quick: true,
        run: source_rules::check,
    },
    Stage { name: "edges", about: "crates that must not reach each other", quick: true, run: edges::check },
    Stage { name: "cycles", about: "modules that import each other", quick: true, run: cycles::check },
    Stage { name: "map", about: "docs/architecture.md names what is there", quick: true, run: map::check },
    Stage {
        name: "deny",
        about: "licences, sources and duplicates of dependencies",
        quick: false,
        run: deny,
    },
    Stage { name: "clippy", about: "Rust lints, warnings denied", quick: true, run: clippy },
    Stage {
        name: "build",
        about: "the binary, in the profile that all stages share",
        quick: false,
        run: build,
    },
    Stage { name: "rust-tests", about: "unit tests and tests of the binary", quick: true, run: rust_tests },
    Stage { name: "doctests", about: "examples in Rust documentation", quick: false, run: doctests },
    Stage { name: "rustdoc", about: "documentation builds without a warning", quick: false, run: rustdoc },
    Stage { name: "python-lint", about: "Python is formatted and linted", quick: true, run: python_lint },
    Stage {
        name: "python-tests",
        about: "the Python package and the shipped skills",
        quick: true,
        run: python_tests,
    },
    Stage {
        name: "reference",
        about: "docs/reference says what the code says",
        quick: false,
        run: reference_pages,
    },
    Stage {
        name: "conformance",
        about: "the public MCP suite drives the binary",
        quick: false,
        run: conformance,
    },
    Stage { name: "clients", about: "real MCP clients drive the binary", quick: false, run: clients },
    Stage {
        name: "proxy",
        about: "the binary behind HTTPS, by the configurations of the guide",
        quick: false,
        run: proxy,
    },
    Stage {
        name: "mutations",
        about: "broken frames over stdio and HTTP: each is answered, in JSON, and nothing runs that should not",
        quick: false,
        run: mutations,
    },
    Stage {
        name: "reliability",
        about: "time limits, cancellation and ends, hundreds of times: nothing is left behind",
        quick: false,
        run: reliability,
    },
];

/// The folders that hold Python of ours.
const PYTHON: &[&str] = &["python", "skills", "conformance", "benches", "fixtures", "xtask"];

fn fmt(workspace: &Workspace) -> Result<TestCounts> {
    one(workspace.cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace) -> Result<TestCounts> {
    one(workspace.cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--keep-going",
        "--",
        "--deny",
        "warnings",
    ]))
}

fn build(workspace: &Workspace) -> Result<TestCounts> {
    workspace.binary().map(|_| TestCounts::one(true))
}

fn rust_tests(workspace: &Workspace) -> Result<TestCounts> {
    let mut nextest = workspace.cargo_tool("nextest")?;
    counted(Runner::Nextest, nextest.args(["run", "--workspace", "--no-fail-fast"]))
}

/// Counts as one check when no crate has an example: that is no fault.
fn doctests(workspace: &Workspace) -> Result<TestCounts> {
    let ran = command::run(workspace.cargo().args(["test", "--doc", "--workspace", "--no-fail-fast"]))?;
    match test_counts::read(Runner::Libtest, &ran.output) {
        Some(TestCounts { passed: 0, failed: 0 }) if ran.ok => Ok(TestCounts::one(true)),
        _ => Ok(test_counts::judge(Runner::Libtest, &ran.output, ran.ok)),
    }
}

fn rustdoc(workspace: &Workspace) -> Result<TestCounts> {
    one(workspace
        .cargo()
        .args(["doc", "--no-deps", "--workspace", "--keep-going"])
        .env("RUSTDOCFLAGS", "-D warnings"))
}

/// Licences, sources and duplicates need no network beyond the registry. The advisory database does, so
/// it is asked only where somebody says that it can be reached.
fn deny(workspace: &Workspace) -> Result<TestCounts> {
    let mut deny = workspace.cargo_tool("deny")?;
    deny.args(["check", "licenses", "bans", "sources"]);
    if std::env::var_os("CI_ADVISORIES").is_some_and(|wanted| wanted == "1") {
        deny.arg("advisories");
    }
    one(&mut deny)
}

fn python_lint(workspace: &Workspace) -> Result<TestCounts> {
    let mut counts = TestCounts::default();
    for check in [&["check"][..], &["format", "--check"]] {
        let mut ruff = workspace.tool("ruff")?;
        counts +=
            one(ruff.args(check).args(PYTHON.iter().filter(|folder| workspace.root.join(folder).is_dir())))?;
    }
    Ok(counts)
}

/// The package and every skill in a run of its own: skills are independent of each other, and two of
/// them may well have a test file of the same name.
fn python_tests(workspace: &Workspace) -> Result<TestCounts> {
    let mut counts = TestCounts::default();
    for folder in python_test_folders(&workspace.root)? {
        let mut pytest = workspace.tool("python")?;
        pytest.args(["-m", "pytest", "-q", &folder]).env("PYTHONPATH", workspace.root.join("python/src"));
        counts += counted(Runner::Pytest, &mut pytest)?;
    }
    Ok(counts)
}

/// `python/tests`, then `skills/<skill>/tests`, relative to the root.
fn python_test_folders(root: &Path) -> Result<Vec<String>> {
    let mut skills = Vec::new();
    for entry in root.join("skills").read_dir().context("`skills/` cannot be listed")? {
        let entry = entry?;
        if entry.path().join("tests").is_dir() {
            skills.push(format!("skills/{}/tests", entry.file_name().to_string_lossy()));
        }
    }
    skills.sort();
    skills.insert(0, "python/tests".to_owned());
    Ok(skills)
}

fn reference_pages(workspace: &Workspace) -> Result<TestCounts> {
    Ok(TestCounts::one(reference::report(&reference::stale(workspace)?)))
}

fn conformance(workspace: &Workspace) -> Result<TestCounts> {
    with_npm(workspace, "conformance/run.py")
}

fn clients(workspace: &Workspace) -> Result<TestCounts> {
    let mut counts = with_npm(workspace, "conformance/clients.py")?;
    counts += with_npm(workspace, "conformance/oauth.py")?;
    Ok(counts)
}

fn proxy(workspace: &Workspace) -> Result<TestCounts> {
    against_binary(workspace, "conformance/proxy.py")
}

fn mutations(workspace: &Workspace) -> Result<TestCounts> {
    against_binary(workspace, "conformance/mutations.py")
}

fn reliability(workspace: &Workspace) -> Result<TestCounts> {
    against_binary(workspace, "conformance/reliability.py")
}

/// Runs one of our scripts that drive the built binary with programs from the npm registry.
fn with_npm(workspace: &Workspace, script: &str) -> Result<TestCounts> {
    let npm = workspace.program("npm").arg("--version").output();
    if !npm.is_ok_and(|answer| answer.status.success()) {
        bail!(
            "`npm` is needed for `{script}` and is not on the path; it comes with Node.js (nodejs.org, or `apt install npm`)"
        );
    }
    against_binary(workspace, script)
}

/// Runs one of our scripts that drive the built binary.
fn against_binary(workspace: &Workspace, script: &str) -> Result<TestCounts> {
    let binary = workspace.binary()?;
    let mut python = workspace.program("python3");
    counted(Runner::Plain, python.arg(script).arg("--binary").arg(binary))
}

/// A command that is one check.
fn one(command: &mut std::process::Command) -> Result<TestCounts> {
    Ok(TestCounts::one(command::run(command)?.ok))
}

/// A command that counts its own checks.
fn counted(runner: Runner, command: &mut std::process::Command) -> Result<TestCounts> {
    let ran = command::run(command)?;
    Ok(test_counts::judge(runner, &ran.output, ran.ok))
}
