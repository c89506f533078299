//! Bytes as text: for people, who want to see every byte, and for edits, which must not lose one.

use std::fmt::Write;
use std::io;
use std::path::Path;

/// Returns a text to look at: bytes that are not UTF-8 stand in it as `\xe9`.
pub fn shown(bytes: Vec<u8>) -> String {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return text,
        Err(err) => err.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("a String takes all that is written");
        }
    }
    text
}

/// Returns a text that can be edited and written again.
///
/// # Errors
/// When it is not UTF-8: the message names the line of `path` and the byte.
pub(super) fn text(path: &Path, bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|err| {
        let at = err.utf8_error().valid_up_to();
        let (before, rest) = err.as_bytes().split_at(at);
        let line = before.split(|it| *it == b'\n').count();
        let byte = rest.first().copied().unwrap_or_default();
        let what = format!(
            "{}:{line}: not UTF-8 text (byte 0x{byte:02x} at offset {at}); what is edited must be UTF-8, iconv(1) \
             converts it",
            path.display()
        );
        io::Error::new(io::ErrorKind::InvalidData, what)
    })
}
