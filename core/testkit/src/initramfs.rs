//! Initramfs images, built here.

/// Returns an uncompressed image of these files, as the kernel unpacks it.
pub fn image(files: &[(&str, &str)]) -> Vec<u8> {
    let mut image = Vec::new();
    for (path, text) in files.iter().chain([&("TRAILER!!!", "")]) {
        let mode = 0o100_644;
        let fields = [1, mode, 0, 0, 1, 0, text.len(), 0, 0, 0, 0, path.len() + 1, 0];
        image.extend_from_slice(b"070701");
        fields.iter().for_each(|it| image.extend_from_slice(format!("{it:08X}").as_bytes()));
        image.extend_from_slice(path.as_bytes());
        image.push(0);
        image.resize(image.len().next_multiple_of(4), 0);
        image.extend_from_slice(text.as_bytes());
        image.resize(image.len().next_multiple_of(4), 0);
    }
    image
}
