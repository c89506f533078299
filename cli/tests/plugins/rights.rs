//! What a plugin's process has: no rights, no environment, no descriptors, no children that stay.

#![expect(clippy::disallowed_methods, reason = "the test starts the command with an open descriptor")]

use expect_test::expect;

use crate::lab::Lab;

/// A plugin that refuses every declaration with what it knows of itself.
fn introspective(asks: &str) -> String {
    format!(
        r#"#!/bin/sh
while IFS= read -r line; do
	id=${{line#*:}}; id=${{id%%,*}}
	case $line in
	*'{{"hello":'*) answer='{{"hello":{{"protocol":1}}}}' ;;
	*'{{"describe":'*) answer='{{"describe":{{"name":"me","version":"1",{asks}"types":[{{"name":"acme.me","schema":{{"type":"object","properties":{{}}}}}}]}}}}' ;;
	*)
		me=
		while read -r key values; do
			case $key in Uid:|Gid:|Groups:|NoNewPrivs:|CapEff:) me="$me $key $(echo $values)" ;; esac
		done </proc/self/status
		fds=
		for fd in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$fd ] && case $(readlink /proc/$$/fd/$fd) in /memfd:*|*lamp*|*/proc/self/fd/*) ;; *) fds="$fds $fd" ;; esac; done
		answer='{{"error":{{"what":"'"$me, environment: $(env | cut -d= -f1 | sort | tr '\n' ' '), directory: $(pwd), open:$fds"'"}}}}' ;;
	esac
	printf '%s\n' "{{\"id\":$id,\"answer\":$answer}}"
done
"#
    )
}

fn says(asks: &str) -> String {
    let lab = Lab::new();
    lab.install("me", &introspective(asks));
    lab.trusts("me");
    lab.write("lamp.lua", "acme.me {}\n");
    lab.run("plan lamp.lua --root root")
}

#[test]
fn a_plugin_has_no_rights_and_no_environment() {
    let said = says("");
    assert!(said.contains("NoNewPrivs: 1"), "{said}");
    assert!(
        said.contains("environment: LC_ALL PATH PWD , directory: /, open:\n")
            || said.contains("environment: LC_ALL PATH PWD _ , directory: /, open:\n"),
        "{said}"
    );
    if rustix::process::geteuid().is_root() {
        assert!(said.contains("Uid: 65534 65534 65534 65534 Gid: 65534 65534 65534 65534"), "{said}");
        assert!(
            said.contains("Groups: NoNewPrivs")
                || said.contains("Groups:  CapEff")
                || said.contains("Groups: CapEff"),
            "{said}"
        );
        assert!(said.contains("CapEff: 0000000000000000"), "{said}");
    }
}

#[test]
fn one_that_asks_for_root_is_root_but_gains_nothing_more() {
    let said = says(r#""asks":{"user":"root"},"#);
    let own = rustix::process::geteuid().as_raw();
    assert!(said.contains(&format!("Uid: {own} {own} {own} {own}")), "{said}");
    assert!(said.contains("NoNewPrivs: 1"), "{said}");
}

#[test]
fn what_a_plugin_left_running_ends_with_the_run() {
    let lab = Lab::new();
    let program = introspective("").replace("\t\tme=\n", "\t\tsleep 600 &\n\t\tme=child-$!-\n");
    lab.install("me", &program);
    lab.trusts("me");
    lab.write("lamp.lua", "acme.me {}\n");
    let said = lab.run("plan lamp.lua --root root");
    let child = said.split("child-").nth(1).and_then(|it| it.split('-').next()).expect("it says so");
    let ends = (0..1_000_000).any(|_| {
        let status = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // Gone, or a zombie that nobody has buried yet.
        status.is_empty() || status.contains(") Z ")
    });
    assert!(ends, "{child}");
}

#[test]
fn a_program_that_it_asked_for_is_named_when_it_is_trusted() {
    let lab = Lab::new();
    lab.compile(
        "cli/tests/plugins/abi1.c",
        "lamp.so",
        &[
            r#"ASKS="\"asks\":{\"runs\":[\"/usr/bin/lampctl\"]},""#,
            r#"STEP="{\"kind\":\"run\",\"argv\":[\"/usr/bin/lampctl\",\"on\"]}""#,
        ],
    );
    let shown = lab.run("plugin trust plugins/lamp.so --yes");
    assert!(
        shown.contains("asks      to propose runs of /usr/bin/lampctl, as root; each is shown before\n"),
        "{shown}"
    );
    lab.write("lamp.lua", "acme.lamp { on = true }\n");
    lab.check(
        "plan lamp.lua --root root -v",
        expect![[r#"
        ~ acme.lamp "lamp"  lamp.lua:1
            lamp: off -> on  (after a reboot)

        Needs a reboot:
            lamp: off -> on

        Plan: 0 to change, 1 waits for a reboot.
        exit 0
    "#]],
    );
}
