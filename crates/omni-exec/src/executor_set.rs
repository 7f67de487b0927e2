//! The executors that run tools with one interpreter: the one table from an executor's name to what it is.

use std::sync::Arc;

use omni_call::{Call, CallPort, Executor, InterpreterExecutor, Outcome, OutcomeKind, RunSpec, SkillChange};
use tokio::sync::OnceCell;

use crate::outcome::unstarted;
use crate::policy::{ExecutorSet, StartRefusal};
use crate::{Embedded, Embedding, ExecConfig, Fork, Pool, Spawn};

/// Finds out how the interpreter can be had inside this process. It blocks: it may start the interpreter to ask it.
pub type FindEmbedding = Arc<dyn Fn() -> Result<Embedding, StartRefusal> + Send + Sync>;

/// One executor of each kind that needs an interpreter, all with the same one. None has a process before it has a call,
/// or is [warmed up](Self::warm_up).
pub struct InterpreterExecutors {
    config: Arc<ExecConfig>,
    pool: Arc<Pool>,
    fork: Fork,
    spawn: Spawn,
    /// Made by the first call that wants it, since the interpreter is asked about its library then.
    embedded: OnceCell<Embedded>,
    find_embedding: FindEmbedding,
}

impl ExecutorSet for InterpreterExecutors {
    async fn run_by(&self, kind: InterpreterExecutor, call: Call, port: &mut dyn CallPort) -> Outcome {
        match kind {
            InterpreterExecutor::Pool => self.pool.run_unboxed(call, port).await,
            InterpreterExecutor::Fork => self.fork.run(call, port).await,
            InterpreterExecutor::Spawn => self.spawn.run(call, port).await,
            InterpreterExecutor::Embedded => match self.embedded().await {
                Ok(embedded) => embedded.run(call, port).await,
                Err(StartRefusal { message, hint }) => {
                    unstarted(&call, OutcomeKind::WorkerStart { message, hint })
                }
            },
        }
    }
}

impl InterpreterExecutors {
    /// Executors without processes.
    pub fn new(config: Arc<ExecConfig>, find_embedding: FindEmbedding) -> Self {
        InterpreterExecutors {
            pool: Arc::new(Pool::new(Arc::clone(&config))),
            fork: Fork::new(Arc::clone(&config)),
            spawn: Spawn::new(Arc::clone(&config)),
            config,
            embedded: OnceCell::new(),
            find_embedding,
        }
    }

    /// See [`Pool::warm_up`].
    pub fn warm_up(&self) {
        self.pool.warm_up();
    }

    /// See [`Pool::preload`].
    pub fn preload(&self, tool: &Arc<RunSpec>) {
        self.pool.preload(tool);
    }

    /// Has no call run the code that is outdated by these changes any more, at once, but those that have begun: see
    /// [`Pool::renew`] and [`Fork::renew`]. Nobody has to wait for the future that is returned.
    pub fn renew(&self, changes: &[SkillChange]) -> impl Future<Output = ()> + Send + '_ {
        self.fork.renew();
        self.pool.renew(changes)
    }

    /// Asked anew by the next call when it was refused: what was wrong may have been put right.
    async fn embedded(&self) -> Result<&Embedded, StartRefusal> {
        let make = || async {
            let find = Arc::clone(&self.find_embedding);
            let found = tokio::task::spawn_blocking(move || find()).await;
            let embedding = found.map_err(|bug| StartRefusal {
                message: format!("looking for its library failed: {bug}"),
                hint: "use `executor: pool`".to_owned(),
            })??;
            let instead: Arc<dyn Executor> = self.pool.clone();
            Ok(Embedded::new(Arc::clone(&self.config), embedding, instead))
        };
        self.embedded.get_or_try_init(make).await
    }

    /// See [`Executor::shut_down`].
    pub async fn shut_down(&self) {
        tokio::join!(self.pool.shut_down(), self.fork.shut_down(), self.spawn.shut_down(), async {
            if let Some(embedded) = self.embedded.get() {
                embedded.shut_down().await;
            }
        });
    }
}
