//! Builds the program under test.

use std::path::{Path, PathBuf};

use crate::{error::Result, process::Call};

/// A release build on a slow machine.
const SECONDS: u64 = 1800;

/// The profile of what is installed; speed is measured with it.
const DIST: &str = "dist";

/// The profile of what is tried out.
const RELEASE: &str = "release";

/// Builds the program as it is installed, and returns where it is.
pub(crate) fn build(workspace: &Path, target: &Path) -> Result<PathBuf> {
    cargo(workspace, target, DIST).args(["-p", "hoststate"]).succeed()?;
    Ok(target.join(DIST).join("hoststate"))
}

/// Builds the plugin among the examples that is written in Rust.
pub(crate) fn build_plugin(workspace: &Path, target: &Path) -> Result<PathBuf> {
    cargo(workspace, target, DIST).args(["-p", "hoststate-plugin-hugepages"]).succeed()?;
    Ok(target.join(DIST).join("libhoststate_plugin_hugepages.so"))
}

/// Builds the same program without shared libraries: it runs on any system of this architecture, however old its C
/// library, and in a machine that has none.
pub(crate) fn build_static(workspace: &Path, target: &Path) -> Result<PathBuf> {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let flags = format!("CARGO_TARGET_{}_RUSTFLAGS", triple.to_uppercase().replace('-', "_"));
    cargo(workspace, target, RELEASE)
        .args(["-p", "hoststate", "--target", &triple])
        .env(&flags, "-C target-feature=+crt-static")
        .succeed()?;
    Ok(target.join(triple).join(RELEASE).join("hoststate"))
}

fn cargo(workspace: &Path, target: &Path, profile: &str) -> Call {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Call::new([cargo])
        .args(["build", "--profile", profile, "--manifest-path"])
        .args([workspace.join("Cargo.toml")])
        .env("CARGO_TARGET_DIR", target)
        .within(SECONDS)
}
