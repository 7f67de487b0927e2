//! Was a decorator that is not omni's meant to be?

use omni_call::FunctionKind;

use crate::function_kind::{made_by, word};
use crate::package::{FileId, Item, Package, last};
use crate::suggest::closest;
use crate::syntax::{Expr, ExprKind};

/// A decorator that looks like omni's and is not.
pub(crate) struct Lookalike {
    pub(crate) code: &'static str,
    pub(crate) why: String,
    pub(crate) help: &'static str,
    /// It is nobody's: the file fails when it is loaded.
    pub(crate) unknown: bool,
}

const FOREIGN: &str = "write `from omni import tool`";

/// What to write instead of a decorator or a method of a server's object.
pub(crate) fn server_help(kind: FunctionKind) -> &'static str {
    match kind {
        FunctionKind::Tool => {
            "write `from omni import tool` and `@tool` above the function, with options by name; a skill needs no \
             server object and no `run()`"
        }
        FunctionKind::Resource => {
            "write `from omni import resource` and `@resource(…)` above the function, with the same URI and options; \
             a skill needs no server object and no `run()`"
        }
        FunctionKind::Prompt => {
            "write `from omni import prompt` and `@prompt` above the function, with the same options; a skill needs \
             no server object and no `run()`"
        }
        FunctionKind::Completion => {
            "write `from omni import completion` and `@completion(prompt=…, argument=…)` above a function for each \
             argument; a skill needs no server object and no `run()`"
        }
    }
}

fn misspelt_help(kind: FunctionKind) -> &'static str {
    match kind {
        FunctionKind::Tool => "write `from omni import tool` and `@tool` above the function",
        FunctionKind::Resource => {
            "write `from omni import resource` and `@resource(\"scheme://name\")` above the function"
        }
        FunctionKind::Prompt => "write `from omni import prompt` and `@prompt` above the function",
        FunctionKind::Completion => {
            "write `from omni import completion` and `@completion(\"argument\", prompt=…)` above the function"
        }
    }
}

/// Names that other frameworks, and guesses, give such a decorator.
const GUESSES: [&str; 18] = [
    "tool",
    "tools",
    "skill_command",
    "skill_commands",
    "skill_tool",
    "skill",
    "command",
    "mcp_tool",
    "omni_tool",
    "function_tool",
    "agent_tool",
    "add_tool",
    "register_tool",
    "register",
    "toolcall",
    "tool_call",
    "mcptool",
    "skillcommand",
];

/// The same for what is no tool.
const OTHER_GUESSES: [(FunctionKind, &[&str]); 3] = [
    (
        FunctionKind::Resource,
        &[
            "resource",
            "resources",
            "skill_resource",
            "skill_resources",
            "mcp_resource",
            "omni_resource",
            "resource_template",
        ],
    ),
    (FunctionKind::Prompt, &["prompt", "prompts", "skill_prompt", "mcp_prompt", "omni_prompt"]),
    (FunctionKind::Completion, &["completion", "completions", "skill_completion", "mcp_completion"]),
];

/// Says whether a decorator that is not omni's was meant to be.
pub(crate) fn lookalike(package: &Package, file: FileId, decorator: &Expr) -> Option<Lookalike> {
    let named = match &decorator.kind {
        ExprKind::Call(call) => &call.function,
        _ => decorator,
    };
    let shown = named.dotted();
    let name = last(&shown);
    let item = package.resolve(file, named);
    let exact = matches!(name, "tool" | "skill_command");
    let foreign = |kind, help| Lookalike {
        code: "foreign-decorator",
        why: format!("`@{shown}` is not omni's `{}`", word(kind)),
        help,
        unknown: false,
    };
    let exact_other = made_by(name).filter(|kind| *kind != FunctionKind::Tool);
    match item {
        Item::External(path) if path.starts_with("omni.") => {
            guessed(name).map(|kind| misspelt(kind, format!("`omni` has no `{}`", &path["omni.".len()..])))
        }
        Item::External(path) if exact => Some(foreign(
            FunctionKind::Tool,
            if path.contains("mcp") { server_help(FunctionKind::Tool) } else { FOREIGN },
        )),
        // `from fastmcp.prompts import prompt`; other libraries mean something else by these words.
        Item::External(path) => {
            exact_other.filter(|_| path.contains("mcp")).map(|kind| foreign(kind, server_help(kind)))
        }
        Item::Function(..) | Item::Class(..) | Item::File(_) | Item::TypeAlias(..) | Item::Value(..) => {
            exact.then(|| foreign(FunctionKind::Tool, FOREIGN))
        }
        Item::Unknown | Item::Unnamed => match &named.kind {
            ExprKind::Name(_) if !may_come_by_star(package, file) => {
                guessed(name).map(|kind| misspelt(kind, format!("there is no `{shown}` in this file")))
            }
            // `@mcp.tool()`, `@server.tools`: an object that is made in the file, or elsewhere.
            ExprKind::Attribute(..)
                if exact
                    || guessed(name) == Some(FunctionKind::Tool)
                        && !matches!(name, "command" | "register") =>
            {
                Some(foreign(FunctionKind::Tool, server_help(FunctionKind::Tool)))
            }
            ExprKind::Attribute(base, _) => exact_other
                .filter(|_| is_server(package, file, base) || last(&base.dotted()).ends_with("mcp"))
                .map(|kind| foreign(kind, server_help(kind))),
            _ => None,
        },
    }
}

fn misspelt(kind: FunctionKind, why: String) -> Lookalike {
    Lookalike { code: "misspelt-decorator", why, help: misspelt_help(kind), unknown: true }
}

/// What a name was meant as: one of omni's decorators, or the name that another framework has for it.
fn guessed(name: &str) -> Option<FunctionKind> {
    let lower = name.to_ascii_lowercase();
    let other = OTHER_GUESSES.iter().find(|(_, guesses)| guesses.contains(&&*lower));
    if let Some((kind, _)) = other {
        return Some(*kind);
    }
    let tool = GUESSES.contains(&&*lower)
        || closest(&lower, &["skill_command", "skill_tool"]).is_some()
        || (lower.len() > 2 && closest(&lower, &["tool", "tools"]).is_some());
    if tool {
        return Some(FunctionKind::Tool);
    }
    OTHER_GUESSES.iter().find(|(_, guesses)| closest(&lower, guesses).is_some()).map(|(kind, _)| *kind)
}

fn may_come_by_star(package: &Package, file: FileId) -> bool {
    package.file(file).stars.iter().any(|module| module.path != "omni")
}

/// `mcp` in `mcp = FastMCP("demo")`.
fn is_server(package: &Package, file: FileId, expr: &Expr) -> bool {
    match package.resolve(file, expr) {
        Item::Value(at, Expr { kind: ExprKind::Call(call), .. }) => {
            let made = match package.resolve(at, &call.function) {
                Item::External(path) => path,
                _ => call.function.dotted(),
            };
            matches!(last(&made), "FastMCP" | "MCPServer" | "Server" | "MCP")
        }
        _ => false,
    }
}
