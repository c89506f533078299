//! A running QEMU: its process, its sockets, its console log.

use std::{
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    channel::{self, Channel},
    monitor::Monitor,
    toolbox::Toolbox,
};
use crate::{
    error::{Error, Result},
    files,
    process::{Running, tail},
};

/// How long QEMU may take to open its sockets.
const START_SECONDS: u64 = 60;
/// How long QEMU may take to write back what it holds and to end.
const END_SECONDS: u64 = 60;
/// What QEMU says of itself, in the directory of its bed.
const LOG: &str = "qemu";
/// How assert(3) ends a program.
pub(super) const ASSERTION: &str = ": Assertion `";
/// SeaBIOS says this when it has set up the machine and found nothing to start.
const FIRMWARE_DONE: &str = "No bootable device";
/// How long the firmware may take for that where KVM works: it takes less than one second.
const PROBE_SECONDS: u64 = 5;

/// A virtual machine that runs as long as this lives.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) channel: Channel,
    pub(super) monitor: Monitor,
    process: Running,
}

impl Guest {
    /// Starts QEMU; `arguments` describe the machine, `place` is a directory of the cache for its sockets and logs.
    pub(super) fn start(toolbox: &Toolbox, place: &Path, arguments: &[String]) -> Result<Self> {
        let sockets = [channel::listen(&place.join("channel"))?, channel::listen(&place.join("monitor"))?];
        let inside = |name: &str| toolbox.inside(&place.join(name));
        let mut words: Vec<String> =
            ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"]
                .map(String::from)
                .into();
        words.extend(accelerator(toolbox, place)?.map(String::from));
        words.extend([
            "-chardev".into(),
            format!("file,id=console,append=on,path={}", inside("console")),
            "-serial".into(),
            "chardev:console".into(),
            "-chardev".into(),
            format!("socket,id=channel,path={}", inside("channel")),
            "-chardev".into(),
            format!("socket,id=monitor,path={}", inside("monitor")),
            "-mon".into(),
            "chardev=monitor,mode=control".into(),
        ]);
        words.extend_from_slice(arguments);
        let log = place.join(LOG);
        let mut process = toolbox.call(&words).start(&files::create(&log)?)?;
        let [channel, monitor] = sockets.map(|it| connect(&it, &mut process, &log));
        Ok(Self { channel: Channel::new(channel?)?, monitor: Monitor::new(monitor?)?, process })
    }

    /// Ends QEMU at once, as a power cut ends a machine: what the guest had not yet written to its disk is lost.
    ///
    /// QEMU itself must end in order: it holds part of the disk's bookkeeping in memory.
    pub(super) fn cut_power(mut self) -> Result<()> {
        self.monitor.execute("quit", &json!({}))?;
        self.expect_end("QEMU's end", END_SECONDS)
    }

    /// Waits until the guest has turned itself off.
    pub(super) fn expect_end(&mut self, what: &str, seconds: u64) -> Result<()> {
        if self.process.wait(seconds)? { Ok(()) } else { Err(Error::Silent { what: what.into() }) }
    }
}

/// Returns the assertion of its own that QEMU ended by, if it did: emulated, QEMU 10.0 does so once in many boots
/// (`iotlb_to_section: Assertion ...` of system/physmem.c), whatever the guest does.
pub(super) fn breakdown(work: &Path) -> Result<Option<String>> {
    let log = work.join(LOG);
    let said = if log.exists() { files::read(log)? } else { String::new() };
    Ok(said.lines().find(|it| it.contains(ASSERTION)).map(str::to_owned))
}

fn connect(
    listener: &UnixListener,
    process: &mut Running,
    log: &Path,
) -> Result<std::os::unix::net::UnixStream> {
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS);
    while Instant::now() < deadline {
        let soon = Instant::now() + Duration::from_millis(200);
        if let Some(stream) = channel::accept(listener, soon)? {
            return Ok(stream);
        }
        if process.ended()? {
            break;
        }
    }
    Err(Error::Unexpected {
        what: "QEMU".into(),
        expected: "a running machine".into(),
        found: tail(&files::read(log)?).into(),
    })
}

/// KVM where it works, else emulation.
///
/// A machine that is a guest itself may have `/dev/kvm`, answer every call, run all of SeaBIOS, and then stand still in
/// the kernel: the processor must say that it virtualizes, and a guest must reach its end.
pub(super) fn accelerator(toolbox: &Toolbox, place: &Path) -> Result<[&'static str; 2]> {
    const KVM: [&str; 2] = ["-accel", "kvm,kernel-irqchip=split"];
    const EMULATION: [&str; 2] = ["-accel", "tcg,thread=multi"];
    static WORKS: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    if let Some(works) = WORKS.get() {
        return Ok(if *works { KVM } else { EMULATION });
    }
    let works = Path::new("/dev/kvm").exists() && processor_virtualizes()? && kvm_runs(toolbox, place)?;
    Ok(if *WORKS.get_or_init(|| works) { KVM } else { EMULATION })
}

fn processor_virtualizes() -> Result<bool> {
    let text = files::read("/proc/cpuinfo")?;
    let mut flags = text.lines().filter(|line| line.starts_with("flags")).flat_map(str::split_whitespace);
    Ok(flags.any(|it| it == "vmx" || it == "svm"))
}

fn kvm_runs(toolbox: &Toolbox, place: &Path) -> Result<bool> {
    let word: PathBuf = place.join("kvm-probe");
    files::remove(&word)?;
    let probe = toolbox.call([
        "qemu-system-x86_64",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-accel",
        "kvm,kernel-irqchip=split",
        "-machine",
        "q35",
        "-m",
        "64",
        "-chardev",
        &format!("file,id=word,path={}", toolbox.inside(&word)),
        // SeaBIOS tells this port what it does.
        "-device",
        "isa-debugcon,iobase=0x402,chardev=word",
    ]);
    let mut process = probe.start(&files::create(place.join("kvm-probe.log"))?)?;
    let deadline = Instant::now() + Duration::from_secs(PROBE_SECONDS);
    while Instant::now() < deadline && !process.ended()? {
        if word.exists() && files::read(&word)?.contains(FIRMWARE_DONE) {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_assertion_is_a_breakdown_of_qemu() {
        let work = tempfile::tempdir().unwrap();
        assert_eq!(breakdown(work.path()).unwrap(), None);
        let log = work.path().join(LOG);
        let warning = "qemu-system-x86_64: ahci: PRDT length for NCQ command";
        files::write(&log, warning).unwrap();
        assert_eq!(breakdown(work.path()).unwrap(), None);
        let assertion = "qemu-system-x86_64: physmem.c:1: iotlb_to_section: Assertion `a < b' failed.";
        files::write(&log, &format!("{warning}\n{assertion}\n")).unwrap();
        assert_eq!(breakdown(work.path()).unwrap().as_deref(), Some(assertion));
    }
}
