//! For which function is a limit, or a pause?

use omni_call::{FunctionKind, RunSpec};

/// Names what is run, for everything that is remembered of one function. A tool, a prompt, a resource and what completes
/// an argument may have one name: each has limits and a fate of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FunctionKey {
    /// What people call it.
    name: String,
    /// What it is offered as, and the function's name, if it is one.
    function: Option<(FunctionKind, String)>,
}

impl FunctionKey {
    pub(super) fn of(spec: &RunSpec) -> FunctionKey {
        let function = spec.target.python().map(|python| (python.kind, python.function.clone()));
        FunctionKey { name: spec.tool.clone(), function }
    }
}
