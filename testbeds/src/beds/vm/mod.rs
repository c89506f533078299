//! The VM beds: machines described in data, run by QEMU, reached over a channel that survives reboots.

mod channel;
mod device;
mod guest;
pub(crate) mod hardware;
mod monitor;
pub(crate) mod once;
pub(crate) mod toolbox;

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;

use self::{
    guest::Guest,
    hardware::{Firmware, Hardware},
    toolbox::Toolbox,
};
use super::{Bed, HOSTSTATE, Kind, Order, Place, argument, unknown_step};
use crate::{
    error::{Error, Result, check},
    files, images,
    process::{Finished, tail},
};

/// A disk with a boot loader, an initramfs and systemd.
pub(super) const FULL: Kind = Kind {
    name: "vm",
    about: "a disk with GRUB, an initramfs and systemd in an emulated machine; real reboots and power cuts",
    prepare: |order, cache| {
        let hardware: Hardware = order.machine()?;
        hardware.arguments()?;
        let disk = match &order.image {
            Some(file) => files::absolute(file)?,
            None => images::image(&hardware.image)?.get(cache)?,
        };
        Ok(vec![images::image("vm-toolbox")?.get(cache)?, disk])
    },
    open: |order, place| {
        let image = place.images[1].clone();
        let format = if order.image.is_some() { "qcow2" } else { "raw" };
        open(order, place, Boot::Disk { image, format })
    },
    breakdown: guest::breakdown,
};

/// A kernel and an initramfs that is the whole system.
pub(super) const FAST: Kind = Kind {
    name: "fast-vm",
    about: "a kernel and a small initramfs in an emulated machine; no boot loader, no udev, nothing outlives a reboot",
    prepare: |order, cache| {
        order.machine::<Hardware>()?.arguments()?;
        Ok(vec![images::image("vm-toolbox")?.get(cache)?, images::image("vm-fast")?.get(cache)?])
    },
    open: |order, place| {
        let system = &place.images[1];
        let boot = Boot::Fast { kernel: system.join("vmlinux"), initramfs: system.join("initramfs") };
        open(order, place, boot)
    },
    breakdown: guest::breakdown,
};

/// How long a boot may take: 20 s when all is quiet, several times that on a loaded machine, twice that when the first
/// try panics.
const BOOT_SECONDS: u64 = 600;
/// How long the last of the host's units may take after the agent is there.
const SETTLE_SECONDS: u64 = 240;
/// How long a guest may take to turn itself off.
const OFF_SECONDS: u64 = 180;
/// Enough for any tool that only asks or tells the kernel something.
const SHORT_SECONDS: u64 = 120;

/// The longest that a line of `shell` may run.
const SHELL_SECONDS: u64 = 3600;
const SHELL_PROMPT: &str = "testbed# ";
/// How often the console is looked at.
const POLL: Duration = Duration::from_millis(500);

/// What timeout(1) says of a command that it ended.
const TIMED_OUT: i32 = 124;

/// What a machine starts from.
#[derive(Debug, Clone)]
pub(crate) enum Boot {
    /// A kernel and an initramfs that is the whole system; nothing outlives a reboot.
    Fast { kernel: PathBuf, initramfs: PathBuf },
    /// A disk with a boot loader; what is done to it is kept in a file beside it and dies with the bed.
    Disk { image: PathBuf, format: &'static str },
    /// The disk itself: what is done to it stays.
    Original { image: PathBuf },
}

fn open(order: &Order, place: Place, boot: Boot) -> Result<Box<dyn Bed>> {
    let mut bed = Vm::new(&Toolbox::new(&place.images[0]), order.machine()?, boot, &place.work)?;
    bed.hoststate = Some(place.hoststate);
    bed.start().map_err(|err| bed.with_console(err))?;
    Ok(Box::new(bed))
}

/// A virtual machine.
#[derive(Debug)]
pub(crate) struct Vm {
    toolbox: Toolbox,
    hardware: Hardware,
    boot: Boot,
    work: PathBuf,
    /// The program under test, for systems that have not kept it.
    hoststate: Option<PathBuf>,
    /// `None` while it is turned off.
    guest: Option<Guest>,
    boot_id: String,
    /// How much of the console no step waits for again.
    console_read: usize,
}

impl Vm {
    /// Describes a machine that is turned off; its files are kept below `work`.
    pub(crate) fn new(toolbox: &Toolbox, hardware: Hardware, boot: Boot, work: &Path) -> Result<Self> {
        if let Boot::Disk { image, format } = &boot {
            toolbox
                .call(["qemu-img", "create", "-q", "-f", "qcow2", "-F", format, "-b"])
                .args([toolbox.inside(image), toolbox.inside(&overlay(work))])
                .succeed()?;
        }
        Ok(Self {
            toolbox: toolbox.clone(),
            hardware,
            boot,
            work: work.into(),
            hoststate: None,
            guest: None,
            boot_id: String::new(),
            console_read: 0,
        })
    }

    /// Turns it on and waits until it takes calls.
    pub(crate) fn start(&mut self) -> Result<()> {
        let variables = self.work.join("efi-variables");
        if self.hardware.firmware == Firmware::Efi && !variables.exists() {
            files::copy(self.toolbox.firmware_variables(), &variables)?;
        }
        let mut arguments = self.hardware.arguments()?;
        arguments.extend(self.hardware.channel_arguments());
        arguments.extend(self.hardware.firmware_arguments(&self.toolbox.inside(&variables)));
        arguments.extend(match &self.boot {
            Boot::Fast { kernel, initramfs } => vec![
                "-kernel".into(),
                self.toolbox.inside(kernel),
                "-initrd".into(),
                self.toolbox.inside(initramfs),
                "-append".into(),
                format!("console=ttyS0 panic=-1 no_timer_check quiet {}", self.hardware.cmdline),
            ],
            Boot::Disk { .. } => {
                self.hardware.disk_arguments(&self.toolbox.inside(&overlay(&self.work)), "qcow2")
            }
            Boot::Original { image } => self.hardware.disk_arguments(&self.toolbox.inside(image), "raw"),
        });
        self.guest = Some(Guest::start(&self.toolbox, &self.work, &arguments)?);
        self.wait_ready()
    }

    /// Asks the system to turn itself off, and waits until it has.
    pub(crate) fn turn_off(&mut self) -> Result<()> {
        self.ask(if self.is_fast() { &["poweroff", "-f"] } else { &["systemctl", "poweroff"] })?;
        match self.guest.take() {
            Some(mut guest) => guest.expect_end("the machine's turning itself off", OFF_SECONDS),
            None => Ok(()),
        }
    }

    /// The end of the console log, behind an error that came before any scenario could keep it.
    fn with_console(&self, err: Error) -> Error {
        let console = self.console().unwrap_or_default();
        Error::Unexpected {
            what: "the virtual machine".into(),
            expected: "an agent that takes calls".into(),
            found: format!("{err}; the console ends: {}", tail(&console)),
        }
    }

    fn wait_ready(&mut self) -> Result<()> {
        let last = std::mem::take(&mut self.boot_id);
        self.boot_id = self.guest()?.channel.wait_ready(&last, BOOT_SECONDS)?;
        if !self.is_fast() {
            // Whether every unit is well is the scenario's to judge; here it matters that none is still starting.
            self.call(&["systemctl", "is-system-running", "--wait"], None, SETTLE_SECONDS)?;
        }
        let Some(program) = self.hoststate.clone() else { return Ok(()) };
        if self.call(&["test", "-x", HOSTSTATE], None, SHORT_SECONDS)?.status != 0 {
            self.put(HOSTSTATE, &files::read_bytes(program)?, 0o755)?;
        }
        Ok(())
    }

    /// Starts a command that ends the system, with the disk up to date, and does not wait for its end.
    fn ask(&mut self, argv: &[&str]) -> Result<()> {
        let script = format!("sync; (sleep 0.5; {}) >/dev/null 2>&1 &", argv.join(" "));
        let finished = self.guest()?.channel.run(&script, &[], SHORT_SECONDS)?;
        check(finished.status == 0, argv.join(" "), "success", finished.stderr)
    }

    fn guest(&mut self) -> Result<&mut Guest> {
        self.guest.as_mut().ok_or_else(|| Error::Unexpected {
            what: "the virtual machine".into(),
            expected: "one that runs".into(),
            found: "one that is turned off".into(),
        })
    }

    fn is_fast(&self) -> bool {
        matches!(self.boot, Boot::Fast { .. })
    }
}

impl Bed for Vm {
    fn call(&mut self, argv: &[&str], input: Option<&[u8]>, seconds: u64) -> Result<Finished> {
        let words: Vec<String> = argv.iter().map(|it| quoted(it)).collect();
        let script = format!(
            "export LC_ALL=C HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexec {}\n",
            words.join(" ")
        );
        let finished = self.guest()?.channel.run(&script, input.unwrap_or_default(), seconds)?;
        if finished.status == TIMED_OUT {
            return Err(Error::TooSlow {
                argv: argv.join(" "),
                limit: Duration::from_secs(seconds),
                stderr: tail(&finished.stderr).into(),
            });
        }
        Ok(finished)
    }

    fn put(&mut self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let script = format!("mkdir -p \"${{1%/*}}\" && cat > \"$1\" && chmod {mode:o} \"$1\"");
        let finished = self.call(&["sh", "-c", &script, "sh", path], Some(bytes), SHORT_SECONDS)?;
        check(finished.status == 0, format!("writing {path}"), "success", finished.stderr)
    }

    fn reboot(&mut self) -> Result<()> {
        self.ask(if self.is_fast() { &["reboot", "-f"] } else { &["systemctl", "reboot"] })?;
        self.wait_ready()
    }

    fn power_cycle(&mut self) -> Result<()> {
        if let Some(guest) = self.guest.take() {
            guest.cut_power()?;
        }
        self.start()
    }

    fn console(&self) -> Result<String> {
        let place = self.work.join("console");
        if place.exists() { files::read(place) } else { Ok(String::new()) }
    }

    /// Line by line: the agent runs each by itself, in the directory where the last one ended.
    fn shell(&mut self) -> Result<()> {
        const KEPT: &str = "/run/testbed-shell";
        let is_terminal = std::io::stdin().is_terminal();
        let prompt = || if is_terminal { write!(std::io::stderr(), "{SHELL_PROMPT}") } else { Ok(()) };
        prompt()?;
        for line in std::io::stdin().lines() {
            let line = line?;
            if line.trim() == "exit" {
                break;
            }
            let script = format!(
                "cd \"$(cat {KEPT} 2>/dev/null || echo /root)\"\ntrap 'pwd >{KEPT}' EXIT\n{}\n",
                line
            );
            let finished = self.call(&["sh", "-c", &script], None, SHELL_SECONDS)?;
            write!(std::io::stdout(), "{}", finished.stdout)?;
            write!(std::io::stderr(), "{}", finished.stderr)?;
            prompt()?;
        }
        Ok(())
    }

    fn own_step(&mut self, step: &str, value: Value, _playbook: &str) -> Result<Value> {
        match step {
            // Turns the system off and starts it in another machine, with the same disk.
            "move_to" => {
                let hardware: Hardware = argument(step, value)?;
                self.turn_off()?;
                self.hardware = hardware;
                self.start()?;
                Ok(Value::Null)
            }
            // For a reboot that the host does by itself.
            "wait_for_reboot" => {
                self.wait_ready()?;
                Ok(Value::Null)
            }
            // A command of QEMU's monitor: `{ "device_del", { id = "port1.0" } }`.
            "qemu" => {
                let (command, arguments): (String, Value) = argument(step, value)?;
                self.guest()?.monitor.execute(&command, &arguments)
            }
            // For a boot that ends before its agent is there.
            "wait_for_console" => {
                let text: String = argument(step, value)?;
                let deadline = Instant::now() + Duration::from_secs(BOOT_SECONDS);
                while !self.console()?.get(self.console_read..).is_some_and(|it| it.contains(&text)) {
                    if Instant::now() >= deadline {
                        let found = self.console()?;
                        check(
                            false,
                            "the console",
                            format!("`{text}` within {BOOT_SECONDS} s"),
                            tail(&found),
                        )?;
                    }
                    std::thread::sleep(POLL);
                }
                self.console_read = self.console()?.len();
                Ok(Value::Null)
            }
            _ => Err(unknown_step(step, &["move_to", "qemu", "wait_for_console", "wait_for_reboot"])),
        }
    }
}

fn overlay(work: &Path) -> PathBuf {
    work.join("disk.qcow2")
}

/// A word of a POSIX shell that means exactly this text.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
