//! What people write wrong, kind by kind, and what each is told: one line an input, with what its answer must have.

#![expect(clippy::disallowed_methods, reason = "a test changes its tree")]

use crate::support::Tree;

/// A host with a graphics card, a network card with functions, and modules.
fn host() -> Tree {
    let tree = Tree::with("");
    let device = |address: &str, modalias: &str, more: &[(&str, &str)]| {
        let at = format!("root/sys/bus/pci/devices/{address}");
        tree.write(&format!("{at}/modalias"), &format!("pci:{modalias}\n"));
        tree.write(&format!("{at}/driver_override"), "(null)\n");
        for (name, value) in more {
            tree.write(&format!("{at}/{name}"), value);
        }
    };
    device("0000:01:00.0", "v000010DEd00000FFCsv000010DEsd0000094Cbc03sc00i00", &[]);
    device("0000:03:00.0", "v00008086d000015F3sv00008086sd00000000bc02sc00i00", &[]);
    device(
        "0000:3b:00.0",
        "v00008086d00001572sv00008086sd00000001bc02sc00i00",
        &[
            ("sriov_totalvfs", "64\n"),
            ("sriov_numvfs", "0\n"),
            ("sriov_offset", "16\n"),
            ("sriov_stride", "1\n"),
        ],
    );
    tree.write("root/boot/vmlinuz-6.8.0-45-generic", "");
    tree.write("root/proc/sys/kernel/osrelease", "6.8.0-45-generic\n");
    tree.write("root/proc/cpuinfo", "vendor_id\t: GenuineIntel\n");
    tree.write("root/proc/cmdline", "BOOT_IMAGE=/vmlinuz-6.8.0-45-generic quiet\n");
    tree.write(
        "root/lib/modules/6.8.0-45-generic/modules.dep",
        "a/nouveau.ko:\na/vfio-pci.ko:\na/kvm_intel.ko:\na/i40e.ko:\na/nvidiafb.ko:\n",
    );
    tree.write("root/lib/modules/6.8.0-45-generic/modules.builtin", "b/vfio.ko\nb/vfio_iommu_type1.ko\n");
    tree.write("root/sys/module/vfio/uevent", "");
    tree
}

/// Runs a command on each input, and shows those whose exit status or text is not what the table says. Lines of the table
/// are `status | input | parts of the answer`, parted by ` | `; `\n`, `\r` and `\u{a0}` in an input are the characters.
fn check(command: &str, file: &str, table: &str) {
    let tree = host();
    let mut wrong = String::new();
    let mut count = 0;
    for row in table.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let (status, input, parts) = (cells[0], cells[1], &cells[2..]);
        let input = input.replace("\\n", "\n").replace("\\r", "\r").replace("\\u{a0}", "\u{a0}");
        tree.write(file, &input);
        let answer = tree.run(&format!("{command} {file}"));
        let text = answer.to_string();
        let is_told = parts.iter().all(|it| text.contains(it)) && !parts.is_empty();
        // What is wrong has a place, and what can be mended a hint.
        let is_placed = status != "1" || text.contains(&format!("{file}:"));
        if answer.status.map(|it| it.to_string()).as_deref() != Some(status) || !is_told || !is_placed {
            wrong.push_str(&format!("{row}\n{text}\n"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "of {count}:\n{wrong}");
}

#[test]
fn names_and_values_in_lua() {
    check(
        "check",
        "gpu.lua",
        r#"
        1 | kernel_cmdlne { present = { "quiet" } } | gpu.lua:1 | no function `kernel_cmdlne` | Did you mean `kernel_cmdline`?
        1 | -- a card\nkernel_cmdline { presens = { "quiet" } } | gpu.lua:2 | unknown field `presens` | Did you mean `present`?
        1 | vfio_pci_ids { ids = "10de:1b80" } | `ids` is "10de:1b80", not a list | Write `ids = { "10de:1b80" }`
        0 | vfio_pci_ids { ids = { "0x10de:0x1b80" } } | 1 declaration, valid
        1 | vfio_pci_ids { ids = { "10de1b80" } } | item 1 of `ids`: `10de1b80` is not a PCI id | hint: 
        0 | vfio_pci_ids { ids = { "10DE:1B80" } } | 1 declaration, valid
        1 | vfio_pci_ids { ids = { "10de:1b80,10de:10f0" } } | `10de:1b80,10de:10f0` is not a PCI id | Write `ids = { "10de:1b80", "10de:10f0" }`
        1 | vfio_pci_ids { ids = { "10de:1b80 10de:10f0" } } | Write `ids = { "10de:1b80", "10de:10f0" }`
        1 | vfio_pci_ids { ids = { "[10de:1b80]" } } | `[10de:1b80]` is not a PCI id | Write `ids = { "10de:1b80" }`
        1 | vfio_pci_ids { ids = { "0000:02:00.0" } } | `0000:02:00.0` is not a PCI id | That is the address of a device
        1 | vfio_pci_ids { ids = { "02:00.0" } } | `02:00.0` is not a PCI id | That is the address of a device
        0 | driver_binding { device = "02:00.0", driver = "vfio-pci" } | 1 declaration, valid
        0 | driver_binding { device = "0000:AF:00.0", driver = "vfio_pci" } | 1 declaration, valid
        1 | driver_binding { device = "0000:02:00:0", driver = "vfio-pci" } | `0000:02:00:0` is not a PCI address | Did you mean 0000:02:00.0? Write `device = "0000:02:00.0"`
        1 | driver_binding { device = "0000:02:00", driver = "vfio-pci" } | `0000:02:00` is not | Did you mean 0000:02:00.0?
        1 | driver_binding { device = "pci@0000:02:00.0", driver = "vfio-pci" } | Did you mean 0000:02:00.0?
        1 | driver_binding { device = "pci_0000_02_00_0", driver = "vfio-pci" } | Did you mean 0000:02:00.0?
        1 | driver_binding { device = { vendr = "10de" }, driver = "vfio-pci" } | a selector has no `vendr` | Did you mean `vendor`?
        1 | driver_binding { device = { vendor = 0x10de }, driver = "vfio-pci" } | `device.vendor` is 4318, not a text | Write `device = { vendor = "10de" }`
        1 | driver_binding { device = {}, driver = "vfio-pci" } | an empty selector | hint: 
        1 | driver_binding { device = { class = "gpu" }, driver = "vfio-pci" } | there is no class "gpu" | display
        1 | driver_binding { device = { class = "netwrok" }, driver = "vfio-pci" } | there is no class "netwrok" | Did you mean "network"?
        1 | sriov_numvfs { device = "enp59s0f0", numvfs = 4 } | `enp59s0f0` is not a PCI address | Write `device = { interface = "enp59s0f0" }`
        1 | sriov_numvfs { device = { mac = "aa:bb" }, numvfs = 4 } | mac "aa:bb" is not a hardware address
        1 | sriov_numvfs { device = "3b:00.0", numvfs = "8" } | `numvfs` is "8", not a whole number | Write `numvfs = 8`
        1 | sriov_numvfs { device = "3b:00.0", numvfs = -2 } | `numvfs` is -2, not a whole number from 0 | Write it like `numvfs = 4`
        1 | sriov_numvfs { device = "3b:00.0", numvfs = 2.5 } | `numvfs` is 2.5, not a whole number | Write it like `numvfs = 4`
        0 | sriov_numvfs { device = "3b:00.0", numvfs = 8.0 } | 1 declaration, valid
        1 | sriov_numvfs { device = "3b:00.0" } | missing field `numvfs` | hint: 
        1 | kernel_cmdline("quiet iommu=pt") | takes one table, got the text "quiet iommu=pt" | Write `kernel_cmdline { field = value }`
        1 | kernel_cmdline { present = "quiet iommu=pt" } | `present` is "quiet iommu=pt", not a list | Write `present = { "quiet", "iommu=pt" }`
        1 | kernel_cmdline { present = { "quiet iommu=pt" } } | a blank outside double quotes | Write `present = { "quiet", "iommu=pt" }`
        1 | kernel_cmdline { present = { iommu = "pt" } } | `present` is { iommu = "pt" }, not a list | Write `present = { "iommu=pt" }`
        1 | kernel_cmdline { "quiet" } | a value without a field name, [1]
        1 | kernel_cmdline { } | no parameter is named | Give `present`, `additional` or `absent`
        1 | kernel_cmdline { present = {} } | no parameter is named
        1 | kernel_cmdline { present = { { "quiet" } } } | item 1 of `present` is { "quiet" }, not a text | Write `present = { "quiet" }`
        1 | kernel_cmdline { present = { 3 } } | item 1 of `present` is 3, not a text | Write `present = { "3" }`
        1 | kernel_cmdline { present = { "quiet\n" } }\n-- end | unfinished string | gpu.lua:1
        1 | kernel_cmdline { present = { "quiet\x0a" } } | a kernel parameter has a control character | Write `present = { "quiet" }`
        0 | kernel_cmdline { present = { "dyndbg=\"file a.c\"" } } | 1 declaration, valid
        1 | kernel_cmdline { name = 7, present = { "quiet" } } | `name` is 7, not a text
        1 | modprobe_softdep { module = "nouveau", pre = "vfio-pci" } | `pre` is "vfio-pci", not a list | Write `pre = { "vfio-pci" }`
        1 | modprobe_softdep { module = "nouveau", pre = { "pre: vfio-pci" } } | `pre: vfio-pci` is not a module name | Write `pre = { "vfio-pci" }`
        1 | modprobe_softdep { module = "nouveau" } | names no module | Give `pre`, `post` or both
        1 | modprobe_options { module = "kvm", options = "ignore_msrs=1" } | `options` is "ignore_msrs=1", not a table with names | Write `options = { ignore_msrs = 1 }`
        1 | modprobe_options { module = "kvm", options = { "ignore_msrs=1" } } | not a table with names | Write `options = { ignore_msrs = 1 }`
        1 | modprobe_softdep { module = "a", pre = { "b" }, file = "/etc/modprobe.d/gpu.conf" } | "/etc/modprobe.d/gpu.conf" is not a file that kmod reads | Write `file = "gpu.conf"`
        1 | modprobe_softdep { module = "a", pre = { "b" }, file = "gpu" } | "gpu" is not a file that kmod reads | Write `file = "gpu.conf"`
        1 | modprobe_softdep { module = "a", pre = { "b" }, file = "../shadow.conf" } | "../shadow.conf" is not a file that kmod reads | hint: 
        1 | modules_load { modules = { "vfio.ko.zst" } } | is the file of a module, not its name | Write `modules = { "vfio" }`
        1 | modules_load { modules = "vfio" } | `modules` is "vfio", not a list | Write `modules = { "vfio" }`
        1 | modprobe_blacklist { module = "nouveau", install = "yes" } | `install` is "yes", not true or false | Write `install = true`
        1 | modprobe_blacklist { module = "nouveau", install = True } | there is no `True` | Did you mean `true`?
        1 | sriov_numvfs { device = "3b:00.0", numvfs = 4, autoprobe = flase } | there is no `flase` | Did you mean `false`?
        1 | gpu_passthrouh { device = "02:00.0" } | no function `gpu_passthrouh` | Did you mean `gpu_passthrough`?
        1 | gpu_passthrough { device = "02:00.0", whole_groop = true } | unknown field `whole_groop` | Did you mean `whole_group`?
        1 | gpu_passthrough { device = "02:00.0", drivers = "nouveau" } | `drivers` is "nouveau", not a list | Write `drivers = { "nouveau" }`
        0 | gpu_passthrough { device = "02:00.0" } | gpu.lua: 1 declaration, valid
        1 | iommu { passthrough = "on" } | `passthrough` is "on", not true or false
        1 | iommu() | takes one table, got nothing | Write `iommu { field = value }`
        "#,
    );
}

#[test]
fn lua_that_is_none_and_lua_of_other_habits() {
    check(
        "check",
        "gpu.lua",
        r##"
        1 | kernel_cmdline { present = { "a" "b" } } | `}` expected near `"b"` | Is a comma missing before it?
        1 | modprobe_softdep {\n  module = "a"\n  pre = { "b" } } | gpu.lua:3 | Is a comma missing before it?
        1 | kernel_cmdline {\n  present = { "a" }\n\nmodules_load { modules = { "b" } } | the `{` of line 1 is not closed | Write the `}` that is missing
        1 | kernel_cmdline { present = { "a } } | unfinished string | gpu.lua:1 | hint: 
        1 | kernel_cmdline { present: { "a" } } | a field is set with `=`, not with `:` | Write `present = …`
        1 | kernel_cmdline { "present": ["a"] } | its name is not in quotes | Write `present = …`
        1 | kernel_cmdline { present = ["a"] } | a list is written in braces | hint: 
        1 | # cards\nkernel_cmdline { present = { "a" } } | `#` does not begin a comment | Comments begin with `--`
        1 | kernel_cmdline { present = { "a" } }\n# cards\n | gpu.lua:2 | Comments begin with `--`
        1 | // cards\nkernel_cmdline { present = { "a" } } | `//` does not begin a comment | Comments begin with `--`
        1 | kernel_cmdline { present = { intel_iommu=on } } | there is no `on` | A text is written in quotes: `"on"`
        1 | if host.cpu.vendor != "x" then end | `!=` is not an operator of Lua | Lua writes `~=`
        1 | local n = 0\nn += 1 | gpu.lua:2 | `+=` is not an operator of Lua | n = n +
        1 | if host.cpu.vendor == "x"\n  kernel_cmdline { present = { "a" } }\nend | `then` expected | Lua writes `if … then … end`
        1 | for _, m in ipairs { "a" } do\n  modprobe_blacklist { module = m } | `end` expected | The file ends before
        1 | kernel_cmdline { present = { “a” } } | U+201C | is not a quote in Lua | Write the plain quote
        1 | kernel_cmdline { present =\u{a0}{ "a" } } | U+00A0, a no-break space | Write a plain blank
        1 | kernel_cmdline {\r\n  present = { "a" }\r\n}\r\nmodules_lod { modules = { "x" } }\r | gpu.lua:4 | Did you mean `modules_load`?
        1 | kernel_cmdline = { present = { "a" } } | `kernel_cmdline` is a function that declares | Write `kernel_cmdline { … }`
        1 | kernel_cmdline:present { "a" } | is a function and has no fields | Write `kernel_cmdline { field = … }`
        1 | local function card(a)\n  driver_binding { device = a, drver = "vfio-pci" }\nend\ncard("02:00.0") | gpu.lua:2, called from gpu.lua:4 | Did you mean `driver`?
        1 | local x\ndriver_binding { device = x, driver = "vfio-pci" } | `device` is nil | `x` has no value there
        1 | local x\nkernel_cmdline { present = { "a", x, "b" } } | `present` has a hole: [3] is there, [2] is nil
        1 | local gpu = host.pci:find { vendor = "10de" }\ndriver_binding { device = gpu, driver = "vfio-pci" } | gpu.lua:2 | what `host.pci:find` gives, a list | host.pci:find { … }[1]
        1 | local gpu = host.pci:find { vendor = "10de" }[1]\ndriver_binding { device = gpu, driver = "vfio-pci" } | `device` is nil | `check` looks at no host
        1 | local gpu = host.pci:find { vendor = "10de" }[1]\nprint(gpu.address) | `gpu` is nil | gpu.lua:1 finds nothing because `check` looks at no host
        1 | local gpu = host.pci:find { vendor = "10de" }\nprint(gpu.address) | a list has no `address` | Take one of it
        1 | print(host.pci.find { vendor = "10de" }) | called without the list | with a colon
        1 | print(#host.pci:find { vender = "10de" }) | a selector has no `vender` | Did you mean `vendor`?
        1 | print(host.distro.name) | `host.distro` has no `name` | It has: family, id, version
        1 | print(hots.distro.id) | there is no `hots` | Did you mean `host`?
        1 | require "cards" | there is no module "cards" | `name.lua` beside the playbook
        1 | os.execute("lspci") | there is no `os` in a playbook | hint: 
        1 | io.open("/etc/hostname") | there is no `io` in a playbook | hint: 
        1 | error("not this host") | error: not this host | gpu.lua:1
        1 | kernel_cmdline { name = "a", present = { "iommu=pt" } }\nkernel_cmdline { name = "b", present = { "iommu=nopt" } } | at gpu.lua:1 wants iommu=pt | at gpu.lua:2 wants iommu=nopt
        1 | sriov_numvfs { device = "0000:3b:00.0", numvfs = 4 }\nsriov_numvfs { device = "3b:00.0", numvfs = 8 } | is declared twice, first at gpu.lua:1 | Merge the two
        1 | driver_binding { device = "02:00.0", driver = "vfio-pci" }\ndriver_binding { name = "x", device = "02:00.0", driver = "nouveau" } | wants vfio-pci | wants nouveau
        1 | kernel_cmdline { name = "a", present = { "b" } }\nkernel_cmdline { name = "a", present = { "c" } } | "a" is declared twice
        0 | modprobe_blacklist { module = "a" }\nmodprobe_blacklist { module = "a" } | 1 declaration, valid
        1 | kernel_cmdline { name = "a", present = { "b" } }\nkernel_cmdline { name = "c", absent = { "b" } } | wants none
        1 | kernel_cmdline { present = { "b" }, absent = { "b" } } | `b` is wanted as present, and `b` as absent
        0 | -- nothing yet | warning: gpu.lua declares nothing
        0 | kernel_cmdline { present = { "intel_iomu=on" } } | Did you mean `intel_iommu=on`?
        0 | kernel_cmdline { present = { "--iommu=pt" } } | begins with a dash | Did you mean `iommu=pt`?
        1 | {"format":"hoststate.declarations/1","resources":[]} | this is JSON | Name the file gpu.json
        1 | kernel_cmdlin { present = { "a" } }\nmodules_lod { modules = { "b" } } | gpu.lua:1
        1 | vfio_pci_ids { ids = "10de:1b80" }\nmodules_load { modules = "b" }\nkernel_cmdline { presnt = {} } | gpu.lua:1 | gpu.lua:2 | gpu.lua:3
        "##,
    );
}

#[test]
fn json_and_what_is_taken_for_it() {
    check(
        "check",
        "cards.json",
        r#"
        1 | - type: kernel_cmdline\n  present: ["quiet"] | this is YAML | Convert it
        1 | format: hoststate.declarations/1\nresources:\n  - type: kernel_cmdline | this is YAML | Convert it
        1 | {"resources":[]} | missing field `format` | Add "format": "hoststate.declarations/1"
        1 | {"format":"hoststate.declarations/9","resources":[]} | unknown format "hoststate.declarations/9" | hoststate.declarations/1
        1 | [{"type":"kernel_cmdline","present":["a"]}] | the declarations are a list | Put the list into
        1 | {"format":"hoststate.declarations/1","resources":[\n{"type":"modules_load","modules":["a"]},\n]} | cards.json:3 | no comma after the last
        1 | {"format":"hoststate.declarations/1","resources":[\n{"type":"module_load","modules":["a"]}]} | cards.json:2 | resource 1 (module_load): | Did you mean `modules_load`?
        1 | {"format":"hoststate.declarations/1","resources":[\n{"type":"modules_load","name":"early",\n"module":["a"]}]} | resource 1 (modules_load "early"): unknown field `module` | cards.json:3 | Did you mean `modules`?
        1 | {"format":"hoststate.declarations/1","resources":[{"type":"vfio_pci_ids","ids":"10de:1b80"}]} | resource 1 (vfio_pci_ids): `ids` is "10de:1b80", not a list | Write `"ids": ["10de:1b80"]`
        1 | {"format":"hoststate.declarations/1","resources":[{"type":"sriov_numvfs","device":"3b:00.0",\n"numvfs":"8"}]} | cards.json:2 | `numvfs` is "8" | Write `"numvfs": 8`
        1 | {"format":"hoststate.declarations/1","resources":[{"type":"vfio_pci_ids","ids":["10de:1b80",\n"x"]}]} | cards.json:2 | item 2 of `ids`: `x` is not a PCI id
        1 | {"format":"hoststate.declarations/1","resources":[{"present":["a"]}]} | resource 1: a declaration has no `type` | Add "type"
        0 | {"format":"hoststate.declarations/1","resources":[{"type":"gpu_passthrough","device":"02:00.0"}]} | cards.json: 1 declaration, valid
        1 | {"format":"hoststate.declarations/1","resources":[{"type":"gpu_passthrough","device":"02:00.0","driver":["a"]}]} | resource 1 (gpu_passthrough): unknown field `driver` | Did you mean `drivers`?
        1 |   | there is nothing in it | An empty list of declarations is
        1 | {"format":"hoststate.declarations/1", // cards\n"resources":[]} | JSON has no comments | Remove it
        0 | ﻿{"$schema":"x","format":"hoststate.declarations/1","resources":[{"type":"modules_load","modules":["a"]}]} | 1 declaration, valid
        1 | {"format":"hoststate.declarations/1","resource":[]} | unknown field `resource` | Did you mean `resources`?
        1 | {"format":"hoststate.declarations/1","resources":[],"version":3} | unknown field `version` | Its fields are
        1 | {"format":"hoststate.declarations/1","resources":[{"type":"modules_load",\n"modules":["a"],\n"modules":["b"]}]} | resource 1: `modules` appears twice, in line 2 and in line 3 | Keep one of the two
        1 | {"format":"hoststate.declarations/1","resources":[{"type":"driver_binding","device":null,"driver":"vfio-pci"}]} | `device` is null, not a PCI address | Write it like `"device": "0000:01:00.0"`
        1 | {"format":"hoststate.declarations/1","resources":[\n{"type":"sriov_numvfs","device":"3b:00.0","numvfs":4},\n{"type":"sriov_numvfs","name":"x","device":"3b:00.0","numvfs":8}]} | at cards.json:2 wants 4 | at cards.json:3 wants 8
        1 | {"format":"hoststate.declarations/1","resources":[{"type":"modprobe_blacklist","module":"a","install":True}]} | `True` is Python, JSON writes `true` | json.dumps
        1 | kernel_cmdline { present = { "quiet" } } | this is Lua, and the name of the file does not end in .lua | Give the file a name such as gpu.lua
        1 | {"format":"hoststate.declarations/1","resources":[{"type":"modules_load","modules":"a"},\n{"type":"modules_load","modules":7}]} | resource 1 | resource 2 | cards.json:1 | cards.json:2
        1 | {"format":"hoststate.plan/2","declarations":[{"type":"modules_load","modules":["a"],\n"modules":["b"]}]} | `declarations[0].modules` appears twice, in line 1 and in line 2 | Keep one of the two
        "#,
    );
}

#[test]
fn what_a_host_is_needed_for() {
    check(
        "plan --root root",
        "gpu.lua",
        r#"
        1 | driver_binding { device = "0000:09:00.0", driver = "vfio-pci" } | gpu.lua:1 | there is no PCI device at 0000:09:00.0; nearest: 0000:03:00.0
        1 | driver_binding { device = "0000:01:00.0", driver = "vfiopci" } | gpu.lua:1 | no installed kernel has a driver vfiopci (6.8.0-45-generic); did you mean vfio-pci?
        1 | driver_binding { device = "0000:01:00.0", driver = "acme" } | gpu.lua:1 | no installed kernel has a driver acme
        1 | sriov_nic { device = "0000:3b:00.0", numvfs = 2, driver = "vfio_pcii" } | gpu.lua:1 | no installed kernel has a driver vfio_pcii (6.8.0-45-generic); did you mean vfio-pci?
        1 | gpu_passthrough { device = "0000:01:00.0", drivers = { "nouvaeu" } } | gpu.lua:1 | no installed kernel has a driver nouvaeu (6.8.0-45-generic); did you mean nouveau?
        4 | gpu_passthrough { device = "0000:01:00.0", drivers = { "nouveau", "nvidia" } } | softdep nvidia
        1 | driver_binding { device = { vendor = "1002" }, driver = "vfio-pci" } | no PCI device has vendor 1002
        1 | sriov_numvfs { device = { interface = "ens9" }, numvfs = 4 } | interface ens9
        1 | sriov_numvfs { device = "0000:3b:00.0", numvfs = 65 } | gpu.lua:1 | offers 64 virtual functions, the playbook wants 65 | Lower `numvfs` to 64
        1 | sriov_numvfs { device = "0000:03:00.0", numvfs = 4 } | gpu.lua:1 | offers no virtual functions
        1 | sriov_numvfs { device = "0000:3b:02.0", numvfs = 4 } | it would be virtual function 0 of 0000:3b:00.0
        1 | vfio_pci_ids { ids = { "0000:01:00.0" } } | its id is 10de:0ffc | Write `ids = { "10de:0ffc" }`
        0 | vfio_pci_ids { ids = { "10de:0ffd" } } | no device of this host has the id 10de:0ffd; the nearest is 10de:0ffc of 0000:01:00.0 | at gpu.lua:1
        1 | modules_load { modules = { "vifo_pci" } } | gpu.lua:1 | has no module vifo_pci; did you mean vfio-pci?
        1 | modules_load { modules = { "vfio_virqf" } } | has no module vfio_virqf; vfio_virqfd is part of vfio since Linux 6.2: leave it out
        1 | initramfs_modules { modules = { "vfio_virqfd" } } | vfio_virqfd is part of vfio since Linux 6.2: leave it out
        0 | modprobe_blacklist { module = "nouvaeu" } | no installed kernel has a module nouvaeu | did you mean nouveau?
        0 | modprobe_softdep { module = "nouvaeu", pre = { "vfio-pci" } } | nouvaeu: did you mean nouveau?
        0 | modprobe_options { module = "kvm_intell", options = { nested = 1 } } | kvm_intell: did you mean kvm_intel?
        1 | local gpu = host.pci:find { vendor = "1002" }[1]\nprint(gpu.address) | gpu.lua:2 | found nothing: no PCI device has vendor 1002
        1 | driver_binding { device = host.pci:find { vendor = "10de" }, driver = "vfio-pci" } | a list of 1 device | the first is `[1]`
        0 | kernel_cmdline { present = { "intel_iommu=pt" } } | intel_iommu does not know pt
        "#,
    );
}

#[test]
fn where_no_kernel_tells_its_modules_no_driver_is_doubted() {
    let tree = host();
    std::fs::remove_file(tree.path("root/lib/modules/6.8.0-45-generic/modules.dep")).unwrap();
    tree.write("gpu.lua", "driver_binding { device = '0000:03:00.0', driver = 'acme' }");
    let answer = tree.run("plan --root root gpu.lua");
    assert!(!answer.to_string().contains("has a driver acme"), "{answer}");
}
