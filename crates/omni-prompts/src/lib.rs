//! What a prompt file says: its parts, the messages that its body is made of, and how arguments are filled in.
//!
//! A function of texts: whoever has the files hands them in. A template is given its arguments and the texts of other
//! files in its folder; it has no way to reach a file, a variable of the environment or the time by itself. Arguments are
//! data: they are never read as a template, and never make a message of their own.

mod file;
mod lines;
mod messages;
mod render;
mod tags;
mod template;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub use file::{FILE_BYTES_MAX, FOLDER, PromptText, split};
pub use messages::{Message, Role};
pub use render::{Includes, RenderError, RenderLimits, render};
pub use template::{TemplateFault, Uses, check};
