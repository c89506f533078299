//! `ExecStart=` of a unit: a program and its arguments, quoted so that systemd reads back exactly them.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What the shell does with a program that systemd takes for no executable: it becomes that program.
const BY_SHELL: &str = "/bin/sh -c 'exec \"$$0\" \"$$@\"'";

/// Returns the value of `ExecStart=` that runs `program` with `arguments`, which need no quotes.
///
/// The first word is an executable: systemd expands specifiers in it and no variables, and refuses quotes, backslashes
/// and control characters however they are written (`config_parse_exec` and `string_is_safe` in its source). In the
/// others a dollar begins a variable (systemd.service(5)).
pub(super) fn exec_start(program: &Path, arguments: &str) -> String {
    let bytes = program.as_os_str().as_bytes();
    if bytes.iter().any(|it| it.is_ascii_control() || b"'\"\\".contains(it)) {
        return format!("{BY_SHELL} {} {arguments}", quoted(bytes).replace('$', "$$"));
    }
    let is_plain = |it: &u8| it.is_ascii_alphanumeric() || b"/-_.+,:@".contains(it);
    match program.to_str().filter(|_| bytes.iter().all(is_plain)) {
        Some(plain) => format!("{plain} {arguments}"),
        None => format!("{} {arguments}", quoted(bytes)),
    }
}

/// Writes bytes between quotes, as systemd.syntax(7) has them; `%` would begin a specifier.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for it in chunk.valid().chars() {
            match it {
                '"' | '\\' => text.extend(['\\', it]),
                '%' => text.push_str("%%"),
                it if it.is_ascii_control() => push_escaped(&mut text, it as u8),
                it => text.push(it),
            }
        }
        chunk.invalid().iter().for_each(|it| push_escaped(&mut text, *it));
    }
    text.push('"');
    text
}

fn push_escaped(text: &mut String, byte: u8) {
    write!(text, "\\x{byte:02x}").expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use expect_test::{Expect, expect};
    use proptest::{prop_assert_eq, proptest};

    use super::exec_start;

    /// Splits a line into words as systemd.syntax(7) says: quotes, C escapes, and `%%` for a percent sign.
    fn words(line: &str) -> Vec<Vec<u8>> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<Vec<u8>>, None::<u8>);
        let mut rest = line.bytes().peekable();
        while let Some(it) = rest.next() {
            match (it, quote) {
                (b' ', None) => words.extend(word.take()),
                (b'"' | b'\'', None) => {
                    quote = Some(it);
                    word.get_or_insert_default();
                }
                (it, Some(open)) if it == open => quote = None,
                (b'\\', _) => {
                    let byte = match rest.next().expect("something escaped") {
                        b'x' => {
                            let digits = [rest.next(), rest.next()].map(|it| it.expect("a digit"));
                            u8::from_str_radix(std::str::from_utf8(&digits).expect("ASCII"), 16).expect("hex")
                        }
                        it @ (b'"' | b'\'' | b'\\') => it,
                        other => panic!("no escape: {other}"),
                    };
                    word.get_or_insert_default().push(byte);
                }
                (b'%', _) => {
                    assert_eq!(rest.next(), Some(b'%'), "a specifier: {line}");
                    word.get_or_insert_default().push(b'%');
                }
                (it, _) => {
                    assert!(it >= b' ' && it != 0x7f, "a control character: {line:?}");
                    word.get_or_insert_default().push(it);
                }
            }
        }
        assert_eq!(quote, None, "an open quote: {line}");
        words.extend(word);
        words
    }

    /// What a word after the first is to the program: `$$` is a dollar, and `$` a variable.
    fn argument(word: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = word.iter();
        while let Some(it) = rest.next() {
            if *it == b'$' {
                assert_eq!(rest.next(), Some(&b'$'), "a variable: {}", String::from_utf8_lossy(word));
            }
            out.push(*it);
        }
        out
    }

    /// Returns the program and the arguments that come of a line, with the shell's part done.
    fn run(line: &str) -> Vec<Vec<u8>> {
        let words = words(line);
        let executable = &words[0];
        assert!(!executable.iter().any(|it| it.is_ascii_control() || b"'\"\\".contains(it)), "{line}");
        let arguments: Vec<Vec<u8>> = words[1..].iter().map(|it| argument(it)).collect();
        if executable == b"/bin/sh" {
            assert_eq!(arguments[..2], [b"-c".to_vec(), b"exec \"$0\" \"$@\"".to_vec()]);
            return arguments[2..].to_vec();
        }
        [vec![executable.clone()], arguments].concat()
    }

    fn check(program: &str, expected: Expect) {
        let line = exec_start(Path::new(program), "converge --at-boot");
        expected.assert_eq(&line);
        let expected: [&[u8]; 3] = [program.as_bytes(), b"converge", b"--at-boot"];
        assert_eq!(run(&line), expected);
    }

    #[test]
    fn a_plain_path_stays_as_it_is() {
        check("/usr/bin/hoststate", expect!["/usr/bin/hoststate converge --at-boot"]);
        check("/opt/x86_64/hoststate-1.0+b", expect!["/opt/x86_64/hoststate-1.0+b converge --at-boot"]);
    }

    #[test]
    fn blanks_specifiers_and_dollars_of_an_executable_are_its_own() {
        check("/opt/my tools/hoststate", expect![[r#""/opt/my tools/hoststate" converge --at-boot"#]]);
        check("/opt/100%h/$HOME", expect![[r#""/opt/100%%h/$HOME" converge --at-boot"#]]);
        check("/opt/;#{}/gerät", expect![[r#""/opt/;#{}/gerät" converge --at-boot"#]]);
    }

    #[test]
    fn what_systemd_takes_for_no_executable_is_started_by_the_shell() {
        check(
            "/opt/it's/hoststate",
            expect![[r#"/bin/sh -c 'exec "$$0" "$$@"' "/opt/it's/hoststate" converge --at-boot"#]],
        );
        check(
            "/opt/\"\\x/100% $x\n/h",
            expect![[r#"/bin/sh -c 'exec "$$0" "$$@"' "/opt/\"\\x/100%% $$x\x0a/h" converge --at-boot"#]],
        );
    }

    proptest! {
        #[test]
        fn any_path_is_read_back_as_it_is(
            bytes in proptest::collection::vec(1..=u8::MAX, 1..40)
        ) {
            let path = [b"/".as_slice(), &bytes].concat();
            let line = exec_start(Path::new(OsStr::from_bytes(&path)), "converge --at-boot");
            prop_assert_eq!(run(&line), [path, b"converge".to_vec(), b"--at-boot".to_vec()]);
        }
    }
}
