//! Why an executor cannot be started, and what to do about it.

/// Why something cannot be started: what is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartRefusal {
    pub message: String,
    pub hint: String,
}
