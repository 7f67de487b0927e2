//! The program that the tests' workers are started through: what `omni __launch` and `omni worker` do, without the rest
//! of omni.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use omni_exec::Embedding;

fn main() -> ExitCode {
    // The program's name comes first.
    let mut args = std::env::args_os().skip(1);
    let error = match args.next() {
        Some(word) if word == "worker" => worker(&args.collect::<Vec<_>>()),
        _ => match omni_exec::launch(args) {
            Ok(code) => return ExitCode::from(code),
            Err(error) => error.to_string(),
        },
    };
    let _ = writeln!(std::io::stderr(), "cannot become a worker: {error}");
    ExitCode::from(127)
}

fn worker(args: &[OsString]) -> String {
    let value = |name: &str| args.iter().skip_while(|word| *word != name).nth(1);
    let (Some(python), Some(library)) = (value("--python"), value("--library")) else {
        return "usage: worker --embedded --python PATH --library PATH".into();
    };
    let embedding = Embedding { library: library.into(), utf8: args.iter().any(|word| word == "--utf8") };
    omni_exec::embedded_worker(Path::new(python), &embedding, "omni.worker").err().unwrap_or_default()
}
