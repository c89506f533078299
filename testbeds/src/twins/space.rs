//! The configuration space of a function, written from what it is.

use std::ops::Range;

/// Bytes of a space of PCI Express, and of one of conventional PCI.
const EXPRESS: usize = 0x1000;
const CONVENTIONAL: usize = 0x100;

const COMMAND: Range<usize> = 0x04..0x06;
const STATUS: usize = 0x06;
const HAS_CAPABILITIES: u8 = 0x10;
const FIRST_CAPABILITY: usize = 0x34;
const INTERRUPT_LINE: usize = 0x3c;
const INTERRUPT_PIN: usize = 0x3d;
const FIRST_EXTENDED: usize = 0x100;

const PCI_EXPRESS: u8 = 0x10;
const SERIAL_NUMBER: u16 = 0x03;

/// Where a written space has its capability of PCI Express, which is one of version 2, and how long that is.
const WRITTEN: u8 = 0x40;
const ENDPOINT: u8 = 0x02;

/// What a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) vendor: u16,
    pub(crate) device: u16,
    pub(crate) subsystem: (u16, u16),
    /// Base class, subclass and programming interface.
    pub(crate) class: u32,
    pub(crate) revision: u8,
    /// Whether it is one of PCI Express.
    pub(crate) express: bool,
    /// Its Device Serial Number (PCI Express).
    pub(crate) serial: Option<u64>,
}

/// A configuration space as a function shows it when nobody has set it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Space(Vec<u8>);

impl From<&Identity> for Space {
    fn from(it: &Identity) -> Self {
        let mut bytes = vec![0; if it.express { EXPRESS } else { CONVENTIONAL }];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0x00, &it.vendor.to_le_bytes());
        put(0x02, &it.device.to_le_bytes());
        put(0x08, &[it.revision]);
        put(0x09, &it.class.to_le_bytes()[..3]);
        put(0x2c, &it.subsystem.0.to_le_bytes());
        put(0x2e, &it.subsystem.1.to_le_bytes());
        put(INTERRUPT_PIN, &[1]);
        if it.express {
            put(STATUS, &[HAS_CAPABILITIES]);
            put(FIRST_CAPABILITY, &[WRITTEN]);
            put(WRITTEN.into(), &[PCI_EXPRESS, 0, ENDPOINT]);
        }
        if let Some(serial) = it.serial.filter(|_| it.express) {
            // The last of the list, of version 1.
            put(FIRST_EXTENDED, &[SERIAL_NUMBER.to_le_bytes(), [1, 0]].concat());
            put(FIRST_EXTENDED + 4, &serial.to_le_bytes());
        }
        Self(bytes)
    }
}

impl Space {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes a write of the guest: QEMU keeps what it emulates itself, such as addresses.
    pub(super) fn write(&mut self, at: usize, data: &[u8]) {
        for (at, byte) in (at..).zip(data) {
            if COMMAND.contains(&at) || (0x0c..0x0e).contains(&at) || at == INTERRUPT_LINE {
                self.0[at] = *byte;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: Identity = Identity {
        vendor: 0x10de,
        device: 0x0ffc,
        subsystem: (0x10de, 0x0967),
        class: 0x03_0000,
        revision: 0xa1,
        express: true,
        serial: Some(0x0011_2233_4455_6677),
    };

    #[test]
    fn a_written_space_has_its_fields_where_the_kernel_reads_them() {
        let space = Space::from(&CARD);
        let bytes = space.bytes();
        assert_eq!(bytes[..4], [0xde, 0x10, 0xfc, 0x0f]);
        assert_eq!(bytes[8..12], [0xa1, 0, 0, 3]);
        assert_eq!(bytes[0x2c..0x30], [0xde, 0x10, 0x67, 0x09]);
        assert_eq!(bytes[0x40..0x43], [PCI_EXPRESS, 0, ENDPOINT]);
        assert_eq!(bytes[0x100..0x10c], [3, 0, 1, 0, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0]);
        let old = Space::from(&Identity { express: false, ..CARD });
        assert_eq!((old.bytes().len(), old.bytes()[STATUS], old.bytes()[FIRST_CAPABILITY]), (256, 0, 0));
    }

    #[test]
    fn a_guest_writes_what_it_sets_up_and_nothing_else() {
        let mut space = Space::from(&CARD);
        space.write(0x02, &[0xff; 12]);
        let bytes = space.bytes();
        assert_eq!(bytes[..6], [0xde, 0x10, 0xfc, 0x0f, 0xff, 0xff]);
        assert_eq!(bytes[8..0x0e], [0xa1, 0, 0, 3, 0xff, 0xff]);
    }
}
