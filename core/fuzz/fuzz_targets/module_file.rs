//! Files of kernel modules of any bytes: parameters or nothing.
#![no_main]

use hoststate_core::formats::module_file::ModuleInfo;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let found = [ModuleInfo::parse(data), Some(ModuleInfo::parse_builtin(data, "kvm"))];
    for info in found.into_iter().flatten() {
        assert!(info.parameters.iter().all(|it| info.takes(it)));
    }
});
