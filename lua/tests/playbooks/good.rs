//! Playbooks that are right.

use expect_test::expect;

use crate::support::check;

#[test]
fn a_declaration_has_the_line_of_its_call() {
    check(
        "#!/usr/bin/env -S hoststate plan\nlocal x = 1\nkernel_cmdline {\n  present = { \"iommu=pt\" },\n}\n",
        expect![[r#"
            gpu.lua:3: kernel_cmdline "iommu=pt" {"present":["iommu=pt"]}
        "#]],
    );
}

#[test]
fn a_loop_declares_in_its_order() {
    check(
        r#"
for _, module in ipairs { "nouveau", "nvidiafb" } do
  modprobe_softdep { module = module, pre = { "vfio-pci" } }
end
return modprobe_blacklist { name = "no nouveau", module = "nouveau" }
"#,
        expect![[r#"
            gpu.lua:3: modprobe_softdep "nouveau" {"module":"nouveau","pre":["vfio-pci"]}
            gpu.lua:3: modprobe_softdep "nvidiafb" {"module":"nvidiafb","pre":["vfio-pci"]}
            gpu.lua:5: modprobe_blacklist "no nouveau" {"module":"nouveau"}
        "#]],
    );
}

#[test]
fn what_is_said_twice_is_declared_once() {
    check(
        "modules_load { modules = { 'vfio-pci' } }\nmodules_load { modules = { 'vfio-pci' } }",
        expect![[r#"
            gpu.lua:1: modules_load "vfio-pci" {"modules":["vfio-pci"]}
        "#]],
    );
}

#[test]
fn pairs_goes_in_the_order_of_the_keys() {
    check(
        r#"
local t = { zebra = 1, apple = 2, [3] = 3, [true] = 4, [10] = 5, mango = 6 }
for key, value in pairs(t) do print(key, value) end
for key in next, { b = 1, a = 1, c = 1 } do print(key) end
for key, value in pairs { "x", "y" } do print(key, value) end
for key in pairs(setmetatable({}, { __pairs = function() return next, { own = 1 } end })) do print(key) end
print(next {}, tostring({}), string.format("%s %5.1f %d%%", {}, 1.25, 3))
"#,
        expect![[r#"
            > 3	3
            > 10	5
            > apple	2
            > mango	6
            > zebra	1
            > true	4
            > a
            > b
            > c
            > 1	x
            > 2	y
            > own
            > nil	table	table   1.2 3%
        "#]],
    );
}

#[test]
fn numbers_keep_their_kind_and_empty_tables_take_the_fields_kind() {
    check(
        "modprobe_softdep { module = 'b', pre = {}, post = { 'c' } }",
        expect![[r#"
        gpu.lua:1: modprobe_softdep "b" {"module":"b","post":["c"],"pre":[]}
    "#]],
    );
    check(
        "modprobe_options { module = 'a', options = { x = 3, y = 8 / 2, z = 1 << 62 } }",
        expect![[r#"
        gpu.lua:1: modprobe_options "a x,y,z" {"module":"a","options":{"x":3,"y":4,"z":4611686018427387904}}
    "#]],
    );
    check(
        "modprobe_options { module = 'a', options = {} }",
        expect![[r#"
        error: modprobe_options: `options` is empty
          at gpu.lua:1
        hint: Give at least one parameter.
    "#]],
    );
}

#[test]
fn a_caught_error_is_a_text_with_its_line() {
    check(
        r#"
print(pcall(kernel_cmdline, { presnt = {} }))
print(pcall(error, { code = 1 }))
print(select(2, xpcall(function() local x = nil; return x.y end, function(e) return "handled " .. e end)))
print(pcall(math.floor, 2.5))
"#,
        expect![[r#"
            > false	gpu.lua:2: kernel_cmdline: unknown field `presnt`
            > false	table
            > handled gpu.lua:4: attempt to index a nil value (local 'x')
            > true	2
        "#]],
    );
}

#[test]
fn print_and_log_go_to_the_callback() {
    check(
        "print('a', 1, nil)\nlog.info('b')\nlog.warn('c', true)",
        expect![[r#"
        > a	1	nil
        > b
        warning: c	true
    "#]],
    );
}
