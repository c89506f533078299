//! The `.modinfo` section of a kernel module's file: `key=value` texts that end in NUL (include/linux/module.h).

use std::io::Read;

use super::initramfs::unpacked;

/// Most bytes a module may unpack to; the largest of a distribution, amdgpu with its symbols, has 30 MiB.
const MAX_UNPACKED: u64 = 128 << 20;

/// What a module says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleInfo {
    /// Its parameters, as they are written in the source, sorted.
    pub parameters: Vec<String>,
}

impl ModuleInfo {
    /// Reads a module's file, compressed or not; `None` for what is no ELF file of 64 bits with such a section.
    pub fn parse(file: &[u8]) -> Option<Self> {
        let mut bytes = Vec::new();
        let file = match unpacked(file) {
            Some(reader) => {
                reader.take(MAX_UNPACKED).read_to_end(&mut bytes).ok()?;
                bytes.as_slice()
            }
            None => file,
        };
        Some(Self::of_texts(section(file, b".modinfo")?.split(|it| *it == 0)))
    }

    /// Reads what `modules.builtin.modinfo` says about one module: the same texts, each after the module's name and a
    /// dot (scripts/Makefile.vmlinux; Linux 5.2 and later).
    pub fn parse_builtin(file: &[u8], module: &str) -> Self {
        let prefix = format!("{module}.");
        Self::of_texts(file.split(|it| *it == 0).filter_map(|it| it.strip_prefix(prefix.as_bytes())))
    }

    fn of_texts<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut parameters: Vec<String> = texts
            .filter_map(|it| {
                // `parm` is there for those with a description, `parmtype` for all made by `module_param`.
                let text = it.strip_prefix(b"parmtype=").or_else(|| it.strip_prefix(b"parm="))?;
                let name = text.split(|it| *it == b':').next()?;
                Some(String::from_utf8_lossy(name).into_owned())
            })
            .collect();
        parameters.sort();
        parameters.dedup();
        Self { parameters }
    }

    /// Returns whether the module takes a parameter; `-` and `_` are the same (kernel/params.c, `parameq`).
    pub fn takes(&self, parameter: &str) -> bool {
        let folded = parameter.replace('-', "_");
        self.parameters.iter().any(|it| it.replace('-', "_") == folded)
    }
}

/// Returns the bytes of a section of an ELF file with 64 bits (elf(5)).
fn section<'a>(file: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    const LITTLE: u8 = 1;
    if !file.starts_with(b"\x7fELF\x02") {
        return None;
    }
    let is_little = file.get(5) == Some(&LITTLE);
    let number = |at: usize, width: usize| -> Option<usize> {
        let bytes = file.get(at..at.checked_add(width)?)?;
        let fold = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        let number = match is_little {
            true => bytes.iter().rev().fold(0, fold),
            false => bytes.iter().fold(0, fold),
        };
        usize::try_from(number).ok()
    };
    let (table, size, count, names) = (number(40, 8)?, number(58, 2)?, number(60, 2)?, number(62, 2)?);
    let header = |index: usize| table.checked_add(index.checked_mul(size)?);
    let content = |index: usize| {
        let at = header(index)?;
        let (offset, length) = (number(at.checked_add(24)?, 8)?, number(at.checked_add(32)?, 8)?);
        file.get(offset..offset.checked_add(length)?)
    };
    let names = content(names)?;
    (0..count).find_map(|index| {
        let name = names.get(number(header(index)?, 4)?..)?.split(|it| *it == 0).next()?;
        if name == wanted { content(index) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ModuleInfo;

    /// An ELF file of 64 bits with these sections: name and content.
    fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut names = b"\0".to_vec();
        let mut contents = Vec::new();
        let mut headers = vec![0; 64];
        let mut all = sections.to_vec();
        let own: Vec<u8> = all.iter().flat_map(|it| [it.0.as_bytes(), b"\0"].concat()).collect();
        let own = [b"\0".as_slice(), &own, b".shstrtab\0"].concat();
        all.push((".shstrtab", &own));
        for (name, content) in &all {
            let mut header = vec![0; 64];
            header[..4].copy_from_slice(&u32::try_from(names.len()).unwrap().to_le_bytes());
            header[24..32].copy_from_slice(&(64 + contents.len() as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(content.len() as u64).to_le_bytes());
            names.extend([name.as_bytes(), b"\0"].concat());
            contents.extend_from_slice(content);
            headers.extend(header);
        }
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[40..48].copy_from_slice(&(64 + contents.len() as u64).to_le_bytes());
        file[58..60].copy_from_slice(&64_u16.to_le_bytes());
        file[60..62].copy_from_slice(&u16::try_from(all.len() + 1).unwrap().to_le_bytes());
        file[62..64].copy_from_slice(&u16::try_from(all.len()).unwrap().to_le_bytes());
        [file, contents, headers].concat()
    }

    const INFO: &[u8] =
        b"license=GPL\0parm=ids:Initial PCI IDs\0parmtype=ids:string\0parmtype=disable_vga:bool\0";

    #[test]
    fn parameters_are_found_in_plain_and_compressed_files() {
        let plain = elf(&[(".text", b"parm=not:this"), (".modinfo", INFO)]);
        let compressed = zstd::encode_all(plain.as_slice(), 1).unwrap();
        let mut gzip = flate2::bufread::GzEncoder::new(plain.as_slice(), flate2::Compression::fast());
        let mut zipped = Vec::new();
        std::io::Read::read_to_end(&mut gzip, &mut zipped).unwrap();
        let mut xz = liblzma::bufread::XzEncoder::new(plain.as_slice(), 1);
        let mut small = Vec::new();
        std::io::Read::read_to_end(&mut xz, &mut small).unwrap();
        for file in [plain, compressed, zipped, small] {
            let info = ModuleInfo::parse(&file).unwrap();
            assert_eq!(info.parameters, ["disable_vga", "ids"]);
            assert!(info.takes("disable-vga") && !info.takes("vga"));
        }
    }

    #[test]
    fn built_in_modules_have_theirs_in_one_file() {
        let file = b"kvm.parmtype=ignore_msrs:bool\0kvm_intel.parmtype=nested:bool\0kvm.license=GPL\0";
        assert_eq!(ModuleInfo::parse_builtin(file, "kvm").parameters, ["ignore_msrs"]);
        assert_eq!(ModuleInfo::parse_builtin(file, "vfio").parameters, Vec::<String>::new());
    }

    #[test]
    fn what_is_no_module_says_nothing() {
        assert_eq!(ModuleInfo::parse(b""), None);
        assert_eq!(ModuleInfo::parse(b"\x7fELF\x02\x01 cut"), None);
        assert_eq!(ModuleInfo::parse(&elf(&[(".text", b"")])), None);
    }

    proptest! {
        #[test]
        fn no_damaged_file_panics(at in 0..200_usize, byte: u8, cut in 0..900_usize) {
            let mut file = elf(&[(".modinfo", INFO)]);
            let length = file.len();
            file[at % length] = byte;
            file.truncate(cut);
            ModuleInfo::parse(&file);
        }
    }
}
