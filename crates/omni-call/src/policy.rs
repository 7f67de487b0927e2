//! How often may a call be run, by what its tool's author declares?

use crate::options::Policy;

impl Policy {
    /// Attempts at most when `retry_on` is given and `max_attempts` is not.
    pub const ATTEMPTS_DEFAULT: u32 = 3;

    /// How often a call may be run at most. A repeatable tool without `retry_on` gets a second chance after a
    /// crash.
    pub fn attempts_max(&self) -> u32 {
        let default = match (self.retry_on.is_empty(), self.repeatable) {
            (false, _) => Self::ATTEMPTS_DEFAULT,
            (true, true) => 2,
            (true, false) => 1,
        };
        self.max_attempts.unwrap_or(default)
    }
}
