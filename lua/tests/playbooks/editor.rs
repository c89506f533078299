//! The definitions for editors.

use hoststate_core::language::registry::Registry;
use hoststate_core::resources;
use hoststate_lua::luals::luals_definitions;

#[test]
fn every_type_and_composite_has_a_function_and_its_fields() {
    let registry = Registry::new(resources::TABLE);
    let text = luals_definitions(&registry);
    for entry in registry.entries() {
        assert!(text.contains(&format!("function {}(desired) end", entry.name())), "{}", entry.name());
        for field in entry.fields() {
            let is_there = text.lines().any(|it| {
                it.strip_prefix("---@field ")
                    .is_some_and(|it| it.split([' ', '?']).next() == Some(field.as_str()))
            });
            assert!(is_there, "{} {field}", entry.name());
        }
    }
    for name in ["gpu_passthrough", "iommu", "sriov_nic"] {
        assert!(text.contains(&format!("function {name}(desired) end")), "{name}");
    }
    assert!(text.contains("function resource_type(fields) end"));
    assert!(text.starts_with("---@meta\n"));
}

#[test]
fn a_selector_has_the_fields_that_the_engine_reads() {
    let registry = Registry::new(resources::TABLE);
    let schema = registry.entry("driver_binding").unwrap().schema().to_value();
    let table = &schema["$defs"]["DeviceSelector"]["anyOf"][1]["properties"];
    let mut wanted: Vec<&str> = table.as_object().unwrap().keys().map(String::as_str).collect();
    let text = luals_definitions(&registry);
    let class = text.split("\n\n").find(|it| it.contains("---@class (exact) hoststate.selector:")).unwrap();
    let fields = class.lines().filter_map(|it| it.strip_prefix("---@field "));
    let mut found: Vec<&str> = fields.map(|it| it.split('?').next().unwrap()).collect();
    wanted.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, wanted);
}
