//! Proof that a root is as the playbook of the converge scenarios wants it, read without hoststate.

use crate::{
    error::{Result, check},
    files,
    root::Root,
};

/// The words it wants on the command line.
pub(super) const WORDS: [&str; 2] = ["intel_iommu=on", "iommu=pt"];
/// The files of `/etc/modprobe.d` it makes, with a line that each must hold.
pub(super) const MODPROBE_FILES: [(&str, &str); 2] = [
    ("etc/modprobe.d/01-hoststate.conf", "softdep bochs pre: vfio-pci"),
    ("etc/modprobe.d/zz-hoststate.conf", "options vfio-pci ids=10de:0ffc,10de:0e1b"),
];

/// How to look into an initramfs image with the distribution's own tools.
pub(super) struct Family {
    /// Lists the image; arguments: root, path of the image in it.
    pub(super) image_listing: fn(&Root, &str) -> Result<String>,
    /// Prints one file of the image; arguments: root, path of the image, path in it.
    pub(super) image_file: fn(&Root, &str, &str) -> Result<String>,
}

/// Reads the result with the distribution's own tools and plain text comparison, never with hoststate.
pub(super) fn expect_converged(family: &Family, root: &Root, when: &str) -> Result<()> {
    let lines = root.boot_lines()?;
    let kernels = root.kernels()?;
    for kernel in &kernels {
        let named = lines.iter().any(|it| it.contains(&format!("vmlinuz-{kernel} ")));
        check(named, format!("grub.cfg {when}"), format!("an entry for {kernel}"), lines.join("; "))?;
    }
    for line in &lines {
        for word in WORDS {
            let count = line.split_whitespace().filter(|it| *it == word).count();
            check(
                count == 1,
                format!("grub.cfg {when}"),
                format!("`{word}` once in every entry"),
                format!("{count} times in `{line}`"),
            )?;
        }
    }
    for kernel in &kernels {
        let image = format!("/boot/initrd.img-{kernel}");
        let listing = (family.image_listing)(root, &image)?;
        let has_module =
            listing.lines().any(|it| it.contains(kernel.as_str()) && it.contains("/vfio-pci.ko"));
        check(
            has_module,
            format!("{image} {when}"),
            "vfio-pci.ko in it",
            format!("{} lines without it", listing.lines().count()),
        )?;
        for (path, line) in MODPROBE_FILES {
            let source = files::read(root.join(path))?;
            check(
                source.lines().any(|it| it == line),
                format!("/{path} {when}"),
                format!("the line `{line}`"),
                source.clone(),
            )?;
            check(
                listing.lines().any(|it| it.ends_with(path)),
                format!("{image} {when}"),
                format!("{path} in it"),
                "no such file in its listing",
            )?;
            let inside = (family.image_file)(root, &image, path)?;
            check(inside == source, format!("{path} in {image} {when}"), source, inside)?;
        }
    }
    Ok(())
}
