//! `require`: files beside the playbook and shipped modules.

use expect_test::{Expect, expect};

use crate::support::outcome;
use hoststate_lua::facts::NoHost;

fn check(text: &str, modules: &[(&str, &str)], expect: Expect) {
    expect.assert_eq(&outcome(&NoHost, text, modules));
}

#[test]
fn a_module_is_loaded_once_and_its_lines_are_its_own() {
    check(
        "local a = require 'net.cards'\nprint(a == require 'net.cards', a.name)\na.load('vfio-pci')",
        &[(
            "net/cards.lua",
            "print('loaded')\nreturn { name = 'cards', load = function(m)\n  modules_load { modules = { m } }\nend }",
        )],
        expect![[r#"
            > loaded
            > true	cards
            net/cards.lua:3: modules_load "vfio-pci" {"modules":["vfio-pci"]}
        "#]],
    );
}

#[test]
fn a_wrong_module_is_an_error_in_its_file() {
    check(
        "\nrequire 'cards'",
        &[("cards.lua", "local x\n\nx.y = 1")],
        expect![[r#"
        error: `x` is nil, and nil has no fields
          at cards.lua:3
          called at gpu.lua:2
    "#]],
    );
    check(
        "\nrequire 'cards'",
        &[("cards.lua", "x = = 1")],
        expect![[r#"
        error: unexpected symbol near `=`
          at cards.lua:1
    "#]],
    );
    check(
        "\nrequire 'cards'",
        &[("cards.lua", "kernel_cmdline { presnt = {} }")],
        expect![[r#"
        error: kernel_cmdline: unknown field `presnt`
          at cards.lua:1
          called at gpu.lua:2
        hint: Did you mean `present`?
    "#]],
    );
    check(
        "\nrequire 'a'",
        &[("a.lua", "require 'b'"), ("b.lua", "require 'a'")],
        expect![[r#"
        error: module "a" requires itself, by way of others
          at b.lua:1
          called at a.lua:1
          called at gpu.lua:2
        hint: Move what both need into a third file.
    "#]],
    );
    check(
        "\nrequire 'none'",
        &[],
        expect![[r#"
        error: there is no module "none": no none.lua beside the playbook
          at gpu.lua:2
        hint: Write `require "name"` for `name.lua` beside the playbook, `require "folder.name"` below it.
    "#]],
    );
    check(
        "\nrequire 'cards'",
        &[("cards.lua", "\u{1b}Lua")],
        expect![[r#"
        error: cannot load a binary chunk (mode is `t`)
          at gpu.lua:2
    "#]],
    );
}

#[test]
fn shipped_modules_can_be_required() {
    check(
        "local f = require 'iommu'\nf { vendor = 'GenuineIntel' }",
        &[],
        expect![[r#"
        gpu.lua:2: kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
        gpu.lua:2: kernel_cmdline "iommu without passthrough" {"absent":["iommu=off","iommu=soft"]}
    "#]],
    );
}
