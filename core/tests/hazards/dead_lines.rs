//! Lines of modprobe.d that cannot work on an installed kernel.

use expect_test::expect;
use hoststate_testkit::tree::Tree;
use serde_json::{Value, json};

use crate::sysfs::host;
use crate::{check, harmless};

/// A host with two kernels, the older without `kvm` as a module.
fn two_kernels() -> Tree {
    let tree = host();
    let newer = "/lib/modules/6.8.0";
    tree.write(
        format!("{newer}/modules.dep"),
        "kernel/nouveau.ko.zst:\nkernel/vfio-pci.ko:\nkernel/kvm.ko:\nkernel/kvm_intel.ko:\n",
    );
    tree.write("/boot/vmlinuz-6.1.0", "");
    let older = "/lib/modules/6.1.0";
    tree.write(format!("{older}/modules.dep"), "kernel/vfio-pci.ko:\nkernel/nouveau.ko:\n");
    tree.write(format!("{older}/modules.builtin"), "kernel/arch/x86/kvm/kvm.ko\nkernel/snd-hda-intel.ko\n");
    tree
}

fn softdep(module: &str, pre: &str) -> Value {
    json!([{ "type": "modprobe_softdep", "module": module, "pre": [pre] }])
}

fn options(module: &str, parameter: &str) -> Value {
    json!([{ "type": "modprobe_options", "module": module, "options": { parameter: "1" } }])
}

#[test]
fn a_softdep_of_a_built_in_or_absent_module_is_named() {
    check(
        &two_kernels(),
        softdep("snd_hda_intel", "vfio-pci"),
        expect![[r#"
            warn dead-line-93c045: /etc/modprobe.d/01-hoststate.conf:1 cannot work on kernel 6.1.0: snd_hda_intel is built in and binds before any module is loaded; declare driver_binding for the device
                /lib/modules/6.1.0/modules.builtin names snd_hda_intel
            warn dead-line-1e9211: kernel 6.8.0 has no module snd_hda_intel, neither as a file nor built in: lines about it do nothing there
                the plan adds /etc/modprobe.d/01-hoststate.conf:1
                /lib/modules/6.8.0/modules.dep names none of them
        "#]],
    );
    check(
        &two_kernels(),
        softdep("nouveau", "vfio"),
        expect![[r#"
            warn dead-line-4d63fc: kernel 6.1.0, 6.8.0 has no module vfio, neither as a file nor built in: lines about it do nothing there
                the plan adds /etc/modprobe.d/01-hoststate.conf:1
                /lib/modules/6.1.0/modules.dep names none of them
        "#]],
    );
    harmless(&two_kernels(), softdep("nouveau", "vfio-pci"));
}

#[test]
fn a_softdep_that_the_line_of_an_older_kernel_makes_void_is_named() {
    let tree = two_kernels();
    tree.write("/lib/modules/6.1.0/modules.softdep", "# Soft dependencies\nsoftdep nouveau pre: drm\n");
    let mut late = softdep("nouveau", "vfio-pci");
    late[0]["file"] = json!("vfio.conf");
    check(
        &tree,
        late,
        expect![[r#"
        warn dead-line-a5e7a4: /etc/modprobe.d/vfio.conf:1 cannot work on kernel 6.1.0: of several softdep lines for nouveau the first counts, and that is the kernel's own
            /lib/modules/6.1.0/modules.softdep:2
    "#]],
    );
    harmless(&tree, softdep("nouveau", "vfio-pci"));
}

#[test]
fn options_of_a_built_in_module_and_parameters_that_are_none_are_named() {
    let tree = two_kernels();
    tree.write(
        "/lib/modules/6.8.0/kernel/kvm.ko",
        module(b"parmtype=ignore_msrs:bool\0parmtype=halt_poll_ns:uint\0"),
    );
    check(
        &tree,
        options("kvm", "ignore_msrs"),
        expect![[r#"
            warn dead-line-82b8a4: /etc/modprobe.d/zz-hoststate.conf:1 cannot work on kernel 6.1.0: kvm is built in, and reads only the kernel command line: declare kernel_cmdline { present = { "kvm.ignore_msrs=1" } }
                /lib/modules/6.1.0/modules.builtin names kvm
        "#]],
    );
    check(
        &tree,
        options("kvm", "ignore_msr"),
        expect![[r#"
            warn dead-line-1d3b33: /etc/modprobe.d/zz-hoststate.conf:1 cannot work on kernel 6.8.0: kvm has no parameter ignore_msr; it has halt_poll_ns, ignore_msrs
                `modinfo /lib/modules/6.8.0/kernel/kvm.ko` does not show it
            warn dead-line-9dfa21: /etc/modprobe.d/zz-hoststate.conf:1 cannot work on kernel 6.1.0: kvm is built in, and reads only the kernel command line: declare kernel_cmdline { present = { "kvm.ignore_msr=1" } }
                /lib/modules/6.1.0/modules.builtin names kvm
        "#]],
    );
    tree.write("/lib/modules/6.1.0/modules.builtin", "");
    tree.write("/lib/modules/6.1.0/modules.dep", "kernel/kvm.ko:\n");
    harmless(&tree, options("kvm", "ignore_msrs"));
    harmless(&tree, options("kvm", "ignore-msrs"));
}

#[test]
fn a_line_that_is_there_already_is_not_the_plans_mistake() {
    let tree = two_kernels();
    tree.write("/etc/modprobe.d/01-hoststate.conf", "softdep snd_hda_intel pre: vfio-pci\n");
    harmless(&tree, softdep("nouveau", "vfio-pci"));
}

#[test]
fn ids_that_nothing_reads_are_named() {
    let ids = json!([{ "type": "vfio_pci_ids", "ids": ["10de:0ffc"] }]);
    let list = "/etc/modules-load.d/vfio.conf";
    let tree = two_kernels();
    tree.remove(list);
    check(
        &tree,
        ids.clone(),
        expect![[r#"
            warn dead-line-afcfae: nothing loads vfio-pci, so nothing reads the ids in /etc/modprobe.d/zz-hoststate.conf:1. Declare modprobe_softdep for the devices' own drivers, modules_load or initramfs_modules { modules = { "vfio-pci" } }, or driver_binding
                no softdep, module list, udev rule or kernel parameter names vfio-pci
        "#]],
    );
    for (path, text) in [
        (list, "vfio_pci\n"),
        ("/etc/modprobe.d/x.conf", "softdep nouveau pre: vfio-pci\n"),
        ("/etc/initramfs-tools/modules", "vfio-pci\n"),
        ("/etc/udev/rules.d/70-hoststate-driver.rules", "RUN{builtin}+=\"kmod load vfio-pci\"\n"),
    ] {
        let tree = two_kernels();
        tree.remove(list);
        tree.write(path, text);
        harmless(&tree, ids.clone());
    }
    let tree = two_kernels();
    tree.remove(list);
    let both = json!([{ "type": "vfio_pci_ids", "ids": ["10de:0ffc"] }, { "type": "modules_load", "modules": ["vfio-pci"] }]);
    harmless(&tree, both);
}

/// A module's file: an ELF file of 64 bits with a `.modinfo` section and nothing else.
fn module(info: &[u8]) -> Vec<u8> {
    let names = b"\0.modinfo\0.names\0";
    let mut file = vec![0; 64];
    let contents = file.len();
    let table = contents + info.len() + names.len();
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    file[40..48].copy_from_slice(&(table as u64).to_le_bytes());
    file[58..60].copy_from_slice(&64_u16.to_le_bytes());
    file[60..62].copy_from_slice(&2_u16.to_le_bytes());
    file[62..64].copy_from_slice(&1_u16.to_le_bytes());
    let header = |name: u32, offset: usize, length: usize| {
        let mut header = vec![0; 64];
        header[..4].copy_from_slice(&name.to_le_bytes());
        header[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(length as u64).to_le_bytes());
        header
    };
    let of_info = header(1, contents, info.len());
    let of_names = header(10, contents + info.len(), names.len());
    [file, info.to_vec(), names.to_vec(), of_info, of_names].concat()
}
