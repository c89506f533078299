//! Resource types that are not built in: in a playbook they are functions in the table of their vendor.

use std::rc::Rc;

use expect_test::{Expect, expect};
use hoststate_abi::description::TypeDescription;
use hoststate_core::error::{Error, Result};
use hoststate_core::language::external_type::{ExternalType, RESERVED_VENDORS};
use hoststate_core::language::registry::{Entry, Registry};
use hoststate_core::language::resource::Resource;
use hoststate_core::resources;
use hoststate_lua::facts::NoHost;
use hoststate_lua::luals::luals_definitions;
use hoststate_testkit::fpga::Fpga;
use serde_json::{Map, Value, json};

use crate::support::{outcome, outcome_with};

fn registry() -> Registry {
    let mut registry = Registry::new(resources::TABLE);
    registry.add([Entry::external(Rc::new(Fpga::default()))]).expect("the name is free");
    registry
}

fn check(text: &str, expect: Expect) {
    expect.assert_eq(&outcome_with(&registry(), &NoHost, text, &[]));
}

#[test]
fn a_type_of_a_vendor_is_a_function_in_the_vendors_table() {
    check(
        "acme.fpga { card = 0, image = 'user', lanes = {}, limits = {} }\nacme.fpga { name = 'spare', card = 1, image = 'golden' }",
        expect![[r#"
            gpu.lua:1: acme.fpga "0" {"card":0,"image":"user","lanes":[],"limits":{}}
            gpu.lua:2: acme.fpga "spare" {"card":1,"image":"golden"}
        "#]],
    );
}

#[test]
fn what_its_schema_refuses_is_an_error_at_the_line() {
    check(
        "\nacme.fpga { card = '0', image = 'user' }",
        expect![[r#"
            error: acme.fpga: `card`: "0" is not of type "integer"
              at gpu.lua:2
            hint: Write `card = 0`.
        "#]],
    );
    check(
        "acme.fpga { card = 0, imgae = 'user' }",
        expect![[r#"
            error: acme.fpga: unknown field `imgae`
              at gpu.lua:1
            hint: Did you mean `image`?
        "#]],
    );
}

#[test]
fn a_vendor_or_type_that_is_not_there_is_an_error_at_the_line() {
    check(
        "acne.fpga { card = 0 }",
        expect![[r#"
            error: there is no `acne`
              at gpu.lua:1
            hint: Did you mean `acme`?
        "#]],
    );
    check(
        "acme.fgpa { card = 0 }",
        expect![[r#"
            error: there is no function `fgpa` here
              at gpu.lua:1
            hint: Did you mean `acme.fpga`?
        "#]],
    );
    expect![[r#"
        error: there is no `acme`
          at gpu.lua:1
        hint: The functions that declare are: kernel_cmdline, modprobe_softdep, modprobe_options, modprobe_blacklist, modules_load, initramfs_modules, vfio_pci_ids, sriov_numvfs, driver_binding, gpu_passthrough, iommu, sriov_nic. A vendor's come with a plugin: `hoststate plugin list`.
    "#]].assert_eq(&outcome(&NoHost, "acme.fpga { card = 0 }", &[]));
}

#[test]
fn no_vendor_can_take_the_name_of_what_a_playbook_has() {
    let text = "local names = {} for name in pairs(_G) do names[#names + 1] = name end table.sort(names)
        for _, name in ipairs(names) do print(name) end";
    let types: Vec<&str> = resources::TABLE.iter().map(Entry::name).collect();
    let shown = outcome(&NoHost, text, &[]);
    let globals: Vec<&str> = shown.lines().filter_map(|it| it.strip_prefix("> ")).collect();
    assert!(globals.len() > 20, "{shown}");
    let free: Vec<&&str> = globals
        .iter()
        .filter(|it| !RESERVED_VENDORS.contains(it) && !types.contains(it) && !it.starts_with('_'))
        .collect();
    assert!(free.is_empty(), "{free:?}");
}

/// A type that is described and never used.
#[derive(Debug)]
struct Described(TypeDescription);

impl ExternalType for Described {
    fn description(&self) -> &TypeDescription {
        &self.0
    }

    fn resource(&self, _: &Map<String, Value>) -> Result<Box<dyn Resource>> {
        Err(Error::invalid("it has no resource", "Use another."))
    }
}

fn editor(description: Value, expect: Expect) {
    let described = Described(serde_json::from_value(description).expect("a description"));
    let mut registry = Registry::new(&[]);
    registry.add([Entry::external(Rc::new(described))]).expect("the name is free");
    let text = luals_definitions(&registry);
    let end = text.find("\n---The type of each field that does not exist").expect("what is the same for all");
    expect.assert_eq(&text[..end]);
}

#[test]
fn an_editor_knows_the_fields_of_a_vendors_type() {
    editor(
        serde_json::to_value(Fpga::default().description()).expect("a description"),
        expect![[r#"
            ---@meta

            ---@class hoststate.Vendor.acme
            acme = {}

            ---The image that an FPGA card runs.
            ---@class (exact) hoststate.acme.fpga: { card?: any, ensure?: any, image?: any, lanes?: any, limits?: any, name?: any, [string]: hoststate.no_such_field }
            ---@field card integer Number of the card.
            ---@field ensure? "present"|"absent" `"present"`, the default, or `"absent"`: what hoststate would set for the declaration is taken out.
            ---@field image "golden"|"user" The image.
            ---@field lanes? integer[] Lanes that are on.
            ---@field limits? table<string, number> Upper limits, by sensor.
            ---@field name? string Free text, unique per type.

            ---The image that an FPGA card runs.
            ---@param desired hoststate.acme.fpga
            function acme.fpga(desired) end
        "#]],
    );
}

#[test]
fn an_editor_knows_the_fields_of_what_is_in_a_field() {
    editor(
        json!({
            "name": "acme.fan",
            "schema": {
                "type": "object",
                "properties": {
                    "curve": { "type": "array", "items": { "$ref": "#/$defs/Point" } },
                    "front-led": { "anyOf": [{ "type": "boolean" }, {
                        "type": "object",
                        "properties": { "color": { "type": "string", "description": "Its color." } },
                    }] },
                },
                "$defs": { "Point": {
                    "description": "A speed from a temperature on.",
                    "type": "object",
                    "required": ["at"],
                    "additionalProperties": false,
                    "properties": { "at": { "type": "number" }, "then": { "$ref": "#/$defs/Point" } },
                } },
            },
        }),
        expect![[r#"
            ---@meta

            ---@class hoststate.Vendor.acme
            acme = {}

            ---@class (exact) hoststate.acme.fan: { curve?: any, ensure?: any, ["front-led"]?: any, name?: any, [string]: hoststate.no_such_field }
            ---@field curve? hoststate.acme.fan.Point[]
            ---@field ensure? "present"|"absent" `"present"`, the default, or `"absent"`: what hoststate would set for the declaration is taken out.
            ---@field ["front-led"]? boolean|hoststate.acme.fan.front-led.2
            ---@field name? string Free text, unique per type.

            ---A speed from a temperature on.
            ---@class (exact) hoststate.acme.fan.Point: { at?: any, then?: any, [string]: hoststate.no_such_field }
            ---@field at number
            ---@field then? hoststate.acme.fan.Point

            ---@class hoststate.acme.fan.front-led.2
            ---@field color? string Its color.

            ---@param desired hoststate.acme.fan
            function acme.fan(desired) end
        "#]],
    );
}
