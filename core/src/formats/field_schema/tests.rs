//! Tests of schemas of fields, and of values that do not fit.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{Fault, FieldSchema, Segment};

fn check(schema: &Value, values: &[Value], expect: Expect) {
    let schema = FieldSchema::parse(schema).expect("a schema");
    let mut out = String::new();
    for value in values {
        out += &format!("{value}\n");
        for misfit in schema.misfits(value) {
            let path = misfit.path.iter().map(|it| match it {
                Segment::Field(name) => format!(".{name}"),
                Segment::Item(index) => format!("[{index}]"),
            });
            let fault = match misfit.fault {
                Fault::Missing(name) => format!("lacks {name}"),
                Fault::Unexpected(name) => format!("has {name}"),
                Fault::Wrong(what) => what,
            };
            out += &format!("  {}: {fault}\n", path.collect::<String>());
        }
    }
    expect.assert_eq(&out);
}

#[test]
fn a_value_is_told_with_its_place_and_what_it_may_be() {
    check(
        &json!({
            "type": "object",
            "required": ["size"],
            "additionalProperties": false,
            "properties": {
                "size": { "enum": ["2M", "1G"] },
                "pages": { "type": "integer", "minimum": 0, "maximum": 512, "format": "uint16" },
                "even": { "type": "integer", "multipleOf": 2 },
                "between": { "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 },
                "name": { "type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$" },
                "list": { "type": "array", "items": { "type": "integer" }, "minItems": 1, "maxItems": 2, "uniqueItems": true },
                "more": { "type": "object", "additionalProperties": { "type": "boolean" } }
            }
        }),
        &[
            json!({ "size": "2M", "pages": 1.0, "name": "ab", "list": [1], "more": { "x": true } }),
            json!({ "pages": -1, "even": 3, "between": 1 }),
            json!({ "size": "3M", "pages": 513, "name": "a", "list": [] }),
            json!({ "size": "1G", "pages": 1.5, "name": "abcdE", "list": [1, "two"] }),
            json!({ "size": "1G", "list": [1, 1.0, 2], "more": { "x": 1 }, "mor": {} }),
            json!([]),
        ],
        expect![[r#"
            {"list":[1],"more":{"x":true},"name":"ab","pages":1.0,"size":"2M"}
            {"between":1,"even":3,"pages":-1}
              : lacks size
              .between: 1 is not less than 1
              .even: 3 is not a multiple of 2
              .pages: -1 is less than the minimum of 0
            {"list":[],"name":"a","pages":513,"size":"3M"}
              .list: [] has fewer than 1 items
              .name: "a" has fewer than 2 characters
              .pages: 513 is greater than the maximum of 512
              .size: "3M" is not one of "2M" or "1G"
            {"list":[1,"two"],"name":"abcdE","pages":1.5,"size":"1G"}
              .list[1]: "two" is not of type "integer"
              .name: "abcdE" has more than 4 characters
              .name: "abcdE" does not match "^[a-z]+$"
              .pages: 1.5 is not of type "integer"
            {"list":[1,1.0,2],"mor":{},"more":{"x":1},"size":"1G"}
              .list: [1,1.0,2] has more than 2 items
              .list: [1,1.0,2] has an item twice
              : has mor
              .more.x: 1 is not of type "boolean"
            []
              : [] is not of type "object"
        "#]],
    );
}

#[test]
fn what_may_have_several_shapes_is_told_by_the_nearest() {
    check(
        &json!({
            "$defs": {
                "Mode": { "oneOf": [{ "const": "on", "type": "string" }, { "const": "off", "type": "string" }] },
                "Deep": { "type": "object", "properties": { "in": { "$ref": "#/$defs/Deep" } }, "additionalProperties": false }
            },
            "type": "object",
            "properties": {
                "perhaps": { "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "null" }] },
                "mode": { "anyOf": [{ "$ref": "#/$defs/Mode" }, { "type": "null" }] },
                "plain": { "$ref": "#/$defs/Mode" },
                "both": { "allOf": [{ "minimum": 3 }, { "maximum": 4 }] },
                "no": { "not": { "const": 7 } },
                "never": false,
                "types": { "type": ["integer", "null"] },
                "deep": { "$ref": "#/$defs/Deep" }
            }
        }),
        &[
            json!({ "perhaps": null, "mode": "on", "plain": "off", "both": 3, "no": 6, "types": null, "deep": { "in": {} } }),
            json!({ "perhaps": 0, "mode": "up", "plain": "up", "both": 5, "no": 7, "never": 1, "types": "x" }),
            json!({ "perhaps": "x", "mode": 1, "deep": { "in": { "out": 1 } } }),
        ],
        expect![[r#"
            {"both":3,"deep":{"in":{}},"mode":"on","no":6,"perhaps":null,"plain":"off","types":null}
            {"both":5,"mode":"up","never":1,"no":7,"perhaps":0,"plain":"up","types":"x"}
              .both: 5 is greater than the maximum of 4
              .mode: "up" is not one of "on" or "off"
              .never: 1 is not allowed here
              .no: 7 is not allowed here
              .perhaps: 0 is less than the minimum of 1
              .plain: "up" is not one of "on" or "off"
              .types: "x" is not of type "integer" or "null"
            {"deep":{"in":{"out":1}},"mode":1,"perhaps":"x"}
              .deep.in: has out
              .mode: 1 is not of type "string" or "null"
              .perhaps: "x" is not of type "integer" or "null"
        "#]],
    );
}

#[test]
fn a_schema_that_says_what_is_not_checked_is_refused() {
    let refused = |schema: Value| FieldSchema::parse(&schema).expect_err("no schema").to_string();
    let all = [
        json!({ "type": "int" }),
        json!({ "properties": { "a": { "minimum": "1" } } }),
        json!({ "properties": { "a": { "if": {} } } }),
        json!({ "properties": { "a": { "$ref": "#/$defs/b" } } }),
        json!({ "properties": { "a": { "$ref": "other.json" } } }),
        json!({ "properties": { "a": { "pattern": "(" } } }),
        json!({ "required": "a" }),
        json!({ "anyOf": [] }),
        json!({ "enum": 1 }),
        json!(7),
    ];
    let texts: Vec<String> = all.into_iter().map(refused).collect();
    expect![[r#"
        /type: "int" is not a type; types are null, boolean, integer, number, string, array, object
        /properties/a/minimum: not a number
        /properties/a/if: hoststate does not know the keyword `if`
        /: `$ref` to #/$defs/b, which is not there
        /properties/a/$ref: "other.json" does not begin with #/$defs/
        /properties/a/pattern: found open group without closing ')'
        /required: not a list of names
        /anyOf: not a list of schemas
        /enum: not a list of values
        /: 7 is not a schema"#]]
    .assert_eq(&texts.join("\n"));
}

#[test]
fn a_schema_without_an_end_ends() {
    let schema =
        FieldSchema::parse(&json!({ "$defs": { "a": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" }));
    assert_eq!(schema.expect("a schema").misfits(&json!(1)).len(), 1);
}
