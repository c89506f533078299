//! Who gets each PCI function at the next boot, compared with boots of a real machine that were recorded.

#![expect(clippy::unwrap_used, reason = "a test without its host cannot go on")]

use std::collections::BTreeMap;

use hoststate_core::next_boot::Menu;
use hoststate_core::next_boot::fate::{self, Certainty, Fate};
use hoststate_testkit::initramfs::image;
use hoststate_testkit::tree::Tree;

/// The host, and what each boot had besides.
const HOST: &str = include_str!("debian-12.host");
const BOOTS: &str = include_str!("boots.txt");

const KERNEL: &str = "6.1.0-50-amd64";

/// Modules that the image has in every boot, with vfio-pci, and with the drivers of the cards.
const MODULES: [&str; 7] = [
    "net/ethernet/intel/e1000e/e1000e",
    "net/ethernet/realtek/8139cp",
    "net/ethernet/realtek/8139too",
    "nvme/host/nvme-core",
    "nvme/host/nvme",
    "usb/host/xhci-hcd",
    "usb/host/xhci-pci",
];
const VFIO: [&str; 4] = ["vfio/pci/vfio-pci-core", "vfio/pci/vfio-pci", "vfio/vfio", "vfio/vfio_iommu_type1"];
const GRAPHICS: [&str; 4] =
    ["gpu/drm/drm_kms_helper", "gpu/drm/drm", "gpu/drm/tiny/bochs", "gpu/drm/tiny/cirrus"];

/// One boot of the list.
#[derive(Debug, Default)]
struct Boot {
    name: String,
    words: String,
    modules: Vec<&'static str>,
    root: BTreeMap<String, String>,
    image: BTreeMap<String, String>,
    after: Vec<(String, Option<String>)>,
}

fn boots() -> Vec<Boot> {
    let mut boots: Vec<Boot> = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in BOOTS.lines().filter(|it| !it.starts_with('#') && !it.is_empty()) {
        if let Some(name) = line.strip_prefix("boot ") {
            boots.push(Boot { name: name.to_owned(), modules: MODULES.to_vec(), ..Boot::default() });
            continue;
        }
        let boot = boots.last_mut().unwrap();
        match (line.strip_prefix("  "), &open) {
            (Some(text), Some((in_image, path))) => {
                let files = if *in_image { &mut boot.image } else { &mut boot.root };
                files.entry(path.clone()).or_default().push_str(&format!("{text}\n"));
                continue;
            }
            _ => open = None,
        }
        match line.split_once(' ') {
            Some(("words", words)) => boot.words = words.to_owned(),
            Some((kind @ ("file" | "image"), path)) => {
                let in_image = kind == "image";
                let files = if in_image { &mut boot.image } else { &mut boot.root };
                files.insert(path.to_owned(), String::new());
                open = Some((in_image, path.to_owned()));
            }
            Some((address, driver)) => {
                let driver = (driver != "-").then(|| driver.to_owned());
                boot.after.push((address.to_owned(), driver));
            }
            None if line == "holds" => boot.modules.extend(VFIO),
            None => boot.modules.extend(GRAPHICS),
        }
    }
    boots
}

fn host(boot: &Boot) -> Tree {
    let tree = Tree::captured(HOST);
    let line = format!("root=UUID=0b7c5d2e-91a4-4f60-8d3b-6a2c17e9f508 ro quiet {}", boot.words);
    tree.write(
        "/boot/grub/grub.cfg",
        format!(
            "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'Debian' {{\n linux /boot/vmlinuz-{KERNEL} {line}\n initrd \
             /boot/initrd.img-{KERNEL}\n}}\n### END /etc/grub.d/10_linux ###\n"
        ),
    );
    let mut inside: BTreeMap<String, String> = BTreeMap::new();
    for (path, text) in boot.root.iter().filter(|it| !it.0.starts_with("/etc/modules-load.d")) {
        tree.write(path, text);
        inside.insert(path.clone(), text.clone());
    }
    for (path, text) in boot.root.iter().filter(|it| it.0.starts_with("/etc/modules-load.d")) {
        tree.write(path, text);
    }
    inside.extend(boot.image.clone());
    let mut files: Vec<(String, String)> = boot
        .modules
        .iter()
        .map(|it| (format!("usr/lib/modules/{KERNEL}/kernel/drivers/{it}.ko"), String::new()))
        .collect();
    for (path, text) in inside {
        let path = match path.as_str() {
            "/etc/initramfs-tools/modules" => "conf/modules".to_owned(),
            path => path.trim_start_matches('/').to_owned(),
        };
        files.push((path, text));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
    tree.write(format!("/boot/initrd.img-{KERNEL}"), image(&files));
    tree
}

fn told(fate: &Fate) -> String {
    let driver = fate.next.as_deref().unwrap_or("-");
    match &fate.certainty {
        Certainty::Certain => driver.to_owned(),
        Certainty::Race { with } => format!("{driver} or {with}"),
        Certainty::Unknown { reason } => format!("unknown: {reason}"),
    }
}

/// A race is one where either may come first: there a promise is wrong, and the recorded driver is one of the two.
#[test]
fn every_recorded_boot_is_told_as_it_was() {
    let (mut faults, mut races, mut functions) = (Vec::new(), Vec::new(), 0);
    for boot in boots() {
        let tree = host(&boot);
        let view = tree.view();
        let distro = hoststate_providers::detect(&view).unwrap();
        let fates = fate::of(&view, &distro, &Menu::read(&view, &distro).unwrap()).unwrap();
        for fate in &fates {
            functions += 1;
            let recorded = boot.after.iter().find(|it| it.0 == fate.address.to_string());
            // A function that is not named kept the driver that it had.
            let driver = recorded.map_or_else(|| fate.now.clone(), |it| it.1.clone());
            let expected = driver.as_deref().unwrap_or("-");
            let told = told(fate);
            if told.split(" or ").count() == 2 && told.split(" or ").any(|it| it == expected) {
                races.push(format!("{} {} {told}", boot.name, fate.address));
            } else if told != expected {
                faults.push(format!(
                    "{} {}: {told}, and it was {expected}: {:?}",
                    boot.name, fate.address, fate.because
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(functions, 50 * 8);
    assert_eq!(
        races,
        [
            "modules-load 0000:01:00.0 vfio-pci or bochs-drm",
            "softdep-of-other-device-race 0000:01:00.0 bochs-drm or vfio-pci",
            "stale-image-older-ids 0000:00:03.0 xhci_hcd or vfio-pci"
        ]
    );
}
