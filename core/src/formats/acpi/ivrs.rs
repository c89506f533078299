//! IVRS, the table of AMD's IOMMU (AMD I/O Virtualization Technology specification, chapter 5).

use super::{structures, two};

/// Routing ids, from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first: bus, device and function as in a routing id of PCI.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// Devices whose requests carry the id of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// The devices.
    pub of: Range,
    /// The id that their requests carry.
    pub to: u16,
}

/// Returns the devices for which the firmware asks that an address means the same with and without the IOMMU.
pub fn pinned_by_ivrs(table: &[u8]) -> Vec<Range> {
    /// Memory definitions: of all devices, of one, of a range of them.
    const ALL: u8 = 0x20;
    const ONE: u8 = 0x21;
    const SOME: u8 = 0x22;
    /// Flags: mapped one to one; excluded, which the kernel only keeps free.
    const UNITY: u8 = 1;
    const EXCLUDED: u8 = 8;
    let definitions = blocks(table).into_iter().filter(|it| it[1] & UNITY != 0 && it[1] & EXCLUDED == 0);
    definitions
        .filter_map(|it| {
            let first = two(it, 4)?;
            match it[0] {
                ALL => Some(Range { first: 0, last: u16::MAX }),
                ONE => Some(Range { first, last: first }),
                SOME => Some(Range { first, last: two(it, 6)? }),
                _ => None,
            }
        })
        .collect()
}

/// Returns the devices whose requests carry the id of another, by the newest kind of description that the table has.
pub fn aliases_of_ivrs(table: &[u8]) -> Vec<Alias> {
    /// Descriptions of an IOMMU, the newest first, and where their entries begin.
    const KINDS: [(u8, usize); 3] = [(0x40, 40), (0x11, 40), (0x10, 24)];
    let blocks = blocks(table);
    let newest = KINDS.iter().find(|it| blocks.iter().any(|block| block[0] == it.0));
    let Some((kind, entries)) = newest else { return Vec::new() };
    let described = blocks.iter().filter(|it| it[0] == *kind);
    described.flat_map(|it| aliases(it.get(*entries..).unwrap_or_default())).collect()
}

fn aliases(mut entries: &[u8]) -> Vec<Alias> {
    /// One device, the first of a range, and the last of whatever range was begun.
    const ONE: u8 = 0x42;
    const FIRST: u8 = 0x43;
    const LAST: u8 = 0x04;
    let mut found = Vec::new();
    let mut begun = None;
    while let Some(kind) = entries.first() {
        let length = match kind {
            // A name of ACPI: its length is the last byte of the part that is always there.
            0xf0.. => 22 + usize::from(entries.get(21).copied().unwrap_or_default()),
            kind => 4 << (kind >> 6),
        };
        let Some(entry) = entries.get(..length) else { break };
        let (of, to) = (two(entry, 1).unwrap_or_default(), two(entry, 5).unwrap_or_default());
        match *kind {
            ONE => found.push(Alias { of: Range { first: of, last: of }, to }),
            FIRST => begun = Some((of, to)),
            LAST => found.extend(begun.take().map(|(first, to)| Alias { of: Range { first, last: of }, to })),
            _ => begun = None,
        }
        entries = &entries[length..];
    }
    found
}

fn blocks(table: &[u8]) -> Vec<&[u8]> {
    structures(table, |it| two(it, 2).map(usize::from))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Alias, Range, aliases_of_ivrs, pinned_by_ivrs};

    fn table(blocks: &[Vec<u8>]) -> Vec<u8> {
        [vec![0; 48], blocks.concat()].concat()
    }

    fn definition(kind: u8, flags: u8, first: u16, last: u16) -> Vec<u8> {
        let mut block = vec![kind, flags, 32, 0];
        block.extend(first.to_le_bytes());
        block.extend(last.to_le_bytes());
        block.resize(32, 0);
        block
    }

    #[test]
    fn definitions_pin_one_device_some_or_all() {
        let blocks = [
            definition(0x21, 1, 0x1a, 0),
            definition(0x22, 1, 0x100, 0x107),
            definition(0x21, 8, 0x30, 0),
            definition(0x21, 0, 0x31, 0),
        ];
        let range = |first, last| Range { first, last };
        assert_eq!(pinned_by_ivrs(&table(&blocks)), [range(0x1a, 0x1a), range(0x100, 0x107)]);
        assert_eq!(pinned_by_ivrs(&table(&[definition(0x20, 1, 0, 0)])), [range(0, 0xffff)]);
    }

    #[test]
    fn aliases_are_those_of_the_newest_description() {
        let description = |kind: u8, header: usize, entries: &[u8]| {
            let length = u16::try_from(header + entries.len()).unwrap().to_le_bytes();
            let mut block = vec![kind, 0, length[0], length[1]];
            block.resize(header, 0);
            [block, entries.to_vec()].concat()
        };
        let old = description(0x10, 24, &[0x42, 1, 0, 0, 0, 9, 0, 0]);
        let named = [&[0xf0; 21][..], &[3, b'a', b'b', b'c']].concat();
        let range = [0x43, 0, 2, 0, 0, 0xa4, 0, 0, 0x04, 0xff, 2, 0];
        let new = description(0x11, 40, &[&[3, 8, 0, 0, 4, 0xfe, 0xff, 0], &named[..], &range].concat());
        let aliases = aliases_of_ivrs(&table(&[old.clone(), new]));
        assert_eq!(aliases, [Alias { of: Range { first: 0x200, last: 0x2ff }, to: 0xa4 }]);
        let aliases = aliases_of_ivrs(&table(&[old]));
        assert_eq!(aliases, [Alias { of: Range { first: 1, last: 1 }, to: 9 }]);
    }

    proptest! {
        #[test]
        fn damaged_tables_end_the_list(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            pinned_by_ivrs(&table(std::slice::from_ref(&bytes)));
            aliases_of_ivrs(&table(std::slice::from_ref(&bytes)));
            aliases_of_ivrs(&bytes);
        }
    }
}
