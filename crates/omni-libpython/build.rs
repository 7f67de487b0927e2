//! Builds the plugin, `crates/omni-embed`, which travels inside this crate.
//!
//! It must not be linked with anything here, so cargo cannot know it as a dependency: a second cargo builds it, in a
//! target folder of its own, since this one is locked. Once for all profiles. Where that fails omni is built all the
//! same, and says of itself that it cannot embed.
#![allow(clippy::disallowed_methods, reason = "a build script runs cargo")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    // Asked before anything is compiled, so that this sentence is all that is seen.
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system != "linux") {
        println!("cargo::error={LINUX_ONLY}");
        return;
    }
    for path in ["../omni-embed/Cargo.toml", "../omni-embed/src", "../../Cargo.lock"] {
        println!("cargo::rerun-if-changed={path}");
    }
    println!("cargo::rerun-if-env-changed=OMNI_WITHOUT_EMBED");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let (plugin, missing) = match plugin(&out) {
        Ok(plugin) => (plugin, String::new()),
        Err(reason) => {
            println!("cargo::warning=omni is built without the plugin for embedded Python: {reason}");
            (Vec::new(), reason)
        }
    };
    fs::write(out.join("plugin.so"), plugin).expect("OUT_DIR can be written");
    fs::write(out.join("missing.txt"), missing).expect("OUT_DIR can be written");
}

/// Also what `omni-server/build.rs` says.
const LINUX_ONLY: &str = "omni runs on Linux only: it ends and bounds tools by means of that kernel (process-id \
     namespaces, subreapers, memfd, sealed files, netlink). On macOS and Windows use a Linux machine, WSL or a container; \
     of its crates only omni-call, omni-protocol, omni-scan and omni-catalog build there";

fn plugin(out: &Path) -> Result<Vec<u8>, String> {
    if env::var_os("OMNI_WITHOUT_EMBED").is_some() {
        return Err("OMNI_WITHOUT_EMBED was set".into());
    }
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    if features.split(',').any(|feature| feature == "crt-static") {
        return Err("a static program cannot load a library".into());
    }
    // target/<profile>/build/<crate>/out
    let target_dir = out.ancestors().nth(4).unwrap_or(out).join("plugin");
    let (host, target) = (variable("HOST"), variable("TARGET"));
    let mut cargo = Command::new(variable("CARGO"));
    cargo
        .args(["build", "--release", "--locked", "--package", "omni-embed", "--target-dir"])
        .arg(&target_dir);
    let mut built = target_dir.clone();
    if host != target {
        cargo.args(["--target", &target]);
        built.push(&target);
    }
    cargo
        // The stable interface is the same everywhere: no Python has to be here.
        .env("PYO3_NO_PYTHON", "1")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        // `cargo clippy` would have its say about a build that is none of its business.
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    let output = cargo.output().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let error = said.lines().rfind(|line| line.starts_with("error")).unwrap_or("no reason given");
        return Err(format!("{error} (`cargo build --release -p omni-embed` says more)"));
    }
    let built = built.join("release").join("libomni_embed.so");
    fs::read(&built).map_err(|error| format!("`{}` cannot be read: {error}", built.display()))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
