//! The Python that runs the tools: which one, whether it can be embedded, and what it says of skills.

mod describing;
mod embedding;
mod interpreter;

pub(crate) use describing::describe;
pub(crate) use embedding::{Refusal, Tried, embedding};
pub(crate) use interpreter::{Chosen, Python, compile, find, locate};
