//! What the running boot shows of the program that started the kernel.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;
use hoststate_core::formats::efi_variable;
use hoststate_core::formats::kernel_cmdline::{Cmdline, Parameter};
use hoststate_core::machine::facts::{self, Firmware};
use hoststate_core::mechanism::distro::Family;

/// Where the firmware's variables are.
const VARIABLES: &str = "/sys/firmware/efi/efivars";

/// The vendor of the Boot Loader Interface (systemd.io/BOOT_LOADER_INTERFACE).
const LOADER: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// The vendor of UEFI's own variables.
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// Directories where the EFI system partition is mounted.
pub(super) const ESP: [&str; 3] = ["/boot/efi", "/efi", "/boot"];

/// A host, and what its running boot shows.
pub(super) struct Signs<'a> {
    pub(super) host: &'a HostView,
    /// Its kin: decides between candidates, never alone.
    pub(super) family: Family,
    /// Name of its directory below `EFI`.
    pub(super) vendor: &'a str,
    /// The kernel parameters; `None` for a tree without a boot of its own.
    cmdline: Option<Cmdline>,
    /// What started the machine; `None` where the tree does not tell.
    pub(super) firmware: Option<Firmware>,
    /// Whether it is the domain that rules a Xen.
    pub(super) is_dom0: bool,
}

impl<'a> Signs<'a> {
    /// Reads what the boot shows. What `/proc` and `/sys` say in a chroot is about another system, and does not count.
    ///
    /// # Errors
    /// When a file exists and cannot be read.
    pub(super) fn read(host: &'a HostView, family: Family, vendor: &'a str) -> Result<Self> {
        if facts::proc_is_foreign(host)? {
            return Ok(Self { host, family, vendor, cmdline: None, firmware: None, is_dom0: false });
        }
        let cmdline = host.attribute(Path::new("/proc/cmdline"))?.filter(|it| !it.trim().is_empty());
        let (firmware, is_dom0) = (facts::firmware(host)?, facts::is_dom0(host)?);
        Ok(Self { host, family, vendor, cmdline: cmdline.map(|it| Cmdline::parse(&it)), firmware, is_dom0 })
    }

    /// Returns the kernel parameters of the running boot, where they are known.
    pub(super) fn cmdline(&self) -> Option<&Cmdline> {
        self.cmdline.as_ref()
    }

    /// Returns the value of `BOOT_IMAGE=`, which GRUB 2 and syslinux put before the parameters.
    pub(super) fn boot_image(&self) -> Option<&str> {
        let image = self.cmdline()?.parameters().find(|it| it.name() == "BOOT_IMAGE")?.value()?;
        // zipl gives the number of an entry of its own menu.
        image.bytes().any(|it| !it.is_ascii_digit()).then_some(image)
    }

    /// Returns an `initrd=` with backslashes: the EFI stub in the kernel loads that file. GRUB hands the initramfs over
    /// in memory.
    pub(super) fn efi_initrd(&self) -> Option<&Parameter> {
        let is_path =
            |it: &&Parameter| it.name() == "initrd" && it.value().is_some_and(|it| it.contains('\\'));
        self.cmdline()?.parameters().find(is_path)
    }

    /// Returns the program that calls itself the loader of this boot (`LoaderInfo`), e.g. `systemd-boot 252`.
    ///
    /// # Errors
    /// When the variable exists and cannot be read.
    pub(super) fn loader_info(&self) -> Result<Option<String>> {
        self.variable("LoaderInfo", LOADER)
    }

    /// Returns the stub of the unified image that was booted (`StubInfo`).
    ///
    /// # Errors
    /// When the variable exists and cannot be read.
    pub(super) fn stub_info(&self) -> Result<Option<String>> {
        self.variable("StubInfo", LOADER)
    }

    fn variable(&self, name: &str, vendor: &str) -> Result<Option<String>> {
        let text = self.bytes(name, vendor)?.map(|it| efi_variable::text(&it));
        Ok(text.filter(|it| !it.is_empty()))
    }

    fn bytes(&self, name: &str, vendor: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.host.read_bytes(&Path::new(VARIABLES).join(format!("{name}-{vendor}")))?)
    }

    /// Returns the file that the firmware started, as its boot entry names it: `/EFI/debian/shimx64.efi`.
    ///
    /// # Errors
    /// When a variable exists and cannot be read.
    pub(super) fn started_file(&self) -> Result<Option<String>> {
        let current = self.bytes("BootCurrent", GLOBAL)?;
        let Some(number) = current.as_deref().and_then(efi_variable::number) else { return Ok(None) };
        let entry = self.bytes(&format!("Boot{number:04X}"), GLOBAL)?;
        Ok(entry.as_deref().and_then(efi_variable::started_file))
    }

    /// Returns the first of these paths below an EFI system partition.
    ///
    /// # Errors
    /// When a directory cannot be searched.
    pub(super) fn in_esp(&self, path: &str) -> Result<Option<PathBuf>> {
        for esp in ESP {
            let path = Path::new(esp).join(path);
            if self.host.exists(&path)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Returns the first of these files.
    ///
    /// # Errors
    /// When a directory cannot be searched.
    pub(super) fn first_of(&self, paths: &[&str]) -> Result<Option<String>> {
        for path in paths {
            if self.host.exists(Path::new(path))? {
                return Ok(Some((*path).to_owned()));
            }
        }
        Ok(None)
    }
}
