//! Plugins that keep to the contract.

#![expect(clippy::disallowed_methods, reason = "a test takes a plugin's file away")]

use expect_test::expect;

use crate::lab::Lab;

const PLAN: &str = "plan lamp.lua --root root";

#[test]
fn a_compiled_plugin_of_abi_1_is_planned_with() {
    Lab::with(&[]).check(
        PLAN,
        expect![[r#"
            ubuntu 24.04, grub2

            Needs a reboot:
                lamp: off -> on

            Plan: a reboot.
            exit 0
        "#]],
    );
}

#[test]
fn what_it_proposes_is_not_done_by_planning() {
    let lab = Lab::with(&[]);
    lab.run(PLAN);
    assert_eq!(lab.read("root/sys/lamp"), "off\n");
}

#[test]
fn a_host_that_is_as_wanted_needs_nothing() {
    let lab = Lab::with(&[]);
    lab.write("root/sys/lamp", "on\n");
    lab.check(
        PLAN,
        expect![[r#"
            ubuntu 24.04, grub2

            In the desired state: 1 setting, nothing to do.
            exit 0
        "#]],
    );
}

#[test]
fn what_a_library_prints_is_no_part_of_its_answer() {
    Lab::with(&["PRINTS"]).check(
        PLAN,
        expect![[r#"
            ubuntu 24.04, grub2

            Needs a reboot:
                lamp: off -> on

            Plan: a reboot.
            exit 0
        "#]],
    );
}

#[test]
fn its_types_have_a_schema_and_checks_without_a_host() {
    let lab = Lab::with(&[]);
    lab.check("schema acme.lamp", expect![[r#"
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "additionalProperties": false,
          "description": "A lamp.",
          "properties": {
            "composite": {
              "description": "The composite that made the declaration.",
              "type": "string"
            },
            "ensure": {
              "default": "present",
              "description": "`\"present\"`, the default, or `\"absent\"`: what hoststate would set for the declaration is taken out.",
              "enum": [
                "present",
                "absent"
              ]
            },
            "name": {
              "description": "Free text, unique among the declarations of a type; derived from the fields when left out.",
              "minLength": 1,
              "type": "string"
            },
            "on": {
              "description": "Whether it shines.",
              "type": "boolean"
            },
            "playbook": {
              "additionalProperties": false,
              "description": "A line of a playbook.",
              "properties": {
                "file": {
                  "description": "The playbook, as the user named it.",
                  "type": "string"
                },
                "line": {
                  "description": "Line, counted from 1.",
                  "format": "uint32",
                  "minimum": 0,
                  "type": "integer"
                }
              },
              "required": [
                "file",
                "line"
              ],
              "title": "Origin",
              "type": "object"
            },
            "type": {
              "const": "acme.lamp"
            }
          },
          "required": [
            "type"
          ],
          "type": "object"
        }
        exit 0
    "#]]);
    lab.check(
        "check lamp.lua",
        expect![[r#"
        lamp.lua: 1 declaration, valid
        exit 0
    "#]],
    );
    lab.write("lamp.lua", "acme.lamp { on = 'yes' }\n");
    lab.check(
        "check lamp.lua",
        expect![[r#"
            error: acme.lamp: `on`: "yes" is not of type "boolean"
              at lamp.lua:1
            hint: Write `on = true`.
            exit 1
        "#]],
    );
}

#[test]
fn a_playbook_without_its_types_does_not_start_it() {
    let lab = Lab::with(&["SEGFAULT"]);
    lab.write("lamp.lua", "kernel_cmdline { present = { 'quiet' } }\n");
    // A plugin whose file is gone could not be started, or even read.
    std::fs::rename(lab.path("plugins/lamp.so"), lab.path("elsewhere.so")).expect("it is there");
    lab.check(
        "plan lamp.lua --root root --quiet",
        expect![[r#"
            ~ kernel_cmdline "quiet"  lamp.lua:1
                /etc/default/grub.d/zz-hoststate.cfg:  -> quiet

            Plan: 1 file; 1 setting in the desired state.
            exit 0
        "#]],
    );
}

/// Adds a line to a file: `acme.line { text = "one" }`.
const LINE: &str = r#"#!/bin/sh
while IFS= read -r line; do
	id=${line#*:}; id=${id%%,*}
	case $line in
	*'{"hello":'*) answer='{"hello":{"protocol":1}}' ;;
	*'{"describe":'*) answer='{"describe":{"name":"line","version":"1","types":[{"name":"acme.line","key":["text"],"schema":{"type":"object","properties":{"text":{"type":"string"}}}}]}}' ;;
	*)
		text=${line#*'"text":"'}; text=${text%%\"*}
		before=${line#*'"/etc/lines":"'}
		if [ "$before" = "$line" ]; then before=; else before=${before%%\"*}; fi
		case $before in
		*"$text"*) state='{"state":"converged"}' ;;
		*) state='{"state":"drifted","actual":null,"desired":"'$text'","remedy":{"steps":[{"kind":"write_file","path":"/etc/lines","text":"'$before$text'\n"}]}}' ;;
		esac
		answer='{"inspect":{"settings":[{"scope":"persistent","subject":"'$text'","state":'$state'}]}}' ;;
	esac
	printf '%s\n' "{\"id\":$id,\"answer\":$answer}"
done
"#;

#[test]
fn it_sees_the_files_that_declarations_before_it_write() {
    let lab = Lab::new();
    lab.install("line", LINE);
    lab.trusts("line");
    lab.write("lamp.lua", "acme.line { text = 'one' }\nacme.line { text = 'two' }\n");
    lab.check(
        PLAN,
        expect![[r#"
            ubuntu 24.04, grub2

            + acme.line "one"  lamp.lua:1
                one: (absent) -> one
            + acme.line "two"  lamp.lua:2
                two: (absent) -> two

            --- /dev/null
            +++ b/etc/lines
            @@ -0,0 +1,2 @@
            +one
            +two

            Plan: 1 file.
            exit 0
        "#]],
    );
}
