//! The Python that runs the tools: which one, whether it can be embedded, and what it says of skills.

mod describing;
mod embedding;
mod interpreter;

pub(crate) use describing::describe;
pub(crate) use embedding::{EmbeddingProbe, Refusal, embedding};
pub(crate) use interpreter::{Python, PythonChoice, compile, find, locate};
