//! How the stages are run one after the other and what is said at the end.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::stages::{STAGES, Stage};
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

/// Prints the stages in the order in which they run.
pub(crate) fn list() {
    for stage in STAGES {
        println!("{:<13} {}{}", stage.name, stage.about, if stage.quick { " (quick)" } else { "" });
    }
}

/// The stages to run, in their own order; all of them when nothing was asked for.
pub(crate) fn choose(only: &[String], quick: bool) -> Result<Vec<&'static Stage>> {
    if let Some(unknown) = only.iter().find(|name| !STAGES.iter().any(|stage| stage.name == **name)) {
        let names: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
        bail!("there is no stage `{unknown}`; the stages are {}", names.join(", "));
    }
    let wanted = |stage: &&Stage| match only {
        [] => stage.quick || !quick,
        names => names.iter().any(|name| name == stage.name),
    };
    Ok(STAGES.iter().filter(wanted).collect())
}

/// Runs them all, also after one has failed, and ends with the line that a machine reads. Returns whether
/// nothing failed.
pub(crate) fn run(workspace: &Workspace, stages: &[&Stage]) -> bool {
    let mut ends = Vec::new();
    for stage in stages {
        println!("\n── {} ── {}", stage.name, stage.about);
        let started = Instant::now();
        let counts = (stage.run)(workspace).unwrap_or_else(|error| {
            println!("error: {error:#}");
            TestCounts::one(false)
        });
        let end = StageResult { stage: stage.name, counts, seconds: started.elapsed().as_secs_f64() };
        println!("{}", end.line());
        ends.push(end);
    }
    let mut total = TestCounts::default();
    println!("\n── all ──");
    for end in &ends {
        println!("{}", end.line());
        total += end.counts;
    }
    println!("\n{} passed, {} failed", total.passed, total.failed);
    total.failed == 0
}

/// One stage, when it is over.
struct StageResult {
    stage: &'static str,
    counts: TestCounts,
    seconds: f64,
}

impl StageResult {
    /// Says counts in other words than the closing line, which must be the only one of its form.
    fn line(&self) -> String {
        let TestCounts { passed, failed } = self.counts;
        let state = if failed == 0 { "ok" } else { "FAILED" };
        format!("{:<13} {state:<6} {passed} ok, {failed} not, {:.1} s", self.stage, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(stages: &[&Stage]) -> Vec<&'static str> {
        stages.iter().map(|stage| stage.name).collect()
    }

    #[test]
    fn stages_run_in_their_own_order_however_they_were_named() {
        let chosen = choose(&["clippy".into(), "fmt".into()], false).unwrap();
        assert_eq!(names(&chosen), ["fmt", "clippy"]);
        assert_eq!(choose(&[], false).unwrap().len(), STAGES.len());
    }

    #[test]
    fn quick_leaves_conformance_out() {
        let chosen = names(&choose(&[], true).unwrap());
        assert!(chosen.contains(&"rust-tests") && !chosen.contains(&"conformance"), "{chosen:?}");
    }

    #[test]
    fn an_unknown_stage_is_named_beside_those_that_exist() {
        let error = choose(&["fmtt".into()], false).err().unwrap().to_string();
        assert!(error.starts_with("there is no stage `fmtt`; the stages are fmt, "), "{error}");
    }

    #[test]
    fn a_failing_stage_does_not_stop_the_next_and_decides_the_end() {
        const FAILING: Stage =
            Stage { name: "a", about: "", quick: false, run: |_| anyhow::bail!("broken on purpose") };
        const PASSING: Stage =
            Stage { name: "b", about: "", quick: false, run: |_| Ok(TestCounts::one(true)) };
        let workspace = Workspace::here();
        assert!(!run(&workspace, &[&FAILING, &PASSING]));
        assert!(run(&workspace, &[&PASSING]));
    }
}
