//! What the scan makes of a skill's sources, topic by topic.
#![expect(clippy::unwrap_used, reason = "a missing tool is a failed test, and the panic says which")]

mod compatibility;
mod completions;
mod decorators;
mod hostile;
mod imports;
mod options;
mod prompts;
mod resources;
mod types;

use omni_scan::{Scan, Source, Tool, scan};

/// Scans one file, `scripts/a.py`.
fn scan_text(text: &str) -> Scan {
    scan(&[Source { path: "scripts/a.py", text }])
}

/// The only tool of one file that is free of findings.
fn tool(text: &str) -> Tool {
    let found = scan_text(text);
    assert_eq!(Vec::<String>::new(), findings(&found), "{text}");
    assert_eq!(1, found.tools.len(), "{text}");
    found.tools.into_iter().next().unwrap()
}

/// Findings as `severity file:line:column code: message`.
fn findings(found: &Scan) -> Vec<String> {
    found
        .diagnostics
        .iter()
        .map(|finding| {
            let severity = serde_json::to_value(finding.severity).unwrap();
            let severity = severity.as_str().unwrap();
            let (file, line, column) = (&finding.file, finding.line, finding.column);
            format!("{severity} {file}:{line}:{column} {}: {}", finding.code, finding.message)
        })
        .collect()
}

fn commands(found: &Scan) -> Vec<&str> {
    found.tools.iter().map(|tool| tool.command.as_str()).collect()
}
