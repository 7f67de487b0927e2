//! Was a decorator that makes no tool meant to make one?

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
pub(crate) const SERVER: &str = "write `from omni import tool` and `@tool` above the function, with options by name; a skill needs no \
                      server object and no `run()`";
const MISSPELT: &str = "write `from omni import tool` and `@tool` above the function";

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

/// Says whether a decorator that makes no tool was meant to make one.
pub(crate) fn lookalike(package: &Package, file: FileId, decorator: &Expr) -> Option<Lookalike> {
    let named = match &decorator.kind {
        ExprKind::Call(call) => &call.function,
        _ => decorator,
    };
    let shown = named.dotted();
    let name = last(&shown);
    let item = package.resolve(file, named);
    let exact = matches!(name, "tool" | "skill_command");
    let foreign = |help| Lookalike {
        code: "foreign-decorator",
        why: format!("`@{shown}` is not omni's `tool`"),
        help,
        unknown: false,
    };
    match item {
        Item::External(path) if path.starts_with("omni.") => {
            guessed(name).then(|| misspelt(format!("`omni` has no `{}`", &path["omni.".len()..])))
        }
        Item::External(path) if exact => Some(foreign(if path.contains("mcp") { SERVER } else { FOREIGN })),
        Item::External(_) => None,
        Item::Function(..) | Item::Class(..) | Item::File(_) | Item::TypeAlias(..) | Item::Value(..) => {
            exact.then(|| foreign(FOREIGN))
        }
        Item::Unknown | Item::Unnamed => match &named.kind {
            ExprKind::Name(_) if guessed(name) && !may_come_by_star(package, file) => {
                Some(misspelt(format!("there is no `{shown}` in this file")))
            }
            // `@mcp.tool()`, `@server.tools`: an object that is made in the file, or elsewhere.
            ExprKind::Attribute(..) if exact || guessed(name) && !matches!(name, "command" | "register") => {
                Some(foreign(SERVER))
            }
            ExprKind::Attribute(base, _)
                if matches!(name, "prompt" | "resource") && is_server(package, file, base) =>
            {
                Some(foreign("omni takes tools from a skill's functions, and nothing else"))
            }
            _ => None,
        },
    }
}

fn misspelt(why: String) -> Lookalike {
    Lookalike { code: "misspelt-decorator", why, help: MISSPELT, unknown: true }
}

/// A name that was meant as `tool` or `skill_command`, or one that another framework has for it.
fn guessed(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    GUESSES.contains(&&*lower)
        || closest(&lower, &["skill_command", "skill_tool"]).is_some()
        || (lower.len() > 2 && closest(&lower, &["tool", "tools"]).is_some())
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
