//! Plugins that break the contract: each is one failed resource with a message, and nothing of the host is touched.

use expect_test::{Expect, expect};

use crate::lab::Lab;

/// Plans with a plugin that was built with these macros.
fn check(macros: &[&str], expect: Expect) {
    let lab = Lab::with(macros);
    lab.check("converge lamp.lua --root root --yes", expect);
    assert_eq!(lab.read("root/sys/lamp"), "off\n");
}

#[test]
fn one_that_crashes_says_so() {
    check(
        &["SEGFAULT"],
        expect![[r#"
            error: acme.lamp "lamp": LAB/plugins/lamp.so: it crashed (segmentation fault) instead of answering
              at lamp.lua:1
            hint: This is a bug of the plugin; `hoststate plugin test` tries it out.
            exit 1
        "#]],
    );
}

#[test]
fn one_that_never_answers_is_ended() {
    check(
        &["LOOP", r#"ASKS="\"asks\":{\"seconds\":1},""#],
        expect![[r#"
            error: acme.lamp "lamp": LAB/plugins/lamp.so: it did not answer within 1 s and was ended
              at lamp.lua:1
            hint: It hangs or loops. One that needs longer asks for it with `asks.seconds`.
            exit 1
        "#]],
    );
}

#[test]
fn one_that_gives_up_is_quoted() {
    check(
        &["EXITS"],
        expect![[r#"
            error: acme.lamp "lamp": LAB/plugins/lamp.so: it exited with status 3 instead of answering:
                the lamp fell off the table
              at lamp.lua:1
            hint: This is a bug of the plugin; `hoststate plugin test` tries it out.
            exit 1
        "#]],
    );
}

#[test]
fn one_that_refuses_is_heard() {
    check(
        &["REFUSES"],
        expect![[r#"
        error: acme.lamp "lamp": the lamp is broken
          at lamp.lua:1
        hint: Buy another.
        exit 1
    "#]],
    );
}

#[test]
fn one_that_answers_garbage_is_shown() {
    check(
        &["GARBAGE"],
        expect![[r#"
            error: acme.lamp "lamp": LAB/plugins/lamp.so: its answer is not one of the protocol: expected value at line 1 column 1: "Segmentation fault?"
              at lamp.lua:1
            hint: docs/plugins.md says what an answer looks like.
            exit 1
        "#]],
    );
}

#[test]
fn one_that_answers_in_part_is_shown() {
    check(
        &["TRUNCATED"],
        expect![[r#"
            error: acme.lamp "lamp": LAB/plugins/lamp.so: its answer is not one of the protocol: EOF while parsing a string at line 1 column 53: "{\"id\":2,\"answer\":{\"inspect\":{\"settings\":[{\"scope\":\"ru"
              at lamp.lua:1
            hint: docs/plugins.md says what an answer looks like.
            exit 1
        "#]],
    );
}

#[test]
fn one_that_answers_without_end_is_ended() {
    check(
        &["GIGANTIC"],
        expect![[r#"
            error: acme.lamp "lamp": LAB/plugins/lamp.so: it wrote more than 8 MiB as one answer and was ended
              at lamp.lua:1
            hint: An answer is one line; is a line end missing?
            exit 1
        "#]],
    );
}

#[test]
fn one_that_answers_another_request_is_not_believed() {
    check(
        &["WRONG_ID"],
        expect![[r#"
            error: acme.lamp "lamp": LAB/plugins/lamp.so: it answered request 2 with the number 3
              at lamp.lua:1
            hint: Each request is answered by one line that repeats its `id`.
            exit 1
        "#]],
    );
}

#[test]
fn one_that_would_write_outside_of_the_host_is_stopped() {
    check(
        &[r#"STEP="{\"kind\":\"write_file\",\"path\":\"/etc/../../../etc/passwd\",\"text\":\"x\"}""#],
        expect![[r#"
            error: acme.lamp "lamp": lamp: `write /etc/../../../etc/passwd`: the path is not an absolute path of the host without `..`
              at lamp.lua:1
            hint: This is a mistake in the type, not in the playbook; `hoststate plugin test` finds such mistakes.
            exit 1
        "#]],
    );
    check(
        &[r#"STEP="{\"kind\":\"remove_file\",\"path\":\"etc/passwd\"}""#],
        expect![[r#"
        error: acme.lamp "lamp": lamp: `remove etc/passwd`: the path is not an absolute path of the host without `..`
          at lamp.lua:1
        hint: This is a mistake in the type, not in the playbook; `hoststate plugin test` finds such mistakes.
        exit 1
    "#]],
    );
}

#[test]
fn one_that_would_write_to_the_kernel_as_to_a_file_is_stopped() {
    check(
        &[r#"STEP="{\"kind\":\"write_file\",\"path\":\"/sys/lamp\",\"text\":\"on\"}""#],
        expect![[r#"
        error: acme.lamp "lamp": lamp: `write /sys/lamp`: below /sys there are no files of a host
          at lamp.lua:1
        hint: This is a mistake in the type, not in the playbook; `hoststate plugin test` finds such mistakes.
        exit 1
    "#]],
    );
}

#[test]
fn one_that_would_write_a_file_as_an_attribute_is_stopped() {
    check(
        &[r#"STEP="{\"kind\":\"write_attribute\",\"path\":\"/etc/passwd\",\"value\":\"x\"}""#],
        expect![[r#"
            error: acme.lamp "lamp": lamp: `write "x" to /etc/passwd`: attributes are below /sys and /proc/sys
              at lamp.lua:1
            hint: This is a mistake in the type, not in the playbook; `hoststate plugin test` finds such mistakes.
            exit 1
        "#]],
    );
}

#[test]
fn one_that_would_decide_what_is_trusted_is_stopped() {
    check(
        &[r#"STEP="{\"kind\":\"write_file\",\"path\":\"/etc/hoststate/plugins.lock\",\"text\":\"x\"}""#],
        expect![[r#"
            error: acme.lamp "lamp": lamp: `write /etc/hoststate/plugins.lock`: what is there decides what hoststate trusts
              at lamp.lua:1
            hint: This is a mistake in the type, not in the playbook; `hoststate plugin test` finds such mistakes.
            exit 1
        "#]],
    );
}

#[test]
fn one_that_would_run_what_nobody_allowed_is_stopped() {
    check(
        &[r#"STEP="{\"kind\":\"run\",\"argv\":[\"/usr/bin/lampctl\",\"on\"]}""#],
        expect![[r#"
        error: acme.lamp "lamp": lamp: `run /usr/bin/lampctl on`: nobody was asked whether it may run "/usr/bin/lampctl"
          at lamp.lua:1
        hint: A plugin names each program it may run, by absolute path, in `asks.runs`; a Lua type runs none.
        exit 1
    "#]],
    );
}

#[test]
fn one_of_another_abi_or_without_its_symbols_is_not_trusted_at_all() {
    for (macros, expect) in [
        (
            ["ABI=2"],
            expect![[r#"
                error: LAB/plugins/lamp.so: cannot be started: speaks version 2 of the C ABI, this hoststate loads version 1
                hint: `hoststate plugin test` tries it out.
                exit 1
            "#]],
        ),
        (
            ["NO_CALL"],
            expect![[r#"
            error: LAB/plugins/lamp.so: cannot be started: exports no symbol hoststate_call; hoststate_plugin.h lists the three that a plugin exports
            hint: `hoststate plugin test` tries it out.
            exit 1
        "#]],
        ),
    ] {
        let lab = Lab::new();
        lab.compile("cli/tests/plugins/abi1.c", "lamp.so", &macros);
        lab.check("plugin trust plugins/lamp.so --yes", expect);
    }
    let lab = Lab::new();
    lab.write("plugins/lamp.so", "no library");
    lab.check(
        "plugin trust plugins/lamp.so --yes",
        expect![[r#"
        error: LAB/plugins/lamp.so: cannot be started: cannot be loaded: dlopen failed
        hint: `hoststate plugin test` tries it out.
        exit 1
    "#]],
    );
}

#[test]
fn one_that_speaks_another_protocol_is_not_trusted_at_all() {
    let lab = Lab::new();
    lab.install(
        "lamp",
        "#!/bin/sh\nread -r line; echo '{\"id\":1,\"answer\":{\"hello\":{\"protocol\":2}}}'; cat >/dev/null\n",
    );
    lab.check(
        "plugin trust plugins/lamp --yes",
        expect![[r#"
            error: LAB/plugins/lamp: it speaks version 2 of the protocol, this hoststate speaks 1
            hint: Use a build of the plugin for this hoststate, or a newer hoststate.
            exit 1
        "#]],
    );
}

#[test]
fn one_that_broke_the_conversation_is_not_asked_again() {
    let lab = Lab::with(&["SEGFAULT"]);
    lab.write("lamp.lua", "acme.lamp { name = 'a', on = true }\nacme.lamp { name = 'b', on = true }\n");
    lab.check(
        "plan lamp.lua --root root",
        expect![[r#"
        error: acme.lamp "a": LAB/plugins/lamp.so: it crashed (segmentation fault) instead of answering
          at lamp.lua:1
        hint: This is a bug of the plugin; `hoststate plugin test` tries it out.
        exit 1
    "#]],
    );
}
