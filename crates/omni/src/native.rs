//! The tools of omni's own that a server may offer: `names` has which there are, `executor` what runs each.

mod description;
mod doctor;
mod executor;
mod names;

pub(crate) use executor::executor;
pub(crate) use names::NativeTools;
