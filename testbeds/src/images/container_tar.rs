//! The root file system that a user brings: a tar archive, made into what the container bed mounts.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{error::Result, files, process::Call, progress::Progress, world::RunDirectory};

/// Room for what the tools write; the file is sparse.
const FREE: u64 = 1 << 30;

/// Returns a file with an ext4 file system of the archive's content, made once for each state of the archive.
pub(crate) fn container_of_tar(tar: &Path, cache: &Path) -> Result<PathBuf> {
    let tar = files::absolute(tar)?;
    let status = files::status(&tar)?;
    let mut hasher = DefaultHasher::new();
    (&tar, status.size(), status.mtime(), status.mtime_nsec()).hash(&mut hasher);
    let file = cache.join("images").join(format!("archive-{:016x}", hasher.finish()));
    if file.exists() {
        return Ok(file);
    }
    Progress::new("archive").line(&format!("making a file system of {}", tar.display()));
    files::make_directory(cache.join("images"))?;
    let work = RunDirectory::make(cache)?;
    let (root, raw) = (work.path().join("unpacked"), work.path().join("image"));
    files::make_directory(&root)?;
    Call::new(["tar", "--numeric-owner", "--exclude=./dev/*", "--exclude=dev/*", "-xpf"])
        .args([&tar])
        .args([Path::new("-C"), &root])
        .within(600)
        .succeed()?;
    let used = Call::new(["du", "-sB1", "--apparent-size"]).args([&root]).within(300).succeed()?;
    let used: u64 = used.split_whitespace().next().and_then(|it| it.parse().ok()).unwrap_or(FREE);
    Call::new(["mke2fs", "-q", "-t", "ext4", "-U", "random", "-d"])
        .args([&root, &raw])
        .args([format!("{}K", (used + used / 4 + FREE) / 1024)])
        .within(600)
        .succeed()?;
    files::rename(&raw, &file)?;
    Ok(file)
}
