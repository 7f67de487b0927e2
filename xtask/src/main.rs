//! Which command a developer asked for: `cargo xtask test`, `cargo xtask docs`, `cargo xtask score`.
#![allow(clippy::disallowed_methods, reason = "checks run programs, and start no tools")]
#![expect(clippy::print_stdout, reason = "xtask talks to a person; its stdout is no protocol")]

mod command;
mod cycles;
mod edges;
mod map;
mod reference;
mod rust_text;
mod source_rules;
mod stages;
mod test;
mod test_counts;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Development commands of omni.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every check that a merge needs, or some of them.
    Test {
        /// Only these stages, separated by commas; see `--list`.
        #[arg(long, value_delimiter = ',', value_name = "STAGE")]
        only: Vec<String>,
        /// Only the stages worth running before each commit.
        #[arg(long, conflicts_with = "only")]
        quick: bool,
        /// Name the stages and say what each one checks.
        #[arg(long)]
        list: bool,
    },
    /// Regenerate docs/reference from the code.
    Docs {
        /// Write nothing; fail when a page differs from what the code says.
        #[arg(long)]
        check: bool,
    },
    /// Compare somebody's answers to docs/reader-test/questions.md with the key.
    Score {
        /// A file with an answer a line: `7. file:function`.
        answers: std::path::PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Carries the task out; `false` when it ran to its end and found something wrong.
fn run(task: Task) -> Result<bool> {
    let workspace = Workspace::here();
    match task {
        Task::Test { list: true, .. } => {
            test::list();
            Ok(true)
        }
        Task::Test { only, quick, list: false } => Ok(test::run(&workspace, &test::choose(&only, quick)?)),
        Task::Score { answers } => map::score(&workspace, &answers),
        Task::Docs { check } => {
            if check {
                return Ok(reference::report(&reference::stale(&workspace)?));
            }
            // The pages are made with a program that is built of the sources.
            reference::write(&workspace, &reference::stale_sources(&workspace)?)?;
            reference::write(&workspace, &reference::stale_pages(&workspace)?)?;
            Ok(true)
        }
    }
}
