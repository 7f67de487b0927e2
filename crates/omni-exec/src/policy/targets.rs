//! Which executor runs which kinds of tool.

use omni_call::{Call, ExecutorKind, Target};

use super::refusal::StartRefusal;

/// Whether an executor has a way to run a target.
fn runs(executor: ExecutorKind, target: &Target) -> bool {
    match executor {
        ExecutorKind::Pool | ExecutorKind::Fork | ExecutorKind::Embedded => target.python().is_some(),
        ExecutorKind::Spawn => matches!(target, Target::Python(_) | Target::Program(_)),
        // It knows tools by their names, and may have the same folders.
        ExecutorKind::Runner => !matches!(target, Target::Native { .. }),
        ExecutorKind::Native => matches!(target, Target::Native { .. }),
    }
}

/// Why an executor of this kind cannot run a call's target; `None` when it can.
pub(super) fn refuse_target(call: &Call, executor: ExecutorKind) -> Option<StartRefusal> {
    let target = &call.spec.target;
    if runs(executor, target) {
        return None;
    }
    let hint = match target {
        Target::Python(_) => "choose `executor: pool`, `fork`, `spawn` or `embedded`",
        Target::Program(_) => "only `executor: spawn` starts programs",
        Target::Remote { .. } => "only the server that lists it can run it",
        Target::Native { .. } => "only the server itself can run it",
    };
    let message =
        format!("`{}` is {}, and `{}` runs none of those", call.spec.tool, target.about(), executor.name());
    Some(StartRefusal { message, hint: hint.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use omni_call::{CallId, CallRequest, Deadline, ProgramTarget, PythonTarget, RunSpec};

    use super::*;

    fn targets() -> [Target; 4] {
        [
            PythonTarget::new("/s", "scripts/a.py", "f").into(),
            ProgramTarget { dir: "/s".into(), argv: vec!["true".into()], ..ProgramTarget::default() }.into(),
            Target::Remote { source: "r".into(), name: "s.c".into() },
            Target::Native { name: "s.c".into() },
        ]
    }

    #[test]
    fn an_executor_is_refused_what_it_cannot_run_and_who_can_is_said() {
        let mut refused = Vec::new();
        for kind in ExecutorKind::ALL {
            for target in targets() {
                let spec = Arc::new(RunSpec::new("s", "c", target));
                let deadline = Deadline::new(Instant::now(), None, None);
                let call = Call::new(CallId(1), spec, CallRequest::tool("{}"), deadline);
                if let Some(StartRefusal { message, hint }) = refuse_target(&call, kind) {
                    refused.push(format!("{message}; {hint}"));
                }
            }
        }
        assert_eq!(refused.len(), 3 + 3 + 2 + 3 + 1 + 3, "{refused:#?}");
        assert_eq!(
            refused[0],
            "`s.c` is a program, and `pool` runs none of those; only `executor: spawn` starts programs"
        );
        assert!(refused.iter().any(|text| text.contains(
            "`s.c` is a tool of the server itself, and `runner` runs none of those; only the server itself can run it"
        )));
    }
}
