//! Whether arguments fit a tool's schema, and if not, what to say about it.

use std::fmt;

/// Everything that is wrong with the arguments of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentFaults {
    text: String,
}

impl fmt::Display for ArgumentFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ArgumentFaults {}
