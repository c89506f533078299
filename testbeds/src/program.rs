//! Builds the program under test.

use std::path::{Path, PathBuf};

use crate::{error::Result, process::Call};

/// A release build on a slow machine.
const SECONDS: u64 = 1800;

/// Builds the release program, the one that users run, and returns where it is.
pub(crate) fn build(workspace: &Path, target: &Path) -> Result<PathBuf> {
    cargo(workspace, target).args(["-p", "hoststate"]).succeed()?;
    Ok(target.join("release/hoststate"))
}

/// Builds the plugin among the examples that is written in Rust.
pub(crate) fn build_plugin(workspace: &Path, target: &Path) -> Result<PathBuf> {
    cargo(workspace, target).args(["-p", "hoststate-plugin-hugepages"]).succeed()?;
    Ok(target.join("release/libhoststate_plugin_hugepages.so"))
}

/// Builds the same program without shared libraries: it runs on any system of this architecture, however old its C
/// library, and in a machine that has none.
pub(crate) fn build_static(workspace: &Path, target: &Path) -> Result<PathBuf> {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let flags = format!("CARGO_TARGET_{}_RUSTFLAGS", triple.to_uppercase().replace('-', "_"));
    cargo(workspace, target)
        .args(["-p", "hoststate", "--target", &triple])
        .env(&flags, "-C target-feature=+crt-static")
        .succeed()?;
    Ok(target.join(triple).join("release/hoststate"))
}

fn cargo(workspace: &Path, target: &Path) -> Call {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Call::new([cargo])
        .args(["build", "--release", "--manifest-path"])
        .args([workspace.join("Cargo.toml")])
        .env("CARGO_TARGET_DIR", target)
        .within(SECONDS)
}
