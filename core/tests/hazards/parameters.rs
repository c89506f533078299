//! Words without effect, and what a changed command line does to measured and locked-down hosts.

use expect_test::expect;
use serde_json::{Value, json};

use crate::sysfs::host;
use crate::{check, harmless};

fn add(words: &[&str]) -> Value {
    json!([{ "type": "kernel_cmdline", "present": words }])
}

#[test]
fn words_that_the_kernel_does_not_know_are_warned_of() {
    let tree = host();
    let wrong = ["intel_iommu=pt", "amd_iommu=on", "iommu=1", "modprobe.blacklist=snd-hda-intel"];
    check(
        &tree,
        add(&wrong),
        expect![[r#"
            warn ineffective-parameter-2cbae2: intel_iommu=pt does not do what it seems to: intel_iommu does not know pt. Write intel_iommu=on, and iommu=pt beside it for speed
                the plan adds intel_iommu=pt
            warn ineffective-parameter-b0e5db: amd_iommu=on does not do what it seems to: amd_iommu does not know on. The IOMMU of AMD is on unless it is turned off
                the plan adds amd_iommu=on
            warn ineffective-parameter-482ad6: iommu=1 does not do what it seems to: iommu does not know 1. intel_iommu=on turns the IOMMU of Intel on; that of AMD is on
                the plan adds iommu=1
            warn ineffective-parameter-ccbf7f: modprobe.blacklist=snd-hda-intel does not do what it seems to: modprobe compares this name literally; write snd_hda_intel
                the plan adds modprobe.blacklist=snd-hda-intel
        "#]],
    );
    harmless(
        &tree,
        add(&["intel_iommu=on,sm_on", "amd_iommu=pgtbl_v2", "iommu=pt", "modprobe.blacklist=snd_hda_intel"]),
    );
}

#[test]
fn a_word_for_an_iommu_that_the_machine_does_not_have_is_warned_of() {
    let tree = host();
    let words = add(&["intel_iommu=on", "amd_iommu=fullflush"]);
    tree.write("/proc/cpuinfo", "vendor_id\t: AuthenticAMD\n");
    check(
        &tree,
        words.clone(),
        expect![[r#"
            warn ineffective-parameter-408191: intel_iommu=on does not do what it seems to: it is about the IOMMU of another vendor; that of AMD is on unless it is turned off
                /proc/cpuinfo has vendor_id AuthenticAMD
        "#]],
    );
    tree.write("/proc/cpuinfo", "vendor_id\t: GenuineIntel\n");
    check(
        &tree,
        words.clone(),
        expect![[r#"
            warn ineffective-parameter-14c057: amd_iommu=fullflush does not do what it seems to: it is about the IOMMU of another vendor; intel_iommu=on turns the IOMMU of Intel on
                /proc/cpuinfo has vendor_id GenuineIntel
        "#]],
    );
    tree.write("/proc/cpuinfo", "vendor_id\t: CentaurHauls\n");
    harmless(&tree, words.clone());
    tree.directory("/sys/bus");
    tree.write("/sys/firmware/acpi/tables/FACP", "");
    check(
        &tree,
        add(&["intel_iommu=on", "iommu=pt"]),
        expect![[r#"
            warn ineffective-parameter-408191: intel_iommu=on does not do what it seems to: the firmware describes no IOMMU, it has neither a DMAR (Intel) nor an IVRS (AMD) table. Turn on VT-d (Intel) or AMD-Vi, also called IOMMU, in the firmware's setup; a virtual machine needs an emulated IOMMU.
                /sys/firmware/acpi/tables has none of DMAR, IVRS, IORT, VIOT
        "#]],
    );
    harmless(&tree, add(&["intel_iommu=off"]));
    tree.write("/sys/firmware/acpi/tables/DMAR", "");
    harmless(&tree, words);
    tree.remove("/sys/firmware/acpi/tables/DMAR");
    tree.write("/sys/kernel/iommu_groups/0/type", "DMA\n");
    harmless(&tree, add(&["intel_iommu=on"]));
}

#[test]
fn a_word_that_is_there_already_is_not_the_plans_mistake() {
    let tree = host();
    tree.write("/etc/words", "amd_iommu=on\n");
    harmless(&tree, add(&["iommu=pt"]));
}

#[test]
fn a_word_of_a_patch_is_warned_of_where_the_kernel_has_it_not() {
    let tree = host();
    let word = add(&["pcie_acs_override=downstream"]);
    check(
        &tree,
        word.clone(),
        expect![[r#"
            warn ineffective-parameter-fdbfb2: pcie_acs_override=downstream does not do what it seems to: it belongs to a patch that no distribution's kernel has, and where it works it only pretends that devices are isolated
                /lib/modules/6.8.0 is not a kernel with that patch
        "#]],
    );
    tree.remove("/boot/vmlinuz-6.8.0");
    tree.write("/boot/vmlinuz-6.8.4-2-pve", "");
    tree.directory("/lib/modules/6.8.4-2-pve");
    harmless(&tree, word);
}

#[test]
fn a_word_for_another_framebuffer_is_warned_of() {
    let tree = host();
    harmless(&tree, add(&["video=efifb:off"]));
    tree.write("/boot/config-6.8.0", "# CONFIG_X is not set\nCONFIG_SYSFB_SIMPLEFB=y\n");
    check(
        &tree,
        add(&["video=efifb:off"]),
        expect![[r#"
            warn ineffective-parameter-79426a: video=efifb:off does not do what it seems to: this kernel's firmware framebuffer is simpledrm, not efifb
                /boot/config-6.8.0 has CONFIG_SYSFB_SIMPLEFB=y
        "#]],
    );
}

#[test]
fn a_word_for_another_generator_and_a_wrong_id_are_warned_of() {
    let tree = host();
    check(
        &tree,
        add(&["rd.driver.pre=vfio-pci", "vfio-pci.ids=10de:0ffc,8086"]),
        expect![[r#"
            warn ineffective-parameter-ce5612: rd.driver.pre=vfio-pci does not do what it seems to: only dracut reads it
                the initramfs images of this host are made by images
            warn ineffective-parameter-24b2e4: vfio-pci.ids=10de:0ffc,8086 does not do what it seems to: "8086" is no id and is skipped
                the plan adds vfio-pci.ids=10de:0ffc,8086
        "#]],
    );
    harmless(&tree, add(&["vfio-pci.ids=10de:0ffc,8086:10ca"]));
}

#[test]
fn a_disk_that_the_tpm_unlocks_is_warned_of() {
    let tree = host();
    harmless(&tree, add(&["iommu=pt"]));
    tree.write("/etc/crypttab", "# x\nroot UUID=1 none luks,tpm2-device=auto\n");
    check(
        &tree,
        add(&["iommu=pt"]),
        expect![[r#"
        warn measured-boot-420036: the TPM measures the kernel command line: a disk that is sealed to it will ask for its passphrase at the next boot. Have that at hand, and seal it again afterwards
            /etc/crypttab:2: root UUID=1 none luks,tpm2-device=auto
    "#]],
    );
    tree.write("/etc/crypttab", "root UUID=1 none luks\n");
    harmless(&tree, add(&["iommu=pt"]));
    tree.write("/usr/bin/clevis-decrypt-tpm2", "");
    tree.directory("/sys/class/tpm/tpm0");
    check(
        &tree,
        add(&["iommu=pt"]),
        expect![[r#"
        warn measured-boot-3ae443: the TPM measures the kernel command line: a disk that is sealed to it will ask for its passphrase at the next boot. Have that at hand, and seal it again afterwards
            /etc/crypttab:1: root UUID=1 none luks
            /usr/bin/clevis-decrypt-tpm2 is installed, and the host has a TPM
    "#]],
    );
    harmless(&tree, json!([{ "type": "modprobe_blacklist", "module": "nouveau" }]));
}

#[test]
fn a_word_that_lockdown_refuses_is_warned_of() {
    let tree = host();
    tree.write("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
    harmless(&tree, add(&["iomem=relaxed"]));
    tree.write("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    check(
        &tree,
        add(&["iomem=relaxed"]),
        expect![[r#"
        warn measured-boot-629b0e: iomem=relaxed needs a kernel that is not locked down and may be unsigned
            /sys/kernel/security/lockdown is none [integrity] confidentiality
    "#]],
    );
    harmless(&tree, add(&["iommu=pt"]));
}

#[test]
fn a_signed_image_keeps_its_command_line_under_secure_boot() {
    let tree = host();
    tree.write("/boot/efi/EFI/Linux/linux.efi", "");
    harmless(&tree, add(&["iommu=pt"]));
    let variable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    tree.write(variable, [6, 0, 0, 0, 1]);
    check(
        &tree,
        add(&["iommu=pt"]),
        expect![[r#"
        warn measured-boot-92a703: /boot/efi/EFI/Linux/linux.efi is signed with its command line, and Secure Boot allows no other
            /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c is 1
            /boot/efi/EFI/Linux/linux.efi is there
    "#]],
    );
    tree.write(variable, [6, 0, 0, 0, 0]);
    harmless(&tree, add(&["iommu=pt"]));
}
