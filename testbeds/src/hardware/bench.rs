//! Boots machines, and has hoststate plan for them and look at them.

use std::path::{Path, PathBuf};

use super::{rack::Rack, shown::Shown};
use crate::{
    beds::vm::{once::Once, toolbox::Toolbox},
    boots::{Host, Made, Programs},
    error::{Result, check},
    files,
    process::{Call, Finished},
    twins::{Space, Twins},
};

/// The first process of the root, and what starts udev in the image.
const INIT: (&str, &str) = ("/usr/local/sbin/hardware-init", include_str!("../../recipes/hardware-init.sh"));
const UDEV: (&str, &str) = ("/scripts/init-top/udev", include_str!("../../recipes/hardware-udev.sh"));
/// Modules of the board's own devices and of the console, and ports that nothing is at: they cost an emulator seconds.
const QUICK: &str = "module_blacklist=ahci,bochs,drm,i2c_i801,lpc_ich 8250.nr_uarts=1";
/// What initramfs-tools is told to load where nobody tells it anything.
const LIST: (&str, &str) = ("/etc/initramfs-tools/modules", "# nothing\n");
/// Where converges write, as far as a boot reads it.
const WRITTEN: [&str; 5] = [
    "etc/modprobe.d",
    "etc/modules-load.d",
    "etc/udev/rules.d",
    "etc/initramfs-tools/modules",
    "etc/systemd/system",
];
const MENU: &str = "etc/default/grub";
/// A machine shows itself within 10 s where nothing else is at work.
const BOOT_SECONDS: u64 = 600;
const ASK_SECONDS: u64 = 120;
/// MiB.
const MEMORY: u32 = 640;

/// What machines are booted with.
pub(super) struct Bench<'a> {
    pub(super) toolbox: Toolbox,
    pub(super) made: Made<'a>,
    pub(super) work: &'a Path,
}

impl Bench<'_> {
    /// Boots a machine with the files of a host, and returns what it showed.
    pub(super) fn boot(&self, worker: usize, rack: &Rack, host: &Host) -> Result<Shown> {
        let place = self.work.join(format!("boot{worker}"));
        files::remove_tree(&place)?;
        files::make_directory(&place)?;
        let image = place.join("image");
        let programs = Programs { image: &[UDEV], root: &[INIT] };
        self.made.boot_image(host, &programs, &place.join("behind"), &image)?;
        let root = self.toolbox.inside(&self.made.directory.join("root.ext4"));
        let (mut words, twins) = rack.arguments(&root);
        let served = Twins::serve(twins.iter().map(|it| Space::from(&it.0)))?;
        words.extend(served.arguments(twins.iter().map(|it| &it.1), MEMORY, &self.toolbox));
        let devices: Vec<&str> = words.iter().map(String::as_str).collect();
        let cmdline = format!(
            "console=ttyS0 panic=-1 no_timer_check root={} ro quiet loglevel=0 init={} {QUICK} {}",
            Made::ROOT,
            INIT.0,
            host.words.join(" ")
        );
        let console = Once {
            kernel: &self.made.directory.join("vmlinux"),
            image: &image,
            cmdline: &cmdline,
            memory: MEMORY,
            disks: &[],
            keeps: false,
            devices: &devices,
            processors: 1,
            seconds: BOOT_SECONDS,
        }
        .console(&self.toolbox, &place)?;
        Shown::read(&console)
    }

    /// Lays a machine out as a host that hoststate has done nothing to.
    pub(super) fn lay(&self, worker: usize, shown: &Shown) -> Result<PathBuf> {
        let tree = self.work.join(format!("tree{worker}"));
        self.made.copy_tree(&tree)?;
        self.lay_boot(&tree, shown, &untouched())?;
        Ok(tree)
    }

    /// Lays out what a machine shows after a boot of a host, and what its next boot has.
    pub(super) fn lay_boot(&self, tree: &Path, shown: &Shown, host: &Host) -> Result<()> {
        shown.lay(tree)?;
        self.made.lay_boot(tree, host)?;
        let words = host.words.join(" ");
        // Without what only a measurement needs.
        files::write(tree.join("proc/cmdline"), &format!("root={} ro quiet {words}\n", Made::ROOT))
    }

    /// Calls hoststate about a tree.
    pub(super) fn call(&self, words: &[&str], tree: &Path) -> Result<Finished> {
        let call = Call::new([self.made.hoststate]).args(words).args(["--root"]).args([tree]);
        call.within(ASK_SECONDS).finish()
    }

    /// Returns what a boot of a tree has of its own: what hoststate wrote into it.
    pub(super) fn written(&self, tree: &Path) -> Result<Host> {
        let mut host = untouched();
        for place in WRITTEN {
            let place = tree.join(place);
            let found = if place.is_dir() { files::list(&place)? } else { vec![place] };
            for file in found.into_iter().filter(|it| it.is_file()) {
                let path = file.strip_prefix(tree).unwrap_or(&file);
                let old = self.made.directory.join("tree").join(path);
                let text = files::read(&file)?;
                if !old.exists() || files::read(old)? != text {
                    host.root.insert(format!("/{}", path.display()), text);
                }
            }
        }
        let menu = files::read(tree.join(MENU))?;
        let line = menu.lines().find_map(|it| it.strip_prefix("GRUB_CMDLINE_LINUX_DEFAULT="));
        check(line.is_some(), MENU, "GRUB_CMDLINE_LINUX_DEFAULT", &menu)?;
        let words = line.unwrap_or_default().trim_matches('"').split(' ');
        host.words = words.filter(|it| *it != "quiet" && !it.is_empty()).map(str::to_owned).collect();
        Ok(host)
    }
}

/// A host that hoststate has done nothing to.
pub(super) fn untouched() -> Host {
    let mut host = Host::default();
    host.root.insert(LIST.0.into(), LIST.1.into());
    host
}
