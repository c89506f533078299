//! What images contain, unpacked once: unpacking one takes longer than everything else a plan does.
//!
//! An image is known again by the place, size and change time that the kernel gives its inode. No program can set the
//! change time (`st_ctim`, inode(7)); whatever is written to an image or put in its place has another.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use hoststate_abi::host_view::{HostView, Status};
use serde::{Deserialize, Serialize};

use super::{Contents, IMAGES, Unpacked};
use crate::error::{Error, Result};
use crate::formats::initramfs::InitramfsError;

#[cfg(test)]
mod tests;

/// Format of what is kept in [`IMAGES`].
const FORMAT: &str = "hoststate.images/2";

/// The kernel's clock of change times goes in steps of up to 10 ms: an image that changed in the same step as it was
/// read would not show it.
const SETTLED: Duration = Duration::from_millis(100);

/// An image and its inode when it was unpacked.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    inode: Status,
    contents: Rc<Contents>,
}

/// What is written down for the next run.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    format: String,
    images: HashMap<PathBuf, Known>,
}

/// The images of a host that are known.
#[derive(Debug, Default)]
pub(super) struct Images {
    /// Those of the last run; none before they are looked for.
    kept: RefCell<Option<HashMap<PathBuf, Known>>>,
    /// Those that were asked for.
    asked: RefCell<HashMap<PathBuf, Known>>,
    /// The inodes of those that are unpacked ahead, as they were before that, and whether they had settled.
    ahead: RefCell<HashMap<PathBuf, (Status, bool)>>,
    has_news: Cell<bool>,
}

impl Images {
    /// Unpacks those images that are not known, at the same time.
    ///
    /// # Errors
    /// When one exists and cannot be read.
    pub(super) fn unpack(&self, host: &HostView, images: &[PathBuf]) -> Result<()> {
        let mut unknown = Vec::new();
        for image in images {
            let Some(inode) = host.status(image)? else { continue };
            if !self.knows(host, image, &inode) {
                let settled = has_settled(&inode, SystemTime::now());
                self.ahead.borrow_mut().insert(image.clone(), (inode, settled));
                unknown.push(image.clone());
            }
        }
        Ok(host.parse_at_once(&unknown, Contents::unpack, |it| it.map(Rc::new))?)
    }

    /// Returns whether an image need not be unpacked.
    fn knows(&self, host: &HostView, image: &Path, inode: &Status) -> bool {
        let is_asked = |it: &Self| it.asked.borrow().get(image).is_some_and(|it| it.inode == *inode);
        if is_asked(self) {
            return true;
        }
        if let Some(known) = self.take_kept(host, image).filter(|it| it.inode == *inode) {
            self.asked.borrow_mut().insert(image.to_owned(), known);
        }
        is_asked(self)
    }

    /// Returns what an image contains; `None` when there is none, a text when that cannot be told.
    ///
    /// # Errors
    /// When it exists and cannot be read, or unpacks to more than hoststate is ready for.
    pub(super) fn contents(&self, host: &HostView, image: &Path) -> Result<Option<Unpacked>> {
        let Some(inode) = host.status(image)? else { return Ok(unread(host, image)) };
        if self.knows(host, image, &inode) {
            return Ok(self.asked.borrow().get(image).map(|it| Ok(Rc::clone(&it.contents))));
        }
        let ahead = self.ahead.borrow_mut().remove(image);
        let (inode, is_settled) = ahead.unwrap_or_else(|| (inode, has_settled(&inode, SystemTime::now())));
        // The view remembers damage, too.
        let unpacked = host.parsed_pieces(image, Contents::unpack, |it| it.map(Rc::new))?;
        let Some(unpacked) = unpacked else { return Ok(unread(host, image)) };
        let contents = match &*unpacked {
            Ok(contents) => Rc::clone(contents),
            Err(err @ InitramfsError::TooLarge { .. }) => {
                let what = format!("{}: {err}", image.display());
                return Err(Error::invalid(what, "Rebuild the image, or remove it if no entry boots it."));
            }
            Err(why) => return Ok(Some(Err(why.to_string()))),
        };
        if is_settled {
            let known = Known { inode, contents: Rc::clone(&contents) };
            self.asked.borrow_mut().insert(image.to_owned(), known);
            self.has_news.set(true);
        }
        Ok(Some(Ok(contents)))
    }

    /// Returns what is to be kept in [`IMAGES`] for the next run; `None` when that has it already.
    pub(super) fn news(&self) -> Option<String> {
        if !self.has_news.get() {
            return None;
        }
        let kept = Kept { format: FORMAT.to_owned(), images: self.asked.take() };
        let text = serde_json::to_string(&kept).ok();
        self.asked.replace(kept.images);
        text
    }

    fn take_kept(&self, host: &HostView, image: &Path) -> Option<Known> {
        let mut kept = self.kept.borrow_mut();
        let kept = kept.get_or_insert_with(|| {
            // Whoever may not read it, and who finds it damaged, unpacks the images.
            let text = host.read(Path::new(IMAGES)).ok().flatten();
            let kept: Option<Kept> = text.and_then(|it| serde_json::from_str(&it).ok());
            kept.filter(|it| it.format == FORMAT).map_or_else(HashMap::new, |it| it.images)
        });
        kept.remove(image)
    }
}

/// Returns that nothing is known of an image that may not be read; `None` for one that is not there.
fn unread(host: &HostView, image: &Path) -> Option<Unpacked> {
    host.is_withheld(image).then(|| Err("permission denied".to_owned()))
}

/// Returns whether any later change of an inode gets another change time. File systems that count whole seconds, FAT
/// among them, never tell.
fn has_settled(inode: &Status, now: SystemTime) -> bool {
    let (seconds, nanoseconds) = inode.changed;
    let changed = u64::try_from(seconds).ok().map(|it| Duration::new(it, nanoseconds));
    let changed = changed.and_then(|it| SystemTime::UNIX_EPOCH.checked_add(it));
    let age = changed.and_then(|it| now.duration_since(it).ok());
    nanoseconds != 0 && age.is_some_and(|it| it > SETTLED)
}
