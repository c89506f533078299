//! The table of images: what beds start from, built once and kept.

mod boots;
mod cache;
mod centos;
mod container_tar;
mod debian;
mod twin;
mod vm;

use std::path::{Path, PathBuf};

pub(crate) use self::{cache::remove_all, container_tar::container_of_tar};
use crate::{
    error::{Error, Result},
    progress::Progress,
};

/// Something that beds start from: one file, or a directory.
pub(crate) struct Image {
    /// What `build` and the machines of scenarios call it.
    pub(crate) name: &'static str,
    /// One line for `list`.
    pub(crate) about: &'static str,
    /// The texts that say how it is made, such as `include_str!` of the recipe; when one changes, so does the image.
    pub(crate) made_of: &'static [&'static str],
    /// The images that `build` uses, by name.
    pub(crate) needs: &'static [&'static str],
    /// Writes `Building::file`.
    pub(crate) build: fn(&Building<'_>) -> Result<()>,
    /// What is left to do in namespaces of its own, with the file and a work directory; the machine is read-only then.
    pub(crate) finish: Option<fn(&Path, &Path) -> Result<()>>,
}

/// What the builder of an image gets.
pub(crate) struct Building<'a> {
    /// A directory that is removed afterwards.
    pub(crate) work: &'a Path,
    /// The file to write.
    pub(crate) file: &'a Path,
    /// The files of `Image::needs`, in its order.
    pub(crate) needs: Vec<PathBuf>,
    /// Says what is going on.
    pub(crate) progress: &'a Progress,
}

/// Every image there is.
pub(crate) static IMAGES: [&[Image]; 5] =
    [&debian::IMAGES, &centos::IMAGES, &vm::IMAGES, &boots::IMAGES, &twin::IMAGES];

/// Finds an image by its name.
pub(crate) fn image(name: &str) -> Result<&'static Image> {
    IMAGES.iter().copied().flatten().find(|it| it.name == name).ok_or_else(|| Error::Unknown {
        kind: "image",
        name: name.into(),
        known: all().map(|it| it.name).collect::<Vec<_>>().join(", "),
    })
}

/// All images, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = &'static Image> {
    IMAGES.iter().copied().flatten()
}

/// Does what is left of a build in namespaces of its own.
pub(crate) fn finish(name: &str, work: &Path, file: &Path) -> Result<()> {
    match image(name)?.finish {
        Some(finish) => finish(work, file),
        None => Ok(()),
    }
}
