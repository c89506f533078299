//! The configuration space of a function: written from what it is, or taken from a machine that has it.

use std::ops::Range;

use crate::error::{Result, check};

/// Bytes of a space of PCI Express, and of one of conventional PCI.
const EXPRESS: usize = 0x1000;
const CONVENTIONAL: usize = 0x100;

const COMMAND: Range<usize> = 0x04..0x06;
const STATUS: usize = 0x06;
const HAS_CAPABILITIES: u8 = 0x10;
const HEADER_TYPE: usize = 0x0e;
/// The addresses that firmware and kernel gave, and the address of the ROM.
const BARS: Range<usize> = 0x10..0x28;
const ROM: Range<usize> = 0x30..0x34;
const FIRST_CAPABILITY: usize = 0x34;
const INTERRUPT_LINE: usize = 0x3c;
const INTERRUPT_PIN: usize = 0x3d;
const FIRST_EXTENDED: usize = 0x100;

const POWER_MANAGEMENT: u8 = 0x01;
const MSI: u8 = 0x05;
const PCI_EXPRESS: u8 = 0x10;
const MSI_X: u8 = 0x11;
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
    /// Bytes of a header.
    pub(crate) const HEADER: usize = 0x40;

    /// Takes a space as `config` of sysfs or `lspci -xxxx` show it, without what firmware and kernel have set in it.
    ///
    /// Message interrupts are taken out: their tables lie behind addresses where a twin has nothing. Whoever is not root is
    /// shown the header alone; the function is presumed to be one of PCI Express then.
    ///
    /// # Errors
    ///
    /// When it is no whole header, or that of a bridge, which a twin cannot be.
    pub(crate) fn captured(bytes: &[u8]) -> Result<Self> {
        let what = "the configuration space of a function";
        let is_whole = bytes.len() >= Space::HEADER && bytes[..2] != [0xff, 0xff];
        check(
            is_whole,
            what,
            "at least 64 bytes of a function that answers",
            format!("{} bytes", bytes.len()),
        )?;
        let kind = bytes[HEADER_TYPE] & 0x7f;
        check(kind == 0, what, "a header of type 0", format!("type {kind}, a bridge's"))?;
        let size = if bytes.len() > CONVENTIONAL { EXPRESS } else { CONVENTIONAL };
        let size = if bytes.len() == Space::HEADER { EXPRESS } else { size };
        let mut space = bytes[..bytes.len().min(size)].to_vec();
        space.resize(size, 0);
        for set in [COMMAND, BARS, ROM, INTERRUPT_LINE..INTERRUPT_LINE + 1] {
            space[set].fill(0);
        }
        if bytes.len() == Space::HEADER {
            space[STATUS] |= HAS_CAPABILITIES;
            space[FIRST_CAPABILITY] = WRITTEN;
            space[usize::from(WRITTEN)] = PCI_EXPRESS;
            space[usize::from(WRITTEN) + 2] = ENDPOINT;
        }
        let mut space = Self(space);
        space.without(&[MSI, MSI_X]);
        let power = space.capabilities().find(|it| space.0[*it] == POWER_MANAGEMENT);
        if let Some(at) = power {
            // It sleeps no more.
            space.0[at + 4] &= !0x03;
        }
        Ok(space)
    }

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

    /// What it is on PCI Express (the device type of its capability); `None` for conventional PCI.
    pub(crate) fn express_type(bytes: &[u8]) -> Option<u8> {
        let mut space = bytes.to_vec();
        space.resize(CONVENTIONAL, 0);
        let space = Self(space);
        let at = space.capabilities().find(|it| space.0[*it] == PCI_EXPRESS)?;
        Some(space.0[at + 2] >> 4)
    }

    /// Places of its capabilities. A list that leads in a circle ends.
    fn capabilities(&self) -> impl Iterator<Item = usize> {
        let has_some = self.0[STATUS] & HAS_CAPABILITIES != 0;
        let place = |at: usize| {
            let next = usize::from(self.0[at] & !0x03);
            (next >= Space::HEADER && next + 8 <= CONVENTIONAL).then_some(next)
        };
        let first = has_some.then(|| place(FIRST_CAPABILITY)).flatten();
        std::iter::successors(first, move |at| place(at + 1)).take(CONVENTIONAL / 4)
    }

    /// Takes capabilities out of the list.
    fn without(&mut self, dropped: &[u8]) {
        let places: Vec<usize> = self.capabilities().collect();
        let mut link = FIRST_CAPABILITY;
        for at in places {
            if dropped.contains(&self.0[at]) {
                self.0[link] = self.0[at + 1];
            } else {
                link = at + 1;
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
        assert_eq!((old.bytes().len(), old.capabilities().count()), (256, 0));
    }

    #[test]
    fn a_captured_space_forgets_what_was_set_up_and_its_message_interrupts() {
        let mut bytes = Space::from(&CARD).bytes().to_vec();
        bytes[0x04] = 0x07;
        bytes[0x10] = 0x0c;
        bytes[INTERRUPT_LINE] = 0x0b;
        // MSI-X, PCI Express, MSI, power management in sleep.
        bytes[FIRST_CAPABILITY] = 0x60;
        bytes[0x60..0x62].copy_from_slice(&[MSI_X, WRITTEN]);
        bytes[usize::from(WRITTEN) + 1] = 0x70;
        bytes[0x70..0x72].copy_from_slice(&[MSI, 0x80]);
        bytes[0x80..0x85].copy_from_slice(&[POWER_MANAGEMENT, 0, 3, 0, 0x0b]);
        let space = Space::captured(&bytes).unwrap();
        let kept: Vec<u8> = space.capabilities().map(|at| space.bytes()[at]).collect();
        assert_eq!(kept, [PCI_EXPRESS, POWER_MANAGEMENT]);
        let now = space.bytes();
        assert_eq!([now[0x04], now[0x10], now[INTERRUPT_LINE], now[0x84]], [0, 0, 0, 0x08]);
        assert_eq!(now[0x100..0x10c], bytes[0x100..0x10c]);
    }

    #[test]
    fn a_header_alone_is_taken_for_one_of_pci_express() {
        let header = Space::from(&CARD).bytes()[..Space::HEADER].to_vec();
        let kept: Vec<u8> = {
            let space = Space::captured(&header).unwrap();
            space.capabilities().map(|at| space.bytes()[at]).collect()
        };
        assert_eq!(kept, [PCI_EXPRESS]);
    }

    #[test]
    fn a_list_of_capabilities_that_leads_in_a_circle_ends() {
        let mut bytes = Space::from(&CARD).bytes().to_vec();
        bytes[usize::from(WRITTEN) + 1] = WRITTEN;
        assert!(Space::captured(&bytes).unwrap().capabilities().count() < CONVENTIONAL);
    }

    #[test]
    fn what_no_twin_can_be_is_refused() {
        let mut bridge = Space::from(&CARD).bytes().to_vec();
        bridge[HEADER_TYPE] = 0x81;
        assert!(Space::captured(&bridge).unwrap_err().to_string().contains("a bridge's"));
        assert!(Space::captured(&[0xff; 64]).is_err());
        assert!(Space::captured(&[0x86, 0x80]).is_err());
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
