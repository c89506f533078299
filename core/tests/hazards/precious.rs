//! Files and kernel parameters that no plan should touch unasked, whoever proposes it.

use hoststate_core::plan::scene::Severity;
use serde_json::{Value, json};

use crate::plan;
use crate::sysfs::host;

/// Returns what is refused of a playbook on a host with these files more.
fn refused(files: &[(&str, &str)], playbook: &Value) -> Vec<String> {
    let tree = host();
    for (path, text) in files {
        tree.write(path, text);
    }
    let found = plan(&tree, playbook, &[]);
    let refused = found.guards.into_iter().filter(|it| it.severity == Severity::Refuse);
    refused.map(|it| it.message).collect()
}

fn write(path: &str, text: &str) -> Value {
    json!([{ "type": "write", "file": [path, text] }])
}

#[test]
fn what_decides_who_is_root_or_what_root_runs_is_not_written_unasked() {
    for path in [
        "/etc/fstab",
        "/etc/crypttab",
        "/etc/sudoers",
        "/etc/sudoers.d/x",
        "/etc/passwd",
        "/etc/shadow",
        "/etc/pam.d/sshd",
        "/root/.ssh/authorized_keys",
        "/home/alice/.ssh/authorized_keys",
        "/srv/git/.ssh/authorized_keys2",
        "/etc/ssh/sshd_config",
        "/etc/ssh/sshd_config.d/x.conf",
        "/etc/crontab",
        "/etc/cron.d/x",
        "/etc/cron.daily/x",
        "/var/spool/cron/crontabs/root",
        "/etc/ld.so.preload",
    ] {
        let refused = refused(&[], &write(path, "x\n"));
        assert!(refused.len() == 1 && refused[0].contains(path), "{path}: {refused:?}");
    }
    for path in ["/etc/modprobe.d/x.conf", "/etc/motd", "/etc/sysctl.d/x.conf", "/etc/udev/rules.d/x.rules"] {
        assert_eq!(refused(&[], &write(path, "x\n")), Vec::<String>::new(), "{path}");
    }
}

#[test]
fn a_boot_configuration_is_not_emptied_unasked() {
    for path in
        ["/etc/default/grub", "/boot/grub/grub.cfg", "/boot/grub2/grubenv", "/boot/loader/entries/a.conf"]
    {
        for empty in ["", "\n", "# nothing\n"] {
            let refused = refused(&[(path, "A=1\n")], &write(path, empty));
            assert!(refused.len() == 1 && refused[0].contains(path), "{path}: {refused:?}");
        }
        assert_eq!(refused(&[(path, "A=1\n")], &write(path, "A=2\n")), Vec::<String>::new(), "{path}");
    }
    let refused = refused(&[("/boot/vmlinuz-6.8.0", "kernel")], &write("/boot/vmlinuz-6.8.0", ""));
    assert!(refused.len() == 1 && refused[0].contains("/boot/vmlinuz-6.8.0"), "{refused:?}");
}

#[test]
fn by_which_parameters_the_host_finds_its_root_is_not_changed_unasked() {
    let words = "root=/dev/sda1 ro rd.lvm.lv=vg/root rd.luks.uuid=1 rd.md.uuid=2 quiet\n";
    let files = [("/etc/words", words), ("/proc/cmdline", words)];
    let refused_of = |field: &str, word: &str| {
        let playbook = json!([{ "type": "kernel_cmdline", field: [word] }]);
        refused(&files, &playbook)
    };
    for word in ["root=/dev/sdb1", "init=/bin/sh", "systemd.unit=rescue.target", "rootflags=x", "rd.luks=0"] {
        assert_eq!(refused_of("present", word).len(), 1, "{word}");
    }
    for word in ["root", "ro", "rd.lvm.lv", "rd.luks.uuid", "rd.md.uuid"] {
        assert_eq!(refused_of("absent", word).len(), 1, "{word}");
    }
    for word in ["root=/dev/sda1", "intel_iommu=on", "rootwait", "ro"] {
        assert_eq!(refused_of("present", word), Vec::<String>::new(), "{word}");
    }
    assert_eq!(refused_of("absent", "quiet"), Vec::<String>::new());
}

#[test]
fn what_reaches_a_root_of_the_network_or_of_zfs_stays() {
    let refused_of = |line: &str, word: &str| {
        let files = [("/etc/words", line), ("/proc/cmdline", line)];
        refused(&files, &json!([{ "type": "kernel_cmdline", "absent": [word] }])).len()
    };
    for (line, words) in [
        ("root=/dev/nfs nfsroot=10.0.3.9:/srv ip=dhcp quiet", &["ip", "nfsroot"][..]),
        (
            "root=nfs4:10.0.3.9:/srv rd.neednet=1 ip=eno1:dhcp ifname=eno1:02:00:00:00:00:01",
            &["ip", "rd.neednet", "ifname"],
        ),
        ("netroot=iscsi:@10.0.3.9::::t ip=ibft root=/dev/sda2", &["netroot", "ip"]),
        ("root=/dev/sda2 iscsi_target_name=t iscsi_target_ip=10.0.3.9 ip=dhcp", &["iscsi_target_ip", "ip"]),
        ("nbdroot=10.0.3.9,4711 root=/dev/nbd0 ip=dhcp", &["nbdroot", "ip"]),
        ("root=ZFS=rpool/ROOT boot=zfs", &["boot", "root"]),
        ("boot=zfs zfs=rpool/ROOT", &["zfs"]),
        ("root=/dev/mapper/r cryptopts=target=r,source=/dev/sda2 quiet", &["cryptopts"]),
        ("root=/dev/mapper/r rd.luks.data=1=/dev/sda2", &["rd.luks.data"]),
    ] {
        for word in words {
            assert_eq!(refused_of(line, word), 1, "{line} without {word}");
        }
    }
    // The network of an image whose root is a disk is for something else.
    assert_eq!(refused_of("root=/dev/sda2 ip=dhcp rd.neednet=1 quiet", "ip"), 0);
    assert_eq!(refused_of("root=/dev/nfs nfsroot=10.0.3.9:/srv ip=dhcp quiet", "quiet"), 0);
}

#[test]
fn what_root_runs_is_not_written_by_types_of_others() {
    let by = |kind: &str, path: &str, text: &str| {
        let found = refused(&[], &json!([{ "type": kind, "file": [path, text] }]));
        assert!(found.iter().all(|it| it.contains(path)), "{found:?}");
        found.len()
    };
    let rule = "/etc/udev/rules.d/70-lamp.rules";
    let line = "/etc/modprobe.d/lamp.conf";
    for (path, text) in [
        ("/etc/systemd/system/lamp.service", "[Service]\n"),
        ("/etc/init.d/lamp", "#!/bin/sh\n"),
        ("/etc/kernel/postinst.d/lamp", "#!/bin/sh\n"),
        ("/etc/grub.d/99_lamp", "#!/bin/sh\n"),
        ("/usr/local/bin/lamp", "#!/bin/sh\n"),
        ("/usr/sbin/update-grub", "#!/bin/sh\n"),
        ("/usr/lib/x86_64-linux-gnu/liblamp.so", "x\n"),
        (rule, "ACTION==\"add\", RUN+=\"/tmp/lamp\"\n"),
        (line, "install lamp /tmp/lamp\n"),
    ] {
        assert_eq!((by("acme.write", path, text), by("write", path, text)), (1, 0), "{path}");
    }
    for (path, text) in [
        (rule, "ACTION==\"add\", ATTR{power/control}=\"on\"\n"),
        (line, "install lamp /bin/false\noptions lamp on=1\n"),
        ("/etc/sysctl.d/lamp.conf", "vm.swappiness = 10\n"),
    ] {
        assert_eq!(by("acme.write", path, text), 0, "{path}");
    }
}

#[test]
fn what_the_kernel_runs_as_root_is_not_set_unasked() {
    let attributes = |path: &str, value: &str| {
        refused(&[(path, "\n")], &json!([{ "type": "write", "attributes": [[path, value]] }])).len()
    };
    assert_eq!(attributes("/proc/sys/kernel/core_pattern", "|/tmp/lamp"), 1);
    assert_eq!(attributes("/proc/sys/kernel/core_pattern", "core.%p"), 0);
    assert_eq!(attributes("/proc/sys/kernel/modprobe", "/tmp/lamp"), 1);
    assert_eq!(attributes("/sys/kernel/uevent_helper", "/tmp/lamp"), 1);
    assert_eq!(attributes("/proc/sys/vm/swappiness", "10"), 0);
}
