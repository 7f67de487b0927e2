//! Says in one sentence where this crate builds, instead of in a hundred errors.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system != "linux") {
        println!("cargo::error={LINUX_ONLY}");
    }
}

/// Also what `omni-libpython/build.rs` says, which comes first when the whole program is built.
const LINUX_ONLY: &str = "omni runs on Linux only: it knows by the kernel who is at the other end of a connection \
     (netlink). On macOS and Windows use a Linux machine, WSL or a container; of its crates only omni-call, \
     omni-protocol, omni-scan and omni-catalog build there";
