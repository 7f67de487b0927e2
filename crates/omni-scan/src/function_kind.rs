//! What is a marked function called in words, and where do its options stand?

use omni_call::{FunctionKind, OptionPlace};

/// The word for it, which is also its decorator's name.
pub(crate) fn word(kind: FunctionKind) -> &'static str {
    match kind {
        FunctionKind::Tool => "tool",
        FunctionKind::Resource => "resource",
        FunctionKind::Prompt => "prompt",
        FunctionKind::Completion => "completion",
    }
}

/// The kind that a decorator of omni's makes.
pub(crate) fn made_by(decorator: &str) -> Option<FunctionKind> {
    match decorator {
        "tool" | "skill_command" => Some(FunctionKind::Tool),
        "resource" | "skill_resource" => Some(FunctionKind::Resource),
        "prompt" => Some(FunctionKind::Prompt),
        "completion" => Some(FunctionKind::Completion),
        _ => None,
    }
}

/// Where its options stand in Python.
pub(crate) fn place(kind: FunctionKind) -> OptionPlace {
    match kind {
        FunctionKind::Tool => OptionPlace::Decorator,
        FunctionKind::Resource => OptionPlace::Resource,
        FunctionKind::Prompt => OptionPlace::Prompt,
        FunctionKind::Completion => OptionPlace::Completion,
    }
}

/// The option that may stand alone, without its name.
pub(crate) fn positional(kind: FunctionKind) -> &'static str {
    match kind {
        FunctionKind::Tool | FunctionKind::Prompt => "name",
        FunctionKind::Resource => "uri",
        FunctionKind::Completion => "argument",
    }
}
