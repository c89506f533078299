//! Texts that are no JSON declarations, and what is said about them.

use expect_test::{Expect, expect};
use hoststate_core::language::json_playbook::read;

fn check(texts: &[&str], expect: Expect) {
    let mut out = String::new();
    for text in texts {
        match read("play.json", text) {
            Ok(located) => {
                for it in located {
                    let at = it.at(None).expect("a place");
                    let fields = serde_json::Value::Object(it.declaration.desired);
                    out.push_str(&format!("valid: {} {} {fields} at {at}\n", it.number, it.declaration.kind));
                }
            }
            Err(errors) => {
                for it in &errors {
                    out.push_str(&format!("{}: {}\n", it.at, it.source));
                    it.source.hint().into_iter().for_each(|hint| out.push_str(&format!("  {hint}\n")));
                }
            }
        }
    }
    expect.assert_eq(&out);
}

/// Puts resources into the whole, each on a line of its own from line 2 on.
fn whole(resources: &str) -> String {
    format!("{{\"format\":\"hoststate.declarations/1\",\"resources\":[\n{resources}\n]}}")
}

#[test]
fn another_language_is_named() {
    check(
        &[
            "",
            "# hosts\n- type: kernel_cmdline\n  present: [\"a=b\"]\n",
            "format: hoststate.declarations/1\nresources:\n",
            "---\nresources: []\n",
            "kernel_cmdline { present = { \"a=b\" } }\n",
            "-- cards\nlocal card = \"01:00.0\"\n",
            "for _, it in ipairs {} do\nend\n",
        ],
        expect![[r#"
            play.json:1: there is nothing in it
              An empty list of declarations is {"format":"hoststate.declarations/1","resources":[]}.
            play.json:1: this is YAML, and declarations are JSON
              Convert it (`yq -o json`, in Ansible `to_json`), or write the playbook in Lua.
            play.json:1: this is YAML, and declarations are JSON
              Convert it (`yq -o json`, in Ansible `to_json`), or write the playbook in Lua.
            play.json:1: this is YAML, and declarations are JSON
              Convert it (`yq -o json`, in Ansible `to_json`), or write the playbook in Lua.
            play.json:1: this is Lua, and the name of the file does not end in .lua
              Give the file a name such as gpu.lua.
            play.json:1: this is Lua, and the name of the file does not end in .lua
              Give the file a name such as gpu.lua.
            play.json:1: this is Lua, and the name of the file does not end in .lua
              Give the file a name such as gpu.lua.
        "#]],
    );
}

#[test]
fn what_other_languages_allow_is_named() {
    check(
        &[
            "{\"format\":\"hoststate.declarations/1\", // x\n\"resources\":[]}",
            "{\"format\":\"hoststate.declarations/1\",\n\"resources\":[],\n}",
            "{\"format\":\"hoststate.declarations/1\",\n\"resources\":[{},]}",
            &whole("{\"type\":\"modprobe_blacklist\",\"module\":\"nouveau\",\"install\":True}"),
            &whole("{\"type\":\"modprobe_blacklist\",\"module\":\"nouveau\",\"install\":None}"),
            &whole("{'type':'modprobe_blacklist'}"),
            &whole("{type:\"modprobe_blacklist\"}"),
            &whole("{\u{201c}type\u{201d}:1}"),
            "{\"format\":\"hoststate.declarations/1\"\n\"resources\":[]}",
            "{\"format\":\"hoststate.declarations/1\",\n\"resources\":[",
            "{} {}",
        ],
        expect![[r#"
            play.json:1: JSON has no comments
              Remove it, or write the playbook in Lua, where a comment begins with `--`.
            play.json:3: this is not JSON: key must be a string
              JSON has no comma after the last item: remove it.
            play.json:2: this is not JSON: expected value
              JSON has no comma after the last item: remove it.
            play.json:2: `True` is Python, JSON writes `true`
              Write it with `json.dumps`, or in Ansible with `to_json`.
            play.json:2: `None` is Python, JSON writes `null`
              Write it with `json.dumps`, or in Ansible with `to_json`.
            play.json:2: this is not JSON: key must be a string
              Texts are written in straight double quotes: "…".
            play.json:2: this is not JSON: key must be a string
              Names are written in double quotes: {"type": …}.
            play.json:2: this is not JSON: key must be a string
              Texts are written in straight double quotes: "…".
            play.json:2: this is not JSON: expected `,` or `}`
              Is a comma missing before it?
            play.json:2: this is not JSON: EOF while parsing a list
              It ends before everything that was opened is closed.
            play.json:1: this is not JSON: trailing characters
              A file of declarations holds a single object.
        "#]],
    );
}

#[test]
fn the_whole_has_a_format_and_resources() {
    check(
        &[
            "[{\"type\":\"kernel_cmdline\"}]",
            "7",
            "{\"resources\":[]}",
            "{\"format\":\"hoststate.declarations/2\",\"resources\":[]}",
            "{\"format\":\"hoststate.declarations/1\",\"resource\":[]}",
            "{\"format\":\"hoststate.declarations/1\",\"resources\":{}}",
            "{\"format\":\"hoststate.declarations/1\",\"resources\":[],\"version\":3}",
            "\u{feff}{\"$schema\":\"declarations.schema.json\",\"format\":\"hoststate.declarations/1\",\"resources\":[]}",
        ],
        expect![[r#"
            play.json:1: the declarations are a list, and not in an object with their format
              Put the list into {"format":"hoststate.declarations/1","resources":[…]}.
            play.json:1: the text is JSON, but not an object
              Write {"format":"hoststate.declarations/1","resources":[…]}.
            play.json:1: missing field `format`
              Add "format": "hoststate.declarations/1".
            play.json:1: unknown format "hoststate.declarations/2"
              Write {"format":"hoststate.declarations/1","resources":[…]}.
            play.json:1: unknown field `resource`
              Did you mean `resources`?
            play.json:1: `resources` is not a list
              Write {"format":"hoststate.declarations/1","resources":[…]}.
            play.json:1: unknown field `version`
              Its fields are: format, resources, owner, $schema.
        "#]],
    );
}

#[test]
fn a_key_that_is_there_twice_is_an_error_with_both_places() {
    check(
        &[
            &whole("{\"type\":\"kernel_cmdline\",\n\"present\":[\"a=b\"],\n\"present\":[\"c=d\"]}"),
            &whole("{\"type\":\"modprobe_options\",\"module\":\"kvm\",\"options\":{\"a\":1,\n\"a\":2}}"),
            "{\"format\":\"hoststate.declarations/1\",\"resources\":[],\n\"resources\":[]}",
            &whole("{\"type\":\"kernel_cmdline\",\"type\":\"modules_load\"}"),
        ],
        expect![[r#"
            play.json:4: resource 1: `present` appears twice, in line 3 and in line 4
              Keep one of the two: JSON does not say which one counts.
            play.json:3: resource 1: `options.a` appears twice, in line 2 and in line 3
              Keep one of the two: JSON does not say which one counts.
            play.json:2: `resources` appears twice, in line 1 and in line 2
              Keep one of the two: JSON does not say which one counts.
            play.json:2: resource 1: `type` appears twice, both in line 2
              Keep one of the two: JSON does not say which one counts.
        "#]],
    );
}

#[test]
fn each_declaration_is_an_object_with_a_type() {
    check(
        &[
            &whole("{\"present\":[\"a=b\"]},\n7,\n{\"type\":\"kernel_cmdline\",\"name\":5}"),
            &whole(&format!("{{\"type\":\"x\",\"y\":{}{}}}", "[".repeat(99), "]".repeat(99))),
        ],
        expect![[r#"
            play.json:2: resource 1: a declaration has no `type`
              Add "type": "…".
            play.json:3: resource 2 is not an object
              Write it like {"type": "kernel_cmdline", "present": ["iommu=pt"]}.
            play.json:4: resource 3: kernel_cmdline: `name` is 5, not a text
              Give a text, or leave `name` out.
            play.json:2: resource 1: `y[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]` is more than 32 levels deep
              No field takes values nested that deeply.
        "#]],
    );
}

#[test]
fn a_whole_number_may_be_written_with_a_fraction_or_an_exponent() {
    check(
        &[&whole("{\"type\":\"x\",\"a\":4.0,\"b\":1e3,\n\"c\":[4.5,1e300,-0.0,18446744073709551615]}")],
        expect![[r#"
            valid: 1 x {"a":4,"b":1000,"c":[4.5,1e+300,0,18446744073709551615]} at play.json:2
        "#]],
    );
}

#[test]
fn the_line_of_a_value_is_that_of_the_innermost_known() {
    let text = whole("{\"type\":\"vfio_pci_ids\",\n\"ids\":[\n\"10de:0ffc\",\n\"x\"]}");
    let located = read("play.json", &text).expect("declarations");
    let line = |path: &str| located[0].at(Some(path)).expect("a place").line;
    assert_eq!([line("ids[1]"), line("ids[1].x"), line("ids"), line("idsx"), line("file")], [5, 5, 3, 2, 2]);
    let text = whole("{\"type\":\"x\",\"playbook\":{\"file\":\"gpu.lua\",\"line\":7}}");
    assert_eq!(read("play.json", &text).expect("declarations")[0].at(Some("type")).expect("a place").line, 7);
}
