//! Declarations and plans as JSON: refused or read, and then written as they were read.
#![no_main]

use hoststate_core::language::declaration::Declarations;
use hoststate_core::plan::planned::Plan;
use hoststate_core::language::registry::Registry;
use hoststate_core::resources::TABLE;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(declarations) = Declarations::from_json(text) {
        let written = serde_json::to_string(&declarations).expect("they have a JSON form");
        assert_eq!(Declarations::from_json(&written).expect("that can be read"), declarations);
        let registry = Registry::new(TABLE);
        match registry.decode_all(declarations.resources) {
            Ok(declared) => declared.iter().for_each(|it| assert!(!it.id.kind.is_empty())),
            Err(rejected) => assert!(!rejected.first().source.to_string().is_empty()),
        }
    }
    if let Ok(plan) = serde_json::from_str::<Plan>(text) {
        let written = serde_json::to_string(&plan).expect("it has a JSON form");
        assert_eq!(serde_json::from_str::<Plan>(&written).expect("that can be read"), plan);
    }
});
