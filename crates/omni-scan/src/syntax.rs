//! What of a Python file matters here: its names, functions and classes, without the bodies' expressions.
//!
//! The parser's own tree is large and its API unstable, so nothing of it leaves this module. Lowering
//! keeps what a tool's listing can depend on and drops the rest.

mod imports;
mod lines;
mod lower;
mod nesting;
mod tree;

pub(crate) use lines::Lines;
pub(crate) use lower::{parse, parse_annotation};
pub(crate) use nesting::too_deep;
pub(crate) use tree::{
    Binding, BindingKind, Call, Class, Expr, ExprKind, Field, Function, Import, Keyword, Module, ModuleRef,
    Operator, Parameter, ParameterKind, Reach, TypeParameter,
};
