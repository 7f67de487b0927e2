//! An error as one sentence.

use std::error::Error;

/// An error with what caused it, on one line, for a log or for whoever reads no more than that: `it failed: why: why that`.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Of(&'static str, Option<Box<Of>>);

    impl fmt::Display for Of {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Of {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn each_cause_follows_what_it_caused() {
        let error = Of("no list", Some(Box::new(Of("no answer", Some(Box::new(Of("timed out", None)))))));
        assert_eq!(with_causes(&error), "no list: no answer: timed out");
        assert_eq!(with_causes(&Of("alone", None)), "alone");
    }
}
