//! Whose argument does a completion complete, and can its function be called for it?
//!
//! Asked when all files have been read: a completion may stand before its prompt, or in another file.

use omni_call::FunctionKind;

use crate::completion::{Completion, CompletionOf};
use crate::given_options::Reference;
use crate::package::FileId;
use crate::prompt::Prompt;
use crate::resource::Resource;
use crate::suggest::closest;

/// Names that a wrong one is compared with, and that are told.
const NAMES_MAX: usize = 50;

/// A completion whose function has been read.
pub(crate) struct Pending {
    pub(crate) file: FileId,
    pub(crate) at: u32,
    pub(crate) completes: Vec<(FunctionKind, Reference, u32)>,
    pub(crate) argument: Option<(String, u32)>,
    /// All but `of` and `argument`.
    pub(crate) completion: Completion,
}

/// What is wrong with one: where, with which code, what, and what to do.
pub(crate) struct Fault {
    pub(crate) at: u32,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// Finds out what a completion is for. `path` gives the path of a file.
pub(crate) fn resolve(
    pending: Pending,
    prompts: &[Prompt],
    resources: &[Resource],
    path: impl Fn(FileId) -> String,
) -> Result<Completion, Fault> {
    let Pending { at, completes, argument, mut completion, .. } = pending;
    let function = &completion.function;
    let fault = |at, message: String, help: String| Fault { at, code: "completion-target", message, help };
    let mut completes = completes.into_iter();
    let (kind, reference, said_at) = match (completes.next(), completes.next()) {
        (None, _) => {
            let help = "say whose: `@completion(prompt=review, argument=\"language\")`, or `resource=` for the \
                        variable of a template";
            return Err(fault(
                at,
                format!("`{function}` completes the argument of nothing"),
                help.to_owned(),
            ));
        }
        (Some(_), Some((_, _, second_at))) => {
            let message = format!("`{function}` is for a prompt and for a resource");
            return Err(fault(second_at, message, "write a function for each".to_owned()));
        }
        (Some(one), None) => one,
    };
    let (of, names) = match kind {
        FunctionKind::Prompt => of_prompt(&reference, prompts, &path),
        _ => of_resource(&reference, resources, &path),
    }
    .map_err(|(message, help)| {
        fault(said_at, format!("{message}, so `{function}` completes nothing"), help)
    })?;
    completion.argument = match (argument, names) {
        (Some((argument, argument_at)), Some(names)) => {
            if !names.contains(&argument) {
                let known: Vec<&str> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
                let help = match closest(&argument, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if known.is_empty() => "it has none".to_owned(),
                    None => format!("it has {}", listed(&known)),
                };
                return Err(fault(argument_at, format!("{} has no argument `{argument}`", shown(&of)), help));
            }
            argument
        }
        (Some((argument, _)), None) => argument,
        (None, Some(names)) => match <[String; 1]>::try_from(names) {
            Ok([only]) => only,
            Err(names) => {
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
                let has = if known.is_empty() { "none".to_owned() } else { listed(&known) };
                let message =
                    format!("`{function}` does not say which argument of {} it completes", shown(&of));
                return Err(fault(at, message, format!("say it with `argument=`; there is {has}")));
            }
        },
        (None, None) => {
            let message = format!("`{function}` does not say which argument of {} it completes", shown(&of));
            return Err(fault(at, message, "say it with `argument=`".to_owned()));
        }
    };
    completion.of = of;
    Ok(completion)
}

/// Whom a completion is for, and the names of the arguments that it may have, where they are known.
type Target = Result<(CompletionOf, Option<Vec<String>>), (String, String)>;

fn of_prompt(reference: &Reference, prompts: &[Prompt], path: &impl Fn(FileId) -> String) -> Target {
    let found = prompts.iter().find(|prompt| match reference {
        Reference::Name(name) => prompt.name == *name,
        Reference::Function(file, function) => prompt.function == *function && prompt.file == path(*file),
    });
    match (found, reference) {
        (Some(prompt), _) => {
            let names = prompt.arguments.iter().map(|argument| argument.name.clone()).collect();
            Ok((CompletionOf::Prompt(prompt.name.clone()), Some(names)))
        }
        (None, Reference::Function(_, function)) => {
            Err((format!("`{function}` is no prompt"), "put `@prompt` above it".to_owned()))
        }
        (None, Reference::Name(name)) => {
            let names: Vec<&str> =
                prompts.iter().take(NAMES_MAX).map(|prompt| prompt.name.as_str()).collect();
            match closest(name, &names) {
                Some(near) => {
                    Err((format!("there is no prompt `{name}`"), format!("did you mean `{near}`?")))
                }
                // A file of the skill may be the prompt: who reads those knows.
                None => Ok((CompletionOf::Prompt(name.clone()), None)),
            }
        }
    }
}

fn of_resource(reference: &Reference, resources: &[Resource], path: &impl Fn(FileId) -> String) -> Target {
    let found = resources.iter().find(|resource| match reference {
        Reference::Name(name) => resource.name == *name || resource.uri_template.as_ref() == Some(name),
        Reference::Function(file, function) => resource.function == *function && resource.file == path(*file),
    });
    match (found, reference) {
        (Some(resource), _) if resource.uri_template.is_some() => {
            let names = match resource.input_schema.get("properties") {
                Some(serde_json::Value::Object(properties)) => properties.keys().cloned().collect(),
                _ => Vec::new(),
            };
            Ok((CompletionOf::Resource(resource.name.clone()), Some(names)))
        }
        (Some(resource), _) => Err((
            format!("the resource `{}` has no variables", resource.name),
            "only the variables of a template are completed".to_owned(),
        )),
        (None, Reference::Function(_, function)) => {
            Err((format!("`{function}` is no resource"), "put `@resource(…)` above it".to_owned()))
        }
        (None, Reference::Name(name)) => {
            let names: Vec<&str> =
                resources.iter().take(NAMES_MAX).map(|resource| resource.name.as_str()).collect();
            let help = match closest(name, &names) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => "this skill has none".to_owned(),
                None => format!("there is {}", listed(&names)),
            };
            Err((format!("there is no resource `{name}`"), help))
        }
    }
}

pub(crate) fn shown(of: &CompletionOf) -> String {
    match of {
        CompletionOf::Prompt(name) => format!("the prompt `{name}`"),
        CompletionOf::Resource(name) => format!("the resource `{name}`"),
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
