//! Which executor runs which kinds of tool.

use std::time::Instant;

use omni_call::{Call, Ending, ExecutorKind, Outcome, Target};

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

/// The outcome of a call whose target the executor cannot run; `None` when it can.
pub(crate) fn refuse_target(call: &Call, executor: ExecutorKind) -> Option<Outcome> {
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
    let ending = Ending::WorkerStart { message, hint: hint.to_owned() };
    Some(Outcome::unstarted(ending, Instant::now().duration_since(call.deadline.accepted())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use omni_call::{
        CallId, CallRequest, Deadline, Executor, NoClient, Phase, ProgramTarget, PythonTarget, RunSpec, Wants,
    };

    use super::*;
    use crate::{
        Embedded, Embedding, ExecConfig, Fork, Native, Pool, Runner, RunnerAddress, RunnerConfig, Spawn,
    };

    fn targets() -> [Target; 4] {
        [
            PythonTarget::new("/s", "scripts/a.py", "f").into(),
            ProgramTarget { dir: "/s".into(), argv: vec!["true".into()], ..ProgramTarget::default() }.into(),
            Target::Remote { source: "r".into(), name: "s.c".into() },
            Target::Native { name: "s.c".into() },
        ]
    }

    fn executor(kind: ExecutorKind) -> Box<dyn Executor> {
        let nowhere = || "/no/such/place".into();
        let config = Arc::new(ExecConfig::new(nowhere(), nowhere(), nowhere(), nowhere()));
        match kind {
            ExecutorKind::Pool => Box::new(Pool::new(config)),
            ExecutorKind::Fork => Box::new(Fork::new(config)),
            ExecutorKind::Spawn => Box::new(Spawn::new(config)),
            ExecutorKind::Embedded => {
                let embedding = Embedding { library: nowhere(), utf8: true };
                Box::new(Embedded::new(Arc::clone(&config), embedding, Arc::new(Pool::new(config))))
            }
            ExecutorKind::Native => Box::new(Native::new(BTreeMap::new(), 1 << 20)),
            ExecutorKind::Runner => {
                let address: RunnerAddress = "unix:/no/such/socket".parse().unwrap();
                Box::new(Runner::new(RunnerConfig::new(address)))
            }
        }
    }

    #[tokio::test]
    async fn an_executor_refuses_what_it_cannot_run_and_says_who_can() {
        let mut refused = Vec::new();
        for kind in ExecutorKind::ALL {
            let executor = executor(kind);
            for target in targets().into_iter().filter(|target| !runs(kind, target)) {
                let call = Call {
                    id: CallId(1),
                    spec: Arc::new(RunSpec::new("s", "c", target)),
                    request: CallRequest::tool("{}"),
                    deadline: Deadline::new(Instant::now(), None, None),
                    wants: Wants::default(),
                    session: "".into(),
                    affinity: None,
                };
                let outcome = executor.run(call, &mut NoClient).await;
                let Ending::WorkerStart { message, hint } = outcome.ending else {
                    panic!("{kind:?}: {:?}", outcome.ending)
                };
                assert_eq!(outcome.phase, Phase::Queued, "{message}");
                refused.push(format!("{message}; {hint}"));
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
