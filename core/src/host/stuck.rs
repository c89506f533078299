//! A write that hangs in the kernel: where it waits, and who has the device.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use crate::error::{Error, Result};
use crate::machine::open_files;
use crate::machine::pci_bus;
use crate::machine::users;

/// How many functions of a stack are shown: the innermost say what is waited for.
const SHOWN: usize = 4;

/// Returns, as sentences, where process `id` waits on `machine`, and which processes have files of the device open
/// that `attribute` or `value` names.
///
/// What cannot be found out is left out: this explains another error, and must not take its place.
pub(super) fn explain(machine: &HostView, id: u32, attribute: &Path, value: &str) -> String {
    let mut sentences = vec![waits(machine, id)];
    let nodes = nodes(machine, attribute, value);
    let holders = holders(machine, &nodes);
    if holders.is_empty() {
        sentences.push(
            "No process has a file of the device open; `dmesg` may say what the driver waits for.".into(),
        );
    } else {
        sentences.push(format!("{}. End it, and the write continues.", holders.join(", ")));
    }
    sentences.join(" ")
}

/// Refuses a write that the kernel would make wait for a process, in a sleep that nothing ends.
///
/// # Errors
/// When there is such a process, by name; when the machine cannot be read.
pub(super) fn foresee(machine: &HostView, attribute: &Path, value: &str) -> Result<()> {
    let waited = users::waited_for(machine, attribute, value)?;
    let Some(first) = waited.first() else { return Ok(()) };
    let holder = first.holder.as_deref().unwrap_or("a process");
    let what = format!(
        "{}: {holder} has {}, and a write of {value:?} would wait until it lets go",
        attribute.display(),
        first.device
    );
    Err(Error::invalid(what, "Nothing was written. Shut the guest down or end the process, then run again."))
}

fn waits(machine: &HostView, id: u32) -> String {
    let place = |name: &str| PathBuf::from(format!("/proc/{id}/{name}"));
    let read = |name: &str| machine.read(&place(name)).ok().flatten().unwrap_or_default();
    let stack = read("stack");
    // `[<0>] vfio_unregister_group_dev+0x6f/0x110 [vfio]`
    let functions: Vec<&str> =
        stack.lines().filter_map(|it| it.split_whitespace().nth(1)?.split('+').next()).take(SHOWN).collect();
    let wchan = read("wchan");
    match (functions.is_empty(), wchan.trim()) {
        (false, _) => format!("Process {id} waits in {} (/proc/{id}/stack).", functions.join(" < ")),
        (true, "" | "0") => format!("Process {id} does the write."),
        (true, function) => format!("Process {id} waits in {function} (/proc/{id}/wchan)."),
    }
}

/// Returns the device nodes of the functions that a write is about, and of their virtual functions.
fn nodes(machine: &HostView, attribute: &Path, value: &str) -> Vec<PathBuf> {
    let named = attribute.iter().filter_map(|it| it.to_str()).chain([value.trim()]);
    let mut addresses: Vec<PciAddress> = named.filter_map(|it| it.parse().ok()).collect();
    let mut nodes = Vec::new();
    let mut at = 0;
    while let Some(address) = addresses.get(at).copied() {
        at += 1;
        let Ok(Some(device)) = pci_bus::device(machine, address) else { continue };
        addresses
            .extend(device.virtfns.iter().filter(|it| !addresses.contains(it)).copied().collect::<Vec<_>>());
        nodes.extend(device.iommu_group.map(|it| PathBuf::from(format!("/dev/vfio/{it}"))));
        let directory = pci_bus::directory(address);
        for (kind, place) in [("vfio-dev", "/dev/vfio/devices"), ("drm", "/dev/dri"), ("nvme", "/dev")] {
            let names = machine.list(&directory.join(kind)).unwrap_or_default();
            nodes.extend(names.iter().map(|it| Path::new(place).join(it)));
        }
    }
    nodes
}

fn holders(machine: &HostView, nodes: &[PathBuf]) -> Vec<String> {
    let open = open_files::of(machine, nodes).unwrap_or_default().found;
    let mut holders: Vec<String> = open
        .iter()
        .map(|it| format!("Process {} ({}) has {} open", it.process, it.name, it.file.display()))
        .collect();
    holders.dedup();
    holders
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the machine is made here")]

    use std::os::unix::fs::symlink;
    use std::path::Path;

    use expect_test::{Expect, expect};
    use hoststate_abi::host_view::HostView;
    use tempfile::TempDir;

    use super::{explain, foresee};

    const DEVICE: &str = "/sys/bus/pci/devices/0000:01:00.0";

    fn check(files: &[(&str, &str)], links: &[(&str, &str)], attribute: &str, value: &str, expected: Expect) {
        let machine = machine(files, links);
        expected.assert_eq(&explain(&HostView::new(machine.path()), 77, Path::new(attribute), value));
    }

    fn machine(files: &[(&str, &str)], links: &[(&str, &str)]) -> TempDir {
        let machine = TempDir::new().unwrap();
        let at = |path: &str| {
            let path = machine.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        let ids = [("vendor", "0x10de"), ("device", "0x0ffc"), ("class", "0x030000")];
        for (name, text) in ids.into_iter().chain([("subsystem_vendor", "0x1"), ("subsystem_device", "0x2")])
        {
            std::fs::write(at(&format!("{DEVICE}/{name}")), text).unwrap();
        }
        symlink("../../../../kernel/iommu_groups/12", at(&format!("{DEVICE}/iommu_group"))).unwrap();
        for (path, text) in files {
            std::fs::write(at(path), text).unwrap();
        }
        for (path, target) in links {
            symlink(target, at(path)).unwrap();
        }
        machine
    }

    #[test]
    fn a_write_that_would_wait_for_a_guest_is_never_begun() {
        let driver = [(&*format!("{DEVICE}/driver"), "../../../../bus/pci/drivers/vfio-pci")];
        let comm = [("/proc/42/comm", "qemu-system-x86\n")];
        let held = machine(&comm, &[driver[0], ("/proc/42/fd/9", "/dev/vfio/12")]);
        let unbind = Path::new("/sys/bus/pci/devices/0000:01:00.0/driver/unbind");
        let refused = foresee(&HostView::new(held.path()), unbind, "0000:01:00.0").unwrap_err();
        expect![[r#"/sys/bus/pci/devices/0000:01:00.0/driver/unbind: qemu-system-x86 (process 42) has 0000:01:00.0, and a write of "0000:01:00.0" would wait until it lets go"#]]
            .assert_eq(&refused.to_string());
        let free = machine(&comm, &[driver[0], ("/proc/42/fd/9", "/dev/vfio/13")]);
        assert!(foresee(&HostView::new(free.path()), unbind, "0000:01:00.0").is_ok());
        // A driver of the host loses it, and goes on.
        let of_host = machine(&comm, &[("/proc/42/fd/9", "/dev/vfio/12")]);
        assert!(foresee(&HostView::new(of_host.path()), unbind, "0000:01:00.0").is_ok());
    }

    #[test]
    fn nor_is_one_that_removes_the_virtual_functions_of_a_guest() {
        const PORT: &str = "/sys/bus/pci/devices/0000:02:00.0";
        let counts =
            [("vendor", "0x8086"), ("device", "0x10c9"), ("class", "0x020000"), ("sriov_numvfs", "1")];
        let more = [("subsystem_vendor", "0x1"), ("subsystem_device", "0x2"), ("sriov_totalvfs", "7")];
        let port: Vec<(String, &str)> =
            counts.iter().chain(&more).map(|it| (format!("{PORT}/{}", it.0), it.1)).collect();
        let mut files: Vec<(&str, &str)> = port.iter().map(|it| (it.0.as_str(), it.1)).collect();
        files.push(("/proc/42/comm", "qemu-system-x86\n"));
        let links = [
            ("/sys/bus/pci/devices/0000:02:00.0/virtfn0", "../0000:01:00.0"),
            ("/sys/bus/pci/devices/0000:01:00.0/driver", "../../../../bus/pci/drivers/vfio-pci"),
            ("/proc/42/fd/9", "/dev/vfio/12"),
        ];
        let machine = machine(&files, &links);
        let write = |value: &str| {
            let attribute = Path::new(PORT).join("sriov_numvfs");
            foresee(&HostView::new(machine.path()), &attribute, value)
        };
        assert!(
            write("0").unwrap_err().to_string().contains("qemu-system-x86 (process 42) has 0000:01:00.0")
        );
        // As many as there are is nothing to do.
        assert!(write("1").is_ok());
    }

    #[test]
    fn who_has_the_group_of_an_unbound_device_is_named() {
        let stack =
            "[<0>] vfio_unregister_group_dev+0x6f/0x110 [vfio]\n[<0>] vfio_pci_remove+0x2b/0x90 [vfio_pci]\n";
        check(
            &[("/proc/77/stack", stack), ("/proc/42/comm", "qemu-system-x86\n"), ("/proc/43/comm", "sh\n")],
            &[
                ("/proc/42/fd/9", "/dev/vfio/12"),
                ("/proc/42/fd/10", "/dev/vfio/13"),
                ("/proc/43/fd/1", "/dev/null"),
            ],
            "/sys/bus/pci/drivers/vfio-pci/unbind",
            "0000:01:00.0",
            expect![
                "Process 77 waits in vfio_unregister_group_dev < vfio_pci_remove (/proc/77/stack). Process 42 (qemu-system-x86) has /dev/vfio/12 open. End it, and the write continues."
            ],
        );
    }

    #[test]
    fn what_cannot_be_found_out_is_left_out() {
        check(
            &[],
            &[],
            "/sys/bus/pci/devices/0000:09:00.0/sriov_numvfs",
            "0",
            expect![
                "Process 77 does the write. No process has a file of the device open; `dmesg` may say what the driver waits for."
            ],
        );
        check(
            &[("/proc/77/wchan", "pci_disable_sriov")],
            &[],
            &format!("{DEVICE}/sriov_numvfs"),
            "0",
            expect![
                "Process 77 waits in pci_disable_sriov (/proc/77/wchan). No process has a file of the device open; `dmesg` may say what the driver waits for."
            ],
        );
    }
}
