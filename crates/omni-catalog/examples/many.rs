//! How long a start takes with many skills: nothing cached, and cached and checked.
//!
//! ```text
//! cargo run --release -p omni-catalog --example many -- [SKILLS] [TOOLS PER SKILL]
//! ```
//!
//! Prints medians of several rounds beside `python3 -c pass` from the same run. Nothing is asserted.

#![allow(clippy::disallowed_methods, reason = "an example runs what a user runs")]
#![expect(clippy::print_stdout, reason = "a report for a person")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use omni_catalog::{Catalog, FolderConfig, ListFields};

const ROUNDS: usize = 9;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let skills = arguments.next().map_or(Ok(1_000), |text| text.parse())?;
    let tools = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let place = env::temp_dir().join(format!("omni-many-{}", std::process::id()));
    let (skills_dir, cache_dir) = (place.join("skills"), place.join("cache"));
    generate(&skills_dir, skills, tools)?;
    let start = |cached: bool| start(&skills_dir, &cache_dir, cached);

    let cold = median(|| start(false))?;
    let cached = median(|| start(true))?;
    let python = interpreter().and_then(|python| median(|| start_of(&python)));
    println!("{skills} skills of {tools} tools, medians of {ROUNDS}");
    println!("  nothing cached      {cold:>9.2?}");
    println!("  cached and checked  {cached:>9.2?}");
    match python {
        Ok(python) => {
            let ratio = |time: Duration| time.as_secs_f64() / python.as_secs_f64();
            println!(
                "  python3 -c pass     {python:>9.2?}  (ratios {:.2} and {:.2})",
                ratio(cold),
                ratio(cached)
            );
        }
        Err(error) => println!("  no python3 to compare with: {error}"),
    }
    fs::remove_dir_all(&place)?;
    Ok(())
}

/// The interpreter itself: a version manager's `python3` is a slow script.
fn interpreter() -> Result<String> {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn start_of(python: &str) -> Result<Duration> {
    let started = Instant::now();
    Command::new(python).args(["-c", "pass"]).status()?;
    Ok(started.elapsed())
}

/// From nothing to the bytes of the first page.
fn start(skills_dir: &Path, cache_dir: &Path, cached: bool) -> Result<Duration> {
    if !cached {
        // Missing is what it should be.
        let _ = fs::remove_dir_all(cache_dir);
    }
    let started = Instant::now();
    let config = FolderConfig {
        skills_dir: skills_dir.to_owned(),
        cache_dir: Some(cache_dir.to_owned()),
        ..FolderConfig::default()
    };
    let catalog = Catalog::of_folder(config)?;
    catalog.refresh()?;
    std::hint::black_box(catalog.snapshot().page(ListFields::All, 0));
    Ok(started.elapsed())
}

fn median(mut round: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut times = (0..ROUNDS).map(|_| round()).collect::<Result<Vec<_>>>()?;
    times.sort();
    Ok(times[ROUNDS / 2])
}

fn generate(skills_dir: &Path, skills: usize, tools: usize) -> io::Result<()> {
    for skill in 0..skills {
        let folder = skills_dir.join(format!("skill-{skill:05}"));
        fs::create_dir_all(folder.join("scripts"))?;
        let front = format!(
            "---\nname: skill-{skill:05}\ndescription: Keeps things of kind {skill}.\n---\n# Things\n"
        );
        fs::write(folder.join("SKILL.md"), front)?;
        let mut source = String::from(
            "from typing import Annotated, Literal\n\nfrom pydantic import Field\n\nfrom omni import Context, tool\n",
        );
        for tool in 0..tools {
            let _ = write!(source, "{}", TOOL.replace("NAME", &format!("save_{tool}")));
        }
        fs::write(folder.join("scripts/things.py"), source)?;
    }
    Ok(())
}

const TOOL: &str = r#"

@tool(read_only=False, tags=["things"])
def NAME(
    ctx: Context,
    title: str,
    body: str | None = None,
    tags: list[str] | None = None,
    count: Annotated[int, Field(ge=1, le=100)] = 10,
    kind: Literal["note", "task", "link"] = "note",
) -> dict[str, str]:
    """
    Keep a thing and return where it is.

    Args:
        title: What it is called, in a few words.
        body: The text, if there is more to say.
        tags: Words to find it by.
        count: How many copies to keep.
        kind: What sort of thing it is.
    """
    return {"title": title, "kind": kind}
"#;
