//! Which commands there are, and how one is run.

use std::rc::Rc;

use super::files::Script;
use super::machine::{Flow, Machine, PENDING, Status, command, unknown};
use super::source::Source;
use super::syntax::Word;
use super::text::Text;
use super::{End, Family, File, Place};

/// Numbers of GRUB's errors (include/grub/err.h); scripts see them as `$?`.
pub(super) const FALSE: Status = 1;
pub(super) const BAD_FILE_TYPE: Status = 4;
pub(super) const FILE_NOT_FOUND: Status = 5;
pub(super) const BAD_NUMBER: Status = 10;
pub(super) const OUT_OF_RANGE: Status = 11;
pub(super) const BAD_DEVICE: Status = 13;
pub(super) const INVALID_COMMAND: Status = 17;
pub(super) const BAD_ARGUMENT: Status = 18;
pub(super) const NO_KERNEL: Status = 22;
pub(super) const MENU: Status = 27;

/// Commands that succeed and change nothing that matters for what boots.
const HARMLESS: [&str; 23] = [
    "true",
    "rmmod",
    "echo",
    "clear",
    "terminal_input",
    "terminal_output",
    "terminal",
    "serial",
    "sleep",
    "play",
    "password",
    "password_pbkdf2",
    "background_color",
    "cutmem",
    "badram",
    "drivemap",
    "lsmod",
    "lsmmap",
    "videoinfo",
    "fakebios",
    "help",
    "time",
    "list_env",
];

/// A command that is about to run.
pub(super) struct Call<'c> {
    pub(super) name: &'c str,
    pub(super) arguments: &'c [Text],
    /// What stands between its braces, with the script that has it.
    pub(super) block: Option<(&'c Rc<Script>, usize, usize)>,
    pub(super) place: &'c Place,
}

impl Machine<'_> {
    pub(super) fn run_command(
        &mut self,
        script: &Rc<Script>,
        words: &[Word],
        block: Option<(usize, usize)>,
        at: usize,
    ) -> Flow<Status> {
        let source: &Source = &script.source;
        let words = self.expand(source, words)?;
        let origin = source.origin(at);
        let (is_inverted, words) = match words.as_slice() {
            [first, rest @ ..] if first.text == "!" => (true, rest),
            words => (false, words),
        };
        let Some((name, arguments)) = words.split_first() else {
            return Ok(if is_inverted && block.is_none() { BAD_ARGUMENT } else { 0 });
        };
        if name.unknown.is_some() {
            return Err(unknown(format!("the command `{}` cannot be known", name.text), Some(origin.place)));
        }
        let block = block.map(|(start, end)| (script, start, end));
        let call = Call { name: &name.text, arguments, block, place: &origin.place };
        let status = match self.builtin(&call)? {
            Some(status) => status,
            None => match self.functions.get(&name.text).cloned() {
                Some(function) => {
                    let arguments = arguments.to_vec();
                    let (loops, scope) = (std::mem::take(&mut self.loops), self.scope.replace(arguments));
                    self.running.push(name.text.clone());
                    let status = self.run_list(&function.script, &function.list)?;
                    self.running.pop();
                    (self.returns, self.loops, self.scope) = (false, loops, scope);
                    status
                }
                None => match name.text.find('=') {
                    Some(equals) => {
                        self.assign(name, equals, call.place);
                        return Ok(0);
                    }
                    // What GRUB does not know it prints a message about, and takes for a success.
                    None if self.is_no_command(&name.text) => {
                        self.fail(call.place, format!("there is no command `{}`", name.text), 0);
                        return Ok(0);
                    }
                    None if matches!(call.name, "blscfg" | "bls_import" | "uki") => {
                        let why = format!("which entries `{}` of this GRUB makes is not known", call.name);
                        return Err(unknown(why, Some(origin.place)));
                    }
                    None => self.outside(&call),
                },
            },
        };
        if !is_inverted {
            return Ok(status);
        }
        Ok(if self.settle(status) == 0 { FALSE } else { 0 })
    }

    fn assign(&mut self, word: &Text, equals: usize, place: &Place) {
        let name = &word.text[..equals];
        if !name.starts_with(|it: char| it.is_ascii_digit()) && !matches!(name, "#" | "*" | "@") {
            self.set(name, word.slice(equals + 1, word.text.len()), place);
        }
    }

    /// Runs a command of GRUB whose effects on the boot are known.
    fn builtin(&mut self, call: &Call<'_>) -> Flow<Option<Status>> {
        let arguments = call.arguments;
        let status = match call.name {
            "set" => match arguments.first() {
                Some(word) => match word.text.find('=') {
                    Some(equals) => {
                        let value = word.slice(equals + 1, word.text.len());
                        self.set(&word.text[..equals], value, call.place);
                        0
                    }
                    None => BAD_ARGUMENT,
                },
                None => 0,
            },
            "unset" => match arguments.first() {
                Some(name) => {
                    self.context().unset(&name.text, Some(call.place.clone()));
                    0
                }
                None => BAD_ARGUMENT,
            },
            "export" => {
                arguments.iter().for_each(|it| self.context().export(&it.text, Some(call.place.clone())));
                if arguments.is_empty() { BAD_ARGUMENT } else { 0 }
            }
            "[" | "test" => self.test(call),
            "break" | "continue" => self.leave_loops(call),
            "shift" => self.shift(call),
            "return" => self.return_from_function(call),
            "setparams" => match &mut self.scope {
                Some(scope) => {
                    *scope = arguments.to_vec();
                    0
                }
                None => INVALID_COMMAND,
            },
            "eval" => return self.eval(call).map(Some),
            "source" | "." => return self.source(call, false).map(Some),
            "configfile" => return self.source(call, true).map(Some),
            "normal" => return self.enter_normal_mode(call).map(Some),
            "menuentry" | "submenu" => self.add_entry(call),
            "blscfg" | "bls_import" if self.start.family == Family::RedHat => {
                return self.add_boot_entries(call).map(Some);
            }
            "increment" | "decrement" if self.start.family == Family::RedHat => self.count(call),
            "load_env" => return self.load_env(call).map(Some),
            "save_env" => self.save_env(call),
            "search" | "search.fs_uuid" | "search.fs_label" | "search.file" => self.search(call),
            "regexp" => self.regexp(call),
            "false" => FALSE,
            "loadfont" => self.load_font(call),
            "cpuid" if matches!(arguments, [it] if it.text == "-l") => {
                Status::from(!matches!(self.start.cpu.as_str(), "x86_64" | "i386"))
            }
            // Nobody presses a key.
            "keystatus" if !arguments.is_empty() => FALSE,
            "insmod" => {
                self.expands_names |= arguments.iter().any(|it| it.text == "regexp");
                0
            }
            // It tells whether the firmware can be entered, and does not do so.
            "fwsetup" if matches!(arguments, [it] if it.text == "--is-supported") => self.outside(call),
            "exit" | "reboot" | "halt" | "fwsetup" | "normal_exit" => {
                return Err(Box::new(End::Leave(command(call.name, call.place, arguments))));
            }
            "read" | "authenticate" => {
                return Err(unknown(
                    format!("`{}` waits for somebody at the console", call.name),
                    Some(call.place.clone()),
                ));
            }
            "boot" => return self.boot_loaded(call).map(Some),
            "legacy_configfile"
            | "legacy_source"
            | "syslinux_configfile"
            | "syslinux_source"
            | "extract_legacy_entries_source"
            | "extract_legacy_entries_configfile"
            | "extract_syslinux_entries_source"
            | "extract_syslinux_entries_configfile"
            | "extract_entries_source"
            | "extract_entries_configfile" => {
                let why = format!("`{}` reads a file in another language", call.name);
                return Err(unknown(why, Some(call.place.clone())));
            }
            name if HARMLESS.contains(&name) => 0,
            _ => return self.load(call),
        };
        Ok(Some(status))
    }

    /// Returns whether GRUB certainly does not have a command, by the list beside its modules.
    fn is_no_command(&self, name: &str) -> bool {
        let platform = format!("{}-{}", self.start.cpu, self.start.platform);
        let Some(prefix) = self.get("prefix").map(|it| &it.value) else {
            return false;
        };
        let mut list = prefix.clone();
        list.append(&Text::plain(&format!("/{platform}/command.lst")));
        let File::Text(list) = self.file(&list) else {
            return false;
        };
        let in_list =
            |line: &str| line.split_once(':').is_some_and(|it| it.0.trim_start_matches('*') == name);
        // GRUB's core has some which are in no module.
        !list.lines().any(in_list) && !matches!(name, "ls" | "dump" | "cat" | "help" | "background_image")
    }

    /// Notes a command whose end cannot be known; what it sets cannot be known either.
    fn outside(&mut self, call: &Call<'_>) -> Status {
        let words = call.arguments.iter().map(|it| it.text.as_str());
        let words: Vec<&str> = std::iter::once(call.name).chain(words).collect();
        let shown = words.join(" ");
        for (index, word) in words.iter().enumerate() {
            let given = match word.strip_prefix("--set") {
                Some("") => words.get(index + 1).copied(),
                Some(rest) => rest.strip_prefix('='),
                None if *word == "-s" => words.get(index + 1).copied(),
                None => None,
            };
            if let Some(name) = given {
                let name = name.rsplit(':').next().unwrap_or(name);
                self.set_unknown(name, format!("`{shown}` sets `{name}`"), call.place);
            }
        }
        if call.name == "hwmatch" {
            self.set_unknown("match", format!("`{shown}` sets `match`"), call.place);
        }
        self.pending = Some((shown, call.place.clone()));
        PENDING
    }

    fn load_font(&mut self, call: &Call<'_>) -> Status {
        let Some(font) = call.arguments.first() else {
            return BAD_ARGUMENT;
        };
        let mut path = Text::default();
        if font.text.starts_with(['/', '(']) {
            path = font.clone();
        } else {
            path.append(&self.get("prefix").map(|it| it.value.clone()).unwrap_or_default());
            path.append(&Text::plain(&format!("/fonts/{}.pf2", font.text)));
        }
        match self.file(&path) {
            File::Text(_) | File::Data => 0,
            File::Absent | File::Directory => FILE_NOT_FOUND,
            File::Unknown => self.outside(call),
        }
    }
}
