//! What is said of a call whose executor cannot run its kind of tool.

use omni_call::{Call, ExecutorKind, ExecutorPlace, Target};

use super::refusal::StartRefusal;

/// Why an executor of this kind cannot run a call's target; `None` when it can.
pub(super) fn refuse_target(call: &Call, executor: ExecutorKind) -> Option<StartRefusal> {
    let target = &call.spec.target;
    if executor.runs(target) {
        return None;
    }
    let hint = match target {
        Target::Python(_) => {
            let here = |kind: &ExecutorKind| matches!(kind.place(), ExecutorPlace::Interpreter(_));
            let able = ExecutorKind::choices().filter(here).filter(|kind| kind.runs(target));
            format!("choose {}", ExecutorKind::list(able).replacen('`', "`executor: ", 1))
        }
        Target::Program(_) => "only `executor: spawn` starts programs".to_owned(),
        Target::File(_) => "only the server itself reads it".to_owned(),
        Target::Remote { .. } => "only the server that lists it can run it".to_owned(),
        Target::Native { .. } => "only the server itself can run it".to_owned(),
    };
    let message =
        format!("`{}` is {}, and `{}` runs none of those", call.spec.tool, target.about(), executor.name());
    Some(StartRefusal { message, hint })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use omni_call::{
        CallId, CallRequest, Deadline, FileKind, FileTarget, ProgramTarget, PythonTarget, RunSpec,
    };

    use super::*;

    fn targets() -> [Target; 5] {
        [
            PythonTarget::new("/s", "scripts/a.py", "f").into(),
            ProgramTarget { dir: "/s".into(), argv: vec!["true".into()], ..ProgramTarget::default() }.into(),
            FileTarget {
                dir: "/s".into(),
                path: "a.md".into(),
                kind: FileKind::Resource { mime_type: None, meta: None },
            }
            .into(),
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
        assert_eq!(refused.len(), 4 + 4 + 3 + 4 + 2 + 4 + 4, "{refused:#?}");
        assert_eq!(
            refused[0],
            "`s.c` is a program, and `pool` runs none of those; only `executor: spawn` starts programs"
        );
        assert!(refused.iter().any(|text| text.contains(
            "`s.c` is a tool of the server itself, and `runner` runs none of those; only the server itself can run it"
        )));
    }
}
