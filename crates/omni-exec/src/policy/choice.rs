//! Which executor runs a call, with which interpreter and in whose processes; and which calls none may run.

use std::sync::Arc;

use omni_call::{
    BoxFuture, Call, CallPort, CallRequest, Executor, ExecutorKind, ExecutorPlace, InterpreterExecutor,
    Outcome, OutcomeKind, Requirements, ServerExecutor, Trust,
};

use super::refusal::StartRefusal;
use super::targets::refuse_target;
use crate::outcome::unstarted;

/// All executors of a server. Those that need an interpreter are made when the first call needs one.
pub trait ExecutorProvider: Send + Sync {
    /// The executors that need an interpreter.
    type Sets: ExecutorSets;

    /// An executor that needs no interpreter here: a runner that somebody else started, the server's own functions.
    /// `None` where there is none of this kind.
    fn standing(&self, kind: ServerExecutor) -> Option<&dyn Executor>;

    /// The executors that need an interpreter, if they have been made.
    fn ready(&self) -> Option<&Self::Sets>;

    /// The executors that need an interpreter, made now if they have not been.
    ///
    /// # Errors
    ///
    /// Why they cannot be made. The next call tries again.
    fn make_ready(&self) -> BoxFuture<'_, Result<&Self::Sets, StartRefusal>>;

    /// See [`Executor::shut_down`].
    fn shut_down(&self) -> BoxFuture<'_, ()>;
}

impl<P: ExecutorProvider> ExecutorProvider for Arc<P> {
    type Sets = P::Sets;

    fn standing(&self, kind: ServerExecutor) -> Option<&dyn Executor> {
        (**self).standing(kind)
    }

    fn ready(&self) -> Option<&P::Sets> {
        (**self).ready()
    }

    fn make_ready(&self) -> BoxFuture<'_, Result<&P::Sets, StartRefusal>> {
        (**self).make_ready()
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        (**self).shut_down()
    }
}

/// Sets of executors: one that most calls share, and others for calls that need an environment or share with none.
pub trait ExecutorSets: Send + Sync {
    type Set: ExecutorSet;

    /// The set for calls that need nothing special.
    fn common(&self) -> &Self::Set;

    /// Whether these requirements need an environment.
    fn wants_environment(&self, requirements: &Requirements) -> bool;

    /// The set that a call needs, made when it is not there. The making of an environment counts for the call's time,
    /// and is told to `port`.
    ///
    /// # Errors
    ///
    /// How the call ended instead.
    fn set_for<'a>(
        &'a self,
        call: &'a mut Call,
        needs: SetNeeds,
        port: &'a mut dyn CallPort,
    ) -> BoxFuture<'a, Result<Arc<Self::Set>, Box<Outcome>>>;
}

/// The executors that run calls with one interpreter.
pub trait ExecutorSet: Send + Sync {
    /// Has the executor of this kind run a call: see [`Executor::run`].
    fn run_by<'a>(
        &'a self,
        kind: InterpreterExecutor,
        call: Call,
        port: &'a mut dyn CallPort,
    ) -> impl Future<Output = Outcome> + Send + 'a;
}

/// What a call needs that the common set does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetNeeds {
    /// What its tool requires has to be installed.
    pub environment: bool,
    /// It needs processes that serve no other skill.
    pub own_processes: bool,
}

/// What holds for all calls of a server.
#[derive(Clone, Debug, Default)]
pub struct ChoiceRules {
    /// In a process that is a runner itself: the executor for tools that ask for a runner.
    pub instead_of_runner: Option<ExecutorKind>,
    /// Set where the skills were found in the working folder and have not been trusted: the command that trusts them.
    /// Until then none of their tools runs inside the server.
    pub trust_command: Option<String>,
}

/// Has each call run by the executor that its tool, its skill or the settings name, of the set that has what it needs.
pub struct ExecutorChoice<E> {
    executors: E,
    rules: ChoiceRules,
}

impl<E> ExecutorChoice<E> {
    /// Among `executors`.
    pub fn new(executors: E, rules: ChoiceRules) -> Self {
        ExecutorChoice { executors, rules }
    }
}

impl ChoiceRules {
    fn kind(&self, call: &Call) -> ExecutorKind {
        match (call.spec.executor, self.instead_of_runner) {
            (ExecutorKind::Runner, Some(instead)) => instead,
            (kind, _) => kind,
        }
    }

    /// Why an executor of this kind may not run the call.
    fn refuse(&self, kind: ExecutorKind, call: &Call) -> Option<StartRefusal> {
        // A resource or a prompt is answered by whoever lists it; it has no function or program.
        let of_tool = matches!(call.request, CallRequest::Tool { .. });
        if let Some(refusal) = of_tool.then(|| refuse_target(call, kind)).flatten() {
            return Some(refusal);
        }
        if kind != ExecutorKind::Embedded {
            return None;
        }
        let tool = &call.spec.tool;
        if let Some(command) = &self.trust_command {
            return Some(StartRefusal {
                message: format!(
                    "`{tool}` would run inside the server, and its skills were found in the working folder and are not \
                     trusted"
                ),
                hint: format!("`{command}` allows it from the next start on"),
            });
        }
        (call.spec.trust == Trust::Own).then(|| StartRefusal {
            message: format!(
                "`{tool}` is of a skill that says `trust: own`, and `embedded` is the server's own process, which all \
                 share"
            ),
            hint: "choose `executor: pool`, `fork` or `spawn`, or take `trust: own` out of its SKILL.md".to_owned(),
        })
    }
}

/// What the call needs that the common set has not. The error is why it cannot have it.
fn needs(sets: &impl ExecutorSets, kind: ExecutorKind, call: &Call) -> Result<SetNeeds, StartRefusal> {
    let spec = &call.spec;
    let required = spec.target.requirements().filter(|needs| sets.wants_environment(needs));
    if let Some(requirements) = required
        && kind == ExecutorKind::Embedded
    {
        return Err(StartRefusal {
            message: format!(
                "`{}` asks for packages of its own in `{}`, and the interpreter inside the server has its own only",
                spec.tool, requirements.file
            ),
            hint: "choose `executor: pool` or `fork`".to_owned(),
        });
    }
    // A skill that keeps state has a worker to itself anyway.
    let kept_apart = kind == ExecutorKind::Pool && call.affinity.is_some();
    let own_processes = spec.trust == Trust::Own && !kept_apart;
    Ok(SetNeeds { environment: required.is_some(), own_processes })
}

fn refused(call: &Call, StartRefusal { message, hint }: StartRefusal) -> Outcome {
    unstarted(call, OutcomeKind::WorkerStart { message, hint })
}

/// Why there is no executor of this kind, which needs no interpreter.
fn none_standing(kind: ServerExecutor) -> StartRefusal {
    let (message, hint) = match kind {
        ServerExecutor::Runner => (
            "it runs at a runner, and none is named",
            "name one with `--runner unix:/path/to/socket`, or choose another executor",
        ),
        ServerExecutor::Native => {
            ("no Python runs a function of the server", "this is a bug in omni: please report it")
        }
        ServerExecutor::File => {
            ("no executor of this server reads files of skills", "this is a bug in omni: please report it")
        }
    };
    StartRefusal { message: message.to_owned(), hint: hint.to_owned() }
}

impl<E: ExecutorProvider> Executor for ExecutorChoice<E> {
    fn run<'a>(&'a self, call: Call, port: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        Box::pin(self.run_unboxed(call, port))
    }

    async fn run_unboxed(&self, mut call: Call, port: &mut dyn CallPort) -> Outcome {
        let kind = self.rules.kind(&call);
        if let Some(refusal) = self.rules.refuse(kind, &call) {
            return refused(&call, refusal);
        }
        let executor = match kind.place() {
            ExecutorPlace::Interpreter(executor) => executor,
            ExecutorPlace::Server(executor) => {
                return match self.executors.standing(executor) {
                    Some(standing) => standing.run(call, port).await,
                    None => refused(&call, none_standing(executor)),
                };
            }
        };
        let sets = match self.executors.ready() {
            Some(sets) => sets,
            None => match self.executors.make_ready().await {
                Ok(sets) => sets,
                Err(refusal) => return refused(&call, refusal),
            },
        };
        match needs(sets, kind, &call) {
            Err(refusal) => refused(&call, refusal),
            Ok(SetNeeds { environment: false, own_processes: false }) => {
                sets.common().run_by(executor, call, port).await
            }
            Ok(needs) => match sets.set_for(&mut call, needs, port).await {
                Ok(set) => set.run_by(executor, call, port).await,
                Err(outcome) => *outcome,
            },
        }
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.executors.shut_down()
    }
}
