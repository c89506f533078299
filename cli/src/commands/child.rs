//! What hoststate starts itself for: one write to an attribute, one tool inside another root. Not for people.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hoststate_core::host::{LiveHost, child};
use hoststate_core::plugins::plugin;

use crate::commands::plugin_host;
use crate::render::escape::visible_line;
use crate::session::say;

/// As env(1), chroot(1) and shells answer when a program cannot be run.
const CANNOT_RUN: u8 = 127;

/// Runs the hidden command that `words` name; `None` when they name none.
///
/// These are looked for before the command line is parsed: a value may begin with a dash, and is written as it is.
pub(crate) fn run(words: &[OsString]) -> Option<ExitCode> {
    match words.get(1)?.to_str()? {
        LiveHost::ATTRIBUTE_COMMAND => Some(write_attribute(&words[2..])),
        LiveHost::ENTER_COMMAND => Some(enter_root(&words[2..])),
        plugin::HOST_COMMAND => Some(plugin_host::run(&words[2..])),
        _ => None,
    }
}

/// Exits with the errno of the write, 0 for none.
fn write_attribute(words: &[OsString]) -> ExitCode {
    let [path, value] = words else {
        return misused("write-attribute PATH VALUE");
    };
    match child::write_attribute(Path::new(path), &value.to_string_lossy()) {
        Ok(()) => ExitCode::SUCCESS,
        // Linux has no errno above 133.
        Err(errno) => u8::try_from(errno.raw_os_error()).map_or(ExitCode::FAILURE, ExitCode::from),
    }
}

fn enter_root(words: &[OsString]) -> ExitCode {
    let [root, argv @ ..] = words else {
        return misused("enter-root ROOT PROGRAM ARGUMENT...");
    };
    let argv: Vec<String> = argv.iter().map(|it| it.to_string_lossy().into_owned()).collect();
    let err = child::enter_root(&PathBuf::from(root), &argv);
    let text = format!("{} in {}: {err}", argv.join(" "), root.display());
    say(format_args!("{}\n", visible_line(&text)));
    ExitCode::from(CANNOT_RUN)
}

fn misused(usage: &str) -> ExitCode {
    say(format_args!("usage: hoststate {usage}\n"));
    ExitCode::from(CANNOT_RUN)
}
