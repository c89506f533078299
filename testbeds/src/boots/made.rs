//! The image of a system that is booted again and again with other files: as a tree that is asked about, and as an image
//! of the initramfs.

use std::path::Path;

use super::{
    System,
    host::{Host, LIST},
};
use crate::{archive, error::Result, files, process::Call};

const LAY: &str = include_str!("../../recipes/boots-lay.sh");
/// What boot rules run.
const PROGRAM: &str = "/usr/bin/hoststate";
/// The longest that copying may take.
const COPY_SECONDS: u64 = 120;

/// Programs that a measurement needs: paths, and texts.
#[derive(Default)]
pub(crate) struct Programs<'a> {
    pub(crate) image: &'a [(&'a str, &'a str)],
    pub(crate) root: &'a [(&'a str, &'a str)],
}

/// What is made of a system, and the program that hosts have.
pub(crate) struct Made<'a> {
    system: System,
    /// The image of the system.
    pub(crate) directory: &'a Path,
    pub(crate) hoststate: &'a Path,
    release: String,
}

impl<'a> Made<'a> {
    /// How the root is named in a boot configuration.
    pub(crate) const ROOT: &'static str = "UUID=0b7c5d2e-91a4-4f60-8d3b-6a2c17e9f508";

    /// Takes the image of a system.
    pub(crate) fn new(system: System, directory: &'a Path, hoststate: &'a Path) -> Result<Self> {
        let release = files::read(directory.join("release"))?.trim().to_owned();
        Ok(Self { system, directory, hoststate, release })
    }

    /// Makes the image that boots a host, with its files for the root; `besides` are programs of the image and of the root,
    /// and `behind` is a directory for what is added to the image.
    pub(crate) fn boot_image(
        &self,
        host: &Host,
        besides: &Programs<'_>,
        behind: &Path,
        image: &Path,
    ) -> Result<()> {
        self.write_image_files(behind, host)?;
        let in_root = |path: &str| !path.starts_with("/etc/initramfs-tools/");
        let mut list = String::new();
        for (path, text) in host.root.iter().filter(|(path, _)| in_root(path)) {
            files::write(behind.join("boots").join(path.trim_start_matches('/')), text)?;
            list.push_str(&format!("file {path}\n"));
        }
        for (path, text) in besides.image {
            files::write_program(behind.join(path.trim_start_matches('/')), text)?;
        }
        for (path, text) in besides.root {
            files::write(behind.join("boots").join(path.trim_start_matches('/')), text)?;
            list.push_str(&format!("program {path}\n"));
        }
        // The tree that is asked about shows no programs, so that rules are presumed to find theirs.
        if host.root.values().any(|it| it.contains(PROGRAM)) {
            files::make_directory(behind.join("boots/usr/bin"))?;
            files::copy(self.hoststate, behind.join("boots").join(PROGRAM.trim_start_matches('/')))?;
            list.push_str(&format!("program {PROGRAM}\n"));
        }
        list.extend(host.links.iter().map(|(path, target)| format!("link {path} {target}\n")));
        files::write(behind.join("boots/list"), &list)?;
        if self.system.has_dracut() {
            files::write_program(behind.join("usr/lib/dracut/hooks/pre-pivot/10-boots.sh"), LAY)?;
        } else {
            files::write_program(behind.join("scripts/init-bottom/00-boots"), LAY)?;
            let order = "/scripts/init-bottom/00-boots \"$@\"\n/scripts/init-bottom/udev \"$@\"\n";
            files::write(behind.join("scripts/init-bottom/ORDER"), order)?;
        }
        self.pack(host, behind, image)
    }

    /// Copies the tree that hoststate reads. Nothing may write to a file that the copy shares with the image.
    pub(crate) fn copy_tree(&self, tree: &Path) -> Result<()> {
        files::remove_tree(tree)?;
        Call::new(["cp", "-al"]).args([self.directory.join("tree").as_path(), tree]).succeed()?;
        Ok(())
    }

    /// Writes the boot configuration and the image of a host into a tree; it runs without its kernel parameters.
    pub(crate) fn lay_boot(&self, tree: &Path, host: &Host) -> Result<()> {
        let write = |path: &str, text: &str| {
            let path = tree.join(path);
            files::remove(&path)?;
            files::write(path, text)
        };
        let (release, words, root) = (&self.release, host.words.join(" "), Self::ROOT);
        write(
            "boot/grub/grub.cfg",
            &format!(
                "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'Debian' {{\n linux /boot/vmlinuz-{release} root={root} ro quiet \
                 {words}\n initrd /boot/initrd.img-{release}\n}}\n### END /etc/grub.d/10_linux ###\n"
            ),
        )?;
        write(
            "etc/default/grub",
            &format!("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet {words}\"\nGRUB_CMDLINE_LINUX=\"\"\n"),
        )?;
        write("proc/cmdline", &format!("BOOT_IMAGE=/boot/vmlinuz-{release} root={root} ro quiet\n"))?;
        let behind = tree.with_extension("behind");
        files::remove_tree(&behind)?;
        self.write_image_files(&behind, host)?;
        self.pack(host, &behind, &tree.join(format!("boot/initrd.img-{release}")))
    }

    /// Writes what the image has of the host's own, where the generator puts it.
    fn write_image_files(&self, place: &Path, host: &Host) -> Result<()> {
        files::make_directory(place)?;
        for (path, text) in host.image() {
            let path = match path.strip_prefix("/etc/udev/rules.d/") {
                _ if path == LIST => "conf/modules".to_owned(),
                Some(name) if !self.system.has_dracut() => format!("usr/lib/udev/rules.d/{name}"),
                _ => path.trim_start_matches('/').to_owned(),
            };
            files::write(place.join(path), text)?;
        }
        Ok(())
    }

    /// Puts the files behind the image that the generator would have made: the kernel unpacks both.
    fn pack(&self, host: &Host, behind: &Path, file: &Path) -> Result<()> {
        let made = match host.holds() {
            (false, false) => "plain",
            (false, true) => "vfio",
            (true, false) => "graphics",
            (true, true) => "both",
        };
        let script = "cp \"$1\" \"$2\" && truncate -s %4 \"$2\"";
        Call::new(["sh", "-c", script, "sh"])
            .args([&self.directory.join(made), file])
            .within(COPY_SECONDS)
            .succeed()?;
        archive::append(behind, file)
    }
}
