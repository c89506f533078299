//! Files of modprobe.d: kept as they are, read together, and edited once.
#![no_main]

use std::rc::Rc;

use hoststate_core::formats::modprobe_conf::{ModprobeConf, ModprobeView, ModuleName};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (value, file) = text.split_once('\0').unwrap_or(("1", text));
    let mut conf = ModprobeConf::parse(file);
    assert_eq!(conf.to_string(), file);
    conf.directives();
    let module = ModuleName::parse("vfio-pci").expect("a name");
    let other = ModuleName::parse("nouveau").expect("a name");
    conf.set_softdep(&other, &[module.clone()], &[]);
    conf.add_blacklist(&other);
    let is_set = conf.set_option(&module, "ids", value).is_ok();
    let once = conf.to_string();
    conf.set_softdep(&other, &[module.clone()], &[]);
    conf.add_blacklist(&other);
    assert_eq!(conf.set_option(&module, "ids", value).is_ok(), is_set);
    assert_eq!(conf.to_string(), once);
    let words = file.split(' ');
    let view = ModprobeView::new(vec![(0, "a.conf".to_owned(), Rc::new(ModprobeConf::parse(&once)))]);
    assert!(view.blacklisted(&other).is_some());
    assert!(view.softdep(&other).is_some_and(|it| it.value.pre == ["vfio-pci"] || it.value.pre == ["vfio_pci"]));
    let view = view.with_command_line(words);
    view.effective_option(&module, "ids");
    view.install(&module);
});
