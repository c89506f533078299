//! Configuration of dracut: kept as it is, and edited once.
#![no_main]

use hoststate_core::formats::dracut_conf::{DracutConf, evaluate, glued, words};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut dracut = DracutConf::parse(text);
    assert_eq!(dracut.to_string(), text);
    evaluate([&dracut]);
    glued(&dracut);
    dracut.set_list("force_drivers", &["vfio", "vfio-pci"]);
    let once = dracut.to_string();
    words([&dracut], "force_drivers");
    dracut.set_list("force_drivers", &["vfio", "vfio-pci"]);
    assert_eq!(dracut.to_string(), once);
});
