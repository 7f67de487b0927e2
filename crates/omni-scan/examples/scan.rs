//! Prints what a scan of the given files finds: `cargo run -p omni-scan --example scan -- FOLDER FILE…`, the
//! files' paths being relative to the folder.
#![expect(clippy::print_stdout, reason = "a program for people to try the scan with")]

use std::path::Path;

use omni_scan::{Source, scan};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| ".".to_owned());
    let files: Vec<(String, String)> = arguments
        .map(|path| std::fs::read_to_string(Path::new(&folder).join(&path)).map(|text| (path, text)))
        .collect::<Result<_, _>>()?;
    let sources: Vec<Source<'_>> = files.iter().map(|(path, text)| Source { path, text }).collect();
    let found = scan(&sources);
    for tool in &found.tools {
        println!("{}", serde_json::to_string_pretty(tool)?);
    }
    for diagnostic in &found.diagnostics {
        println!("{}", serde_json::to_string(diagnostic)?);
    }
    Ok(())
}
