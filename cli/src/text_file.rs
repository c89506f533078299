//! The text of a file that a user wrote: UTF-8, and what else it may be.

use hoststate_core::language::declaration::Origin;
use hoststate_lua::error::Error;

/// Returns the text in the bytes of a file. `name` is the file as the user named it.
///
/// # Errors
/// When it is no UTF-8, with the line.
pub(crate) fn text_of(name: &str, bytes: Vec<u8>) -> Result<String, Error> {
    let at = |line| Some(Origin { file: name.to_owned(), line });
    // Without a mark, every other byte of UTF-16 with ASCII in it is zero, and that is UTF-8.
    let is_utf16 =
        matches!(bytes.as_slice(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, _, 0, ..] | [0, _, 0, _, ..]);
    if is_utf16 {
        let hint = format!("Save it as UTF-8: `iconv -f UTF-16 -t UTF-8 {name}`.");
        return Err(Error::new("the file is UTF-16, not UTF-8", hint).at(at(1)));
    }
    String::from_utf8(bytes).map_err(|err| {
        let (bytes, valid) = (err.as_bytes(), err.utf8_error().valid_up_to());
        let line = bytes[..valid].iter().filter(|it| **it == b'\n').count() + 1;
        let what = format!("byte 0x{:02x} is no UTF-8 text", bytes[valid]);
        let hint = format!("Save it as UTF-8; if it is Latin-1: `iconv -f LATIN1 -t UTF-8 {name}`.");
        Error::new(what, hint).at(at(u32::try_from(line).unwrap_or(u32::MAX)))
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::text_of;

    fn check(bytes: &[u8], expected: Expect) {
        let told = match text_of("gpu.lua", bytes.to_vec()) {
            Ok(text) => format!("{text:?}\n"),
            Err(err) => {
                let at = err.origin.map(|it| it.to_string()).unwrap_or_default();
                format!("{}\n  at {at}\nhint: {}\n", err.what, err.hint.unwrap_or_default())
            }
        };
        expected.assert_eq(&told);
    }

    #[test]
    fn what_is_no_utf8_is_told_with_its_line() {
        check(
            b"\xff\xfek\0e\0",
            expect![[r#"
            the file is UTF-16, not UTF-8
              at gpu.lua:1
            hint: Save it as UTF-8: `iconv -f UTF-16 -t UTF-8 gpu.lua`.
        "#]],
        );
        check(
            b"\xfe\xff\0k\0e",
            expect![[r#"
            the file is UTF-16, not UTF-8
              at gpu.lua:1
            hint: Save it as UTF-8: `iconv -f UTF-16 -t UTF-8 gpu.lua`.
        "#]],
        );
        check(
            b"k\0e\0r\0n\0",
            expect![[r#"
            the file is UTF-16, not UTF-8
              at gpu.lua:1
            hint: Save it as UTF-8: `iconv -f UTF-16 -t UTF-8 gpu.lua`.
        "#]],
        );
        check(
            b"-- a\n-- f\xfcr die Karte\n",
            expect![[r#"
            byte 0xfc is no UTF-8 text
              at gpu.lua:2
            hint: Save it as UTF-8; if it is Latin-1: `iconv -f LATIN1 -t UTF-8 gpu.lua`.
        "#]],
        );
        check(
            "-- größe".as_bytes(),
            expect![[r#"
            "-- größe"
        "#]],
        );
    }
}
