//! Whether calls of a tool become tasks, as its author declares it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whether calls of a tool become tasks, for clients that take tasks. A tool that declares nothing becomes one when it takes
/// long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskSupport {
    /// Never, however long they take.
    Forbidden,
    /// At once, where the client takes tasks; elsewhere they are answered as others are.
    Optional,
    /// At once, and clients that take no tasks are refused.
    Required,
}

impl TaskSupport {
    pub const ALL: [TaskSupport; 3] = [TaskSupport::Forbidden, TaskSupport::Optional, TaskSupport::Required];

    /// The name in decorators, front matter and manifests.
    pub fn name(self) -> &'static str {
        match self {
            TaskSupport::Forbidden => "forbidden",
            TaskSupport::Optional => "optional",
            TaskSupport::Required => "required",
        }
    }

    /// What FastMCP's `task=True` and `task=False` mean.
    pub fn of_flag(flag: bool) -> Self {
        if flag { TaskSupport::Optional } else { TaskSupport::Forbidden }
    }
}

impl FromStr for TaskSupport {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        TaskSupport::ALL.into_iter().find(|support| support.name() == name).ok_or(())
    }
}
