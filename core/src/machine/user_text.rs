//! Texts that a user names: playbooks, what they require, and saved plans. They may come through a pipe.

use std::io::{self, Read};

/// Most bytes of such a text. Ten thousand declarations have one million; a saved plan has the texts of its files.
const MOST: u64 = 64 << 20;

/// Returns all of a text.
///
/// # Errors
/// When it cannot be read, is not UTF-8, or does not end within 64 MiB.
pub fn text_of(reader: impl Read) -> io::Result<String> {
    String::from_utf8(bytes_of(reader)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Returns all bytes of what should be a text.
///
/// # Errors
/// When it cannot be read, or does not end within 64 MiB.
pub fn bytes_of(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        let what = format!("it is larger than {} MiB, the most that is read of it", MOST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::text_of;

    #[test]
    fn a_text_without_end_is_refused() {
        let told = text_of(std::io::repeat(b'x')).unwrap_err().to_string();
        assert_eq!(told, "it is larger than 64 MiB, the most that is read of it");
        assert_eq!(text_of(&b"text"[..]).unwrap(), "text");
    }
}
