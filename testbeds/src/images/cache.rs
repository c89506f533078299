//! The cache of images: built once under a name that holds the hash of everything they are made of.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::{Building, IMAGES, Image, image};
use crate::{
    error::Result,
    files,
    progress::Progress,
    world::{self, RunDirectory},
};

/// Below the cache directory.
const PLACE: &str = "images";
/// Digits of the hash in a file name.
const DIGITS: usize = 16;
/// The longest that the last part of a build may take.
const FINISH_SECONDS: u64 = 900;

impl Image {
    /// Returns the file, after building it when there is none that is made of the same.
    pub(crate) fn get(&'static self, cache: &Path) -> Result<PathBuf> {
        let file = cache.join(PLACE).join(format!("{}-{:0DIGITS$x}", self.name, self.fingerprint()?));
        files::make_directory(cache.join(PLACE))?;
        let lock = files::lock_file(cache.join(format!("{}.lock", self.name)))?;
        // Held until the end of this function: two builders would do the same work twice.
        flock(&lock, FlockOperation::LockExclusive).map_err(std::io::Error::from)?;
        if file.exists() {
            return Ok(file);
        }
        let mut needs = Vec::new();
        for name in self.needs {
            needs.push(image(name)?.get(cache)?);
        }
        let progress = Progress::new(self.name);
        let work = RunDirectory::make(cache)?;
        let raw = work.path().join("image");
        (self.build)(&Building { work: work.path(), file: &raw, needs, progress: &progress })?;
        if self.finish.is_some() {
            let words = [Path::new("inside"), Path::new("finish"), Path::new(self.name), work.path(), &raw];
            world::enter(&words, FINISH_SECONDS)?;
        }
        files::rename(&raw, &file)?;
        progress.line("built");
        Ok(file)
    }

    /// Changes with everything that the image is made of, but for the state of the package archive.
    fn fingerprint(&self) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        (self.name, self.made_of).hash(&mut hasher);
        for name in self.needs {
            image(name)?.fingerprint()?.hash(&mut hasher);
        }
        Ok(hasher.finish())
    }
}

/// Removes every image that this module made, of this version and of others.
pub(crate) fn remove_all(cache: &Path) -> Result<()> {
    for path in files::list(cache.join(PLACE))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ours = name.rsplit_once('-').is_some_and(|(name, hash)| {
            let known = IMAGES.iter().copied().flatten().any(|it| it.name == name);
            known && hash.len() == DIGITS && hash.bytes().all(|it| it.is_ascii_hexdigit())
        });
        if ours {
            files::remove_tree_or_file(path)?;
        }
    }
    Ok(())
}
