//! Is a function a tool, resource, prompt or completion, and do its other decorators keep the signature that is written?

use omni_call::FunctionKind;

use crate::function_kind::{made_by, word};
use crate::lookalike_decorators::{Lookalike, lookalike};
use crate::package::{FileId, Item, Package, last};
use crate::syntax::{Expr, ExprKind, Function, Keyword, ParameterKind};

/// Where a tool's options stand: file, positional and keyword arguments; a later entry wins.
pub(crate) type OptionSources<'p> = Vec<(FileId, &'p [Expr], &'p [Keyword])>;

/// What a decorator is.
pub(crate) enum Mark<'p> {
    /// omni's own `tool`, `resource`, `prompt` or `completion`, or a second name of one.
    Own(FunctionKind, OptionSources<'p>),
    /// Named like one, but not omni's.
    Foreign(Lookalike),
    Other,
}

/// Says what a decorator makes of its function.
pub(crate) fn mark<'p>(package: &'p Package, file: FileId, decorator: &'p Expr) -> Mark<'p> {
    if let Some((kind, sources)) = own_sources(package, file, decorator, 8) {
        return Mark::Own(kind, sources);
    }
    lookalike(package, file, decorator).map_or(Mark::Other, Mark::Foreign)
}

/// What a decorator of omni's makes, and where its options stand; `None` for another's.
pub(crate) fn own_sources<'p>(
    package: &'p Package,
    file: FileId,
    expr: &'p Expr,
    steps: u32,
) -> Option<(FunctionKind, OptionSources<'p>)> {
    let steps = steps.checked_sub(1)?;
    match &expr.kind {
        ExprKind::Name(_) | ExprKind::Attribute(..) => match package.resolve(file, expr) {
            Item::External(path) => own_kind(&path).map(|kind| (kind, Vec::new())),
            // `reader = tool(read_only=True)`, then `@reader`.
            Item::Value(at, value) => own_sources(package, at, value, steps),
            _ => None,
        },
        ExprKind::Call(call) => {
            if matches!(package.resolve(file, &call.function), Item::External(path) if path == "functools.partial")
            {
                let (inner, rest) = call.arguments.split_first()?;
                let (kind, mut sources) = own_sources(package, file, inner, steps)?;
                sources.push((file, rest, &call.keywords));
                return Some((kind, sources));
            }
            let (kind, mut sources) = own_sources(package, file, &call.function, steps)?;
            sources.push((file, &call.arguments, &call.keywords));
            Some((kind, sources))
        }
        _ => None,
    }
}

fn own_kind(path: &str) -> Option<FunctionKind> {
    let (module, name) = path.rsplit_once('.')?;
    let kind = made_by(name)?;
    let own = match kind {
        FunctionKind::Tool => matches!(module, "omni.skill" | "omni.decorator"),
        kind => {
            module.strip_prefix("omni.").and_then(|module| module.strip_suffix("_decorator"))
                == Some(word(kind))
        }
    };
    (module == "omni" || own).then_some(kind)
}

/// What a decorator other than omni's does to the signature.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Python sees the function's own signature.
    Kept,
    /// Calls pass through, but Python does not see the types.
    Hidden(String),
    /// Not known; taken to be kept.
    Assumed(String),
    /// The function that Python sees has other parameters.
    Replaced(String),
    /// It makes tools in a way that cannot be followed.
    MakesTools(String),
}

/// Says what a decorator does to the signature of the function below it.
pub(crate) fn effect(package: &Package, file: FileId, decorator: &Expr) -> Effect {
    let (name, called) = match &decorator.kind {
        ExprKind::Call(call) => (&call.function, true),
        _ => (decorator, false),
    };
    let shown = format!("@{}", decorator.dotted());
    match package.resolve(file, name) {
        Item::External(path) if keeps(&path) => Effect::Kept,
        Item::External(_) => Effect::Assumed(format!("`{shown}` comes from outside the skill")),
        Item::Function(at, index) => local(package, at, index, called, &shown),
        Item::Class(..) => Effect::Assumed(format!("`{shown}` is a class")),
        Item::Value(..) | Item::File(_) | Item::TypeAlias(..) | Item::Unknown | Item::Unnamed => {
            Effect::Assumed(format!("`{shown}` is not known in this skill"))
        }
    }
}

/// Decorators of well-known packages that use `functools.wraps`, or return the function itself.
fn keeps(path: &str) -> bool {
    const ROOTS: [&str; 9] = [
        "functools",
        "tenacity",
        "backoff",
        "typing",
        "typing_extensions",
        "warnings",
        "omni",
        "cachetools",
        "asyncer",
    ];
    let root = path.split('.').next().unwrap_or(path);
    ROOTS.contains(&root) && !matches!(path, "functools.singledispatch" | "functools.partial")
}

fn local(package: &Package, file: FileId, index: usize, called: bool, shown: &str) -> Effect {
    let function = &package.file(file).functions[index];
    if makes_tools(package, file, function, 4) {
        return Effect::MakesTools(format!("`{shown}` makes tools by calling `tool` itself"));
    }
    let decorator = if called { factory(function) } else { function };
    if returns_parameter(decorator) {
        return Effect::Kept;
    }
    let mut wrappers = Vec::new();
    let mut marked = 0;
    gather(package, file, function, &mut wrappers, &mut marked, 6);
    let place = format!("`{shown}`");
    match (wrappers.iter().find(|wrapper| !wraps(package, file, wrapper)), marked) {
        (None, 0) => Effect::Assumed(format!("what {place} returns is not clear from its source")),
        (None, _) => Effect::Kept,
        (Some(_), _) if calls_update_wrapper(package, file, function, 6) => Effect::Kept,
        (Some(wrapper), _) if passes_everything(wrapper) => {
            Effect::Hidden(format!("{place} does not use `functools.wraps`"))
        }
        (Some(wrapper), _) => {
            Effect::Replaced(format!("{place} puts `{}` with other parameters in its place", wrapper.name))
        }
    }
}

/// The decorator that a factory returns: `def retry(times): def decorate(fn): …; return decorate`.
fn factory(function: &Function) -> &Function {
    let returned = function.results.iter().flatten().find_map(|result| match &result.kind {
        ExprKind::Name(name) => function.inner.iter().find(|inner| inner.name == *name),
        _ => None,
    });
    returned.unwrap_or(function)
}

fn returns_parameter(function: &Function) -> bool {
    let Some(first) = function.parameters.first() else { return false };
    !function.results.is_empty()
        && function.results.iter().all(
            |result| matches!(result, Some(Expr { kind: ExprKind::Name(name), .. }) if *name == first.name),
        )
}

/// The functions that stand in for the decorated one: returned ones that return no other function.
fn gather<'p>(
    package: &Package,
    file: FileId,
    function: &'p Function,
    wrappers: &mut Vec<&'p Function>,
    marked: &mut u32,
    steps: u32,
) {
    let Some(steps) = steps.checked_sub(1) else { return };
    for inner in &function.inner {
        if wraps(package, file, inner) {
            *marked += 1;
            wrappers.push(inner);
            continue;
        }
        let returned = function.results.iter().flatten().any(|result| result.dotted() == inner.name);
        if inner.inner.is_empty() && (returned || passes_everything(inner)) {
            *marked += 1;
            wrappers.push(inner);
        }
        gather(package, file, inner, wrappers, marked, steps);
    }
}

fn wraps(package: &Package, file: FileId, function: &Function) -> bool {
    function.decorators.iter().any(|decorator| match &decorator.kind {
        ExprKind::Call(call) => {
            matches!(package.resolve(file, &call.function), Item::External(path) if last(&path) == "wraps")
        }
        _ => false,
    })
}

/// `return functools.update_wrapper(wrapper, fn)`.
fn calls_update_wrapper(package: &Package, file: FileId, function: &Function, steps: u32) -> bool {
    let Some(steps) = steps.checked_sub(1) else { return false };
    let updates = |result: &Expr| match &result.kind {
        ExprKind::Call(call) => {
            let maker = match &call.function.kind {
                ExprKind::Call(inner) => &inner.function,
                _ => &call.function,
            };
            matches!(package.resolve(file, maker), Item::External(path) if matches!(last(&path), "update_wrapper" | "wraps"))
        }
        _ => false,
    };
    function.results.iter().flatten().any(updates)
        || function.inner.iter().any(|inner| calls_update_wrapper(package, file, inner, steps))
}

fn passes_everything(function: &Function) -> bool {
    let has = |kind| function.parameters.iter().any(|parameter| parameter.kind == kind);
    has(ParameterKind::VarArgs) && has(ParameterKind::VarKeywords)
        || has(ParameterKind::VarKeywords) && function.parameters.len() == 1
}

fn makes_tools(package: &Package, file: FileId, function: &Function, steps: u32) -> bool {
    let Some(steps) = steps.checked_sub(1) else { return false };
    let calls_tool = |result: &Expr| match &result.kind {
        ExprKind::Call(_) => own_sources(package, file, result, 4).is_some(),
        _ => false,
    };
    let decorated = |inner: &Function| {
        inner.decorators.iter().any(|decorator| own_sources(package, file, decorator, 4).is_some())
    };
    function.results.iter().flatten().any(calls_tool)
        || function.inner.iter().any(|inner| decorated(inner) || makes_tools(package, file, inner, steps))
}
