//! `hoststate plugin-host`: the child that becomes a plugin, after it has lost every right it does not need.

#![expect(unsafe_code, reason = "descriptors that others left open are closed, and a C library is called")]

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use hoststate_abi::export::{ABI, Abi, Call, Free};
use hoststate_core::plugin::session::CANNOT_START;
use hoststate_lua::types;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::session::say;

/// The user and group that own nothing (Linux `overflowuid`, `nobody` of every distribution).
const NOBODY: u32 = 65534;

/// Becomes the plugin that `words` name: user, descriptor, file name.
pub(crate) fn run(words: &[OsString]) -> ExitCode {
    let text: Vec<_> = words.iter().map(|it| it.to_string_lossy()).collect();
    let result = match text.as_slice() {
        [user, file, name] if user == "nobody" || user == "root" => match file.parse::<RawFd>() {
            Ok(file) => host(user == "root", file, name),
            Err(_) => Err(format!("{file:?} is no descriptor")),
        },
        _ => Err("usage: hoststate plugin-host nobody|root DESCRIPTOR NAME".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            say(format_args!("{what}\n"));
            ExitCode::from(u8::try_from(CANNOT_START).unwrap_or(u8::MAX))
        }
    }
}

fn host(keep_root: bool, file: RawFd, name: &str) -> Result<(), String> {
    let failed = |what: &str, err: io::Error| format!("{what}: {err}");
    close_others(file).map_err(|err| failed("closing what is open", err))?;
    restrict(keep_root).map_err(|err| failed("giving up rights", err))?;
    let path = format!("/proc/self/fd/{file}");
    if Path::new(name).extension().is_some_and(|it| it == "so") {
        return serve(&path, name);
    }
    if Path::new(name).extension().is_some_and(|it| it == "lua") {
        return serve_lua(&path, name);
    }
    #[expect(clippy::disallowed_methods, reason = "this process becomes the plugin")]
    let err = Command::new(path).arg0(name).exec();
    Err(failed("cannot be run", err))
}

/// Closes every descriptor but the standard three and the plugin's: whoever started hoststate may have left some open.
#[expect(clippy::disallowed_methods, reason = "the kernel lists the descriptors of this process there")]
fn close_others(file: RawFd) -> io::Result<()> {
    let mut listed = Vec::new();
    for name in std::fs::read_dir("/proc/self/fd")? {
        listed.extend(name?.file_name().to_str().and_then(|it| it.parse::<RawFd>().ok()));
    }
    for open in listed {
        // The listing's own descriptor is among them, and closed by now.
        if open > 2 && open != file && std::fs::exists(format!("/proc/self/fd/{open}"))? {
            // SAFETY: nothing in this process has opened a descriptor that it still uses.
            drop(unsafe { OwnedFd::from_raw_fd(open) });
        }
    }
    Ok(())
}

fn restrict(keep_root: bool) -> io::Result<()> {
    if !keep_root && rustix::process::geteuid().is_root() {
        let (user, group) = (rustix::process::Uid::from_raw(NOBODY), rustix::process::Gid::from_raw(NOBODY));
        set_thread_groups(&[])?;
        set_thread_res_gid(group, group, group)?;
        set_thread_res_uid(user, user, user)?;
    }
    set_no_new_privs(true)?;
    // A dump of a plugin that read what only root may read would be a copy of that.
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // The change of the user above would undo this one.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// Answers requests by types written in Lua, until there are no more.
fn serve_lua(path: &str, name: &str) -> Result<(), String> {
    #[expect(clippy::disallowed_methods, reason = "this is the plugin's own file")]
    let text = std::fs::read_to_string(path).map_err(|err| format!("{name}: {err}"))?;
    let plugin = types::plugin(name, &text).map_err(|refusal| match refusal.hint {
        Some(hint) => format!("{}\nhint: {hint}", refusal.what),
        None => refusal.what,
    })?;
    plugin.serve().map_err(|err| err.to_string())
}

/// Answers requests by a shared library, until there are no more.
fn serve(path: &str, name: &str) -> Result<(), String> {
    // What the library prints must not stand between the answers.
    let output = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3).map_err(|err| err.to_string())?;
    rustix::stdio::dup2_stdout(io::stderr()).map_err(|err| err.to_string())?;
    let mut output = std::fs::File::from(output);
    // SAFETY: that its code runs here is what the child is for.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    let library = library.map_err(|err| format!("cannot be loaded: {err}").replace(path, name))?;
    let abi: Symbol<Abi> = symbol(&library, "hoststate_abi")?;
    // SAFETY: the plugin says in hoststate_plugin.h that the symbol has this type.
    let version = unsafe { abi() };
    if version != ABI {
        return Err(format!("speaks version {version} of the C ABI, this hoststate loads version {ABI}"));
    }
    let call: Symbol<Call> = symbol(&library, "hoststate_call")?;
    let free: Symbol<Free> = symbol(&library, "hoststate_free")?;
    for line in io::stdin().lock().split(b'\n') {
        let line = line.map_err(|err| err.to_string())?;
        // SAFETY: the pointer and the length are those of one slice.
        let buffer = unsafe { call(line.as_ptr(), line.len()) };
        let mut answer = if buffer.data.is_null() {
            Vec::new()
        } else {
            // SAFETY: the plugin says that there are `len` bytes at `data`, until they are freed.
            unsafe { std::slice::from_raw_parts(buffer.data, buffer.len) }.to_vec()
        };
        // SAFETY: `buffer` comes from `hoststate_call`, and is freed here only.
        unsafe { free(buffer) };
        answer.push(b'\n');
        output.write_all(&answer).map_err(|err| err.to_string())?;
    }
    Ok(())
}

fn symbol<T>(library: &Library, name: &str) -> Result<Symbol<T>, String> {
    // SAFETY: the caller names the type that hoststate_plugin.h gives this symbol.
    unsafe { library.get(name.as_bytes()) }
        .map_err(|_| format!("exports no symbol {name}; hoststate_plugin.h lists the three of a plugin"))
}
