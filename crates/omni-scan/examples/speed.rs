//! How long does a scan take beside the parse alone? `cargo run --release -p omni-scan --example speed`
#![expect(clippy::print_stdout, reason = "a program that reports a measurement")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use omni_scan::{Source, scan};

const LINES: usize = 509;
const ROUNDS: usize = 400;

fn main() {
    let text = file();
    let sources = [Source { path: "scripts/a.py", text: &text }];
    let found = scan(&sources);
    let parse = best(|| {
        let _ = black_box(ruff_python_parser::parse_module(black_box(&text)));
    });
    let whole = best(|| {
        black_box(scan(black_box(&sources)));
    });
    println!(
        "{} lines, {} bytes, {} tools, {} findings",
        text.lines().count(),
        text.len(),
        found.tools.len(),
        found.diagnostics.len()
    );
    println!("parse alone {parse:?}, scan {whole:?}, ratio {:.2}", whole.as_secs_f64() / parse.as_secs_f64());
}

/// The median of many rounds: the machine is shared, and one slow round must not count.
fn best(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

/// A file as skills have them: a few types, then tools with docstrings and bodies.
fn file() -> String {
    let mut text = String::from(
        "\"\"\"Notes.\"\"\"\n\nfrom __future__ import annotations\n\nimport json\nfrom dataclasses import dataclass, field\nfrom enum import Enum\nfrom typing import Annotated, Literal\n\nfrom omni import Context, tool\nfrom pydantic import Field\n\n\nclass Mode(Enum):\n    FAST = \"fast\"\n    SLOW = \"slow\"\n\n\n@dataclass\nclass Note:\n    \"\"\"A note.\"\"\"\n\n    title: str\n    tags: list[str] = field(default_factory=list)\n\n\n",
    );
    let mut number = 0;
    loop {
        let tool = format!(
            "@tool(read_only=True, timeout=30)\ndef find_{number}(\n    ctx: Context,\n    query: str,\n    limit: Annotated[int, Field(ge=1, le=100)] = 10,\n    mode: Mode = Mode.FAST,\n    kind: Literal[\"all\", \"open\"] = \"all\",\n    note: Note | None = None,\n) -> list[Note]:\n    \"\"\"Find notes.\n\n    Looks at titles first, then at the text.\n\n    Args:\n        query: Words to look for.\n        limit: How many at most.\n        mode: How thoroughly.\n\n    Returns:\n        The notes, best first.\n    \"\"\"\n    found = []\n    for row in connect(ctx.root).execute(\"select * from notes where text like ?\", (f\"%{{query}}%\",)):\n        title, tags = row[\"title\"], json.loads(row[\"tags\"] or \"[]\")\n        if kind == \"open\" and \"done\" in tags:\n            continue\n        score = sum(word in title.lower() for word in query.split()) * 2 + len(tags)\n        found.append((score, Note(title=title, tags=[tag.strip() for tag in tags])))\n        if len(found) >= limit and mode is Mode.FAST:\n            break\n    found.sort(key=lambda pair: pair[0], reverse=True)\n    return [note for _, note in found[:limit]]\n\n\n"
        );
        if text.lines().count() + tool.lines().count() > LINES {
            break;
        }
        text.push_str(&tool);
        number += 1;
    }
    while text.lines().count() < LINES {
        text.push_str("# the rest\n");
    }
    text
}
