//! What other languages write, and how Lua writes it: the text of the errors.

use expect_test::expect;

use crate::support::check_all;

#[test]
fn a_field_is_set_with_an_equals_sign_in_braces() {
    check_all(
        &[
            "kernel_cmdline { present: { 'intel_iommu=on' } }",
            "driver_binding {\n  device: '01:00.0',\n  driver: 'vfio-pci',\n}",
            "local d = 'vfio-pci'\ndriver_binding { driver: d, device = '01:00.0' }",
            "modprobe_blacklist { module = 'nouveau', install: true }",
            "kernel_cmdline { \"present\": [\"intel_iommu=on\"] }",
            "kernel_cmdline { present = [\"intel_iommu=on\"] }",
            "kernel_cmdline { [\"intel_iommu=on\", \"iommu=pt\"] }",
            "kernel_cmdline { present => { 'iommu=pt' } }",
            "driver_binding { device = 0000:01:00.0, driver = 'vfio-pci' }",
            "vfio_pci_ids { ids = { 10de:0ffc } }",
            "{\"format\":\"hoststate.declarations/1\",\"resources\":[]}",
            "[{\"type\":\"kernel_cmdline\"}]",
        ],
        expect![[r#"
            kernel_cmdline { present: { 'intel_iommu=on' } }
            error: a field is set with `=`, not with `:`
              at gpu.lua:1
            hint: Write `present = …`.

            driver_binding {
              device: '01:00.0',
              driver: 'vfio-pci',
            }
            error: a field is set with `=`, not with `:`
              at gpu.lua:2
            hint: Write `device = …`.

            local d = 'vfio-pci'
            driver_binding { driver: d, device = '01:00.0' }
            error: a field is set with `=`, not with `:`
              at gpu.lua:2
            hint: Write `driver = …`.

            modprobe_blacklist { module = 'nouveau', install: true }
            error: a field is set with `=`, not with `:`
              at gpu.lua:1
            hint: Write `install = …`.

            kernel_cmdline { "present": ["intel_iommu=on"] }
            error: a field is set with `=`, and its name is not in quotes
              at gpu.lua:1
            hint: Write `present = …`.

            kernel_cmdline { present = ["intel_iommu=on"] }
            error: a list is written in braces, not in brackets
              at gpu.lua:1
            hint: Write `{ "…", "…" }`.

            kernel_cmdline { ["intel_iommu=on", "iommu=pt"] }
            error: a list is written in braces, not in brackets
              at gpu.lua:1
            hint: Write `{ "…", "…" }`.

            kernel_cmdline { present => { 'iommu=pt' } }
            error: `=>` is not an operator of Lua
              at gpu.lua:1
            hint: Lua writes `field = value`.

            driver_binding { device = 0000:01:00.0, driver = 'vfio-pci' }
            error: an address or id is a text, and this one has no quotes
              at gpu.lua:1
            hint: Write it in quotes: `"0000:01:00.0"`, `"10de:0ffc"`.

            vfio_pci_ids { ids = { 10de:0ffc } }
            error: malformed number near `10de`
              at gpu.lua:1
            hint: A text is written in quotes: `"10de:0ffc"`.

            {"format":"hoststate.declarations/1","resources":[]}
            error: this is JSON, and the name of the file says Lua
              at gpu.lua:1
            hint: Name the file gpu.json, or write Lua: `kernel_cmdline { present = { "iommu=pt" } }`.

            [{"type":"kernel_cmdline"}]
            error: this is JSON, and the name of the file says Lua
              at gpu.lua:1
            hint: Name the file gpu.json, or write Lua: `kernel_cmdline { present = { "iommu=pt" } }`.

        "#]],
    );
}

#[test]
fn comments_begin_with_two_dashes() {
    check_all(
        &[
            "# my playbook\nkernel_cmdline { present = { 'quiet' } }",
            "kernel_cmdline { present = { 'quiet' } }\n# my playbook\nmodules_load { modules = { 'a' } }",
            "kernel_cmdline { present = { 'quiet' } } # the quiet one",
            "kernel_cmdline {\n  present = { 'quiet' }, # the quiet one\n  absent = { 'splash' },\n}",
            "// my playbook\nkernel_cmdline { present = { 'quiet' } }",
            "kernel_cmdline { present = { 'quiet' } } // the quiet one",
            "/* my playbook */\nkernel_cmdline { present = { 'quiet' } }",
        ],
        expect![[r#"
            # my playbook
            kernel_cmdline { present = { 'quiet' } }
            error: `#` does not begin a comment in Lua
              at gpu.lua:1
            hint: Comments begin with `--`.

            kernel_cmdline { present = { 'quiet' } }
            # my playbook
            modules_load { modules = { 'a' } }
            error: `#` does not begin a comment in Lua
              at gpu.lua:2
            hint: Comments begin with `--`.

            kernel_cmdline { present = { 'quiet' } } # the quiet one
            error: `#` does not begin a comment in Lua
              at gpu.lua:1
            hint: Comments begin with `--`.

            kernel_cmdline {
              present = { 'quiet' }, # the quiet one
              absent = { 'splash' },
            }
            error: `#` does not begin a comment in Lua
              at gpu.lua:2
            hint: Comments begin with `--`.

            // my playbook
            kernel_cmdline { present = { 'quiet' } }
            error: `//` does not begin a comment in Lua
              at gpu.lua:1
            hint: Comments begin with `--`.

            kernel_cmdline { present = { 'quiet' } } // the quiet one
            error: `//` does not begin a comment in Lua
              at gpu.lua:1
            hint: Comments begin with `--`.

            /* my playbook */
            kernel_cmdline { present = { 'quiet' } }
            error: `/*` does not begin a comment in Lua
              at gpu.lua:1
            hint: Comments begin with `--`.

        "#]],
    );
}

#[test]
fn operators_of_other_languages_are_named() {
    check_all(
        &[
            "if host.cpu.vendor != 'GenuineIntel' then end",
            "if !host.available then end",
            "if host.available && true then end",
            "if host.available || true then end",
            "if host.cpu.vendor = 'GenuineIntel' then end",
            "local n = 0\nn += 1",
            "local n = 0\nn++",
            "let n = 1",
            "def f()",
            "if host.available then\nelif true then\nend",
            "if host.available:\n  print('x')",
            "if host.cpu.vendor == 'GenuineIntel'\n  print('x')\nend",
        ],
        expect![[r#"
            if host.cpu.vendor != 'GenuineIntel' then end
            error: `!=` is not an operator of Lua
              at gpu.lua:1
            hint: Lua writes `~=`.

            if !host.available then end
            error: `!` is not an operator of Lua
              at gpu.lua:1
            hint: Lua writes `not`.

            if host.available && true then end
            error: `&&` is not an operator of Lua
              at gpu.lua:1
            hint: Lua writes `and`.

            if host.available || true then end
            error: `||` is not an operator of Lua
              at gpu.lua:1
            hint: Lua writes `or`.

            if host.cpu.vendor = 'GenuineIntel' then end
            error: `=` sets a variable, and a condition compares
              at gpu.lua:1
            hint: Lua compares with `==`.

            local n = 0
            n += 1
            error: `+=` is not an operator of Lua
              at gpu.lua:2
            hint: Lua writes `n = n + …`.

            local n = 0
            n++
            error: `++` is not an operator of Lua
              at gpu.lua:2
            hint: Lua writes `n = n + 1`.

            let n = 1
            error: `let` is not a keyword of Lua
              at gpu.lua:1
            hint: Lua writes `local`.

            def f()
            error: `def` is not a keyword of Lua
              at gpu.lua:1
            hint: Lua writes `function`.

            if host.available then
            elif true then
            end
            error: `elif` is not a keyword of Lua
              at gpu.lua:2
            hint: Lua writes `elseif`.

            if host.available:
              print('x')
            error: `then` expected near the end of the file
              at gpu.lua:2
            hint: Lua writes `if … then … end`.

            if host.cpu.vendor == 'GenuineIntel'
              print('x')
            end
            error: `then` expected near `print`
              at gpu.lua:2
            hint: Lua writes `if … then … end`.

        "#]],
    );
}

#[test]
fn what_is_not_closed_is_named_by_its_line() {
    check_all(
        &[
            "kernel_cmdline {\n  present = { 'intel_iommu=on' }\n\nmodules_load { modules = { 'vfio_pci' } }",
            "kernel_cmdline {\n  present = { 'intel_iommu=on',\n",
            "print(\n  'a'\nlocal x = 1",
            "driver_binding {\n  device = '01:00.0'\n  driver = 'vfio-pci',\n}",
            "kernel_cmdline {\n  present = { 'intel_iommu=on' 'iommu=pt' }\n}",
            "kernel_cmdline { present = { \"intel_iommu=on } }\nmodules_load { modules = { 'x' } }",
            "for _, m in ipairs { 'nouveau' } do\n  modprobe_blacklist { module = m }\n",
            "kernel_cmdline { present = }",
        ],
        expect![[r#"
            kernel_cmdline {
              present = { 'intel_iommu=on' }

            modules_load { modules = { 'vfio_pci' } }
            error: the `{` of line 1 is not closed before `modules_load`
              at gpu.lua:4
            hint: Write the `}` that is missing.

            kernel_cmdline {
              present = { 'intel_iommu=on',

            error: the `{` of line 2 is not closed before the end of the file
              at gpu.lua:3
            hint: Write the `}` that is missing.

            print(
              'a'
            local x = 1
            error: the `(` of line 1 is not closed before `local`
              at gpu.lua:3
            hint: Write the `)` that is missing.

            driver_binding {
              device = '01:00.0'
              driver = 'vfio-pci',
            }
            error: `}` expected (to close `{` at line 1) near `driver`
              at gpu.lua:3
            hint: Is a comma missing before it?

            kernel_cmdline {
              present = { 'intel_iommu=on' 'iommu=pt' }
            }
            error: `}` expected near ``iommu=pt``
              at gpu.lua:2
            hint: Is a comma missing before it?

            kernel_cmdline { present = { "intel_iommu=on } }
            modules_load { modules = { 'x' } }
            error: unfinished string near `"intel_iommu=on } }`
              at gpu.lua:1
            hint: A text ends on the line where it begins, with the same quote.

            for _, m in ipairs { 'nouveau' } do
              modprobe_blacklist { module = m }

            error: `end` expected (to close `for` at line 1) near the end of the file
              at gpu.lua:3
            hint: The file ends before everything that was opened is closed.

            kernel_cmdline { present = }
            error: unexpected symbol near `}`
              at gpu.lua:1
            hint: A value is missing before it.

        "#]],
    );
}

#[test]
fn characters_that_only_look_right_are_named() {
    check_all(
        &[
            "kernel_cmdline { present = { \u{201c}intel_iommu=on\u{201d} } }",
            "kernel_cmdline { present = { \u{2018}intel_iommu=on\u{2019} } }",
            "kernel_cmdline {\u{a0}present = { 'intel_iommu=on' } }",
            "kernel_cmdline {\u{200b} present = { 'intel_iommu=on' } }",
            "local größe = 1",
            "local x = 1 \u{2013} 2",
            "local x = 'a\\dz'",
        ],
        expect![[r#"
            kernel_cmdline { present = { “intel_iommu=on” } }
            error: `“` (U+201C) is not a quote in Lua
              at gpu.lua:1
            hint: Write the plain quote `"`.

            kernel_cmdline { present = { ‘intel_iommu=on’ } }
            error: `‘` (U+2018) is not a quote in Lua
              at gpu.lua:1
            hint: Write the plain quote `'` or `"`.

            kernel_cmdline {\u{a0}present = { 'intel_iommu=on' } }
            error: there is an invisible character, U+00A0, a no-break space
              at gpu.lua:1
            hint: Write a plain blank in its place.

            kernel_cmdline {\u{200b} present = { 'intel_iommu=on' } }
            error: there is an invisible character, U+200B, a space without width
              at gpu.lua:1
            hint: Write a plain blank in its place.

            local größe = 1
            error: `ö` (U+00F6) can be in texts and comments only
              at gpu.lua:1
            hint: Names are made of the letters a to z, digits and `_`; a text is written in quotes.

            local x = 1 – 2
            error: `–` (U+2013) is not a minus in Lua
              at gpu.lua:1
            hint: Write the plain `-`.

            local x = 'a\dz'
            error: invalid escape sequence near ``a\d`
              at gpu.lua:1
            hint: Write `\\` for one backslash.

        "#]],
    );
}

#[test]
fn a_byte_order_mark_and_dos_line_ends_are_accepted() {
    check_all(
        &[
            "\u{feff}kernel_cmdline {\r\n  present = { 'intel_iommu=on' }\r\n}\r\n",
            "kernel_cmdline {\r\n  present = { 'intel_iommu=on' }\r\n}\r\nmodules_lod { modules = { 'x' } }\r\n",
        ],
        expect![[r#"
            \u{feff}kernel_cmdline {\u{d}
              present = { 'intel_iommu=on' }\u{d}
            }\u{d}

            gpu.lua:1: kernel_cmdline "intel_iommu=on" {"present":["intel_iommu=on"]}

            kernel_cmdline {\u{d}
              present = { 'intel_iommu=on' }\u{d}
            }\u{d}
            modules_lod { modules = { 'x' } }\u{d}

            error: there is no function `modules_lod`
              at gpu.lua:4
            hint: Did you mean `modules_load`?

        "#]],
    );
}
