//! The definitions for editors.

use hoststate_core::registry::Registry;
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
    for name in ["gpu_passthrough", "iommu", "resource_type", "sriov_nic"] {
        assert!(text.contains(&format!("function {name}(fields) end")), "{name}");
    }
    assert!(text.starts_with("---@meta\n"));
}
