//! Playbooks that are wrong, and what they are told.

use expect_test::expect;

use crate::support::{check, check_all};

#[test]
fn a_misspelt_function_is_answered_with_the_nearest() {
    check_all(
        &[
            "local a\nmodprobe_sofdep { module = 'x' }",
            "gpu_passthru { device = '01:00.0' }",
            "frobnicate {}",
            "hots.pci()",
            "io.open('/etc/passwd')",
            "os.execute('id')",
            "string.frob('x')",
            "local x = {}\nx.y.z = 1",
            "log.warning('x')",
        ],
        expect![[r#"
            local a
            modprobe_sofdep { module = 'x' }
            error: there is no function `modprobe_sofdep`
              at gpu.lua:2
            hint: Did you mean `modprobe_softdep`?

            gpu_passthru { device = '01:00.0' }
            error: there is no function `gpu_passthru`
              at gpu.lua:1
            hint: Did you mean `gpu_passthrough`?

            frobnicate {}
            error: there is no function `frobnicate`
              at gpu.lua:1
            hint: The functions that declare are: kernel_cmdline, modprobe_softdep, modprobe_options, modprobe_blacklist, modules_load, initramfs_modules, vfio_pci_ids, sriov_numvfs, driver_binding, gpu_passthrough, iommu, sriov_nic. A vendor's come with a plugin: `hoststate plugin list`.

            hots.pci()
            error: there is no `hots`
              at gpu.lua:1
            hint: Did you mean `host`?

            io.open('/etc/passwd')
            error: there is no `io` in a playbook
              at gpu.lua:1
            hint: A playbook reads no files, starts no programs and knows no clock; `host` has the facts it may use.

            os.execute('id')
            error: there is no `os` in a playbook
              at gpu.lua:1
            hint: A playbook reads no files, starts no programs and knows no clock; `host` has the facts it may use.

            string.frob('x')
            error: there is no function `frob` here
              at gpu.lua:1

            local x = {}
            x.y.z = 1
            error: `y` is nil, and nil has no fields
              at gpu.lua:2

            log.warning('x')
            error: `log` has no `warning`
              at gpu.lua:1
            hint: It has: info, warn.

        "#]],
    );
}

#[test]
fn a_wrong_field_or_value_is_an_error_at_its_line() {
    check_all(
        &[
            "kernel_cmdline { presnt = { 'a=b' } }",
            "\nkernel_cmdline { present = 'a=b' }",
            "kernel_cmdline { present = { 1 } }",
            "kernel_cmdline { name = '', present = { 'a' } }",
            "modprobe_softdep { module = 'a b' }",
            "vfio_pci_ids { ids = { '10de' } }",
            "vfio_pci_ids { ids = {} }",
            "vfio_pci_ids {}",
        ],
        expect![[r#"
            kernel_cmdline { presnt = { 'a=b' } }
            error: kernel_cmdline: unknown field `presnt`
              at gpu.lua:1
            hint: Did you mean `present`?


            kernel_cmdline { present = 'a=b' }
            error: kernel_cmdline: `present` is "a=b", not a list
              at gpu.lua:2
            hint: Write `present = { "a=b" }`.

            kernel_cmdline { present = { 1 } }
            error: kernel_cmdline: item 1 of `present` is 1, not a text
              at gpu.lua:1
            hint: Write `present = { "1" }`.

            kernel_cmdline { name = '', present = { 'a' } }
            error: kernel_cmdline: `name` is "", not a text
              at gpu.lua:1
            hint: Give a text, or leave `name` out.

            modprobe_softdep { module = 'a b' }
            error: modprobe_softdep: `module`: `a b` is not a module name, expected 1 to 55 letters, digits, `_`, `-`, `.` or `+`
              at gpu.lua:1
            hint: Write it like `module = "vfio_pci"`. The module, e.g. `nouveau`.

            vfio_pci_ids { ids = { '10de' } }
            error: vfio_pci_ids: item 1 of `ids`: `10de` is not a PCI id, expected `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` in hexadecimal such as `10de:0ffc`
              at gpu.lua:1
            hint: Write it like `ids = { "10de:0ffc" }`. Ids, `vendor:device[:subvendor[:subdevice[:class[:mask]]]]`, hexadecimal.

            vfio_pci_ids { ids = {} }
            error: vfio_pci_ids: `ids` is empty
              at gpu.lua:1
            hint: Name at least one id, e.g. "10de:0ffc".

            vfio_pci_ids {}
            error: vfio_pci_ids: missing field `ids`
              at gpu.lua:1
            hint: Write it like `ids = { "10de:0ffc" }`. Ids, `vendor:device[:subvendor[:subdevice[:class[:mask]]]]`, hexadecimal.

        "#]],
    );
}

#[test]
fn what_is_no_data_is_an_error_that_names_the_field() {
    check_all(
        &[
            "kernel_cmdline()",
            "kernel_cmdline 'a'",
            "kernel_cmdline({}, {})",
            "kernel_cmdline { 'intel_iommu=on' }",
            "kernel_cmdline { present = { 'a', print } }",
            "modprobe_options { module = 'a', options = { x = { y = function() end } } }",
            "local t = {} t.t = t modprobe_options { module = 'a', options = t }",
            "local t = {} for i = 1, 99 do t = { t } end kernel_cmdline { present = t }",
            "kernel_cmdline { present = { 'a', nil, 'c' } }",
            "kernel_cmdline { present = { 'a', b = 'c' } }",
            "kernel_cmdline { present = { [2] = 'c' } }",
            "kernel_cmdline { present = { 0/0 } }",
            "kernel_cmdline { present = { '\\xff' } }",
            "kernel_cmdline { present = host }",
            "kernel_cmdline { [{}] = 1 }",
        ],
        expect![[r#"
            kernel_cmdline()
            error: kernel_cmdline takes one table, got nothing
              at gpu.lua:1
            hint: Write `kernel_cmdline { field = value }`.

            kernel_cmdline 'a'
            error: kernel_cmdline takes one table, got the text "a"
              at gpu.lua:1
            hint: Write `kernel_cmdline { field = value }`.

            kernel_cmdline({}, {})
            error: kernel_cmdline takes one table, got 2 values
              at gpu.lua:1
            hint: Write `kernel_cmdline { field = value }`.

            kernel_cmdline { 'intel_iommu=on' }
            error: kernel_cmdline has a value without a field name, [1]
              at gpu.lua:1
            hint: Write `field = value`, or a list in a field of its own.

            kernel_cmdline { present = { 'a', print } }
            error: kernel_cmdline: `present[2]` is a function
              at gpu.lua:1
            hint: A field takes texts, numbers, booleans and tables of them.

            modprobe_options { module = 'a', options = { x = { y = function() end } } }
            error: modprobe_options: `options.x.y` is a function
              at gpu.lua:1
            hint: A field takes texts, numbers, booleans and tables of them.

            local t = {} t.t = t modprobe_options { module = 'a', options = t }
            error: modprobe_options: `options.t` contains itself
              at gpu.lua:1
            hint: Give a table that ends.

            local t = {} for i = 1, 99 do t = { t } end kernel_cmdline { present = t }
            error: kernel_cmdline: `present[1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1]` is more than 32 tables deep
              at gpu.lua:1
            hint: No field takes tables nested that deeply.

            kernel_cmdline { present = { 'a', nil, 'c' } }
            error: kernel_cmdline: `present` has a hole: [3] is there, [2] is nil
              at gpu.lua:1
            hint: A variable in that list is nil; leave it out or give it a value.

            kernel_cmdline { present = { 'a', b = 'c' } }
            error: kernel_cmdline: `present` mixes a list and the field `b`
              at gpu.lua:1
            hint: Use either a list or named fields.

            kernel_cmdline { present = { [2] = 'c' } }
            error: kernel_cmdline: `present` mixes named fields and [2]
              at gpu.lua:1
            hint: Use either a list or named fields.

            kernel_cmdline { present = { 0/0 } }
            error: kernel_cmdline: `present[1]` is NaN
              at gpu.lua:1
            hint: Give a finite number.

            kernel_cmdline { present = { '\xff' } }
            error: kernel_cmdline: `present[1]` is not UTF-8 text
              at gpu.lua:1
            hint: Save the playbook as UTF-8.

            kernel_cmdline { present = host }
            error: kernel_cmdline: `present` is { available = false }, not a list
              at gpu.lua:1
            hint: Write `present = { "available=false" }`.

            kernel_cmdline { [{}] = 1 }
            error: kernel_cmdline mixes named fields and [a table]
              at gpu.lua:1
            hint: Use either a list or named fields.

        "#]],
    );
}

#[test]
fn two_declarations_that_differ_are_an_error_at_the_second() {
    check(
        "modprobe_blacklist { module = 'a' }\n\nmodprobe_blacklist { module = 'a', install = true }",
        expect![[r#"
            error: modprobe_blacklist "a" is declared twice, first at gpu.lua:1, and they differ
              at gpu.lua:3
            hint: Merge the two into one declaration.
        "#]],
    );
}

#[test]
fn an_error_in_a_function_says_who_called() {
    check(
        "local function card(x)\n  modules_load { module = x }\nend\nlocal function all()\n  card('a')\n  return 1\nend\nall()",
        expect![[r#"
            error: modules_load: unknown field `module`
              at gpu.lua:2
              called at gpu.lua:5
              called at gpu.lua:8
            hint: Did you mean `modules`?
        "#]],
    );
    check(
        "local function card(x)\n  return x.address\nend\nprint(card(nil))",
        expect![[r#"
            error: `x` is nil, and nil has no fields
              at gpu.lua:2
              called at gpu.lua:4
        "#]],
    );
}

#[test]
fn syntax_errors_have_a_line_and_plain_words() {
    check_all(
        &[
            "kernel_cmdline {\n  present = { 'a' }\n  absent = { 'b' }\n}",
            "kernel_cmdline {\n  present = { 'a' },\n",
            "if x then",
            "x = = 1",
            "\u{1b}Lua",
            "error('own words')",
            "error({})",
            "error('no place', 0)",
            "local function f() return f() + 1 end f()",
            "goto nowhere",
            "print(1 + {})",
            "string.rep()",
        ],
        expect![[r#"
            kernel_cmdline {
              present = { 'a' }
              absent = { 'b' }
            }
            error: `}` expected (to close `{` at line 1) near `absent`
              at gpu.lua:3
            hint: Is a comma missing before it?

            kernel_cmdline {
              present = { 'a' },

            error: the `{` of line 1 is not closed before the end of the file
              at gpu.lua:3
            hint: Write the `}` that is missing.

            if x then
            error: `end` expected near the end of the file
              at gpu.lua:1
            hint: The file ends before everything that was opened is closed.

            x = = 1
            error: unexpected symbol near `=`
              at gpu.lua:1

            \u{1b}Lua
            error: cannot load a binary chunk (mode is `t`)
              at nowhere

            error('own words')
            error: own words
              at gpu.lua:1

            error({})
            error: the playbook raised a table as its error
              at gpu.lua:1
            hint: Raise a text.

            error('no place', 0)
            error: no place
              at gpu.lua:1

            local function f() return f() + 1 end f()
            error: the playbook takes more than 64 MiB of memory
              at gpu.lua:1
            hint: Look for a text or a table that grows without end, or a function that calls itself.

            goto nowhere
            error: no visible label `nowhere` for <goto> at line 1
              at gpu.lua:1

            print(1 + {})
            error: cannot perform arithmetic on a table value
              at gpu.lua:1

            string.rep()
            error: bad argument #1 to `rep` (string expected, got nil)
              at gpu.lua:1

        "#]],
    );
}
