//! Lists of modules and the kernel's indexes: kept as they are, and edited once.
#![no_main]

use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::formats::module_index::{ModulesAlias, ModulesBuiltin, ModulesDep};
use hoststate_core::formats::module_list::{ListKind, ModuleList};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let module = ModuleName::parse("vfio-pci").expect("a name");
    for kind in [ListKind::InitramfsTools, ListKind::ModulesLoad] {
        let mut list = ModuleList::parse(kind, text);
        assert_eq!(list.to_string(), text);
        list.add(&module);
        assert!(list.contains(&module));
        let once = list.to_string();
        list.add(&module);
        assert_eq!(list.to_string(), once);
        list.remove(&module);
        assert!(!list.contains(&module));
    }
    ModulesBuiltin::parse(text).contains(&module);
    let dep = ModulesDep::parse(text);
    dep.path(&module);
    dep.dependencies(&module);
    ModulesAlias::parse(text).resolve("pci:v000010DEd00000FFCsv00001462sd00008A97bc03sc00i00");
});
