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
		for fd in 3 4 5 6 7 8 9; do [ -e /proc/self/fd/$fd ] && case $(readlink /proc/self/fd/$fd) in /memfd:*|*lamp*|*/proc/self/fd/*) ;; *) fds="$fds $fd" ;; esac; done
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
        let user = said.split("Uid: ").nth(1).and_then(|it| it.split(' ').next()).expect("a user");
        let number: u32 = user.parse().expect("a number");
        // One that nobody else has, or nobody where there are no such users.
        assert!((0x7000_0000..0x8000_0000).contains(&number) || number == 65534, "{said}");
        let ids = [user; 4].join(" ");
        assert!(said.contains(&format!("Uid: {ids} Gid: {ids}")), "{said}");
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
    // A session of its own, which no signal to a group of processes reaches.
    let left = format!("600.{}", std::process::id());
    let leave = format!("\t\tsetsid sleep {left} >/dev/null 2>&1 </dev/null &\n\t\tme=left\n");
    let program = introspective("").replace("\t\tme=\n", &leave);
    lab.install("me", &program);
    lab.trusts("me");
    lab.write("lamp.lua", "acme.me {}\n");
    let said = lab.run("plan lamp.lua --root root");
    assert!(said.contains("left Uid:"), "{said}");
    let is_there = || {
        std::fs::read_dir("/proc").expect("it is there").flatten().any(|it| {
            let words = std::fs::read(it.path().join("cmdline")).unwrap_or_default();
            words.split(|it| *it == 0).any(|it| it == left.as_bytes())
        })
    };
    assert!((0..1000).any(|_| !is_there()), "it runs on");
}

#[test]
fn a_plugin_sees_the_host_read_only_and_no_files_of_others() {
    let lab = Lab::new();
    lab.write("secret", "");
    lab.mode("root/sys/lamp", 0o666);
    let look = format!(
        "\t\t[ -e /proc/{} ] && me=\"$me sees-processes\"\n\
         \t\troot=${{line#*'\"root\":\"'}}; root=${{root%%\\\"*}}\n\
         \t\t[ -e {} ] && me=\"$me sees-others\"; [ -r \"$root/sys/lamp\" ] && me=\"$me reads\"\n\
         \t\t(echo on >\"$root/sys/lamp\") 2>/dev/null && me=\"$me writes\"\n",
        std::process::id(),
        lab.path("secret").display()
    );
    lab.install("me", &introspective("").replace("\t\tme=\n", &format!("\t\tme=\n{look}")));
    lab.trusts("me");
    lab.write("lamp.lua", "acme.me {}\n");
    let said = lab.run_here("plan lamp.lua --root root");
    assert!(said.contains(" reads"), "{said}");
    if !said.contains("note: plugins see") {
        assert!(!said.contains("sees-processes"), "{said}");
        assert!(!said.contains("sees-others") && !said.contains("writes"), "{said}");
    }
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
        shown.contains(
            "asks      to propose runs of /usr/bin/lampctl as root; each is shown, and you are asked\n"
        ),
        "{shown}"
    );
    lab.write("lamp.lua", "acme.lamp { on = true }\n");
    lab.check(
        "plan lamp.lua --root root -v",
        expect![[r#"
            ubuntu 24.04, grub2

            ~ acme.lamp "lamp"  lamp.lua:1
                lamp: off -> on  (after a reboot)

            Needs a reboot:
                lamp: off -> on

            Plan: a reboot.
            exit 0
        "#]],
    );
}

#[test]
fn what_it_asked_to_write_is_shown_and_nothing_else_is_taken_from_it() {
    let lab = Lab::new();
    for (pattern, taken) in [("/sys/l*p", true), ("/sys/other", false)] {
        let asks = format!(r#"ASKS="\"asks\":{{\"writes\":[\"{pattern}\"]}},""#);
        lab.compile("cli/tests/plugins/abi1.c", "lamp.so", &[&asks]);
        let shown = lab.run("plugin trust plugins/lamp.so --yes");
        let line =
            format!("asks      to propose writes to {pattern} as root; each is shown, and you are asked");
        assert!(shown.contains(&line), "{shown}");
        let plan = lab.run("plan lamp.lua --root root");
        let refused =
            "`write \"on\" to /sys/lamp`: it asked to write /sys/other, and /sys/lamp is not among these";
        assert_eq!((plan.ends_with("exit 0\n"), plan.contains(refused)), (taken, !taken), "{plan}");
    }
}

#[test]
fn a_plugin_has_limits() {
    let lab = Lab::new();
    let look = "\t\tme=\"files $(ulimit -n) size $(ulimit -f) data $(ulimit -d) core $(ulimit -c) time $(ulimit -t),\"\n";
    lab.install("me", &introspective("").replace("\t\tme=\n", look));
    lab.trusts("me");
    lab.write("lamp.lua", "acme.me {}\n");
    let said = lab.run("plan lamp.lua --root root");
    assert!(said.contains("files 256 size 32768 data 524288 core 0 time 300,"), "{said}");
}
