//! Findings for people, in the style of a compiler.

use std::io::{self, Write};

use super::finding::{Finding, Level, counts};
use crate::counts::Counts;
use crate::text::{join, plural};

/// Prints all findings in their order, and how many there are.
pub(super) fn print(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        print_one(finding, out)?;
    }
    writeln!(out, "{}", verdict(counts(findings.iter())))
}

fn print_one(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    // What an author wrote is in it: its `Display` keeps that to one line each.
    if let Some(diagnostic) = finding.diagnostic(|place| &place.shown) {
        return writeln!(out, "{diagnostic}\n");
    }
    let Finding { what, text, .. } = finding;
    let severity = match finding.level {
        Level::Fact => None,
        Level::Note => Some("note"),
        Level::Warning => Some("warning"),
        Level::Error => Some("error"),
    };
    match severity {
        None => writeln!(out, "{what:<7} {text}")?,
        Some(severity) => writeln!(out, "{severity}[{what}]: {text}")?,
    }
    for note in &finding.notes {
        writeln!(out, "  = note: {note}")?;
    }
    if let Some(hint) = &finding.hint {
        writeln!(out, "  = help: {hint}")?;
    }
    // Facts stand together as a table does.
    if severity.is_some() { writeln!(out) } else { Ok(()) }
}

fn verdict(counts: Counts) -> String {
    let Counts { errors, warnings, notes } = counts;
    let parts = [plural(errors, "error"), plural(warnings, "warning"), plural(notes, "note")];
    match join(&parts) {
        found if found.is_empty() => "nothing to report".to_owned(),
        found => format!("found   {found}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn printed(findings: &[Finding]) -> String {
        let mut out = Vec::new();
        print(findings, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn findings_are_printed_as_a_compiler_would_and_facts_as_a_table() {
        insta::assert_snapshot!(printed(&samples()), @"
        warning[missing-module]: there is no module `yaml`
          --> skills/a/scripts/a.py:3:1
          = help: declare `pyyaml`

        note[trust]: `./skills` is not trusted
          = help: `omni trust` trusts it

        error[no-python]: there is no `python3`
          = help: install one

        tools   run in namespaces of their own
          = note: `sudo` gains rights
        found   1 error, 1 warning, 1 note
        ");
        assert_eq!(printed(&samples()[3..4]).lines().last(), Some("nothing to report"));
    }
}
