//! The tables by which the firmware describes an IOMMU: memory that it pins for devices, and ids that stand for others.

mod dmar;
mod ivrs;

pub use dmar::{Scope, pinned_by_dmar};
pub use ivrs::{Alias, Range, aliases_of_ivrs, pinned_by_ivrs};

/// Length of the header of every table (ACPI 6.5, 5.2.6), and of what DMAR and IVRS have before their structures.
const HEADER: usize = 48;

/// Splits what is behind the header into structures; `length` finds the length of one. A damaged one ends the list.
fn structures(table: &[u8], length: impl Fn(&[u8]) -> Option<usize>) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = table.get(HEADER..).unwrap_or_default();
    while let Some(structure) = length(rest).filter(|it| *it >= 4).and_then(|it| rest.get(..it)) {
        found.push(structure);
        rest = &rest[structure.len()..];
    }
    found
}

fn two(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}
