//! The table `host`.

use expect_test::{Expect, expect};

use hoststate_lua::facts::NoHost;

use crate::support::{Machine, check as check_without, device, outcome};

fn check(text: &str, expect: Expect) {
    let mut nic = device("0000:3b:00.0", "8086:1592", "020000", "network", Some(20));
    nic.interface = Some("ens1f0".into());
    nic.interfaces = vec!["ens1f0".into()];
    nic.driver = Some("ice".into());
    nic.sriov_totalvfs = Some(64);
    let machine = Machine {
        vendor: Some("GenuineIntel"),
        devices: vec![device("0000:01:00.0", "10de:0ffc", "030000", "display", Some(1)), nic],
        modules: vec![("0000:01:00.0", vec!["nouveau", "nvidiafb"])],
    };
    expect.assert_eq(&outcome(&machine, text, &[]));
}

#[test]
fn a_playbook_sees_the_host() {
    check(
        r#"
print(host.distro.id, host.distro.version, host.distro.family, host.kernel.release, host.cpu.vendor)
print(#host.pci, host.available)
for index, device in ipairs(host.pci) do
  print(index, device.address, device.driver, device.interface, device.sriov_totalvfs, device.iommu_group)
end
print(table.concat(host.pci[1].modules, " "), #host.pci[2].modules)
for _, gpu in ipairs(host.pci:find { class = "display" }) do
  for _, module in ipairs(gpu.modules) do
    modprobe_softdep { module = module, pre = { "vfio-pci" } }
  end
end
for key in pairs(host.distro) do print(key) end
"#,
        expect![[r#"
            > ubuntu	24.04	debian	6.8.0-45-generic	GenuineIntel
            > 2	true
            > 1	0000:01:00.0	nil	nil	nil	1
            > 2	0000:3b:00.0	ice	ens1f0	64	20
            > nouveau nvidiafb	0
            > family
            > id
            > version
            gpu.lua:10: modprobe_softdep "nouveau" {"module":"nouveau","pre":["vfio-pci"]}
            gpu.lua:10: modprobe_softdep "nvidiafb" {"module":"nvidiafb","pre":["vfio-pci"]}
        "#]],
    );
}

#[test]
fn a_misspelt_fact_is_answered_with_the_nearest() {
    check(
        "print(host.distor)",
        expect![[r#"
        error: `host` has no `distor`
          at gpu.lua:1
        hint: Did you mean `distro`?
    "#]],
    );
    check(
        "print(host.pci[1].modlues)",
        expect![[r#"
        error: `0000:01:00.0` has no `modlues`
          at gpu.lua:1
        hint: Did you mean `modules`?
    "#]],
    );
    check(
        "print(host.pci:find { class = 'display' }.address)",
        expect![[r#"
        error: `host.pci:find` gives a list, and a list has no `address`
          at gpu.lua:1
        hint: Take one of it: `host.pci:find { … }[1]`.
    "#]],
    );
    check(
        "print(host.pci.find { class = 'display' })",
        expect![[r#"
        error: `host.pci.find` is called without the list
          at gpu.lua:1
        hint: Write `host.pci:find { … }`, with a colon.
    "#]],
    );
    check(
        "print(host.pci:find 'display')",
        expect![[r#"
        error: `host.pci:find` takes a table, got a string
          at gpu.lua:1
        hint: For example `host.pci:find { class = "display" }`.
    "#]],
    );
    check(
        "host.pci[1].driver = 'vfio-pci'",
        expect![[r#"
            error: `0000:01:00.0` is read-only, so `driver` cannot be set
              at gpu.lua:1
            hint: Keep it in a variable of your own.
        "#]],
    );
}

#[test]
fn a_fact_is_plain_data_in_a_declaration() {
    check(
        "modules_load { modules = host.pci[1].modules }",
        expect![[r#"
        gpu.lua:1: modules_load "nouveau nvidiafb" {"modules":["nouveau","nvidiafb"]}
    "#]],
    );
    check(
        "modules_load { modules = { host.pci[1] } }",
        expect![[r#"
            error: modules_load: item 1 of `modules`: `0000:01:00.0` is not a module name, expected 1 to 55 letters, digits, `_`, `-`, `.` or `+`
              at gpu.lua:1
            hint: Write it like `modules = { "vfio_pci" }`. The modules, loaded in this order.
        "#]],
    );
    check(
        "kernel_cmdline { present = host }",
        expect![[r#"
            error: kernel_cmdline: `present` is { available = true }, not a list
              at gpu.lua:1
            hint: Write `present = { "available" }`.
        "#]],
    );
    check(
        "gpu_passthrough { device = host.pci:find { class = 'display' }[1] }",
        expect![[r#"
        gpu.lua:1: kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
        gpu.lua:1: kernel_cmdline "iommu passthrough" {"present":["iommu=pt"]}
        gpu.lua:1: modprobe_softdep "nouveau" {"file":"01-vfio-pci.conf","module":"nouveau","pre":["vfio-pci"]}
        gpu.lua:1: modprobe_softdep "nvidiafb" {"file":"01-vfio-pci.conf","module":"nvidiafb","pre":["vfio-pci"]}
        gpu.lua:1: vfio_pci_ids "0000:01:00.0" {"file":"01-vfio-pci.conf","ids":["10de:0ffc"]}
        gpu.lua:1: initramfs_modules "vfio vfio_iommu_type1 vfio_pci" {"modules":["vfio","vfio_iommu_type1","vfio_pci"]}
    "#]],
    );
    check(
        "modules_load { modules = setmetatable({ 'a' }, {}) }",
        expect![[r#"
        error: modules_load: `modules` is a table with a metatable
          at gpu.lua:1
        hint: Give a plain table.
    "#]],
    );
}

#[test]
fn without_a_host_every_fact_is_absent() {
    check_without(
        "print(host.available, host.distro.id, host.cpu.vendor, #host.pci)",
        expect![[r#"
        > false	nil	nil	0
    "#]],
    );
}

#[test]
fn what_find_gives_is_a_list_and_may_be_empty() {
    let machine = Machine {
        devices: vec![device("0000:01:00.0", "10de:0ffc", "030000", "display", None)],
        ..Machine::default()
    };
    let texts = [
        "driver_binding { device = host.pci:find { vendor = '10de' }, driver = 'vfio-pci' }",
        "driver_binding { device = host.pci:find { vendor = '1002' }, driver = 'vfio-pci' }",
        "local gpu = host.pci:find { vendor = '1002' }[1]\ndriver_binding { device = gpu.address, driver = 'vfio-pci' }",
        "local gpu = host.pci:find { vendor = '1002' }\ndriver_binding { device = gpu[1].address, driver = 'vfio-pci' }",
        "local gpu = host.pci:find { vendor = '1002' }[1]\ndriver_binding { device = gpu, driver = 'vfio-pci' }",
        "local x\ndriver_binding {\n  device = x,\n  driver = 'vfio-pci',\n}",
        "driver_binding {\n  driver = 'vfio-pci',\n}",
        "kernel_cmdline:present { 'x' }",
        "kernel_cmdline.present = { 'x' }",
    ];
    let all: String = texts.iter().map(|it| format!("{it}\n{}\n", outcome(&machine, it, &[]))).collect();
    expect![[r#"
        driver_binding { device = host.pci:find { vendor = '10de' }, driver = 'vfio-pci' }
        error: driver_binding: `device` is what `host.pci:find` gives, a list of 1 device
          at gpu.lua:1
        hint: Take one device of it: the first is `[1]`.

        driver_binding { device = host.pci:find { vendor = '1002' }, driver = 'vfio-pci' }
        error: driver_binding: `device` is what `host.pci:find` gives, a list, and it found nothing
          at gpu.lua:1
        hint: A device is one of it: `host.pci:find { … }[1]`. `hoststate inspect devices` lists those of this host.

        local gpu = host.pci:find { vendor = '1002' }[1]
        driver_binding { device = gpu.address, driver = 'vfio-pci' }
        error: `gpu` is nil, and nil has no fields
          at gpu.lua:2
        hint: `host.pci:find` at gpu.lua:1 found nothing: `hoststate inspect devices` lists the devices

        local gpu = host.pci:find { vendor = '1002' }
        driver_binding { device = gpu[1].address, driver = 'vfio-pci' }
        error: an item that is nil has no fields
          at gpu.lua:2
        hint: `host.pci:find` at gpu.lua:1 found nothing: `hoststate inspect devices` lists the devices

        local gpu = host.pci:find { vendor = '1002' }[1]
        driver_binding { device = gpu, driver = 'vfio-pci' }
        error: driver_binding: `device` is nil
          at gpu.lua:2
        hint: `host.pci:find` at gpu.lua:1 found nothing: `hoststate inspect devices` lists the devices

        local x
        driver_binding {
          device = x,
          driver = 'vfio-pci',
        }
        error: driver_binding: `device` is nil
          at gpu.lua:2
        hint: `x` has no value there. Give it one, or leave the declaration out.

        driver_binding {
          driver = 'vfio-pci',
        }
        error: driver_binding: missing field `device`
          at gpu.lua:1
        hint: Write it like `device = "0000:01:00.0"`. The device: an address such as `0000:01:00.0`, or a description of exactly one device.

        kernel_cmdline:present { 'x' }
        error: `kernel_cmdline` is a function and has no fields
          at gpu.lua:1
        hint: Write `kernel_cmdline { field = … }`, with neither `:` nor `.` after the name.

        kernel_cmdline.present = { 'x' }
        error: `kernel_cmdline` is a function and has no fields
          at gpu.lua:1
        hint: Write `kernel_cmdline { field = … }`, with neither `:` nor `.` after the name.

    "#]]
    .assert_eq(&all);
    let all: String = [
        texts[2],
        "print(#host.pci:find { vender = '10de' })",
        "print(#host.pci:find {})",
        "print(#host.pci:find { vendor = 0x10de })",
    ]
    .iter()
    .map(|it| format!("{it}\n{}\n", outcome(&NoHost, it, &[])))
    .collect();
    expect![[r#"
        local gpu = host.pci:find { vendor = '1002' }[1]
        driver_binding { device = gpu.address, driver = 'vfio-pci' }
        error: `gpu` is nil, and nil has no fields
          at gpu.lua:2
        hint: `host.pci:find` at gpu.lua:1 finds nothing because `check` looks at no host; `hoststate plan` does. Write `if gpu then … end` around what needs the device.

        print(#host.pci:find { vender = '10de' })
        error: host.pci:find: a selector has no `vender`
          at gpu.lua:1
        hint: Did you mean `vendor`?

        print(#host.pci:find {})
        error: host.pci:find: an empty selector; it takes address, class, device, function, interface, mac, path, serial, slot, vendor
          at gpu.lua:1
        hint: A selector has the fields of `device`.

        print(#host.pci:find { vendor = 0x10de })
        error: host.pci:find: invalid type: integer `4318`, expected a text in quotes, such as "10de"
          at gpu.lua:1
        hint: A selector has the fields of `device`.

    "#]].assert_eq(&all);
}
