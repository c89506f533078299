//! Names that nobody defined, and names that are taken.

use expect_test::expect;
use hoststate_lua::facts::NoHost;

use crate::support::{check_all, outcome};

#[test]
fn reading_an_undefined_name_is_an_error_with_the_nearest() {
    check_all(
        &[
            "modprobe_blacklist { module = 'nouveau', install = True }",
            "modprobe_blacklist { module = 'nouveau', install = flase }",
            "modprobe_blacklist { module = 'nouveau', install = yes }",
            "driver_binding { device = None, driver = 'vfio-pci' }",
            "if hots.distro.id == 'ubuntu' then end",
            "kernel_cmdline { present = { intel_iommu=on } }",
            "modules_load { modules = { vfio_pci } }",
            "local card = '01:00.0'\ncard_count = 2\nprint(card_cuont)",
            "x = nill",
        ],
        expect![[r#"
            modprobe_blacklist { module = 'nouveau', install = True }
            error: there is no `True`
              at gpu.lua:1
            hint: Did you mean `true`?

            modprobe_blacklist { module = 'nouveau', install = flase }
            error: there is no `flase`
              at gpu.lua:1
            hint: Did you mean `false`?

            modprobe_blacklist { module = 'nouveau', install = yes }
            error: there is no `yes`
              at gpu.lua:1
            hint: Lua writes `true`, and a text in quotes: `"yes"`.

            driver_binding { device = None, driver = 'vfio-pci' }
            error: there is no `None`
              at gpu.lua:1
            hint: Lua writes `nil`, and a text in quotes: `"None"`.

            if hots.distro.id == 'ubuntu' then end
            error: there is no `hots`
              at gpu.lua:1
            hint: Did you mean `host`?

            kernel_cmdline { present = { intel_iommu=on } }
            error: there is no `on`
              at gpu.lua:1
            hint: A text is written in quotes: `"on"`. A variable exists only after the line that sets it; `rawget(_G, "on")` is nil for one that may be missing.

            modules_load { modules = { vfio_pci } }
            error: there is no `vfio_pci`
              at gpu.lua:1
            hint: A text is written in quotes: `"vfio_pci"`. A variable exists only after the line that sets it; `rawget(_G, "vfio_pci")` is nil for one that may be missing.

            local card = '01:00.0'
            card_count = 2
            print(card_cuont)
            error: there is no `card_cuont`
              at gpu.lua:3
            hint: Did you mean `card_count`?

            x = nill
            error: there is no `nill`
              at gpu.lua:1
            hint: Did you mean `nil`?

        "#]],
    );
}

#[test]
fn a_name_that_may_be_missing_is_read_raw() {
    check_all(
        &[
            "if DEBUG then print('x') end",
            "if rawget(_G, 'DEBUG') then print('x') end\nprint(rawget(_G, 'DEBUG'))",
            "DEBUG = false\nif DEBUG then print('x') end\nprint(DEBUG)",
            "local function quiet() return VERBOSE == nil end\nprint(pcall(quiet))",
        ],
        expect![[r#"
            if DEBUG then print('x') end
            error: there is no `DEBUG`
              at gpu.lua:1
            hint: A text is written in quotes: `"DEBUG"`. A variable exists only after the line that sets it; `rawget(_G, "DEBUG")` is nil for one that may be missing.

            if rawget(_G, 'DEBUG') then print('x') end
            print(rawget(_G, 'DEBUG'))
            > nil

            DEBUG = false
            if DEBUG then print('x') end
            print(DEBUG)
            > false

            local function quiet() return VERBOSE == nil end
            print(pcall(quiet))
            > false	gpu.lua:1: there is no `VERBOSE`

        "#]],
    );
}

#[test]
fn globals_of_a_playbook_are_seen_in_its_modules_and_back() {
    let modules =
        [("cards.lua", "function card(address)\n  return { device = address, driver = DRIVER }\nend")];
    expect![[r#"
        gpu.lua:3: driver_binding "0000:01:00.0" {"device":"01:00.0","driver":"vfio-pci"}
    "#]]
    .assert_eq(&outcome(
        &NoHost,
        "DRIVER = 'vfio-pci'\nrequire 'cards'\ndriver_binding(card('01:00.0'))",
        &modules,
    ));
}

#[test]
fn what_hoststate_adds_is_not_set() {
    check_all(
        &[
            "kernel_cmdline = { present = { 'iommu=pt' } }",
            "function iommu() end",
            "host = {}",
            "log = print",
            "rawset(_G, 'kernel_cmdline', print)",
            "_G.kernel_cmdline = nil",
            "setmetatable(_G, {})",
            "local iommu = { 'iommu=pt' }\nkernel_cmdline { present = iommu }",
        ],
        expect![[r#"
            kernel_cmdline = { present = { 'iommu=pt' } }
            error: `kernel_cmdline` is a function that declares, and cannot be set
              at gpu.lua:1
            hint: Write `kernel_cmdline { … }` to declare. A variable needs another name, or a `local` before it.

            function iommu() end
            error: `iommu` is a function that declares, and cannot be set
              at gpu.lua:1
            hint: Write `iommu { … }` to declare. A variable needs another name, or a `local` before it.

            host = {}
            error: `host` is part of every playbook, and cannot be set
              at gpu.lua:1
            hint: A variable needs another name, or a `local` before it.

            log = print
            error: `log` is part of every playbook, and cannot be set
              at gpu.lua:1
            hint: A variable needs another name, or a `local` before it.

            rawset(_G, 'kernel_cmdline', print)
            error: `kernel_cmdline` is a function that declares, and cannot be set
              at gpu.lua:1
            hint: Write `kernel_cmdline { … }` to declare. A variable needs another name, or a `local` before it.

            _G.kernel_cmdline = nil
            error: `kernel_cmdline` is a function that declares, and cannot be set
              at gpu.lua:1
            hint: Write `kernel_cmdline { … }` to declare. A variable needs another name, or a `local` before it.

            setmetatable(_G, {})
            error: cannot change a protected metatable
              at gpu.lua:1

            local iommu = { 'iommu=pt' }
            kernel_cmdline { present = iommu }
            gpu.lua:2: kernel_cmdline "iommu=pt" {"present":["iommu=pt"]}

        "#]],
    );
}

#[test]
fn the_library_comes_unseen_when_a_playbook_asks_for_it() {
    check_all(
        &[
            "print(('ab'):rep(2), #'ab', -'3', '10' + 1, 2 ^ '3', ('x').upper('y'))",
            "print = nil\nprint('x')",
            "table, string = { 'mine' }, 'mine'\nlog.info(table[1], string, ('x'):upper())",
            "host = {}",
            "type = 1\ntostring = nil\nprint(type, rawget(_G, 'tostring'), host.available)",
            "load = 'mine'\nprint(load, rawget(_G, 'load') == load, _VERSION)",
            "first = 1\nlocal seen = {}\nfor name, value in next, _ENV do seen[#seen + 1] = name end\nprint(#seen, seen[1], _G == _ENV, rawget(_ENV, 'host'))",
            "_G = nil\nprint(_G)",
            "composite, fail = 'mine', 'mine'\niommu { passthrough = true }\nprint(composite, fail)",
        ],
        expect![[r#"
            print(('ab'):rep(2), #'ab', -'3', '10' + 1, 2 ^ '3', ('x').upper('y'))
            > abab	2	-3	11	8.0	Y

            print = nil
            print('x')
            error: there is no function `print`
              at gpu.lua:2
            hint: Did you mean `print`?

            table, string = { 'mine' }, 'mine'
            log.info(table[1], string, ('x'):upper())
            > mine	mine	X

            host = {}
            error: `host` is part of every playbook, and cannot be set
              at gpu.lua:1
            hint: A variable needs another name, or a `local` before it.

            type = 1
            tostring = nil
            print(type, rawget(_G, 'tostring'), host.available)
            > 1	nil	false

            load = 'mine'
            print(load, rawget(_G, 'load') == load, _VERSION)
            > mine	true	Lua 5.4

            first = 1
            local seen = {}
            for name, value in next, _ENV do seen[#seen + 1] = name end
            print(#seen, seen[1], _G == _ENV, rawget(_ENV, 'host'))
            > 28	_G	true	nil

            _G = nil
            print(_G)
            error: there is no `_G`
              at gpu.lua:2
            hint: A text is written in quotes: `"_G"`. A variable exists only after the line that sets it; `rawget(_G, "_G")` is nil for one that may be missing.

            composite, fail = 'mine', 'mine'
            iommu { passthrough = true }
            print(composite, fail)
            > iommu: what it declares depends on the host and is not checked here
            > mine	mine

        "#]],
    );
}
