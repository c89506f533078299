//! Shell files such as `/etc/default/grub`: kept as they are, evaluated, and set.
#![no_main]

use hoststate_core::formats::shell_assignments::{Environment, Shell, ShellFile, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (value, script) = text.split_once('\0').unwrap_or(("", text));
    let mut file = ShellFile::parse(script);
    assert_eq!(file.to_string(), script);
    for shell in [Shell::Dash, Shell::Bash] {
        file.evaluate(&mut Environment::default(), shell);
    }
    if file.set("GRUB_CMDLINE_LINUX", value).is_ok() {
        let once = file.to_string();
        file = ShellFile::parse(&once);
        let mut environment = Environment::default();
        file.evaluate(&mut environment, Shell::Dash);
        match environment.get("GRUB_CMDLINE_LINUX") {
            Some(Value::Known(known)) => assert_eq!(known, value),
            Some(Value::Unknown { .. }) | None => {}
        }
        if file.set("GRUB_CMDLINE_LINUX", value).is_ok() {
            assert_eq!(file.to_string(), once);
        }
    }
});
