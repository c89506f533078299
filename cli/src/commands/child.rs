//! What hoststate starts itself for: one write to an attribute, one tool inside another root; and what boot rules start it
//! for. Not for people.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hoststate_core::formats::udev_rules::boot_command::BootCommand;
use hoststate_core::host::at_event::{self, EventHost};
use hoststate_core::host::{LiveHost, child};
use hoststate_core::plugins::plugin;
use hoststate_core::run::boot_device;

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
        BootCommand::WORD => Some(boot_device(&words[2..])),
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

/// What boot rules run. Whatever becomes of the device is told in the log; the boot goes on.
fn boot_device(words: &[OsString]) -> ExitCode {
    let words: Vec<_> = words.iter().map(|it| it.to_string_lossy()).collect();
    let command = match BootCommand::parse(words.iter().map(AsRef::as_ref)) {
        Ok(command) => command,
        Err(why) => {
            tell(&format!("{} {}: {why}", BootCommand::WORD, words.join(" ")));
            return ExitCode::from(CANNOT_RUN);
        }
    };
    let address = command.address;
    match boot_device::carry_out(&command, &EventHost) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(why)) => {
            tell(&format!("{address}: {why}"));
            ExitCode::SUCCESS
        }
        Err(err) => {
            tell(&format!("{address}: {err}"));
            ExitCode::FAILURE
        }
    }
}

/// Tells it in the log of the kernel, where the journal reads it; udev keeps standard error for who debugs it.
fn tell(text: &str) {
    let text = visible_line(text);
    say(format_args!("{text}\n"));
    match at_event::log(&text) {
        // Without a log nobody can be told, and the device is as it is.
        Ok(()) | Err(_) => {}
    }
}

fn misused(usage: &str) -> ExitCode {
    say(format_args!("usage: hoststate {usage}\n"));
    ExitCode::from(CANNOT_RUN)
}
