//! Tests of image listing, on images made here.

use std::io::{self, Read, Write};

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{EntryKind, Image, InitramfsError, list, list_with};

/// Builds a newc archive of `(path, mode, inode, links, content)`.
fn cpio(entries: &[(&str, u32, u32, u32, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    let trailer = [("TRAILER!!!", 0, 0, 1, &b""[..])];
    for (path, mode, inode, links, content) in entries.iter().chain(&trailer) {
        let numbers =
            [*inode, *mode, 0, 0, *links, 0, content.len() as u32, 0, 0, 0, 0, path.len() as u32 + 1, 0];
        archive.extend_from_slice(b"070701");
        for number in numbers {
            write!(archive, "{number:08x}").unwrap();
        }
        write!(archive, "{path}\0").unwrap();
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}

fn sample() -> Vec<u8> {
    cpio(&[
        (".", 0o040_755, 1, 2, b""),
        ("./etc/modprobe.d/a.conf", 0o100_644, 2, 1, b"options vfio-pci ids=1:2\n"),
        ("lib", 0o120_777, 3, 1, b"usr/lib"),
        ("usr/lib/modules/6.1/vfio-pci.ko", 0o100_644, 4, 1, &[7; 5000]),
        ("usr/bin/a", 0o100_755, 5, 2, b""),
        ("usr/bin/b", 0o100_755, 5, 2, b"same"),
        ("dev/null", 0o020_666, 6, 1, b""),
    ])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lz4_legacy(bytes: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(bytes);
    let mut image = vec![0x02, 0x21, 0x4c, 0x18];
    image.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
    image.extend(packed);
    image
}

fn packed(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(bytes).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(bytes).unwrap();
    vec![
        ("plain", bytes.to_vec()),
        ("gzip", gzip(bytes)),
        ("zstd", zstd::encode_all(bytes, 1).unwrap()),
        ("xz", xz.finish().unwrap()),
        ("lz4", lz4.finish().unwrap()),
        ("lz4 legacy", lz4_legacy(bytes)),
    ]
}

fn show(outcome: Result<Image, InitramfsError>) -> String {
    let image = match outcome {
        Ok(image) => image,
        Err(err) => return err.to_string(),
    };
    let line = |entry: &super::Entry| {
        let kind = match &entry.kind {
            EntryKind::File => "file".to_owned(),
            EntryKind::Directory => "directory".to_owned(),
            EntryKind::Symlink { target } => format!("link to {target}"),
            EntryKind::Special => "special".to_owned(),
        };
        format!("{} {kind} {}\n", entry.path, entry.size)
    };
    image.entries.iter().map(line).collect()
}

fn check(image: &[u8], expect: Expect) {
    expect.assert_eq(&show(list(image)));
}

#[test]
fn every_kind_of_entry_is_listed() {
    check(
        &sample(),
        expect![[r#"
        . directory 0
        etc/modprobe.d/a.conf file 25
        lib link to usr/lib 7
        usr/lib/modules/6.1/vfio-pci.ko file 5000
        usr/bin/a file 4
        usr/bin/b file 4
        dev/null special 0
    "#]],
    );
}

#[test]
fn every_compression_gives_the_same_listing_after_early_microcode() {
    let early = cpio(&[("kernel/x86/microcode/GenuineIntel.bin", 0o100_644, 1, 1, &[1; 33])]);
    let plain = show(list([early.clone(), sample()].concat().as_slice()));
    for (name, packed) in packed(&sample()) {
        for padding in [0, 4, 512] {
            let image = [early.clone(), vec![0; padding], packed.clone(), vec![0; padding]].concat();
            assert_eq!(show(list(image.as_slice())), plain, "{name} after {padding} zero bytes");
        }
    }
}

#[test]
fn an_archive_may_go_on_in_the_next_compressed_stream() {
    let plain = sample();
    let (head, tail) = plain.split_at(333);
    assert_eq!(show(list([gzip(head), gzip(tail)].concat().as_slice())), show(list(plain.as_slice())));
}

/// Gives as many bytes at a time as it is told to, like a file on a slow disk.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}

#[test]
fn however_the_bytes_come_the_listing_is_the_same() {
    let early = |size: usize| cpio(&[("early.bin", 0o100_644, 1, 1, &vec![1; size])]);
    // The second archive begins at the end of what is held at once of the image, and a little before and behind it.
    let end = (256 << 10) - early(0).len();
    for (size, pieces) in [(1, [1, 3]), (end - 4, [1000, 4096]), (end, [1000, 4096]), (end + 4, [1000, 4096])]
    {
        let early = early(size);
        let plain = show(list([early.clone(), sample()].concat().as_slice()));
        for (name, packed) in packed(&sample()) {
            let image = [early.clone(), packed].concat();
            for piece in pieces {
                assert_eq!(
                    show(list(Trickle(&image, piece))),
                    plain,
                    "{name} after {size} bytes, by {piece}"
                );
            }
        }
    }
}

#[test]
fn kept_files_are_found_through_links_and_either_side_of_the_merge() {
    let image = list_with(gzip(&sample()).as_slice(), |path| path.starts_with("etc/") || path == "usr/bin/a")
        .unwrap();
    assert_eq!(image.read("/etc/modprobe.d/a.conf"), Some(&b"options vfio-pci ids=1:2\n"[..]));
    assert_eq!(image.read("bin/a"), Some(&b"same"[..]));
    assert_eq!(image.read("usr/bin/b"), Some(&b"same"[..]));
    assert!(
        image.contains("lib/modules/6.1/vfio-pci.ko") && image.contains("usr/lib/modules/6.1/vfio-pci.ko")
    );
    assert!(!image.contains("usr/etc/modprobe.d/a.conf") && !image.contains("x"));
    assert_eq!(image.read("usr/lib/modules/6.1/vfio-pci.ko"), None);
}

#[test]
fn damage_is_an_error_that_says_where() {
    let mut errors = Vec::new();
    let whole = sample();
    let mut huge = cpio(&[("a", 0o100_644, 1, 1, b"")]);
    huge[94..102].copy_from_slice(b"ffffffff");
    let mut wrong = whole.clone();
    wrong[8] = b'+';
    let inputs: [&[u8]; 8] = [
        b"",
        &[0; 64],
        b"junk",
        b"BZh91AY",
        &whole[..300],
        &huge,
        &wrong,
        &[whole.as_slice(), b"junk"].concat(),
    ];
    for input in inputs {
        errors.push(show(list(input)));
    }
    let gz = gzip(&whole);
    errors.push(show(list(&gz[..gz.len() / 2])));
    expect![[r#"
        the image holds no archive
        the image holds no archive
        unknown data at byte 0 of the image, neither a cpio archive nor a known compression
        the archive at byte 0 of the image is compressed with bzip2, which hoststate cannot read
        the archive at byte 0 of the image is damaged: it ends too early
        the image is too large: it unpacks to more than 1 GiB
        the archive at byte 0 of the image is damaged: a cpio header holds something other than hexadecimal digits
        unknown data at byte 6032 of the image, neither a cpio archive nor a known compression
        the archive at byte 0 of the image is damaged: incomplete deflate stream"#]].assert_eq(&errors.join("\n"));
}

#[test]
fn a_bomb_is_refused() {
    let mut archive = cpio(&[("a", 0o100_644, 1, 1, b""), ("b", 0o100_644, 1, 1, b"")]);
    archive[54..62].copy_from_slice(b"fffffff0");
    check(&gzip(&archive), expect!["the image is too large: it unpacks to more than 1 GiB"]);
}

#[test]
fn names_and_links_have_limits() {
    let name = "n".repeat(4000);
    let names: Vec<_> = (0..5000).map(|_| (name.as_str(), 0o100_644, 1, 1, &b""[..])).collect();
    check(&gzip(&cpio(&names)), expect!["the image is too large: the names in it have more than 16 MiB"]);
    let links: Vec<_> = (0..2000).map(|_| ("a", 0o100_644, 7, 2, &b""[..])).collect();
    check(&gzip(&cpio(&links)), expect!["the image is too large: a file in it has more than 1024 names"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn no_input_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(), junk in prop::collection::vec(any::<u8>(), 0..64)) {
        for (_, mut image) in packed(&sample()) {
            let position = at.index(image.len());
            image[position] = byte;
            let end = cut.index(image.len());
            let outcomes = (list(image.as_slice()).is_ok(), list(&image[..end]).is_ok(), list(junk.as_slice()).is_ok());
            prop_assert!(!outcomes.2 || !junk.is_empty());
        }
    }
}
