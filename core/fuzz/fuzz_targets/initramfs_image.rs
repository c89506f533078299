//! Initramfs images of any bytes: listed or refused.
#![no_main]

use hoststate_core::formats::initramfs;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(image) = initramfs::list_with(data, |path| path.starts_with("etc/")) {
        for entry in &image.entries {
            image.read(&entry.path);
            assert!(image.entry(&entry.path).is_some());
        }
    }
});
