//! JSON for programs: one object, as its schema says, whatever happened.

#![expect(clippy::unwrap_used, reason = "a test without its answer cannot go on")]

use serde_json::Value;

use crate::declarations::{MISSPELT, OPTIONS, OTHER_OPTIONS, SOFTDEP};
use crate::support::Tree;

fn json(tree: &Tree, words: &str) -> Value {
    let answer = tree.run(words);
    serde_json::from_str(&answer.stdout).unwrap_or_else(|err| panic!("hoststate {words}: {err}\n{answer}"))
}

fn check(tree: &Tree, schema: &str, words: &str) -> Value {
    let schema = json(tree, schema);
    let value = json(tree, words);
    let errors: Vec<String> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&value).map(|it| it.to_string()).collect();
    assert!(errors.is_empty(), "hoststate {words}: {errors:#?}");
    value
}

#[test]
fn a_plan_is_what_its_schema_says() {
    let tree = Tree::with(&format!("{SOFTDEP},{OPTIONS}"));
    let plan = check(&tree, "schema plan", "plan playbook.json --root root --format json");
    assert_eq!(plan["summary"]["to_change"], 2);
    assert_eq!(plan["files"][0]["before"], Value::Null);
    check(&tree, "schema plan", "verify playbook.json --root root --format json");
    check(&tree, "schema plan", "converge --check playbook.json --root root --format json");
}

#[test]
fn a_plan_has_the_command_lines_of_all_kernels_side_by_side() {
    let tree = Tree::with(r#"{"type":"kernel_cmdline","present":["intel_iommu=on"],"absent":["quiet"]}"#);
    let host = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hosts/ubuntu-24.04.host");
    let plan = check(&tree, "schema plan", &format!("plan playbook.json --capture {host} --format json"));
    let of = |parameter: &str| {
        let parameters = plan["cmdline"].as_array().unwrap();
        let found = parameters.iter().find(|it| it["parameter"] == parameter).unwrap();
        let kernels = found["kernels"].as_array().unwrap().iter();
        let kernels = kernels.map(|it| format!("{} {} -> {}", it["kernel"], it["next"], it["desired"]));
        format!("{} {} {}", found["running"], kernels.collect::<Vec<_>>().join(" "), found["from"]["file"])
    };
    let (old, new) = (r#""6.8.0-41-generic""#, r#""6.8.0-45-generic""#);
    let default = r#""/etc/default/grub""#;
    assert_eq!(of("intel_iommu=on"), format!("false {old} false -> true {new} false -> true {default}"));
    assert_eq!(of("quiet"), format!("true {old} true -> false {new} true -> false {default}"));
}

#[test]
fn a_report_is_what_its_schema_says() {
    let tree = Tree::with(&format!("{SOFTDEP},{OPTIONS}"));
    let words = "converge playbook.json --root root --format json --yes";
    let report = check(&tree, "schema report", words);
    assert_eq!((&report["outcome"], &report["changed"]), (&"converged".into(), &true.into()));
    let report = check(&tree, "schema report", words);
    assert_eq!((&report["outcome"], &report["changed"]), (&"in_desired_state".into(), &false.into()));
    assert_eq!(report["run"], Value::Null);
    check(&tree, "schema report", "rollback --root root --format json --yes");
}

#[test]
fn a_chain_an_inspection_and_a_verification_are_what_their_schemas_say() {
    let tree = Tree::with(&format!("{SOFTDEP},{OPTIONS}"));
    check(&tree, "schema verify", "verify playbook.json --root root --format json");
    let hosts = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hosts");
    for host in ["centos-6", "centos-stream-9", "ubuntu-24.04"] {
        let words = format!("--capture {hosts}/{host}.host --format json");
        let devices = &check(&tree, "schema inspect", &format!("inspect {words}"))["devices"];
        let address = devices[0]["address"].as_str().unwrap();
        check(&tree, "schema why", &format!("why {address} {words}"));
    }
}

#[test]
fn a_refused_run_has_a_report_too() {
    let tree = Tree::with(&format!("{OPTIONS},{OTHER_OPTIONS}"));
    let report = check(&tree, "schema report", "converge playbook.json --root root --format json --yes");
    assert_eq!(report["outcome"], "refused");
    assert_ne!(report["left"]["conflicts"], Value::Array(Vec::new()));
}

#[test]
fn declarations_are_what_their_schema_says() {
    let tree = Tree::with(&format!("{SOFTDEP},{OPTIONS}"));
    check(&tree, "schema", "check playbook.json --format json");
}

#[test]
fn the_schema_of_declarations_refuses_what_hoststate_refuses() {
    let tree = Tree::with(MISSPELT);
    let schema = json(&tree, "schema");
    let playbook: Value = serde_json::from_str(&tree.read("playbook.json").unwrap()).unwrap();
    assert!(!jsonschema::is_valid(&schema, &playbook));
    assert_eq!(tree.run("check playbook.json").status, Some(1));
}

#[test]
fn the_schema_of_one_type_stands_alone() {
    let tree = Tree::with("");
    let list = json(&tree, "schema");
    let types = list["properties"]["resources"]["items"]["properties"]["type"]["oneOf"].as_array().unwrap();
    assert!(types.iter().any(|it| it["const"] == "gpu_passthrough"));
    for kind in types {
        let name = kind["const"].as_str().unwrap();
        let schema = json(&tree, &format!("schema {name}"));
        assert!(jsonschema::validator_for(&schema).is_ok(), "{name}");
    }
    let declaration: Value = serde_json::from_str(SOFTDEP).unwrap();
    assert!(jsonschema::is_valid(&json(&tree, "schema modprobe_softdep"), &declaration));
}

#[test]
fn an_error_before_the_plan_is_an_object() {
    let tree = Tree::with(MISSPELT);
    for words in
        ["plan playbook.json --root root", "converge playbook.json --root root --yes", "check playbook.json"]
    {
        let value = json(&tree, &format!("{words} --format json"));
        assert_eq!(value["format"], "hoststate.error/1", "hoststate {words}");
        assert_eq!(value["error"]["where"], "gpu.lua:3", "hoststate {words}");
        assert_eq!(value["error"]["hint"], "Did you mean `pre`?", "hoststate {words}");
    }
    let value = json(&tree, "plan --format json --colour never");
    assert_eq!(value["format"], "hoststate.error/1");
}

#[test]
fn the_other_commands_answer_with_one_object() {
    let tree = Tree::with(SOFTDEP);
    assert_eq!(json(&tree, "history --root root --format json")["runs"], Value::Array(Vec::new()));
    tree.run("converge playbook.json --root root --yes");
    let history = check(&tree, "schema history", "history --root root --format json");
    assert_eq!(history["runs"][0]["files"][0], "/etc/modprobe.d/01-hoststate.conf");
    check(&tree, "schema status", "status --root root --format json");
    let inspection = json(&tree, "inspect modules --root root --format json");
    assert_eq!(inspection["format"], "hoststate.inspect/2");
    assert_eq!(inspection["modules"][0]["effect"], "effective");
    assert_eq!(inspection.get("devices"), None);
}

#[test]
fn everything_that_is_wrong_with_a_playbook_is_told_at_once() {
    let wrong = r#"{"type":"kernel_cmdline","presnt":["quiet"]},{"type":"frob"}"#;
    let tree = Tree::with(&format!("{wrong},{SOFTDEP}"));
    let value = json(&tree, "check playbook.json --format json");
    assert_eq!(value["error"], value["errors"][0]);
    let whats: Vec<&Value> = value["errors"].as_array().unwrap().iter().map(|it| &it["what"]).collect();
    assert_eq!(
        whats,
        [
            "resource 1 (kernel_cmdline): unknown field `presnt`",
            "resource 2 (frob): there is no resource type \"frob\""
        ]
        .map(Value::from)
        .iter()
        .collect::<Vec<_>>()
    );
    let text = tree.run("check playbook.json").stderr;
    assert_eq!(text.matches("error:").count(), 2, "{text}");
}

#[test]
fn the_schema_of_declarations_names_the_misspelt_field() {
    let tree = Tree::with(MISSPELT);
    let validator = jsonschema::validator_for(&json(&tree, "schema")).unwrap();
    let playbook: Value = serde_json::from_str(&tree.read("playbook.json").unwrap()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&playbook).map(|it| it.to_string()).collect();
    assert_eq!(errors, ["Additional properties are not allowed ('per' was unexpected)"]);
}
