//! PCI devices in a tree's sysfs, with the files and links the kernel makes for them.

use crate::tree::Tree;

/// The root bus that every device is on, or behind a bridge of.
pub(crate) const BUS: &str = "/sys/devices/pci0000:00";

/// A PCI device to be put into a tree.
#[derive(Debug, Clone)]
pub struct SysfsDevice {
    address: String,
    vendor: u16,
    device: u16,
    class: u32,
    driver: Option<String>,
    group: Option<u32>,
    sriov: Option<SysfsSriov>,
    boot_vga: Option<bool>,
    interface: Option<(String, String)>,
    bridge: Option<String>,
    serial: Option<u64>,
}

/// What a physical function's sysfs says about its virtual functions.
#[derive(Debug, Clone, Copy)]
pub struct SysfsSriov {
    /// `sriov_totalvfs`.
    pub total: u16,
    /// `sriov_offset`: from the physical function's routing id to the first virtual one's.
    pub offset: u16,
    /// `sriov_stride`: from one virtual function's routing id to the next.
    pub stride: u16,
    /// `sriov_vf_device`.
    pub device: u16,
}

impl SysfsDevice {
    /// Returns a device with an address, ids and a 24-bit class, without driver and IOMMU group.
    pub fn new(address: &str, vendor: u16, device: u16, class: u32) -> Self {
        let address = address.to_owned();
        Self {
            address,
            vendor,
            device,
            class,
            driver: None,
            group: None,
            sriov: None,
            boot_vga: None,
            interface: None,
            bridge: None,
            serial: None,
        }
    }

    /// Returns a network port of Intel's 82576 with seven virtual functions, as QEMU's `igb` shows it.
    pub fn igb(address: &str) -> Self {
        let sriov = SysfsSriov { total: 7, offset: 128, stride: 2, device: 0x10ca };
        Self::new(address, 0x8086, 0x10c9, 0x02_0000).driver("igb").group(9).sriov(sriov)
    }

    /// Binds it to a driver, which is registered if it is not yet.
    #[must_use]
    pub fn driver(mut self, driver: &str) -> Self {
        self.driver = Some(driver.to_owned());
        self
    }

    /// Puts it into an IOMMU group.
    #[must_use]
    pub fn group(mut self, group: u32) -> Self {
        self.group = Some(group);
        self
    }

    /// Makes it a physical function.
    #[must_use]
    pub fn sriov(mut self, sriov: SysfsSriov) -> Self {
        self.sriov = Some(sriov);
        self
    }

    /// Makes it a VGA device, the one the firmware used or another.
    #[must_use]
    pub fn boot_vga(mut self, is_boot_vga: bool) -> Self {
        self.boot_vga = Some(is_boot_vga);
        self
    }

    /// Gives it a network interface.
    #[must_use]
    pub fn interface(mut self, name: &str, mac: &str) -> Self {
        self.interface = Some((name.to_owned(), mac.to_owned()));
        self
    }

    /// Puts it behind a bridge on the root bus. The simulated kernel does not move such a device.
    #[must_use]
    pub fn behind(mut self, bridge: &str) -> Self {
        self.bridge = Some(bridge.to_owned());
        self
    }

    /// Gives it a Device Serial Number.
    #[must_use]
    pub fn serial(mut self, number: u64) -> Self {
        self.serial = Some(number);
        self
    }

    /// Writes the device into a tree.
    pub fn write(&self, tree: &Tree) {
        let Self { address, vendor, device, class, .. } = self;
        let below = self.bridge.iter().map(|it| format!("{it}/")).collect::<String>() + address;
        let at = |name: &str| format!("{BUS}/{below}/{name}");
        let modalias = format!(
            "pci:v{vendor:08X}d{device:08X}sv00001AF4sd00001100bc{:02X}sc{:02X}i{:02X}\n",
            (class >> 16) & 0xff,
            (class >> 8) & 0xff,
            class & 0xff
        );
        tree.write(at("modalias"), modalias);
        tree.write(at("vendor"), format!("0x{vendor:04x}\n"));
        tree.write(at("device"), format!("0x{device:04x}\n"));
        tree.write(at("class"), format!("0x{class:06x}\n"));
        tree.write(at("revision"), "0x01\n");
        tree.write(at("numa_node"), "-1\n");
        tree.write(at("driver_override"), "(null)\n");
        tree.link(at("subsystem"), "../../../bus/pci");
        tree.link(format!("/sys/bus/pci/devices/{address}"), format!("../../../devices/pci0000:00/{below}"));
        if let Some(serial) = self.serial {
            let mut config = vec![0; 0x10c];
            config[0x100..0x104].copy_from_slice(&0x0003_u32.to_le_bytes());
            config[0x104..].copy_from_slice(&serial.to_le_bytes());
            tree.write(at("config"), config);
        }
        if let Some(group) = self.group {
            tree.link(at("iommu_group"), format!("../../../kernel/iommu_groups/{group}"));
            let member = format!("/sys/kernel/iommu_groups/{group}/devices/{address}");
            tree.link(member, format!("../../../../devices/pci0000:00/{address}"));
        }
        if let Some(is_boot_vga) = self.boot_vga {
            tree.write(at("boot_vga"), if is_boot_vga { "1\n" } else { "0\n" });
        }
        if let Some((name, mac)) = &self.interface {
            tree.write(at(&format!("net/{name}/address")), format!("{mac}\n"));
        }
        if let Some(sriov) = self.sriov {
            tree.write(at("sriov_totalvfs"), format!("{}\n", sriov.total));
            tree.write(at("sriov_numvfs"), "0\n");
            tree.write(at("sriov_offset"), format!("{}\n", sriov.offset));
            tree.write(at("sriov_stride"), format!("{}\n", sriov.stride));
            tree.write(at("sriov_vf_device"), format!("{:x}\n", sriov.device));
            tree.write(at("sriov_drivers_autoprobe"), "1\n");
        }
        if let Some(driver) = &self.driver {
            register_driver(tree, driver);
            if self.bridge.is_some() {
                tree.link(at("driver"), format!("../../../../bus/pci/drivers/{driver}"));
            } else {
                bind(tree, address, driver);
            }
        }
    }
}

/// Makes a driver known to the PCI bus.
pub fn register_driver(tree: &Tree, driver: &str) {
    for attribute in ["bind", "unbind", "new_id", "remove_id"] {
        tree.write(format!("/sys/bus/pci/drivers/{driver}/{attribute}"), "");
    }
    tree.write("/sys/bus/pci/drivers_probe", "");
}

/// Makes the links between a device and its driver.
pub(crate) fn bind(tree: &Tree, address: &str, driver: &str) {
    tree.link(format!("{BUS}/{address}/driver"), format!("../../../bus/pci/drivers/{driver}"));
    let member = format!("/sys/bus/pci/drivers/{driver}/{address}");
    tree.link(member, format!("../../../../devices/pci0000:00/{address}"));
}
