//! Results that are too large to be sent: kept in files for whoever got them, who reads them in ranges.
//!
//! [`shorten`] makes a preview and links of a large result, [`store`] has the files. What is kept belongs to the principal
//! and session that called the tool; to anybody else there is no such resource, as for a wrong name.

mod json_text;
mod owner;
mod read;
mod shorten;
mod store;
mod taken_out;

pub(crate) use owner::{Owner, URI};
pub(crate) use read::ReadError;
pub use store::{StoredResults, StoredResultsConfig};

/// What is said of a result that is not there, or is somebody else's.
pub(crate) fn not_there(uri: &str) -> String {
    let uri: String = uri.chars().take(200).collect();
    format!(
        "there is no resource `{uri}`: results are kept for some time, and for whoever got them; call the tool again"
    )
}
