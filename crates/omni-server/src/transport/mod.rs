//! How bytes come and go. A transport cuts them into frames and knows no method.

pub(crate) mod http;
mod lines;
pub(crate) mod stdio;
