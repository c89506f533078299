//! Variables of UEFI as `efivarfs` shows them: four bytes of attributes, then the value (UEFI 2.10, 3.1.3 and 10.3).

/// Length of the attributes before each value.
const ATTRIBUTES: usize = 4;

/// Returns a value that is a text in UTF-16.
pub fn text(variable: &[u8]) -> String {
    utf16(variable.get(ATTRIBUTES..).unwrap_or_default())
}

/// Returns a value that is a number of sixteen bits, such as `BootCurrent`.
pub fn number(variable: &[u8]) -> Option<u16> {
    let bytes = variable.get(ATTRIBUTES..ATTRIBUTES + 2)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

/// Returns the file that a boot entry (`Boot0001`) starts, with slashes: `/EFI/debian/shimx64.efi`. `None` where its
/// device path names none, as for a network card.
pub fn started_file(variable: &[u8]) -> Option<String> {
    // Attributes of the entry, length of the device paths, a description that ends in a zero, the device paths.
    let option = variable.get(ATTRIBUTES..)?;
    let length = usize::from(u16::from_le_bytes(option.get(4..6)?.try_into().ok()?));
    let behind = option.get(6..)?;
    let end = behind.chunks_exact(2).position(|it| it == [0, 0])?;
    let mut nodes = behind.get((end + 1) * 2..)?.get(..length)?;
    let mut file = String::new();
    while let [kind, of_kind, low, high, ..] = nodes {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        if length < 4 || *kind == 0x7f {
            break;
        }
        // Media, file path; a long one may come in parts.
        if (*kind, *of_kind) == (4, 4) {
            file.push_str(&utf16(nodes.get(4..length)?));
        }
        nodes = nodes.get(length..)?;
    }
    let file = file.replace('\\', "/");
    (!file.is_empty()).then(|| if file.starts_with('/') { file } else { format!("/{file}") })
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|it| u16::from_le_bytes([it[0], it[1]]));
    char::decode_utf16(units.take_while(|it| *it != 0)).filter_map(|it| it.ok()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{number, started_file, text};

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    fn node(kind: u8, of_kind: u8, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len() + 4).unwrap().to_le_bytes();
        [&[kind, of_kind][..], &length, data].concat()
    }

    fn entry(nodes: &[Vec<u8>]) -> Vec<u8> {
        let path = nodes.concat();
        let length = u16::try_from(path.len()).unwrap().to_le_bytes();
        [&[7, 0, 0, 0, 1, 0, 0, 0][..], &length, &wide("debian"), &path].concat()
    }

    #[test]
    fn a_boot_entry_tells_the_file_that_is_started() {
        let disk = node(4, 1, &[0; 38]);
        let end = node(0x7f, 0xff, &[]);
        let one = entry(&[disk.clone(), node(4, 4, &wide("\\EFI\\debian\\shimx64.efi")), end.clone()]);
        assert_eq!(started_file(&one).as_deref(), Some("/EFI/debian/shimx64.efi"));
        let bare = entry(&[disk, node(4, 4, &wide("vmlinuz-linux")), end]);
        assert_eq!(started_file(&bare).as_deref(), Some("/vmlinuz-linux"));
        assert_eq!(started_file(&entry(&[node(3, 11, &[0; 33])])), None);
    }

    #[test]
    fn texts_and_numbers_stand_behind_four_bytes() {
        assert_eq!(text(&[&[6, 0, 0, 0][..], &wide("systemd-boot 252")].concat()), "systemd-boot 252");
        assert_eq!((number(&[6, 0, 0, 0, 2, 1]), number(&[6, 0, 0])), (Some(0x102), None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop((text(&bytes), number(&bytes), started_file(&bytes)));
        }
    }
}
