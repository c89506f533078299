//! Initramfs images, built here.

use hoststate_core::formats::newc;

/// Returns an uncompressed image of these files, as the kernel unpacks it.
pub fn image(files: &[(&str, &str)]) -> Vec<u8> {
    newc::archive(files)
}
