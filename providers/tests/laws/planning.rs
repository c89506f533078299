//! Planning: it changes nothing, says the same twice, and finds what cannot be.
#![expect(clippy::disallowed_methods, reason = "the whole tree is compared, times of change included")]

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use hoststate_core::language::declaration::Declarations;
use hoststate_core::language::registry::Registry;
use hoststate_core::plan::planned::Plan;
use hoststate_core::record::report::Outcome;
use hoststate_core::resources::TABLE;

use crate::lab::{EVERY_TYPE, KINDS, Kind, Lab, declared};

/// Everything below a directory: what it is, its content, owner, links and times.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory of the tree") {
            let path = entry.expect("an entry of the tree").path();
            let it = std::fs::symlink_metadata(&path).expect("an entry of the tree");
            let content = if it.is_symlink() {
                format!("{:?}", std::fs::read_link(&path).expect("a link of the tree"))
            } else if it.is_file() {
                format!("{:?}", std::fs::read(&path).expect("a file of the tree"))
            } else {
                directories.push(path.clone());
                String::new()
            };
            let modified = (it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec());
            let identity = (it.ino(), it.mode(), it.uid(), it.gid(), it.nlink(), it.size());
            found.insert(path, format!("{identity:?} {modified:?} {content}"));
        }
    }
    found
}

#[test]
fn planning_writes_nothing_and_says_the_same_twice() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let before = snapshot(lab.host.tree().root());
        assert!(before.len() > 50, "{kind:?}");
        let first = lab.plan(EVERY_TYPE);
        assert_eq!(lab.plan(EVERY_TYPE), first, "{kind:?}");
        assert!(before == snapshot(lab.host.tree().root()), "{kind:?}: the tree was touched");
        assert_eq!(lab.performed(), [], "{kind:?}");
        assert!(lab.store().ids().unwrap().is_empty(), "{kind:?}");
    }
}

#[test]
fn a_plan_grows_with_what_it_changes_and_not_with_its_square() {
    let playbook = |count: usize| {
        let of = |number: usize| {
            format!(
                r#"{{"type":"modprobe_options","module":"m{number:04}","options":{{"p":1}}}},
                {{"type":"modprobe_softdep","module":"m{number:04}","pre":["vfio-pci"]}},
                {{"type":"modprobe_blacklist","module":"m{number:04}","install":true}},
                {{"type":"modules_load","modules":["n{number:04}"]}}"#
            )
        };
        (0..count).map(of).collect::<Vec<_>>().join(",")
    };
    let size = |count: usize| {
        let plan = Lab::new(Kind::Ubuntu).plan(&playbook(count));
        serde_json::to_string(&plan).expect("a plan is JSON").len()
    };
    let (few, many) = (size(20), size(200));
    assert!(many < 11 * few, "{few} bytes for 20, {many} for 200");
}

#[test]
fn every_type_has_something_to_do_in_the_playbook_of_the_laws() {
    for kind in KINDS {
        let plan = Lab::new(kind).plan(EVERY_TYPE);
        for entry in TABLE {
            let is_it = |id: &hoststate_core::language::declaration::ResourceId| id.kind == entry.name();
            assert!(plan.changes.iter().any(|it| is_it(&it.resource)), "{kind:?}: {}", entry.name());
        }
        assert_eq!(plan.conflicts, [], "{kind:?}");
        assert_eq!(plan.deferred.len(), 1, "{kind:?}: {:?}", plan.deferred);
    }
}

#[test]
fn a_plan_is_the_same_after_a_way_through_json() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let plan = lab.plan(EVERY_TYPE);
        let text = serde_json::to_string(&plan).unwrap();
        let read: Plan = serde_json::from_str(&text).unwrap();
        assert_eq!(read, plan, "{kind:?}");
        let again = Registry::new(TABLE).decode_all(read.declarations).unwrap();
        assert_eq!(lab.try_plan(&again).unwrap(), plan, "{kind:?}: from its own declarations");
    }
}

/// Plans, shows the conflicts, and makes sure that nobody acts on them.
fn check_conflict(kind: Kind, files: &[(&str, &str)], playbook: &str, expect: Expect) {
    let lab = Lab::with(kind, files);
    let before = snapshot(lab.host.tree().root());
    let plan = lab.plan(playbook);
    let shown = plan.conflicts.iter().map(|it| {
        let foreign = it.foreign.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        format!("{}: {}{foreign}: {}\n", it.resource, it.about, it.reason)
    });
    expect.assert_eq(&shown.collect::<String>());
    let report = lab.converge(playbook);
    assert_eq!(report.outcome, Outcome::Refused);
    assert_eq!((report.changed, report.run), (false, None));
    assert_eq!(lab.performed(), []);
    assert!(before == snapshot(lab.host.tree().root()), "the tree was touched");
}

#[test]
fn declarations_that_want_different_things_are_found_before_anything_is_done() {
    check_conflict(
        Kind::CentosBls,
        &[],
        r#"{"type":"modprobe_options","name":"a","module":"kvm","options":{"nested":1}},
           {"type":"modprobe_options","name":"b","module":"kvm","options":{"nested":0}}"#,
        expect![[r#"
            modprobe_options "a": options kvm: modprobe_options "a" and modprobe_options "b" undo each other
        "#]],
    );
    check_conflict(
        Kind::Ubuntu,
        &[],
        r#"{"type":"kernel_cmdline","present":["iommu=pt"]},{"type":"kernel_cmdline","absent":["iommu"]}"#,
        expect![[r#"
            kernel_cmdline "iommu=pt": /etc/default/grub: kernel_cmdline "iommu=pt" and kernel_cmdline "-iommu" undo each other
        "#]],
    );
    check_conflict(
        Kind::CentosBls,
        &[],
        r#"{"type":"kernel_cmdline","present":["iommu=pt"]},{"type":"kernel_cmdline","absent":["iommu"]}"#,
        expect![[r#"
            kernel_cmdline "iommu=pt": /boot/loader/entries/m-6.1.0-1.conf: kernel_cmdline "iommu=pt" and kernel_cmdline "-iommu" undo each other
            kernel_cmdline "iommu=pt": /boot/loader/entries/m-6.1.0-2.conf: kernel_cmdline "iommu=pt" and kernel_cmdline "-iommu" undo each other
            kernel_cmdline "iommu=pt": /boot/loader/entries/m-6.1.0-3.conf: kernel_cmdline "iommu=pt" and kernel_cmdline "-iommu" undo each other
            kernel_cmdline "iommu=pt": /etc/default/grub: kernel_cmdline "iommu=pt" and kernel_cmdline "-iommu" undo each other
            kernel_cmdline "iommu=pt": /etc/kernel/cmdline: kernel_cmdline "iommu=pt" and kernel_cmdline "-iommu" undo each other
        "#]],
    );
    check_conflict(
        Kind::Ubuntu,
        &[],
        r#"{"type":"sriov_numvfs","name":"a","device":"02:00.0","numvfs":2},
           {"type":"sriov_numvfs","name":"b","device":"02:00.0","numvfs":3}"#,
        expect![[r#"
            sriov_numvfs "a": /etc/udev/rules.d/70-hoststate-sriov.rules: 0000:02:00.0: sriov_numvfs "a" and sriov_numvfs "b" undo each other
            sriov_numvfs "b": /sys/bus/pci/devices/0000:02:00.0/sriov_numvfs: sriov_numvfs "a" and sriov_numvfs "b" want different values in /sys/bus/pci/devices/0000:02:00.0/sriov_numvfs
        "#]],
    );
    check_conflict(
        Kind::Ubuntu,
        &[],
        r#"{"type":"driver_binding","name":"a","device":"01:00.0","driver":"vfio-pci"},
           {"type":"driver_binding","name":"b","device":"01:00.0","driver":"pci-stub"}"#,
        expect![[r#"
            driver_binding "a": /etc/udev/rules.d/70-hoststate-driver.rules: 0000:01:00.0: driver_binding "a" and driver_binding "b" undo each other
            driver_binding "b": /sys/bus/pci/devices/0000:01:00.0/driver_override: driver_binding "a" and driver_binding "b" want different values in /sys/bus/pci/devices/0000:01:00.0/driver_override
        "#]],
    );
    check_conflict(
        Kind::DebianDracut,
        &[],
        r#"{"type":"modprobe_blacklist","module":"nouveau"},{"type":"modules_load","modules":["nouveau"]}"#,
        expect![[r#"
            modules_load "nouveau": modules-load nouveau (/etc/modprobe.d/zz-hoststate.conf:1): systemd-modules-load loads no module that is blacklisted
        "#]],
    );
    check_conflict(
        Kind::Ubuntu,
        &[("/etc/modprobe.d/mine.conf", "install kvm_intel /bin/true\n")],
        r#"{"type":"modules_load","modules":["kvm_intel"]}"#,
        expect![[r#"
            modules_load "kvm_intel": modules-load kvm_intel (/etc/modprobe.d/mine.conf:1): /etc/modprobe.d/mine.conf:1 runs /bin/true instead of loading kvm_intel; remove that line
            modules_load "kvm_intel": /sys/module/kvm_intel (/etc/modprobe.d/mine.conf:1): /etc/modprobe.d/mine.conf:1 runs /bin/true instead of loading kvm_intel; remove that line
        "#]],
    );
}

#[test]
fn lines_of_others_that_win_are_found_before_anything_is_done() {
    let cmdline = r#"{"type":"kernel_cmdline","present":["iommu=pt"]}"#;
    check_conflict(
        Kind::Ubuntu,
        &[("/etc/modprobe.d/zzz.conf", "# theirs\noptions kvm_intel nested=0\n")],
        r#"{"type":"kernel_cmdline","present":["iommu=pt"]},
           {"type":"modprobe_options","module":"kvm_intel","options":{"nested":1}}"#,
        expect![[r#"
            modprobe_options "kvm_intel nested": options kvm_intel (/etc/modprobe.d/zzz.conf:2): /etc/modprobe.d/zzz.conf:2 wins; of several values for an option the last counts. Remove that one, or name its file in `file`.
        "#]],
    );
    check_conflict(
        Kind::CentosBls,
        &[("/etc/modprobe.d/00.conf", "softdep nouveau pre: drm\n")],
        r#"{"type":"modprobe_softdep","module":"nouveau","pre":["vfio-pci"]}"#,
        expect![[r#"
            modprobe_softdep "nouveau": softdep nouveau (/etc/modprobe.d/00.conf:1): /etc/modprobe.d/00.conf:1 wins; of several softdep lines for a module the first counts. Remove that line, or name its file in `file`.
        "#]],
    );
    check_conflict(
        Kind::Ubuntu,
        &[("/etc/default/grub.d/zzz.cfg", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n")],
        cmdline,
        expect![[r#"
            kernel_cmdline "iommu=pt": /etc/default/grub (/etc/default/grub.d/zzz.cfg:1): this assignment of `GRUB_CMDLINE_LINUX_DEFAULT` is read last and wins
        "#]],
    );
    check_conflict(
        Kind::DebianDracut,
        &[("/etc/dracut.conf.d/zzz.conf", "force_drivers=\" loop \"\n")],
        r#"{"type":"initramfs_modules","modules":["vfio-pci"]}"#,
        expect![[r#"
            initramfs_modules "vfio-pci": /etc/dracut.conf.d/zz-hoststate.conf (/etc/dracut.conf.d/zzz.conf:1): `vfio-pci` does not stay in `force_drivers`, which is set again, or added to without a blank
        "#]],
    );
}

#[test]
fn what_keeps_a_driver_or_virtual_functions_away_is_a_conflict() {
    let binding = r#"{"type":"driver_binding","device":"0000:01:00.0","driver":"nouveau"}"#;
    check_conflict(
        Kind::Ubuntu,
        &[("/etc/modprobe.d/mine.conf", "install nouveau /bin/true\n")],
        binding,
        expect![[r#"
            driver_binding "0000:01:00.0": /sys/bus/pci/devices/0000:01:00.0/driver (/etc/modprobe.d/mine.conf:1): /etc/modprobe.d/mine.conf:1 runs /bin/true instead of loading nouveau; remove that line
        "#]],
    );
    let blacklist = r#"{"type":"modprobe_blacklist","module":"vfio-pci","install":true}"#;
    let binding = binding.replace("nouveau", "vfio-pci");
    for playbook in [format!("{binding},{blacklist}"), format!("{blacklist},{binding}")] {
        check_conflict(
            Kind::DebianDracut,
            &[],
            &playbook,
            expect![[r#"
                driver_binding "0000:01:00.0": /sys/bus/pci/devices/0000:01:00.0/driver (/etc/modprobe.d/zz-hoststate.conf:2): /etc/modprobe.d/zz-hoststate.conf:2 runs /bin/false instead of loading vfio-pci; remove that line
            "#]],
        );
    }
    check_conflict(
        Kind::CentosBls,
        &[],
        r#"{"type":"sriov_numvfs","device":"0000:02:10.2","numvfs":0},
           {"type":"sriov_numvfs","device":"0000:02:00.0","numvfs":2}"#,
        expect![[r#"
            sriov_numvfs "0000:02:10.2": /sys/bus/pci/devices/0000:02:10.2: 0000:02:10.2 will be a virtual function of 0000:02:00.0, which sriov_numvfs "0000:02:00.0" makes, and has none of its own
        "#]],
    );
}

#[test]
fn the_order_of_the_playbook_is_the_order_of_the_plan() {
    let lab = Lab::new(Kind::Ubuntu);
    let softdep = r#"{"type":"modprobe_softdep","module":"nouveau","pre":["vfio-pci"]}"#;
    let options = r#"{"type":"modprobe_options","module":"kvm","options":{"x":1}}"#;
    let kinds = |playbook: &str| {
        let mut kinds: Vec<String> =
            lab.plan(playbook).changes.into_iter().map(|it| it.resource.kind).collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(&format!("{softdep},{options}")), ["modprobe_softdep", "modprobe_options"]);
    assert_eq!(kinds(&format!("{options},{softdep}")), ["modprobe_options", "modprobe_softdep"]);
    assert_eq!(declared(&format!("{options},{softdep},{options}")).len(), 2, "one thing said twice");
    let names: Vec<&str> = TABLE.iter().map(|it| it.name()).collect();
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "{names:?}");
}

#[test]
fn one_name_for_two_things_is_refused() {
    let json = r#"{"format":"hoststate.declarations/1","resources":[
        {"type":"modprobe_blacklist","module":"nouveau","playbook":{"file":"a.lua","line":3}},
        {"type":"modprobe_blacklist","module":"nouveau","install":true}]}"#;
    let declarations = Declarations::from_json(json).unwrap();
    let rejected = Registry::new(TABLE).decode_all(declarations.resources).unwrap_err();
    expect![[r#"modprobe_blacklist "nouveau" is declared twice, first at a.lua:3, and they differ"#]]
        .assert_eq(&rejected.first().to_string());
}
