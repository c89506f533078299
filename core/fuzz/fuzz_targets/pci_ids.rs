//! PCI addresses, ids and modaliases: what is printed is read again.
#![no_main]

use hoststate_abi::pci_address::PciAddress;
use hoststate_core::formats::pci::{PciId, PciIdPattern, parse_id_list};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(address) = text.parse::<PciAddress>() {
        assert_eq!(address.to_string().parse::<PciAddress>(), Ok(address));
    }
    if let Ok(pattern) = text.parse::<PciIdPattern>() {
        assert_eq!(pattern.to_string().parse::<PciIdPattern>(), Ok(pattern));
    }
    for pattern in parse_id_list(text).patterns {
        assert_eq!(parse_id_list(&pattern.to_string()).patterns, [pattern]);
    }
    if let Ok(id) = PciId::from_modalias(text) {
        assert_eq!(PciId::from_modalias(&id.modalias()), Ok(id));
        assert!(PciIdPattern::new(id.vendor, id.device).matches(&id));
    }
});
