//! What is made of `conformance/options.json`: a table for Rust, one for Python, the decorators, and the page.

mod data;
mod page;
mod python;
mod rust;

pub(super) use data::read;
pub(super) use page::page;
pub(super) use python::{DECORATORS, decorator, table as python_table};
pub(super) use rust::table as rust_table;
