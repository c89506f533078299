//! Resource types that are not built in: what the registry takes, and what it says about wrong declarations.

use std::rc::Rc;

use expect_test::{Expect, expect};
use hoststate_abi::description::TypeDescription;
use hoststate_core::language::declaration::Declaration;
use hoststate_core::language::external_type::check_description;
use hoststate_core::language::registry::{Entry, Registry, Rejected};
use hoststate_core::resources::TABLE;
use hoststate_testkit::fpga::Fpga;
use serde_json::{Value, json};

fn registry() -> Registry {
    let mut registry = Registry::new(TABLE);
    registry.add([Entry::external(Rc::new(Fpga::default()))]).expect("the name is free");
    registry
}

fn check(declaration: Value, expect: Expect) {
    let declaration: Declaration = serde_json::from_value(declaration).expect("a declaration");
    expect.assert_eq(&match registry().decode(declaration) {
        Ok(declared) => format!("{}\n", declared.id),
        Err(err) => {
            let said =
                |it: &Rejected| format!("error: {it}\nhint: {}\n", it.source.hint().unwrap_or_default());
            err.iter().map(said).collect()
        }
    });
}

#[test]
fn a_declaration_is_named_by_the_key_of_its_type() {
    check(
        json!({ "type": "acme.fpga", "card": 3, "image": "user" }),
        expect![[r#"
        acme.fpga "3"
    "#]],
    );
}

#[test]
fn a_field_that_the_schema_does_not_name_is_an_error_with_the_nearest() {
    check(
        json!({ "type": "acme.fpga", "card": 3, "imgae": "user" }),
        expect![[r#"
            error: acme.fpga: unknown field `imgae`
            hint: Did you mean `image`?
        "#]],
    );
}

#[test]
fn a_value_that_the_schema_refuses_is_an_error_with_its_place() {
    check(
        json!({ "type": "acme.fpga", "card": 3, "image": "user", "lanes": [1, "two"] }),
        expect![[r#"
        error: acme.fpga: item 2 of `lanes`: "two" is not of type "integer"
        hint: `hoststate schema acme.fpga` shows what each field takes.
    "#]],
    );
    check(
        json!({ "type": "acme.fpga", "card": -1, "image": "user" }),
        expect![[r#"
        error: acme.fpga: `card`: -1 is less than the minimum of 0
        hint: `hoststate schema acme.fpga` shows what each field takes.
    "#]],
    );
    check(
        json!({ "type": "acme.fpga", "card": 1, "image": "usr" }),
        expect![[r#"
            error: acme.fpga: `image`: "usr" is not one of "golden" or "user"
            hint: Write it like `"image": "golden"`. The image.
        "#]],
    );
    check(
        json!({ "type": "acme.fpga", "image": "user" }),
        expect![[r#"
        error: acme.fpga: missing field `card`
        hint: `hoststate schema acme.fpga` shows what each field takes.
    "#]],
    );
}

#[test]
fn a_type_that_is_not_there_is_named_with_the_nearest() {
    check(
        json!({ "type": "acme.fgpa" }),
        expect![[r#"
        error: there is no resource type "acme.fgpa"
        hint: Did you mean `acme.fpga`?
    "#]],
    );
}

#[test]
fn a_name_is_given_once() {
    let again = registry().add([Entry::external(Rc::new(Fpga::default()))]).unwrap_err();
    assert_eq!(again.to_string(), "two resource types need the name \"acme.fpga\"");
}

#[test]
fn a_description_that_playbooks_cannot_use_is_refused() {
    let fields = json!({ "type": "object", "properties": { "card": { "type": "integer" } } });
    let cases = [
        ("fpga", &fields, json!([]), "type \"fpga\": this is not the name of a type"),
        ("a.b.c", &fields, json!([]), "type \"a.b.c\": this is not the name of a type"),
        ("Acme.fpga", &fields, json!([]), "type \"Acme.fpga\": this is not the name of a type"),
        (
            "host.fpga",
            &fields,
            json!([]),
            "type \"host.fpga\": \"host\" already means something else in playbooks",
        ),
        (
            "acme.fpga",
            &fields,
            json!(["slot"]),
            "type \"acme.fpga\": `key` names \"slot\", which is not a field",
        ),
        ("acme.fpga", &json!({}), json!([]), "type \"acme.fpga\": the schema has no `properties`"),
        (
            "acme.fpga",
            &json!({ "properties": {} }),
            json!([]),
            "type \"acme.fpga\": the schema is not of `\"type\": \"object\"`",
        ),
        (
            "acme.fpga",
            &json!({ "type": "object", "properties": { "name": {} } }),
            json!([]),
            "type \"acme.fpga\": the field `name` is taken",
        ),
        (
            "acme.fpga",
            &json!({ "type": "object", "properties": { "card": { "type": "int" } } }),
            json!([]),
            "type \"acme.fpga\": the schema cannot be used, at /properties/card/type: \"int\" is not a type",
        ),
        (
            "acme.fpga",
            &json!({ "type": "object", "properties": { "card": { "$ref": "https://example.com/card.json" } } }),
            json!([]),
            "type \"acme.fpga\": the schema cannot be used, at /properties/card/$ref: \"https://example.com/card.json\" does not",
        ),
    ];
    for (name, schema, key, expected) in cases {
        let description: TypeDescription =
            serde_json::from_value(json!({ "name": name, "schema": schema, "key": key })).expect("a shape");
        let err = check_description(&description).unwrap_err();
        assert!(err.to_string().starts_with(expected), "{name}: {err}");
    }
}
