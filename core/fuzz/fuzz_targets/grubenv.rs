//! Environment blocks: kept as they are, and edited once.
#![no_main]

use hoststate_core::formats::grubenv::GrubEnv;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (value, block) = text.split_once('\0').unwrap_or(("", text));
    let mut env = GrubEnv::parse(block);
    if let Ok(same) = env.to_block() {
        assert_eq!(same, block);
    }
    if env.set("kernelopts", value).is_ok() && let Ok(block) = env.to_block() {
        let mut again = GrubEnv::parse(&block);
        assert!(again.is_valid());
        assert_eq!(again.get("kernelopts"), Some(value));
        again.set("kernelopts", value).expect("it was set before");
        assert_eq!(again.to_block().expect("it fitted before"), block);
    }
});
