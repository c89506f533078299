//! What hoststate reads from a PCI configuration space: header, kind of PCI Express function, capabilities.

/// The header types of bridges: to another bus, and to CardBus (include/uapi/linux/pci_regs.h).
pub const BRIDGE_HEADERS: [u8; 2] = [1, 2];

/// `PCI_HEADER_TYPE`; the highest bit says that there are several functions (include/uapi/linux/pci_regs.h).
const HEADER_TYPE: usize = 0x0e;

/// As many bytes as everybody may read; the capabilities are behind them.
const HEADER: usize = 64;

/// `PCI_STATUS`, and its bit that says that there is a list of capabilities.
const STATUS: usize = 0x06;
const STATUS_CAPABILITIES: u8 = 0x10;

/// `PCI_CAPABILITY_LIST`: where that list begins.
const CAPABILITY_LIST: usize = 0x34;

/// `PCI_CAP_ID_EXP`: PCI Express.
const EXPRESS: u8 = 0x10;

/// `PCI_SECONDARY_BUS`: the bus behind a bridge.
const SECONDARY_BUS: usize = 0x19;

/// `PCI_EXT_CAP_ID_ACS`: Access Control Services.
const ACCESS_CONTROL: u32 = 0x0d;

/// What a function of PCI Express is (`PCI_EXP_FLAGS_TYPE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Express {
    /// A device, also one that speaks the old protocol.
    Endpoint,
    /// A port of the root complex.
    RootPort,
    /// The port of a switch that leads to the root.
    UpstreamPort,
    /// A port of a switch that leads away from the root.
    DownstreamPort,
    /// A bridge from PCI Express to conventional PCI.
    ToConventional,
    /// A bridge from conventional PCI to PCI Express.
    FromConventional,
    /// A device that is part of the root complex.
    Integrated,
    /// What collects events of the root complex.
    EventCollector,
    /// Anything else.
    Other,
}

/// Returns whether what is behind the header can be read, or is not there.
pub fn is_whole(config: &[u8]) -> bool {
    let has_more = config.get(STATUS).is_some_and(|it| it & STATUS_CAPABILITIES != 0);
    config.len() > HEADER || (config.len() == HEADER && !has_more)
}

/// Returns whether the header says that the device has several functions.
pub fn is_multifunction(config: &[u8]) -> bool {
    config.get(HEADER_TYPE).is_some_and(|it| it & 0x80 != 0)
}

/// Returns the number of the bus behind a bridge; `None` for what is none.
pub fn secondary_bus(config: &[u8]) -> Option<u8> {
    header_type(config).filter(|it| BRIDGE_HEADERS.contains(it))?;
    config.get(SECONDARY_BUS).copied()
}

/// Returns what a function of PCI Express is; `None` for conventional PCI.
pub fn express(config: &[u8]) -> Option<Express> {
    if config.get(STATUS)? & STATUS_CAPABILITIES == 0 {
        return None;
    }
    let mut offset = usize::from(*config.get(CAPABILITY_LIST)? & !3);
    // A damaged list may go in a circle; there is room for no more capabilities than this.
    for _ in 0..(EXTENDED - HEADER) / 4 {
        if offset < HEADER {
            return None;
        }
        if *config.get(offset)? == EXPRESS {
            return Some(match config.get(offset + 2)? >> 4 {
                0 | 1 => Express::Endpoint,
                4 => Express::RootPort,
                5 => Express::UpstreamPort,
                6 => Express::DownstreamPort,
                7 => Express::ToConventional,
                8 => Express::FromConventional,
                9 => Express::Integrated,
                10 => Express::EventCollector,
                _ => Express::Other,
            });
        }
        offset = usize::from(*config.get(offset + 1)? & !3);
    }
    None
}

/// Returns whether it can be told to keep what it forwards apart (Access Control Services).
pub fn has_access_control(config: &[u8]) -> bool {
    extended(config, ACCESS_CONTROL).is_some()
}

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
    let offset = extended(config, SERIAL_NUMBER)?;
    let number = u64::from(word(config, offset + 8)?) << 32 | u64::from(word(config, offset + 4)?);
    let bytes: Vec<String> = number.to_be_bytes().iter().map(|it| format!("{it:02x}")).collect();
    Some(bytes.join("-"))
}

/// Returns where an extended capability is.
fn extended(config: &[u8], wanted: u32) -> Option<usize> {
    let mut offset = EXTENDED;
    // A damaged list may go in a circle; there is room for no more capabilities than this.
    for _ in 0..(4096 - EXTENDED) / 8 {
        let header = word(config, offset)?;
        if header & 0xffff == wanted {
            return Some(offset);
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
    use super::{Express, express, has_access_control, header_type, is_whole, secondary_bus, serial_number};

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

    /// A downstream port of a switch behind another capability, with Access Control Services.
    fn port() -> Vec<u8> {
        let mut config = vec![0; 4096];
        config[0x06] = 0x10;
        config[0x0e] = 0x01;
        config[0x19] = 7;
        config[0x34] = 0x40;
        config[0x40..0x42].copy_from_slice(&[0x01, 0x80]);
        config[0x80..0x84].copy_from_slice(&[0x10, 0, 0x62, 0]);
        config[0x100..0x104].copy_from_slice(&0x0001_000d_u32.to_le_bytes());
        config
    }

    #[test]
    fn a_port_is_told_by_its_capabilities() {
        let config = port();
        assert_eq!(express(&config), Some(Express::DownstreamPort));
        assert_eq!(secondary_bus(&config), Some(7));
        assert!(has_access_control(&config));
        assert!(!has_access_control(&config[..256]));
        assert_eq!(express(&[0; 256]), None);
    }

    #[test]
    fn the_header_alone_does_not_tell() {
        assert!(is_whole(&port()));
        assert!(!is_whole(&port()[..64]));
        assert!(is_whole(&[0; 64]), "there is nothing behind it");
        let mut circle = port();
        circle[0x41] = 0x40;
        assert_eq!(express(&circle), None);
    }
}
