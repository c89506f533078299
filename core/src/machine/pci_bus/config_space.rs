//! What hoststate reads from a PCI configuration space: the header type and the serial number.

/// The header types of bridges: to another bus, and to CardBus (include/uapi/linux/pci_regs.h).
pub const BRIDGE_HEADERS: [u8; 2] = [1, 2];

/// `PCI_HEADER_TYPE`; the highest bit says that there are several functions (include/uapi/linux/pci_regs.h).
const HEADER_TYPE: usize = 0x0e;

/// Where the extended capabilities start.
const EXTENDED: usize = 0x100;

/// `PCI_EXT_CAP_ID_DSN`: Device Serial Number.
const SERIAL_NUMBER: u32 = 0x03;

/// Returns the header type; `None` when the bytes are too few.
pub fn header_type(config: &[u8]) -> Option<u8> {
    config.get(HEADER_TYPE).map(|it| it & 0x7f)
}

/// Returns whether nobody answers: every read then comes back as ff, from a card in D3cold as from one that is stuck or
/// gone.
pub fn is_dead(config: &[u8]) -> bool {
    config.len() > HEADER_TYPE && config.iter().all(|it| *it == 0xff)
}

/// Returns the Device Serial Number as `lspci` shows it, high byte first; `None` when there is none, or when only
/// the first 64 or 256 bytes could be read.
pub fn serial_number(config: &[u8]) -> Option<String> {
    let mut offset = EXTENDED;
    // A damaged list may go in a circle; there is room for no more capabilities than this.
    for _ in 0..(4096 - EXTENDED) / 8 {
        let header = word(config, offset)?;
        if header & 0xffff == SERIAL_NUMBER {
            let number = u64::from(word(config, offset + 8)?) << 32 | u64::from(word(config, offset + 4)?);
            let bytes: Vec<String> = number.to_be_bytes().iter().map(|it| format!("{it:02x}")).collect();
            return Some(bytes.join("-"));
        }
        offset = usize::try_from(header >> 20).ok()?;
        if offset < EXTENDED {
            return None;
        }
    }
    None
}

fn word(config: &[u8], offset: usize) -> Option<u32> {
    let bytes = config.get(offset..offset + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{header_type, serial_number};

    #[test]
    fn the_serial_number_is_found_behind_other_capabilities() {
        let mut config = vec![0; 4096];
        config[0x0e] = 0x81;
        config[0x100..0x104].copy_from_slice(&0x1500_0001_u32.to_le_bytes());
        config[0x150..0x154].copy_from_slice(&0x0000_0003_u32.to_le_bytes());
        config[0x154..0x15c].copy_from_slice(&0x0011_2233_4455_6677_u64.to_le_bytes());
        assert_eq!(serial_number(&config).as_deref(), Some("00-11-22-33-44-55-66-77"));
        assert_eq!(header_type(&config), Some(1));
    }

    #[test]
    fn a_short_or_circular_space_has_no_serial_number() {
        let mut circle = vec![0; 4096];
        circle[0x100..0x104].copy_from_slice(&0x1000_0001_u32.to_le_bytes());
        for config in [vec![], vec![0; 64], vec![0; 4096], vec![0xff; 4096], circle] {
            assert_eq!(serial_number(&config), None);
        }
        assert_eq!(header_type(&[0; 4]), None);
    }
}
