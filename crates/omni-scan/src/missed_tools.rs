//! What did an author mean to be a tool, resource or prompt that is none, and why does nobody see it?

use omni_call::FunctionKind;

use crate::decorators::{Mark, mark, own_sources};
use crate::diagnostic::Report;
use crate::function_kind::word;
use crate::lookalike_decorators::server_help;
use crate::package::{FileId, Item, Package, last};
use crate::syntax::{Binding, BindingKind, Call, Expr, ExprKind, Function, Module};

/// Reports calls that were meant to make tools, resources or prompts: `tool(add)`, `add = tool(add)`, `mcp.add_tool(add)`.
pub(crate) fn calls(package: &Package, file: FileId, report: &mut Report<'_>) {
    let module = package.file(file);
    let assigned = module.names.values().flatten().filter_map(|binding| match binding {
        Binding { kind: BindingKind::Value(value), .. } => Some(value),
        _ => None,
    });
    for expr in module.calls.iter().chain(assigned) {
        if let ExprKind::Call(call) = &expr.kind {
            made_by_call(package, file, expr, call, report);
        }
    }
}

fn made_by_call(package: &Package, file: FileId, expr: &Expr, call: &Call, report: &mut Report<'_>) {
    let Some(what) = call.arguments.first().and_then(|argument| function_named(package, file, argument))
    else {
        return;
    };
    let shown = expr.dotted();
    if let Some((kind, _)) = own_sources(package, file, &call.function, 8) {
        let word = word(kind);
        let message = match what {
            Some(name) => format!("`{shown}({name})` is a call, not a decorator, so `{name}` is not listed"),
            None => format!("`{shown}` is given a lambda, so there is nothing to list"),
        };
        let help = match what {
            Some(_) => format!("{word}s are found by reading: write `@{word}` on the line above the `def`"),
            None => format!("write it as a function: `@{word}` on the line above its `def`"),
        };
        report.error(expr.at, "called-decorator", message, &help);
    } else if let Some(name) = what
        && let Some(kind) = registered(last(&shown))
        && matches!(expr_function(expr), ExprKind::Attribute(..))
    {
        let message = format!("`{shown}({name})` registers nothing with omni, so `{name}` is not listed");
        report.warning(expr.at, "foreign-decorator", message, server_help(kind));
    }
}

/// What a method of a server's object registers.
fn registered(method: &str) -> Option<FunctionKind> {
    match method {
        "add_tool" | "register_tool" | "tool" | "from_function" => Some(FunctionKind::Tool),
        "add_resource" | "add_resource_fn" | "add_template" => Some(FunctionKind::Resource),
        "add_prompt" => Some(FunctionKind::Prompt),
        _ => None,
    }
}

fn expr_function(expr: &Expr) -> &ExprKind {
    match &expr.kind {
        ExprKind::Call(call) => expr_function(&call.function),
        kind => kind,
    }
}

/// The function of this skill that an argument names; the inner `None` is a lambda.
fn function_named<'e>(package: &Package, file: FileId, argument: &'e Expr) -> Option<Option<&'e str>> {
    match &argument.kind {
        // `add = tool(add)` gives the name another meaning, so the functions of the file are asked first.
        ExprKind::Name(name) => {
            let here = package.file(file).functions.iter().any(|function| function.name == *name);
            let is_function = here || matches!(package.resolve(file, argument), Item::Function(..));
            is_function.then_some(Some(name.as_str()))
        }
        ExprKind::Other => Some(None),
        _ => None,
    }
}

/// Reports classes that are decorated as if they were functions.
pub(crate) fn classes(package: &Package, file: FileId, report: &mut Report<'_>) {
    for class in &package.file(file).classes {
        for decorator in &class.decorators {
            if let Mark::Own(kind, _) = mark(package, file, decorator) {
                let message = format!("`{}` is a class, so it is not listed", class.name);
                let help = format!(
                    "a {} is a function: decorate one that makes the object and calls it",
                    word(kind)
                );
                report.error(class.at, "decorated-class", message, &help);
            }
        }
    }
}

/// The functions of a file that somebody may have meant to be tools, when none of them is.
pub(crate) fn public_functions(module: &Module) -> Vec<&Function> {
    let public = |function: &&Function| {
        !function.name.starts_with('_')
            && !function.never
            && function.decorators.is_empty()
            && !matches!(&*function.name, "main" | "cli" | "run_cli" | "parse_args")
    };
    module.functions.iter().filter(public).collect()
}
