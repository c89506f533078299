//! DMAR, the table of Intel's IOMMU (Intel VT-d specification, chapter 8).

use super::{structures, two};

/// "Reserved Memory Region Reporting": memory that devices use whatever the system does.
const RMRR: u16 = 1;

/// Where a device is: the steps from a bus of the root complex to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The domain.
    pub segment: u16,
    /// The bus where the way begins.
    pub bus: u8,
    /// Device and function of each step: bridges, then what is meant.
    pub path: Vec<(u8, u8)>,
    /// Whether a bridge is meant, with all that is behind it.
    pub is_bridge: bool,
}

/// Returns the devices for which the firmware pins memory.
pub fn pinned_by_dmar(table: &[u8]) -> Vec<Scope> {
    let all = structures(table, |it| two(it, 2).map(usize::from));
    all.into_iter().filter(|it| two(it, 0) == Some(RMRR)).flat_map(scopes).collect()
}

fn scopes(region: &[u8]) -> Vec<Scope> {
    /// Where the scopes of a region begin, behind its two addresses.
    const SCOPES: usize = 24;
    /// A device, and a bridge with what is behind it.
    const KINDS: [u8; 2] = [1, 2];
    let mut found = Vec::new();
    let segment = two(region, 6).unwrap_or_default();
    let mut rest = region.get(SCOPES..).unwrap_or_default();
    while let [kind, length, ..] = *rest {
        let Some(scope) = rest.get(..usize::from(length)).filter(|it| it.len() >= 8) else { break };
        if KINDS.contains(&kind) {
            let path = scope[6..].chunks_exact(2).map(|it| (it[0], it[1])).collect();
            found.push(Scope { segment, bus: scope[5], path, is_bridge: kind == 2 });
        }
        rest = &rest[scope.len()..];
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Scope, pinned_by_dmar};

    fn table(structures: &[&[u8]]) -> Vec<u8> {
        let mut table = vec![0; 48];
        structures.iter().for_each(|it| table.extend_from_slice(it));
        table
    }

    #[test]
    fn a_region_names_its_devices() {
        let unit = [0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut region = vec![1, 0, 42, 0, 0, 0, 2, 0];
        region.resize(24, 0);
        region.extend([1, 8, 0, 0, 0, 0, 0x1a, 0]);
        region.extend([2, 10, 0, 0, 0, 0x80, 0x01, 1, 0x02, 3]);
        let scope =
            |bus, path: &[(u8, u8)], is_bridge| Scope { segment: 2, bus, path: path.to_vec(), is_bridge };
        assert_eq!(
            pinned_by_dmar(&table(&[&unit, &region])),
            [scope(0, &[(0x1a, 0)], false), scope(0x80, &[(1, 1), (2, 3)], true)]
        );
    }

    proptest! {
        #[test]
        fn damaged_tables_end_the_list(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            pinned_by_dmar(&bytes);
            pinned_by_dmar(&table(&[&bytes]));
        }
    }
}
