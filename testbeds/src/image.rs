//! Images of hosts: a Debian root with two kernels, GRUB and one initramfs generator, built once and kept.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use crate::{
    error::{Error, Result},
    files, machine,
    process::Call,
    progress::Progress,
    world,
};

/// The release the images hold.
const SUITE: &str = "bookworm";
/// The second kernel: a copy of the first under an older version, so that "every kernel" is more than one
/// and the newest is not the only one that a tool looks at.
const OLDER_KERNEL: &str = "6.1.0-1-amd64";
/// Room for the root, a second set of images and their temporary copies; the file is sparse.
const FILE_SYSTEM_SIZE: &str = "900M";
/// Directories of kernel modules that stay; the others are most of a root's size and nothing here needs them.
const KEPT_MODULES: [&str; 16] = [
    "arch/x86/crypto",
    "arch/x86/kvm",
    "crypto",
    "drivers/block/virtio_blk",
    "drivers/gpu/drm/tiny",
    "drivers/iommu",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
    "drivers/vfio",
    "drivers/virtio",
    "fs/ext4",
    "fs/jbd2",
    "fs/mbcache",
    "lib",
    "sound",
    "virt",
];

/// How an image is made.
#[derive(Debug)]
pub(crate) struct Recipe {
    /// What `build` and the scenarios call it.
    pub(crate) name: &'static str,
    /// Packages beyond the kernel, GRUB and the base system.
    packages: &'static [&'static str],
    /// Shell lines that run in the mounted root and leave it as an installer would.
    finish: &'static str,
}

/// Every image there is.
pub(crate) static RECIPES: [Recipe; 2] = [
    Recipe {
        name: "bookworm-initramfs-tools",
        packages: &["initramfs-tools", "busybox-static"],
        finish: "update-initramfs -c -k \"$older\"\nupdate-grub\n",
    },
    Recipe {
        name: "bookworm-dracut",
        packages: &["dracut", "busybox-static"],
        // dracut copies /etc/modprobe.d in hostonly mode only; the family it comes from has that on by default.
        finish: "echo 'hostonly=\"yes\"' > /etc/dracut.conf.d/10-hostonly.conf\ndracut --regenerate-all --force\nupdate-grub\n",
    },
];

/// Finds a recipe by its name.
pub(crate) fn recipe(name: &str) -> Result<&'static Recipe> {
    RECIPES.iter().find(|it| it.name == name).ok_or_else(|| Error::Unknown {
        kind: "image",
        name: name.into(),
        known: RECIPES.each_ref().map(|it| it.name).join(", "),
    })
}

/// Returns the file with the image, after building it when there is none of this recipe.
pub(crate) fn build(recipe: &Recipe, cache: &Path) -> Result<PathBuf> {
    let image = cache.join(format!("{}-{:016x}.ext4", recipe.name, fingerprint(recipe)));
    files::make_directory(cache)?;
    let lock = files::lock_file(cache.join("build.lock"))?;
    // Held until the end of this function: two builders would spoil each other's image.
    flock(&lock, FlockOperation::LockExclusive).map_err(std::io::Error::from)?;
    if image.exists() {
        return Ok(image);
    }
    let progress = Progress::new(recipe.name);
    let work = world::RunDirectory::make(cache)?;
    let root = work.path().join("unpacked");
    progress.line("fetching and unpacking packages");
    fetch(recipe, &root)?;
    progress.line("making the file system");
    let raw = work.path().join("image.ext4");
    Call::new(["mke2fs", "-q", "-t", "ext4", "-U", "random", "-d"])
        .args([&root, &raw])
        .args([FILE_SYSTEM_SIZE])
        .within(300)
        .succeed()?;
    files::remove_tree(&root)?;
    progress.line("second kernel, initramfs images, boot configuration");
    world::enter(&["inside-prepare", recipe.name], work.path(), &raw, None, 600)?;
    files::rename(&raw, &image)?;
    progress.line(&format!("built {}", image.display()));
    Ok(image)
}

/// Unpacks the packages below `root` (mmdebstrap(1)).
fn fetch(recipe: &Recipe, root: &Path) -> Result<()> {
    let mut packages = vec!["linux-image-amd64", "grub-efi-amd64", "kmod", "udev", "mount", "cpio", "zstd"];
    packages.extend(recipe.packages);
    let modules = "/lib/modules/*/kernel";
    let mut call = Call::new([
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        "--format=directory",
        "--aptopt=Acquire::Languages \"none\"",
        "--aptopt=APT::Install-Recommends \"false\"",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/boot/System.map*",
    ])
    .args([format!("--dpkgopt=path-exclude={modules}/*")]);
    for kept in KEPT_MODULES {
        call = call.args([format!("--dpkgopt=path-include={modules}/{kept}*")]);
    }
    call.args([format!("--include={}", packages.join(","))])
        .args([SUITE])
        .args([root])
        .args([machine::debian_mirror()?])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .within(1200)
        .succeed()?;
    Ok(())
}

/// Runs inside the private world: brings the fetched root into the state an installer leaves.
pub(crate) fn prepare(recipe: &Recipe, bed: &world::Bed) -> Result<()> {
    let root = bed.mount_image()?;
    let script = format!(
        "set -eu\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\n\
         real=$(ls /lib/modules) older={OLDER_KERNEL}\n\
         cp -a /lib/modules/$real /lib/modules/$older\n\
         for kind in vmlinuz config; do cp -a /boot/$kind-$real /boot/$kind-$older; done\n\
         depmod $older\n\
         echo \"UUID=$(grub-probe --target=fs_uuid /) / ext4 errors=remount-ro 0 1\" > /etc/fstab\n\
         rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*\n{}",
        recipe.finish
    );
    root.call(["sh", "-c", &script]).within(500).succeed()?;
    root.unmount()
}

/// Removes every image.
pub(crate) fn remove_all(cache: &Path) -> Result<()> {
    for path in files::list(cache)? {
        if path.extension().is_some_and(|it| it == "ext4") {
            files::remove(path)?;
        }
    }
    Ok(())
}

/// Changes with this file: everything that an image is made of stands in it, but for the archive's own state.
fn fingerprint(recipe: &Recipe) -> u64 {
    let mut hasher = DefaultHasher::new();
    (recipe.name, include_str!("image.rs")).hash(&mut hasher);
    hasher.finish()
}
