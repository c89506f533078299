//! What a scenario's author reads when a step fails, on a bed that answers from a table.

use expect_test::{Expect, expect};

use super::*;
use crate::{beds::Bed, process::Finished, progress::Progress, transcript::Transcript};

/// Answers every call of hoststate with status 2 and a plan, every other call with its own words.
struct Echo;

impl Bed for Echo {
    fn call(&mut self, argv: &[&str], _: Option<&[u8]>, _: u64) -> Result<Finished> {
        let (status, stdout) = match argv {
            [_, "plan" | "converge" | "verify", ..] => (2, "+options kvm ignore_msrs=1\n".to_owned()),
            ["sh", "-c", "false"] => (1, String::new()),
            _ => (0, format!("{}\n", argv.join(" "))),
        };
        Ok(Finished { status, stdout, stderr: "a warning".into() })
    }

    fn put(&mut self, _: &str, _: &[u8], _: u32) -> Result<()> {
        Ok(())
    }

    fn reboot(&mut self) -> Result<()> {
        Ok(())
    }

    fn power_cycle(&mut self) -> Result<()> {
        Ok(())
    }

    fn console(&self) -> Result<String> {
        Ok(String::new())
    }
}

/// Runs one scenario with these steps; `stored` is the text of the file `plan.diff` beside it.
fn check(steps: &str, stored: &str, expected: Expect) {
    let text =
        format!("scenario {{ name = 'it', about = '', bed = 'echo', steps = function(host)\n{steps}\nend }}");
    check_file(&text, stored, expected);
}

fn check_file(text: &str, stored: &str, expected: Expect) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("it.lua");
    files::write(&path, text).expect("a file can be written");
    files::write(directory.path().join("plan.diff"), stored).expect("a file can be written");
    let run = || -> Result<()> {
        let shown = Path::new("it.lua");
        let file = File::read(&path, shown, directory.path())?;
        let transcript = Transcript::start(&directory.path().join("transcript.txt"))?;
        let expectations = Expectations { stored: directory.path().into(), renewed: None };
        let host = Host::new(Box::new(Echo), String::new(), expectations, Progress::new("it"), transcript);
        file.run("it", shown, host)
    };
    let shown = run().map_or_else(|err| err.to_string(), |()| "passed".into());
    expected.assert_eq(&shown);
}

#[test]
fn steps_that_find_what_they_expect_pass() {
    check(
        "host:plan { status = 2 }\nhost:expect_diff 'plan.diff'\nassert(host:shell 'x' == 'sh -c x\\n')\n\
         host:expect_output('x', { contains = '-c', lacks = 'y' })\nhost:reboot()",
        "+options kvm ignore_msrs=1\n",
        expect!["passed"],
    );
}

#[test]
fn a_status_that_is_not_expected_names_the_line_and_shows_the_output() {
    check(
        "\nhost:verify()",
        "",
        expect![[r#"
        it.lua:3: exit status of `hoststate verify`
          expected: 0
          found:    2
        standard output ends: +options kvm ignore_msrs=1
        standard error ends: a warning"#]],
    );
    check(
        "host:shell 'false'",
        "",
        expect![[r#"
        it.lua:2: exit status of `false`
          expected: 0
          found:    1
        standard output ends: 
        standard error ends: a warning"#]],
    );
}

#[test]
fn a_diff_that_is_not_the_stored_one_is_shown_as_a_diff() {
    check(
        "host:expect_diff 'plan.diff'",
        "+options kvm ignore_msrs=0\n",
        expect![[r#"
        it.lua:2: plan.diff: the stored text (-) is not what was found (+):
        --- stored
        +++ found
        @@ -1 +1 @@
        -+options kvm ignore_msrs=0
        ++options kvm ignore_msrs=1
    "#]],
    );
    check(
        "host:expect_diff 'other.diff'",
        "",
        expect![[r#"
        it.lua:2: there is no other.diff beside the scenario; `--bless` would store this as other.diff:
        +options kvm ignore_msrs=1
    "#]],
    );
}

#[test]
fn a_converge_that_has_something_to_do_is_no_standstill() {
    check(
        "host:expect_no_changes()",
        "",
        expect![[r#"
        it.lua:2: exit status of `hoststate converge` with nothing to do
          expected: 0 or 3
          found:    2
        standard output ends: +options kvm ignore_msrs=1
        standard error ends: a warning"#]],
    );
}

#[test]
fn an_error_in_a_function_names_the_step_and_the_line_that_failed() {
    check_file(
        "local function look(host)\n  host:expect_output('x', 'y')\nend\n\
         scenario { name = 'it', about = '', bed = 'echo', steps = function(host)\n  look(host)\nend }",
        "",
        expect![[r#"
            it.lua:2: output of `x`
              expected: y
              found:    sh -c x"#]],
    );
    check("assert(false, 'an own check')", "", expect!["it.lua:2: an own check"]);
}

#[test]
fn what_is_misspelt_is_named() {
    check(
        "host:expect_divers('x')",
        "",
        expect![[
            r#"it.lua:2: there is no step "expect_divers"; there are: plan, converge, verify, hoststate, expect_diff, expect_no_changes, … (docs/testbeds.md)"#
        ]],
    );
    check(
        "host:converge { statsu = 3 }",
        "",
        expect!["it.lua:2: unknown field `statsu`, expected one of `status`, `options`, `seconds`"],
    );
    check_file(
        "scenario { name = 'it', abuot = '', bed = 'echo', steps = print }",
        "",
        expect![
            "it.lua:1: unknown field `abuot`, expected one of `name`, `about`, `bed`, `machine`, `playbook`, `ci`, `seconds`, `fails_with`"
        ],
    );
    check_file(
        "scenario { name = 'it' }",
        "",
        expect!["it.lua:1: a scenario needs `steps = function(host) … end`"],
    );
    check_file("scenario {", "", expect!["it.lua: syntax error: it.lua:1: unexpected symbol near <eof>"]);
    check_file(
        "-- nothing",
        "",
        expect![[r#"
        it.lua
          expected: a call of `scenario { … }`
          found:    none"#]],
    );
}
