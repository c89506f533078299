//! Release files of every age.
#![no_main]

use hoststate_core::formats::os_release::OsRelease;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let releases = [Some(OsRelease::parse(text)), OsRelease::redhat_release(text), OsRelease::debian_version(text)];
    for release in releases.into_iter().flatten() {
        assert!(release.is_like(&release.id));
        release.major();
    }
});
