//! `omni sync`: brings the cached manifest up to date, or says whether it is.

use std::io::Write;

use anyhow::Result;
use omni_catalog::{Catalog, Change, ChangeKind, Plan};
use serde_json::json;

use crate::args::SyncArguments;
use crate::reading::{self, plural};

/// Exits with 1 only under `--check`, when the manifest is out of date.
pub(crate) fn run(arguments: &SyncArguments, out: &mut dyn Write) -> Result<u8> {
    let (_, catalog) = reading::open(&arguments.read.place)?;
    let plan = catalog.plan()?;
    let only_look = arguments.check || arguments.dry_run;
    if !only_look {
        catalog.refresh()?;
    }
    if arguments.read.json {
        let path = catalog.manifest_path();
        writeln!(
            out,
            "{}",
            json!({ "manifest": path, "written": !only_look && !plan.up_to_date, "plan": plan })
        )?;
    } else {
        report(&plan, only_look, &catalog, out)?;
        if !only_look {
            reading::mention_findings(&catalog.snapshot());
        }
    }
    Ok(u8::from(arguments.check && !plan.up_to_date))
}

fn report(plan: &Plan, only_look: bool, catalog: &Catalog, out: &mut dyn Write) -> Result<()> {
    let path = catalog.manifest_path().unwrap_or_default();
    if plan.up_to_date {
        writeln!(out, "up to date: {}", path.display())?;
        return Ok(());
    }
    changes("skill", &plan.skills, out)?;
    changes("tool", &plan.tools, out)?;
    if only_look {
        writeln!(
            out,
            "out of date: {}\n`omni sync` brings it up to date, and so does every start",
            path.display()
        )?;
    } else {
        let snapshot = catalog.snapshot();
        let (skills, tools) =
            (plural(snapshot.skills().len(), "skill"), plural(snapshot.tool_count(), "tool"));
        writeln!(out, "written: {} ({skills}, {tools})", path.display())?;
    }
    Ok(())
}

fn changes(what: &str, changes: &[Change], out: &mut dyn Write) -> Result<()> {
    for Change { name, kind } in changes {
        let sign = match kind {
            ChangeKind::Added => '+',
            ChangeKind::Changed => '~',
            ChangeKind::Removed => '-',
        };
        writeln!(out, "{sign} {what} {name}")?;
    }
    Ok(())
}
