//! `hoststate plugin-host`: the child that becomes a plugin, after it has lost every right it does not need.

#![expect(
    unsafe_code,
    reason = "descriptors that others left open are closed, children are forked, and a C library is called"
)]

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use hoststate_abi::export::{ABI, Abi, Call, Free};
use hoststate_core::plugins::plugin::confinement::{self, Lack};
use hoststate_core::plugins::plugin::session::CANNOT_START;
use hoststate_lua::types;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use rustix::process::Signal;

use crate::render::escape::visible_line;
use crate::session::say;

mod confine;

/// What shells add to the number of the signal that killed a process.
const SIGNALLED: i32 = 128;

/// Becomes the plugin that `words` name: user, descriptor, file name, root of the host.
pub(crate) fn run(words: &[OsString]) -> ExitCode {
    let text: Vec<_> = words.iter().map(|it| it.to_string_lossy()).collect();
    let result = match (text.as_slice(), words.last()) {
        ([user, file, name, _], Some(root)) if user == "nobody" || user == "root" => {
            match file.parse::<RawFd>() {
                Ok(file) => host(user == "root", file, name, Path::new(root)),
                Err(_) => Err(format!("{file:?} is no descriptor")),
            }
        }
        _ => Err("usage: hoststate plugin-host nobody|root DESCRIPTOR NAME ROOT".to_owned()),
    };
    result.unwrap_or_else(|what| ExitCode::from(cannot_start(&what)))
}

fn cannot_start(what: &str) -> u8 {
    say(format_args!("{}\n", visible_line(what)));
    u8::try_from(CANNOT_START).unwrap_or(u8::MAX)
}

/// Starts the plugin as the grandchild of this process, and ends as it does.
fn host(keep_root: bool, file: RawFd, name: &str, root: &Path) -> Result<ExitCode, String> {
    let failed = |what: &str, err: io::Error| format!("{what}: {err}");
    close_others(file).map_err(|err| failed("closing what is open", err))?;
    let (identity, mut lacks) = confine::enter(keep_root, root);
    die_with_parent().map_err(|err| failed("giving up rights", err))?;
    let path = format!("/proc/self/fd/{file}");
    let mut plugin = command(&path);
    plugin.arg0(name).env_remove(confinement::RESERVE.0);
    let (path, name) = (path.clone(), name.to_owned());
    let become_plugin = move || {
        // In that order: a change of the user would undo the last one.
        if let Err(err) = confine::restrict(identity).and_then(|()| die_with_parent()) {
            std::process::exit(cannot_start(&failed("giving up rights", err)).into());
        }
        let served = match Path::new(&name).extension().and_then(|it| it.to_str()) {
            Some("so") => serve(&path, &name),
            Some("lua") => serve_lua(&path, &name),
            // What follows is the exec.
            _ => return Ok(()),
        };
        std::process::exit(served.map_or_else(|what| cannot_start(&what).into(), |()| 0));
    };
    // SAFETY: this process has one thread, so what its child finds after fork(2) is whole.
    unsafe { plugin.pre_exec(become_plugin) };
    // The first process of the namespace: it and everything in it end together.
    let mut first = command("/proc/self/exe");
    let run = move || {
        if !keep_root && !confine::hide_processes(&lacks) {
            lacks.push(Lack::Proc);
        }
        say(format_args!("{}", confinement::line(&lacks)));
        let ended = die_with_parent().and_then(|()| plugin.spawn()).and_then(|mut it| it.wait());
        let code = ended.map_or_else(|err| cannot_start(&failed("cannot be run", err)).into(), code_of);
        std::process::exit(code);
    };
    // SAFETY: as above.
    unsafe { first.pre_exec(run) };
    let status = first.spawn().and_then(|mut it| it.wait()).map_err(|err| failed("cannot be run", err))?;
    Ok(end_as(code_of(status)))
}

#[expect(clippy::disallowed_methods, reason = "this is where a process becomes a plugin")]
fn command(program: &str) -> Command {
    Command::new(program)
}

fn die_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Returns how a process ended as shells say it: 128 and the signal that killed it.
fn code_of(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|it| SIGNALLED + it)).unwrap_or(1)
}

/// Ends this process as a shell would say that another one did.
fn end_as(code: i32) -> ExitCode {
    if let Some(signal) = Signal::from_named_raw(code - SIGNALLED) {
        // The first time, the standard library's handler of a crash restores the default action, which ends the process.
        for _ in 0..2 {
            rustix::process::kill_process(rustix::process::getpid(), signal).unwrap_or_default();
        }
    }
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
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
    unsafe { library.get(name.as_bytes()) }.map_err(|_| {
        format!(
            "exports no symbol {name}; hoststate_plugin.h lists the three that a plugin \
                              exports"
        )
    })
}
