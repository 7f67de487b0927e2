//! Whether there is a Python that runs the tools, and whether it runs inside omni too.

use anyhow::Result;
use omni_call::shown_path;

use super::finding::{Finding, Level, Section};
use crate::assets;
use crate::python::{self, EmbeddingProbe, Python, Refusal};
use crate::settings::Places;

/// Tries whether it can be embedded, which takes a start of it.
pub(super) fn examine(python: &Result<Python>, places: &Places) -> Section {
    let embedding = python.as_ref().ok().map(|python| embedding(python, places));
    let mut findings = vec![found(python)];
    findings.extend(embedding.as_ref().map(embedded));
    Section::of(findings)
        .with("python", python.as_ref().ok())
        .with("python_error", python.as_ref().err().map(|error| format!("{error:#}")))
        .with("embedding", embedding.as_ref().and_then(|tried| tried.as_ref().ok()))
        .with("embedding_error", embedding.as_ref().and_then(|tried| tried.as_ref().err()))
}

fn found(python: &Result<Python>) -> Finding {
    match python {
        Ok(python) => {
            Finding::fact("python", format!("{} ({})", python.version, shown_path(&python.executable)))
        }
        Err(error) => Finding::new(Level::Error, "no-python", format!("{error:#}"))
            .hint("tools are listed, but none can run"),
    }
}

/// Nobody has to have that, so it is a fact either way.
fn embedded(tried: &Result<EmbeddingProbe, Refusal>) -> Finding {
    match tried {
        Ok(tried) => Finding::fact(
            "embedding",
            format!(
                "works with {}: ready after {:.0} ms, {} MiB",
                shown_path(&tried.library),
                tried.ready_ms,
                tried.rss_kib / 1024
            ),
        ),
        Err(Refusal { message, hint }) => {
            Finding::fact("embedding", format!("does not work: {message}")).hint(hint)
        }
    }
}

fn embedding(python: &Python, places: &Places) -> Result<EmbeddingProbe, Refusal> {
    let package = assets::python_package(&places.cache).map_err(|error| Refusal {
        message: format!("{error:#}"),
        hint: "name a folder that can be written with `--cache-dir`".into(),
    })?;
    python::embedding(python, &package, &places.cache)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_python_is_an_error_and_no_embedding_is_none() {
        let missing = found(&Err(anyhow::anyhow!("there is no `python3`")));
        assert_eq!(
            (missing.level, &*missing.what, &*missing.text),
            (Level::Error, "no-python", "there is no `python3`")
        );
        let refusal = Refusal { message: "it has no library".into(), hint: "another Python".into() };
        let refused = embedded(&Err(refusal));
        assert_eq!((refused.level, &*refused.text), (Level::Fact, "does not work: it has no library"));
        assert_eq!(refused.hint.as_deref(), Some("another Python"));
    }
}
