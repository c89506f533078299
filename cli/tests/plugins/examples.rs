//! The examples of the project go through the kit, and the kit finds what is wrong.

use expect_test::expect;

use crate::lab::{Lab, project};

/// Tries a plugin; every law must hold.
fn conforms(lab: &Lab, plugin: &str, title: &str) {
    let shown = lab.run(&format!("plugin test {plugin}"));
    assert!(shown.starts_with(&format!("{title}\n")), "{shown}");
    assert!(shown.ends_with("All laws hold.\nexit 0\n"), "{shown}");
}

#[test]
fn the_example_in_lua_keeps_every_law() {
    let plugin = project().join("examples/plugins/thp.lua");
    conforms(&Lab::new(), &plugin.display().to_string(), "thp 1.0.0");
}

#[test]
fn the_example_in_c_keeps_every_law() {
    let lab = Lab::new();
    lab.compile("examples/plugins/ksm.c", "ksm.so", &[]);
    conforms(&lab, "plugins/ksm.so", "ksm 1.0.0");
}

#[test]
fn the_example_in_shell_keeps_every_law() {
    conforms(
        &Lab::new(),
        &project().join("examples/plugins/watchdog.sh").display().to_string(),
        "watchdog 1.0.0",
    );
}

#[test]
fn the_example_in_rust_keeps_every_law() {
    let lab = Lab::new();
    lab.build("hoststate-plugin-hugepages");
    conforms(&lab, "plugins/libhoststate_plugin_hugepages.so", "hugepages 1.0.0");
}

#[test]
fn a_plugin_of_abi_1_keeps_every_law() {
    conforms(&Lab::with(&[]), "plugins/lamp.so", "lamp 1.0.0");
}

#[test]
fn the_kit_says_what_to_mend() {
    let wrong = r#"STEP="{\"kind\":\"write_attribute\",\"path\":\"/sys/lamp\",\"value\":\"dim\"}""#;
    Lab::with(&[wrong]).check(
        "plugin test plugins/lamp.so",
        expect![[r#"
            lamp 1.0.0
                ok      it speaks to this hoststate
                ok      it speaks to a newer hoststate that still knows its protocol
                ok      it says so when hoststate no longer knows its protocol
                ok      it describes itself the same way twice
                ok      it answers an unknown request with an error
                ok      it answers garbage with an error, and goes on
            acme.lamp, example 1
                ok      an inspection answers
                ok      a host that is not so differs
                ok      two inspections are equal
                ok      an inspection writes nothing
                ok      a plan has no conflict with itself
                ok      what is done is what was planned
                ok      what is handed over is known before and after
                BROKEN  the second plan is empty
                        lamp: dim -> on after it was done
                        hint: A step must have the effect that the inspection looks for.
            1 law is broken.
            exit 1
        "#]],
    );
    Lab::with(&["SEGFAULT"]).check(
        "plugin test plugins/lamp.so",
        expect![[r#"
            lamp 1.0.0
                ok      it speaks to this hoststate
                ok      it speaks to a newer hoststate that still knows its protocol
                ok      it says so when hoststate no longer knows its protocol
                ok      it describes itself the same way twice
                ok      it answers an unknown request with an error
                ok      it answers garbage with an error, and goes on
            acme.lamp, example 1
                BROKEN  an inspection answers
                        acme.lamp "lamp": LAB/plugins/lamp.so: it crashed (segmentation fault) instead of answering
                        hint: This is a bug of the plugin; `hoststate plugin test` tries it out.
                -       a host that is not so differs: not tried
                -       two inspections are equal: not tried
                -       an inspection writes nothing: not tried
                -       a plan has no conflict with itself: not tried
                -       what is done is what was planned: not tried
                -       what is handed over is known before and after: not tried
                -       the second plan is empty: not tried
            1 law is broken.
            exit 1
        "#]],
    );
}

#[test]
fn the_kit_finds_one_that_says_of_everything_that_it_is_as_wanted() {
    let said = Lab::with(&["CONTENT"]).run("plugin test plugins/lamp.so");
    let broken = "    BROKEN  a host that is not so differs\n            it says that the example's host is \
                  already as wanted\n";
    assert!(said.contains(broken) && said.ends_with("1 law is broken.\nexit 1\n"), "{said}");
}

#[test]
fn the_kit_lets_one_that_writes_do_so_and_finds_it() {
    let said = Lab::with(&["MEDDLES"]).run("plugin test plugins/lamp.so");
    let broken = "    BROKEN  an inspection writes nothing\n            /sys/lamp was changed\n";
    assert!(said.contains(broken), "{said}");
}

#[test]
fn the_kit_finds_one_that_believes_every_version_and_falls_over_garbage() {
    let lab = Lab::new();
    lab.install(
        "naive",
        r#"#!/bin/sh
while IFS= read -r line; do
	id=${line#*:}; id=${id%%,*}
	case $line in
	*'{"hello":'*) version=${line#*'"protocol":'}; answer='{"hello":{"protocol":'${version%%,*}'}}' ;;
	*'{"describe":'*) answer='{"describe":{"name":"naive","version":"'$id'","types":[]}}' ;;
	*) exit 1 ;;
	esac
	printf '%s\n' "{\"id\":$id,\"answer\":$answer}"
done
"#,
    );
    lab.check("plugin test plugins/naive", expect![[r#"
        naive 2
            ok      it speaks to this hoststate
            BROKEN  it speaks to a newer hoststate that still knows its protocol
                    it says that it speaks version 1000000, which does not exist
                    hint: Answer with the version the plugin was written for, not with the one that was offered.
            BROKEN  it says so when hoststate no longer knows its protocol
                    it answers {"id":1,"answer":{"hello":{"protocol":1000000}}}
                    hint: Answer with `error` when the plugin's version is not between `oldest` and `protocol`.
            BROKEN  it describes itself the same way twice
                    the two descriptions differ
                    hint: A description is constant: what was trusted must be what runs.
            BROKEN  it answers an unknown request with an error
                    LAB/plugins/naive: it exited with status 1 instead of answering
                    hint: This is a bug of the plugin; `hoststate plugin test` tries it out.
            BROKEN  it answers garbage with an error, and goes on
                    LAB/plugins/naive: it exited with status 1 instead of answering
                    hint: This is a bug of the plugin; `hoststate plugin test` tries it out.
        5 laws are broken.
        exit 1
    "#]]);
}
