//! What hosts of these tests have in common: devices, links of sysfs, and a resource that writes what it is told.

use hoststate_abi::setting::{Disruption, Remedy, Setting, State};
use hoststate_abi::step::Step;
use hoststate_core::error::Result;
use hoststate_core::language::registry::Entry;
use hoststate_core::language::resource::{Context, Resource, ResourceType};
use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::tree::Tree;
use schemars::JsonSchema;
use serde::Deserialize;

/// The resource as a line of a table.
pub(crate) const ENTRY: Entry = Entry::of::<Write>();

/// Writes a file, or attributes in order, unless they are so already. A plugin can plan any such steps.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Write {
    /// The file, and the text it shall have.
    #[serde(default)]
    file: Option<(String, String)>,
    /// The attributes, and what is written.
    #[serde(default)]
    attributes: Vec<(String, String)>,
}

impl ResourceType for Write {
    const NAME: &'static str = "write";

    fn default_name(&self) -> String {
        format!("{:?}{:?}", self.file, self.attributes)
    }

    fn absent(&self, _: Context<'_>) -> Result<Vec<Setting>> {
        unreachable!("no test takes it out")
    }
}

impl Resource for Write {
    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let mut settings = Vec::new();
        let drifted = |steps| State::Drifted { actual: None, desired: None, remedy: Remedy::Steps(steps) };
        if let Some((path, text)) = &self.file {
            let is_so = cx.host.read(path.as_ref())?.as_ref() == Some(text);
            let write = Step::WriteFile { path: path.into(), text: text.clone() };
            let state = if is_so { State::Converged } else { drifted(vec![write]) };
            settings.push(Setting::persistent(path.as_str(), state));
        }
        if !self.attributes.is_empty() {
            let write = |(path, value): &(String, String)| Step::WriteAttribute {
                path: path.into(),
                value: value.clone(),
            };
            let state = drifted(self.attributes.iter().map(write).collect());
            settings.push(Setting::runtime("attributes", Disruption::Device, state));
        }
        Ok(settings)
    }
}

/// The same as a type of somebody else.
pub(crate) const FOREIGN: Entry = Entry::of::<Foreign>();

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Foreign(Write);

impl ResourceType for Foreign {
    const NAME: &'static str = "acme.write";

    fn default_name(&self) -> String {
        self.0.default_name()
    }

    fn absent(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        self.0.absent(cx)
    }
}

impl Resource for Foreign {
    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        self.0.inspect(cx)
    }
}

/// Returns a host with one kernel that has vfio-pci as a module.
pub(crate) fn host() -> Tree {
    Tree::new(&[
        ("/boot/vmlinuz-6.8.0", ""),
        ("/boot/initrd.img-6.8.0", ""),
        ("/lib/modules/6.8.0/modules.builtin", ""),
        ("/etc/modules-load.d/vfio.conf", "vfio-pci\n"),
        ("/proc/cmdline", "root=/dev/sda1 ro\n"),
        ("/etc/words", "root=/dev/sda1 ro\n"),
        ("/sys/class/tty/console/active", "tty0\n"),
    ])
}

/// Adds the firmware's graphics card, Intel's on bus 0.
pub(crate) fn with_igpu(tree: &Tree) {
    SysfsDevice::new("0000:00:02.0", 0x8086, 0x3e92, 0x03_0000)
        .driver("i915")
        .group(0)
        .boot_vga(true)
        .write(tree);
}

/// Adds a graphics card with its sound function in one group.
pub(crate) fn with_gpu(tree: &Tree, bus: u8, group: u32) {
    let address = |function: u8| format!("0000:{bus:02x}:00.{function}");
    SysfsDevice::new(&address(0), 0x10de, 0x0ffc, 0x03_0000)
        .driver("nouveau")
        .group(group)
        .boot_vga(false)
        .write(tree);
    SysfsDevice::new(&address(1), 0x10de, 0x0e1b, 0x04_0300).driver("snd_hda_intel").group(group).write(tree);
}

/// Adds an NVMe disk.
pub(crate) fn with_nvme(tree: &Tree, address: &str, name: &str, group: u32) {
    SysfsDevice::new(address, 0x144d, 0xa808, 0x01_0802).driver("nvme").group(group).write(tree);
    let disk = format!("/sys/devices/pci0000:00/{address}/nvme/{name}/{name}n1");
    tree.link(format!("/sys/class/block/{name}n1"), format!("../..{}", &disk["/sys".len()..]));
    for part in 1..4 {
        tree.write(format!("{disk}/{name}n1p{part}/partition"), format!("{part}\n"));
        let link = format!("/sys/class/block/{name}n1p{part}");
        tree.link(link, format!("../..{}/{name}n1p{part}", &disk["/sys".len()..]));
    }
}

/// Adds a network interface to a card that is there.
pub(crate) fn with_interface(tree: &Tree, address: &str, name: &str) {
    let directory = format!("/sys/devices/pci0000:00/{address}/net/{name}");
    tree.write(format!("{directory}/flags"), "0x1003\n");
    tree.link(format!("{directory}/device"), "../..");
    tree.link(format!("/sys/class/net/{name}"), format!("../../devices/pci0000:00/{address}/net/{name}"));
}

/// Adds a network card with an interface.
pub(crate) fn with_nic(tree: &Tree, address: &str, driver: &str, interface: &str, group: u32) {
    SysfsDevice::new(address, 0x8086, 0x1533, 0x02_0000).driver(driver).group(group).write(tree);
    with_interface(tree, address, interface);
}

/// Makes an interface carry the default route.
pub(crate) fn with_default_route(tree: &Tree, interface: &str) {
    let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
    let routes = format!(
        "{head}\n{interface}\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
         {interface}\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
    );
    tree.write("/proc/net/route", routes);
}
