//! What does a file import, where, and is it prepared to do without?

use ruff_python_ast as ast;
use ruff_python_ast::{Expr as Node, Stmt};
use ruff_text_size::Ranged;

use super::tree::{Import, ModuleRef, Reach};

/// Statements within statements; deeper ones are not looked into.
const DEPTH_MAX: u32 = 40;

/// Every import of a file, in its order, those inside functions and classes included.
pub(super) fn imports(body: &[Stmt]) -> Vec<Import> {
    let mut found = Vec::new();
    gather(body, Reach::Always, 0, &mut found);
    found
}

fn gather(body: &[Stmt], reach: Reach, depth: u32, found: &mut Vec<Import>) {
    if depth > DEPTH_MAX {
        return;
    }
    for statement in body {
        match statement {
            Stmt::Import(node) => plain(node, reach, found),
            Stmt::ImportFrom(node) => from(node, reach, found),
            Stmt::FunctionDef(node) => gather(&node.body, reach.max(Reach::Later), depth + 1, found),
            Stmt::ClassDef(node) => gather(&node.body, reach, depth + 1, found),
            Stmt::If(node) => {
                let never = never(&node.test);
                gather(&node.body, if never { Reach::Never } else { branch(reach) }, depth + 1, found);
                for clause in &node.elif_else_clauses {
                    let inside = if never && clause.test.is_none() { reach } else { branch(reach) };
                    gather(&clause.body, inside, depth + 1, found);
                }
            }
            Stmt::Try(node) => {
                let guarded = node.handlers.iter().any(|ast::ExceptHandler::ExceptHandler(handler)| {
                    handler.type_.as_deref().is_none_or(catches_missing)
                });
                let inside = if guarded { reach.max(Reach::Guarded) } else { reach };
                gather(&node.body, inside, depth + 1, found);
                // What an author falls back to when the first choice is missing may be missing as well.
                for ast::ExceptHandler::ExceptHandler(handler) in &node.handlers {
                    gather(&handler.body, inside, depth + 1, found);
                }
                gather(&node.orelse, inside, depth + 1, found);
                gather(&node.finalbody, reach, depth + 1, found);
            }
            Stmt::With(node) => {
                let suppressed = node.items.iter().any(|item| match &item.context_expr {
                    Node::Call(call) => {
                        last_name(&call.func) == Some("suppress")
                            && call.arguments.args.iter().any(catches_missing)
                    }
                    _ => false,
                });
                gather(
                    &node.body,
                    if suppressed { reach.max(Reach::Guarded) } else { reach },
                    depth + 1,
                    found,
                );
            }
            Stmt::For(node) => {
                gather(&node.body, branch(reach), depth + 1, found);
                gather(&node.orelse, branch(reach), depth + 1, found);
            }
            Stmt::While(node) => gather(&node.body, branch(reach), depth + 1, found),
            Stmt::Match(node) => {
                for case in &node.cases {
                    gather(&case.body, branch(reach), depth + 1, found);
                }
            }
            _ => {}
        }
    }
}

fn branch(reach: Reach) -> Reach {
    reach.max(Reach::Branch)
}

fn plain(node: &ast::StmtImport, reach: Reach, found: &mut Vec<Import>) {
    for alias in &node.names {
        found.push(Import {
            at: alias.name.start().to_u32(),
            module: ModuleRef { level: 0, path: alias.name.id.to_string() },
            names: None,
            alias: alias.asname.as_ref().map(|name| name.id.to_string()),
            reach,
        });
    }
}

fn from(node: &ast::StmtImportFrom, reach: Reach, found: &mut Vec<Import>) {
    let module = node.module.as_ref();
    let names = node.names.iter().map(|alias| {
        let asname = alias.asname.as_ref().map(|name| name.id.to_string());
        (alias.name.id.to_string(), asname, alias.start().to_u32())
    });
    found.push(Import {
        at: module.map_or_else(|| node.start().to_u32(), |module| module.start().to_u32()),
        module: ModuleRef {
            level: node.level,
            path: module.map_or("", |module| module.id.as_str()).to_owned(),
        },
        names: Some(names.collect()),
        alias: None,
        reach,
    });
}

/// A branch that is not taken when the file is imported: `if TYPE_CHECKING:`, `if __name__ == "__main__":`,
/// `if False:`.
pub(super) fn never(test: &Node) -> bool {
    match test {
        Node::Name(_) | Node::Attribute(_) => last_name(test) == Some("TYPE_CHECKING"),
        Node::BooleanLiteral(node) => !node.value,
        Node::NumberLiteral(node) => {
            matches!(&node.value, ast::Number::Int(value) if *value == ast::Int::ZERO)
        }
        Node::Compare(node) => {
            let main =
                |side: &Node| matches!(side, Node::StringLiteral(text) if text.value.to_str() == "__main__");
            let name = |side: &Node| matches!(side, Node::Name(name) if name.id.as_str() == "__name__");
            match (&*node.ops, &*node.comparators) {
                ([ast::CmpOp::Eq], [right]) => {
                    name(&node.left) && main(right) || main(&node.left) && name(right)
                }
                _ => false,
            }
        }
        Node::BoolOp(node) if node.op == ast::BoolOp::And => node.values.iter().any(never),
        _ => false,
    }
}

/// Whether `except` with this catches what a missing module raises.
fn catches_missing(classes: &Node) -> bool {
    match classes {
        Node::Tuple(tuple) => tuple.elts.iter().any(catches_missing),
        _ => matches!(
            last_name(classes),
            Some("ImportError" | "ModuleNotFoundError" | "Exception" | "BaseException")
        ),
    }
}

fn last_name(node: &Node) -> Option<&str> {
    match node {
        Node::Name(name) => Some(name.id.as_str()),
        Node::Attribute(node) => Some(node.attr.id.as_str()),
        _ => None,
    }
}
