//! Who gets a device at the next boot, where the order of things decides: plan and why say the same.

use hoststate_testkit::tree::Tree;

use crate::hosts::{host, run};

const BOTH: &str = "driver_binding { device = '01:00.0', driver = 'vfio-pci' }\n\
                    driver_binding { device = '01:00.1', driver = 'vfio-pci' }";

#[test]
fn what_keeps_vfio_pci_itself_from_loading_is_named_with_file_and_line() {
    for line in ["blacklist vfio-pci\n", "blacklist vfio_pci\n", "install vfio-pci /bin/false\n"] {
        let tree = host("ubuntu-24.04", &[("/etc/modprobe.d/old.conf", Some(line))]);
        for playbook in [BOTH, "gpu_passthrough { device = '01:00.0' }"] {
            let (plan, status) = run(&tree, "plan", playbook);
            // The list of initramfs-tools and udev heed a blacklist, and so does kmod for a softdep the other.
            let is_softdep = playbook.contains("gpu") && line.starts_with("blacklist");
            assert_eq!(plan.contains("/etc/modprobe.d/old.conf:1"), !is_softdep, "{line}{plan}");
            // Without that line a boot would do, or the driver could be loaded now: it is in conflict with the playbook.
            let is_conflict = line.starts_with("install");
            let is_in_vain = plan.contains("A reboot will not be enough");
            let is_loaded_now = is_conflict && !playbook.contains("gpu");
            assert_eq!(is_in_vain, !is_softdep && !is_loaded_now, "{line}{plan}");
            assert_eq!(status, Some(if is_conflict { 1 } else { 2 }), "{plan}");
        }
    }
}

#[test]
fn a_device_of_the_denylist_is_not_promised() {
    let qat = |option: &str| {
        let tree = host("ubuntu-24.04", &[("/etc/modprobe.d/vfio.conf", Some(option))]);
        let device = "/sys/devices/pci0000:00/0000:00:1c.0/0000:03:00.0";
        tree.write(format!("{device}/vendor"), "0x8086\n");
        tree.write(format!("{device}/device"), "0x37c9\n");
        tree.write(format!("{device}/class"), "0x0b4000\n");
        tree.write(format!("{device}/modalias"), "pci:v00008086d000037C9sv00008086sd00000000bc0Bsc40i00\n");
        run(&tree, "plan", "driver_binding { device = '03:00.0', driver = 'vfio-pci' }").0
    };
    let plan = qat("# nothing\n");
    assert!(
        plan.contains("8086:37c9 is on the denylist of vfio-pci")
            && plan.contains("{ disable_denylist = 1 }"),
        "{plan}"
    );
    assert!(plan.contains("! driver_binding \"0000:03:00.0\""), "{plan}");
    let plan = qat("options vfio-pci disable_denylist=1\n");
    assert!(!plan.contains("denylist"), "{plan}");
}

#[test]
fn a_rule_that_takes_the_card_off_the_bus_is_named_wherever_it_lies() {
    let rule = "ACTION==\"add\", SUBSYSTEM==\"pci\", ATTR{vendor}==\"0x10de\", ATTR{class}==\"0x03[0-9]*\", ATTR{remove}=\"1\"\n";
    for directory in ["/etc", "/run", "/usr/lib"] {
        let tree = host("ubuntu-24.04", &[]);
        tree.write(format!("{directory}/udev/rules.d/50-remove.rules"), rule);
        let place = format!("{directory}/udev/rules.d/50-remove.rules:1 takes 0000:01:00.0 off the bus");
        for playbook in [BOTH, "gpu_passthrough { device = '01:00.0' }"] {
            let (plan, _) = run(&tree, "plan", playbook);
            assert!(plan.contains(&place), "{plan}");
            let (why, _) = crate::hosts::why(&tree, "01:00.0", playbook);
            assert!(why.contains(&place), "{why}");
        }
    }
    let line = "w /sys/bus/pci/devices/0000:01:00.0/remove - - - - 1\n";
    let tree = host("ubuntu-24.04", &[("/etc/tmpfiles.d/gpu.conf", Some(line))]);
    let place = "/etc/tmpfiles.d/gpu.conf:1 takes 0000:01:00.0 off the bus";
    let ((plan, _), (why, _)) = (run(&tree, "plan", BOTH), crate::hosts::why(&tree, "01:00.0", BOTH));
    assert!(plan.contains(place) && why.contains(place), "{plan}{why}");
}

const SCRIPT: &str = "#!/bin/sh\n# 0000:03:00.0\nfor dev in 0000:02:00.0; do\n\techo vfio-pci > \
                      /sys/bus/pci/devices/$dev/driver_override\n\techo $dev > /sys/bus/pci/drivers/vfio-pci/bind\ndone\n";

#[test]
fn a_script_of_the_image_that_names_the_disk_of_root_is_refused_when_the_image_is_made_anew() {
    let kvm = "modprobe_options { module = 'kvm', options = { ignore_msrs = '1' } }";
    let tree = host("ubuntu-24.04", &[("/etc/initramfs-tools/scripts/init-top/vfio.sh", Some(SCRIPT))]);
    for playbook in [kvm, "gpu_passthrough { device = '01:00.0' }"] {
        let (plan, status) = run(&tree, "plan", playbook);
        assert_eq!(status, Some(4), "{plan}");
        assert!(plan.contains("root-storage-") && plan.contains("init-top/vfio.sh"), "{plan}");
    }
    // The images as they are have no such script.
    let (plan, status) = run(&tree, "plan", "kernel_cmdline { present = { 'mitigations=auto' } }");
    assert_eq!(status, Some(2), "{plan}");
    assert!(!plan.contains("vfio.sh"), "{plan}");
    let harmless = SCRIPT.replace("0000:02:00.0", "0000:05:00.0");
    let tree = host("ubuntu-24.04", &[("/etc/initramfs-tools/scripts/init-top/vfio.sh", Some(&harmless))]);
    let (plan, _) = run(&tree, "plan", kvm);
    assert!(!plan.contains("refused"), "{plan}");
}

#[test]
fn a_module_that_an_install_line_inserts_without_its_softdeps_comes_first() {
    let lines = "alias pci:v000010DEd*sv*sd*bc03sc00i00* nvidia\ninstall nvidia modprobe -i nouveau\n";
    let tree = host(
        "ubuntu-24.04",
        &[
            ("/etc/modprobe.d/nvidia.conf", Some(lines)),
            ("/etc/modprobe.d/vfio.conf", Some("options vfio-pci ids=10de:0ffc\n")),
        ],
    );
    let playbook = "vfio_pci_ids { ids = { '10de:0ffc' }, file = 'vfio.conf' }\n\
                    modprobe_softdep { module = 'nouveau', pre = { 'vfio-pci' } }";
    let (plan, _) = run(&tree, "plan", playbook);
    assert!(plan.contains("0000:01:00.0 will not be on vfio-pci after a boot: nouveau takes it"), "{plan}");
    assert!(plan.contains("install nvidia modprobe -i nouveau"), "{plan}");
    // The softdep of the module that udev asks for is heeded, and the composite declares it.
    let (plan, _) = run(&tree, "plan", "gpu_passthrough { device = '01:00.0', file = 'vfio.conf' }");
    assert!(plan.contains("softdep nvidia: (absent) -> pre: vfio-pci"), "{plan}");
    assert!(!plan.contains("will not be on vfio-pci"), "{plan}");
}

#[test]
fn virtual_functions_to_come_have_a_fate() {
    let tree = host("ubuntu-24.04", &[]);
    let next = |playbook: &str| {
        let (text, _) = crate::hosts::answer(&tree, &["plan", "playbook.lua", "--format", "json"], playbook);
        let plan: serde_json::Value = serde_json::from_str(&text).expect("a plan");
        let devices = plan["next_boot"]["devices"].as_array().expect("devices").clone();
        let coming = devices
            .into_iter()
            .filter(|it| it["address"].as_str().is_some_and(|it| it.starts_with("0000:3b:02")));
        coming.map(|it| format!("{} {} {}", it["address"], it["next"], it["certainty"])).collect::<Vec<_>>()
    };
    let shown = |driver: &str| {
        ["0000:3b:02.0", "0000:3b:02.1"].map(|it| format!("\"{it}\" \"{driver}\" \"certain\""))
    };
    assert_eq!(next("sriov_nic { device = '3b:00.0', numvfs = 2, driver = 'vfio-pci' }"), shown("vfio-pci"));
    assert_eq!(next("sriov_numvfs { device = '3b:00.0', numvfs = 2 }"), shown("iavf"));
    // Without autoprobe only an override binds them.
    assert!(next("sriov_numvfs { device = '3b:00.0', numvfs = 2, autoprobe = false }").is_empty());
}

#[test]
fn what_only_a_boot_tells_is_not_promised() {
    let tree = host("ubuntu-24.04", &[("/boot/initrd.img-6.8.0-45-generic", Some("no archive\n"))]);
    let playbook = "vfio_pci_ids { ids = { '10de:0ffc', '10de:0e1b' } }\n\
                    modprobe_softdep { module = 'nouveau', pre = { 'vfio-pci' } }";
    let (plan, _) = run(&tree, "plan", playbook);
    let (sure, unsure) = plan.split_once("A reboot may bring:").expect("a heading of its own");
    assert!(!sure.contains("driver of 0000:01:00.0"), "{plan}");
    assert!(
        unsure.contains("driver of 0000:01:00.0: nouveau -> vfio-pci: not known: /boot/initrd.img"),
        "{plan}"
    );
}

/// The addresses whose fate nobody knows, as `inspect` tells.
fn unknown(tree: &hoststate_testkit::tree::Tree) -> Vec<String> {
    let (text, _) = crate::hosts::answer(tree, &["inspect", "devices", "--format", "json"], "");
    let devices: serde_json::Value = serde_json::from_str(&text).expect("devices");
    let all = devices["devices"].as_array().expect("a list").iter();
    let unknown = all.filter(|it| it["next"]["certainty"] == "unknown");
    unknown.map(|it| it["address"].as_str().expect("an address").to_owned()).collect()
}

#[test]
fn a_rule_that_moves_a_device_by_a_command_makes_the_fate_of_that_device_unknown_and_of_no_other() {
    let card = ["0000:01:00.0", "0000:01:00.1"];
    for (rule, wanted) in [
        // By its address, on an event of its own.
        (
            r#"ACTION=="add", KERNEL=="0000:01:00.0", RUN+="/bin/sh -c 'echo 0000:01:00.0 > /sys/bus/pci/drivers/vfio-pci/bind'""#,
            &card[..1],
        ),
        // By what the rule matches.
        (
            r#"SUBSYSTEM=="pci", ATTR{vendor}=="0x10de", RUN+="/bin/sh -c 'echo %k > /sys/bus/pci/drivers/vfio-pci/bind'""#,
            &card,
        ),
        // The override is written by the command, so no rule says for which driver the bus looks again.
        (
            r#"SUBSYSTEM=="pci", KERNEL=="0000:01:00.1", RUN+="/bin/sh -c 'echo vfio-pci > /sys$devpath/driver_override; echo %k > /sys$devpath/driver/unbind; echo %k > /sys/bus/pci/drivers_probe'""#,
            &card[1..],
        ),
        // On the event of another thing.
        (
            r#"SUBSYSTEM=="module", KERNEL=="vfio_pci", RUN+="/bin/sh -c 'echo 10de 0ffc > /sys/bus/pci/drivers/vfio-pci/new_id'""#,
            &card[..1],
        ),
        (
            r#"KERNEL=="0000:02:00.0", RUN+="/bin/sh -c 'echo 0000:01:00.1 > /sys/bus/pci/devices/0000:01:00.1/driver/unbind'""#,
            &card[1..],
        ),
        // It moves nothing.
        (r#"KERNEL=="0000:01:00.0", RUN+="/usr/bin/logger 0000:01:00.0""#, &[]),
    ] {
        let tree = host("ubuntu-24.04", &[("/etc/udev/rules.d/50-vfio.rules", Some(rule))]);
        assert_eq!(unknown(&tree), wanted, "{rule}");
    }
}

#[test]
fn an_install_line_that_only_a_shell_understands_makes_unknown_what_its_modules_may_take() {
    let list = ("/etc/modules-load.d/vfio.conf", Some("vfio-pci\n"));
    let card = ["0000:01:00.0", "0000:01:00.1"];
    let sound = ["0000:01:00.1", "0000:00:1f.3"];
    for (line, wanted) in [
        // The image has loaded it before that line is read.
        ("install nouveau { modprobe -i nouveau; }\n", Some(&[][..])),
        ("install nouveau /bin/true\ninstall snd_hda_intel /usr/local/bin/sound\n", Some(&sound[..])),
        ("install kvm /usr/local/bin/kvm\n", Some(&[])),
        // What is run in place of vfio-pci may bind whatever is not taken by the kernel itself.
        ("install vfio-pci /usr/local/bin/vfio-override.sh\n", None),
    ] {
        let tree = host("ubuntu-24.04", &[list, ("/etc/modprobe.d/own.conf", Some(line))]);
        let found = unknown(&tree);
        match wanted {
            Some(wanted) => assert_eq!(found, wanted, "{line}"),
            None => assert!(card.iter().all(|it| found.iter().any(|found| found == it)), "{line}{found:?}"),
        }
    }
}

/// The driver of a function at the next boot, and how sure it is; also of those that only the boot makes.
fn next(tree: &Tree, address: &str) -> Option<String> {
    let (text, _) = crate::hosts::answer(tree, &["inspect", "devices", "--format", "json"], "");
    let said: serde_json::Value = serde_json::from_str(&text).expect("what inspect says");
    let devices = said["devices"].as_array().expect("devices").iter();
    let known = devices.filter(|it| it["address"] == address).map(|it| it["next"].clone());
    let coming =
        said["to_come"].as_array().into_iter().flatten().filter(|it| it["address"] == address).cloned();
    let fate = known.chain(coming).next()?;
    Some(format!(
        "{} {}",
        fate["next"].as_str().unwrap_or("-"),
        fate["certainty"].as_str().unwrap_or_default()
    ))
}

/// An image with a kernel's drivers for cards of a kind, or without any.
fn image_with(tree: &Tree, modules: &[&str]) {
    let paths: Vec<String> = modules
        .iter()
        .map(|it| format!("usr/lib/modules/6.8.0-45-generic/kernel/drivers/net/ethernet/intel/{it}/{it}.ko"))
        .collect();
    let files: Vec<(&str, &str)> =
        paths.iter().map(|it| (it.as_str(), "")).chain([("conf/modules", "")]).collect();
    tree.write("/boot/initrd.img-6.8.0-45-generic", hoststate_testkit::initramfs::image(&files));
}

const PHYSICAL: &str = "0000:3b:00.0";
const VIRTUAL: &str = "0000:3b:02.1";

#[test]
fn functions_to_come_are_shown_by_inspect() {
    let tree = host("ubuntu-24.04", &[]);
    assert_eq!(next(&tree, VIRTUAL), None);
    let rule = format!(
        "ACTION==\"add\", SUBSYSTEM==\"net\", KERNELS==\"{PHYSICAL}\", ATTR{{device/sriov_numvfs}}=\"2\"\n"
    );
    tree.write("/etc/udev/rules.d/99-vfs.rules", &rule);
    assert_eq!(next(&tree, VIRTUAL).as_deref(), Some("iavf certain"));
    let (text, _) = crate::hosts::answer(&tree, &["inspect", "devices"], "");
    assert!(text.contains("The next boot makes 0000:3b:02.1, for iavf.\n"), "{text}");
}

#[test]
fn what_is_loaded_takes_a_virtual_function_before_udev_sees_it() {
    let count = format!(
        "ACTION==\"add\", SUBSYSTEM==\"net\", KERNELS==\"{PHYSICAL}\", ATTR{{device/sriov_numvfs}}=\"2\"\n"
    );
    let ids = "options vfio-pci ids=8086:154c\n";
    let tree = host(
        "ubuntu-24.04",
        &[("/etc/udev/rules.d/99-vfs.rules", Some(&count)), ("/etc/modprobe.d/vfio.conf", Some(ids))],
    );
    // Nothing loads vfio-pci.
    assert_eq!(next(&tree, VIRTUAL).as_deref(), Some("iavf certain"));
    tree.write("/etc/modprobe.d/vfio.conf", format!("{ids}softdep iavf pre: vfio-pci\n"));
    assert_eq!(next(&tree, VIRTUAL).as_deref(), Some("vfio-pci certain"));
    tree.write("/etc/modprobe.d/vfio.conf", format!("{ids}blacklist iavf\n"));
    assert_eq!(next(&tree, VIRTUAL).as_deref(), Some("- certain"));
}

#[test]
fn only_the_driver_of_the_physical_function_makes_virtual_ones() {
    let rule = |conditions: &str, attribute: &str| {
        format!("ACTION==\"add\", {conditions}, ATTR{{{attribute}}}=\"2\"\n")
    };
    let by_pci = rule(&format!("SUBSYSTEM==\"pci\", KERNEL==\"{PHYSICAL}\""), "sriov_numvfs");
    let by_driver = rule("SUBSYSTEM==\"net\", ENV{ID_NET_DRIVER}==\"i40e\"", "device/sriov_numvfs");
    let comes_with = |modules: &[&str], file: &str, text: &str, more: &[(&str, Option<&str>)]| {
        let tree = host("ubuntu-24.04", more);
        image_with(&tree, modules);
        tree.write(format!("/etc/udev/rules.d/{file}"), text);
        next(&tree, VIRTUAL)
    };
    let comes = |file: &str, text: &str, more: &[(&str, Option<&str>)]| comes_with(&[], file, text, more);
    // At the event of the function itself it has no driver yet, unless it got that in the image.
    assert_eq!(comes("99-vfs.rules", &by_pci, &[]), None);
    assert_eq!(comes_with(&["i40e"], "99-vfs.rules", &by_pci, &[]).as_deref(), Some("iavf certain"));
    assert_eq!(comes("99-vfs.rules", &by_driver, &[]).as_deref(), Some("iavf certain"));
    // Which driver an interface has is not known to the first rules.
    assert_eq!(comes("10-vfs.rules", &by_driver, &[]), None);
    // Nor are there any where the physical function goes to a guest.
    let guest = ("/etc/modprobe.d/x.conf", Some("blacklist i40e\n"));
    assert_eq!(comes("99-vfs.rules", &by_driver, &[guest]), None);
}

#[test]
fn an_unread_image_is_held_against_the_function_that_two_drivers_claim_and_not_its_neighbour() {
    let (coming, there) = ("0000:3b:02.0", "0000:3b:0a.0");
    // The physical function has no driver yet at that event, so the first is left out.
    let rule = format!("ACTION==\"add\", KERNEL==\"{PHYSICAL}\", ATTR{{sriov_numvfs}}=\"1\"\n");
    let image = ("/boot/initrd.img-6.8.0-45-generic", Some("no archive\n"));
    let tree = host("ubuntu-24.04", &[image, ("/etc/udev/rules.d/99-vfs.rules", Some(&rule))]);
    let bus = "/sys/devices/pci0000:00/0000:00:1d.0";
    let modalias = "pci:v000010DEd00000FFCsv000010DEsd000010DEbc03sc00i00\n";
    tree.write(format!("{bus}/{there}/modalias"), modalias);
    tree.link(format!("{bus}/{there}/driver"), "../../../../bus/pci/drivers/nouveau");
    tree.link(format!("{bus}/{there}/physfn"), "../0000:3b:00.1");
    tree.link(format!("{bus}/0000:3b:00.1/virtfn0"), format!("../{there}"));
    tree.link(
        format!("/sys/bus/pci/devices/{there}"),
        format!("../../..{}/{there}", bus.replace("/sys", "")),
    );
    assert_eq!(next(&tree, coming), None);
    assert_eq!(next(&tree, there).as_deref(), Some("nouveau unknown"));
    assert_eq!(next(&tree, PHYSICAL).as_deref(), Some("i40e certain"));
}

#[test]
fn units_and_tmpfiles_make_virtual_functions_too() {
    let path = format!("/sys/bus/pci/devices/{PHYSICAL}/sriov_numvfs");
    let unit = format!(
        "[Unit]\nAfter=systemd-udev-settle.service\n[Service]\nExecStart=/bin/sh -c 'echo 2 > {path}'\n"
    );
    let tree = host("ubuntu-24.04", &[("/etc/systemd/system/vfs.service", Some(&unit))]);
    assert_eq!(next(&tree, VIRTUAL), None, "it is not enabled");
    tree.link("/etc/systemd/system/multi-user.target.wants/vfs.service", "../vfs.service");
    assert_eq!(next(&tree, VIRTUAL).as_deref(), Some("iavf certain"));
    let line = format!("w {path} - - - - 2\n");
    let tree = host("ubuntu-24.04", &[("/etc/tmpfiles.d/vfs.conf", Some(&line))]);
    image_with(&tree, &["i40e"]);
    assert_eq!(next(&tree, VIRTUAL).as_deref(), Some("iavf certain"));
    // It may be written before the driver is there.
    image_with(&tree, &[]);
    assert_eq!(next(&tree, VIRTUAL).as_deref(), Some("iavf unknown"));
}

#[test]
fn driverctl_takes_a_device_from_its_driver_when_udev_is_done() {
    let rules = "ACTION==\"add\", TEST==\"/etc/driverctl.d/$env{SUBSYSTEM}-$kernel\", TAG+=\"systemd\"\n";
    let device = "0000:01:00.1";
    let tree = host("ubuntu-24.04", &[("/etc/driverctl.d/pci-0000:01:00.1", Some("vfio-pci\n"))]);
    assert_eq!(next(&tree, device).as_deref(), Some("snd_hda_intel certain"), "driverctl is not installed");
    tree.write("/usr/lib/udev/rules.d/05-driverctl.rules", rules);
    let (why, _) =
        crate::hosts::why(&tree, device, "driver_binding { device = '01:00.1', driver = 'vfio-pci' }");
    assert!(why.contains("bound by: driverctl's file names vfio-pci for it\n"), "{why}");
    assert_eq!(next(&tree, device).as_deref(), Some("vfio-pci certain"));
    // It loads the driver by its name, which no blacklist keeps from it; an `install` line does.
    tree.write("/etc/modprobe.d/x.conf", "blacklist vfio-pci\n");
    assert_eq!(next(&tree, device).as_deref(), Some("vfio-pci certain"));
    tree.write("/etc/modprobe.d/x.conf", "install vfio-pci /bin/false\n");
    assert_eq!(next(&tree, device).as_deref(), Some("snd_hda_intel certain"));
    tree.write("/etc/driverctl.d/pci-0000:01:00.1", "none\n");
    assert_eq!(next(&tree, device).as_deref(), Some("- certain"));
}

#[test]
fn a_mode_without_an_iommu_is_one_that_the_kernel_has() {
    let options = "options vfio enable_unsafe_noiommu_mode=1\noptions vfio-pci ids=10de:0e1b\nsoftdep snd_hda_intel pre: vfio-pci\n";
    let off = |config: Option<&str>| {
        let tree = host("ubuntu-24.04", &[("/etc/modprobe.d/vfio.conf", Some(options))]);
        let menu = tree.read("/boot/grub/grub.cfg").expect("a menu");
        tree.write("/boot/grub/grub.cfg", menu.replace(" ro ", " ro intel_iommu=off "));
        if let Some(config) = config {
            let text = tree.read("/boot/config-6.8.0-45-generic").unwrap_or_default();
            tree.write("/boot/config-6.8.0-45-generic", format!("{text}\n{config}\n"));
        }
        next(&tree, "0000:01:00.1")
    };
    assert_eq!(off(Some("CONFIG_VFIO_NOIOMMU=y")).as_deref(), Some("vfio-pci certain"));
    assert_eq!(off(Some("# CONFIG_VFIO_NOIOMMU is not set")).as_deref(), Some("snd_hda_intel certain"));
}

#[test]
fn an_image_that_is_made_anew_has_the_rules_of_the_root() {
    let rule = "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"0000:3b:00.1\", ATTR{driver_override}=\"vfio-pci\", \
                RUN{builtin}+=\"kmod load vfio-pci\"\n";
    let tree = host("ubuntu-24.04", &[("/etc/udev/rules.d/70-local.rules", Some(rule))]);
    image_with(&tree, &["i40e"]);
    let now = "0000:3b:00.1";
    // The image as it is lets i40e have it, and the rule comes too late.
    assert_eq!(next(&tree, now).as_deref(), Some("i40e certain"));
    let playbook = "modprobe_options { module = 'i40e', options = { debug = '1' } }";
    let (text, _) = crate::hosts::answer(&tree, &["plan", "playbook.lua", "--format", "json"], playbook);
    let plan: serde_json::Value = serde_json::from_str(&text).expect("a plan");
    let devices = plan["next_boot"]["devices"].as_array().expect("devices").clone();
    let planned = devices.iter().find(|it| it["address"] == now).expect("a fate");
    assert_eq!(planned["next"], "vfio-pci", "{planned}");
}
