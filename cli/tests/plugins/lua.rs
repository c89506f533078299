//! Types written in Lua: in a folder of plugins, beside a playbook, and those that misbehave.

use expect_test::{Expect, expect};

use crate::lab::Lab;

/// A type whose inspection is this, in a file beside a playbook that declares it.
fn lab(inspect: &str) -> Lab {
    let lab = Lab::new();
    let text = format!(
        "resource_type {{\n  name = \"acme.lamp\",\n  fields = {{ on = {{ type = \"boolean\" }} }},\n  required = {{ \"on\" }},\n  inspect = function(desired, host)\n{inspect}\n  end,\n}}\n"
    );
    lab.write("lamp.lua", &text);
    lab.write("playbook.lua", "require \"lamp\"\nacme.lamp { on = true }\n");
    lab
}

/// What a lamp does that works.
const GOOD: &str = r#"
    local actual, wanted = host:attribute("/sys/lamp"), desired.on and "on" or "off"
    local state = { state = "converged" }
    if actual ~= wanted then
      local step = { kind = "write_attribute", path = "/sys/lamp", value = wanted }
      state = { state = "drifted", actual = actual, desired = wanted, remedy = { steps = { step } } }
    end
    return { settings = { { scope = "runtime", subject = "the lamp on " .. host.distro.id, state = state } } }"#;

fn fails(inspect: &str, expect: Expect) {
    let lab = lab(inspect);
    lab.check("converge playbook.lua --root root --yes", expect);
    assert_eq!(lab.read("root/sys/lamp"), "off\n");
}

#[test]
fn one_beside_the_playbook_is_planned() {
    lab(GOOD).check(
        "plan playbook.lua --root root",
        expect![[r#"
            ubuntu 24.04, grub2

            Needs a reboot:
                the lamp on ubuntu: off -> on

            Plan: a reboot.
            exit 0
        "#]],
    );
}

#[test]
fn one_in_a_folder_is_trusted_first_and_refused_once_changed() {
    let lab = lab(GOOD);
    lab.install("lamp.lua", &lab.read("lamp.lua"));
    lab.write("playbook.lua", "acme.lamp { on = true }\n");
    lab.knows_nothing_of("lamp.lua", "playbook.lua");
    lab.trusts("lamp.lua");
    lab.check(
        "plan playbook.lua --root root",
        expect![[r#"
            ubuntu 24.04, grub2

            Needs a reboot:
                the lamp on ubuntu: off -> on

            Plan: a reboot.
            exit 0
        "#]],
    );
    let shown = lab.run("schema --luals");
    assert!(shown.contains("---@field on boolean"), "{shown}");
    lab.install("lamp.lua", &(lab.read("lamp.lua") + "\n"));
    lab.refuses_changed("lamp.lua", "playbook.lua");
}

#[test]
fn a_wrong_field_is_an_error_at_the_line_of_the_playbook() {
    let lab = lab(GOOD);
    lab.write("playbook.lua", "require \"lamp\"\n\nacme.lamp { no = true }\n");
    lab.check(
        "check playbook.lua",
        expect![[r#"
            error: acme.lamp: unknown field `no`
              at playbook.lua:3
            hint: Its fields are: ensure, name, on.

            error: acme.lamp: missing field `on`
              at playbook.lua:3
            hint: Write it like `on = true`.
            exit 1
        "#]],
    );
    lab.write("playbook.lua", "require \"lamp\"\n\nacme.lamp { on = \"yes\" }\n");
    lab.check(
        "check playbook.lua",
        expect![[r#"
            error: acme.lamp: `on`: "yes" is not of type "boolean"
              at playbook.lua:3
            hint: Write `on = true`.
            exit 1
        "#]],
    );
    lab.write("playbook.lua", "require \"lamp\"\n\nacme.lump { on = true }\n");
    lab.check(
        "check playbook.lua",
        expect![[r#"
        error: there is no function `lump` here
          at playbook.lua:3
        hint: Did you mean `acme.lamp`?
        exit 1
    "#]],
    );
}

#[test]
fn a_type_needs_a_file_of_its_own() {
    let lab = lab(GOOD);
    lab.write("playbook.lua", &lab.read("lamp.lua"));
    lab.check(
        "check playbook.lua",
        expect![[r#"
        error: the type acme.lamp is described in the playbook itself
          at playbook.lua:1
        hint: Move it to a file beside the playbook, and `require` that.
        exit 1
    "#]],
    );
    lab.write("playbook.lua", "require \"lamp\"\n");
    lab.write("lamp.lua", &("require \"other\"\n".to_owned() + &lab.read("lamp.lua")));
    lab.write("other.lua", "");
    lab.check(
        "check playbook.lua",
        expect![[r#"
            error: module "other": a file with a `resource_type` stands alone
              at lamp.lua:1
            hint: Put what it needs into the same file.
            exit 1
        "#]],
    );
    lab.write("lamp.lua", "resource_type { nam = \"acme.lamp\", inspect = function() end }\n");
    lab.check(
        "check playbook.lua",
        expect![[r#"
        error: resource_type: unknown field `nam`
          at lamp.lua:1, called from playbook.lua:1
        hint: Did you mean `name`?
        exit 1
    "#]],
    );
    lab.write("lamp.lua", "resource_type { name = \"acme.lamp\", version = 1, inspect = function() end }\n");
    lab.check(
        "check playbook.lua",
        expect![[r#"
            error: resource_type: `version` is 1, not a text
              at lamp.lua:1, called from playbook.lua:1
            hint: Write it as `version = "1.0"`.
            exit 1
        "#]],
    );
}

#[test]
fn what_outlives_the_playbook_needs_a_type_that_does() {
    let lab = lab(GOOD);
    lab.check("plan playbook.lua --root root --out plan.json", expect![[r#"
        error: acme.lamp "lamp" is of a type that only this playbook knows
        hint: Move the file that describes it to a folder of plugins and trust it there: `hoststate plugin trust FILE`.
        exit 1
    "#]]);
    assert!(!lab.path("plan.json").exists());
}

#[test]
fn one_that_raises_an_error_says_where() {
    fails(
        "    error(\"the lamp is broken\")",
        expect![[r#"
        error: acme.lamp "lamp": lamp.lua:6: the lamp is broken
          at playbook.lua:2
        exit 1
    "#]],
    );
}

#[test]
fn one_that_never_ends_is_stopped() {
    fails(
        "    while true do end",
        expect![[r#"
            error: acme.lamp "lamp": lamp.lua:6: the type does too much, or does not end: it was stopped after 50000000 instructions
              at playbook.lua:2
            hint: Look for a loop that never ends, or for a very long text.
            exit 1
        "#]],
    );
}

#[test]
fn one_that_takes_all_memory_is_stopped() {
    fails(
        "    local t = \"x\" while true do t = t .. t end",
        expect![[r#"
            error: acme.lamp "lamp": lamp.lua:6: the type takes more than 64 MiB of memory
              at playbook.lua:2
            hint: Look for a text or a table that grows without end, or a function that calls itself.
            exit 1
        "#]],
    );
}

#[test]
fn one_that_returns_no_inspection_is_told() {
    fails(
        "    return { settings = { { scope = \"now\" } } }",
        expect![[r#"
            error: acme.lamp "lamp": lamp.lua:1: acme.lamp: `inspect` returned something that is not an inspection: unknown variant `now`, expected `persistent` or `runtime`
              at playbook.lua:2
            hint: docs/plugins.md says what an inspection looks like.
            exit 1
        "#]],
    );
    fails(
        "    return 7",
        expect![[r#"
            error: acme.lamp "lamp": lamp.lua:1: acme.lamp: `inspect` returned no table: integer
              at playbook.lua:2
            hint: docs/plugins.md says what an inspection looks like.
            exit 1
        "#]],
    );
}

#[test]
fn one_reads_files_and_no_devices() {
    fails(
        "    return host:read(\"/dev/zero\")",
        expect![[r#"
        error: acme.lamp "lamp": lamp.lua:6: /dev/zero is a device
          at playbook.lua:2
        hint: A type reads files, not devices.
        exit 1
    "#]],
    );
    fails(
        "    return host.read(\"/sys/lamp\")",
        expect![[r#"
        error: acme.lamp "lamp": lamp.lua:6: host:read takes one path
          at playbook.lua:2
        hint: Write `host:read("/path")`.
        exit 1
    "#]],
    );
}

#[test]
fn one_that_proposes_a_file_in_proc_is_refused() {
    fails(
        "    local step = { kind = \"write_file\", path = \"/proc/lamp\", text = \"on\" }\n    return { settings = { { scope = \"persistent\", subject = \"lamp\", state = { state = \"drifted\", desired = \"on\", remedy = { steps = { step } } } } } }",
        expect![[r#"
            error: acme.lamp "lamp": lamp: `write /proc/lamp`: below /proc there are no files of a host
              at playbook.lua:2
            hint: This is a mistake in the type, not in the playbook; `hoststate plugin test` finds such mistakes.
            exit 1
        "#]],
    );
}
