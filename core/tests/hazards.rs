//! Planted hazards: small hosts on which a plan would do harm, each beside a twin on which it would not.

use hoststate_core::guards;
use hoststate_core::language::declaration::Declaration;
use hoststate_core::language::registry::Registry;
use hoststate_core::plan::planned::Plan;
use hoststate_core::plan::scene::Severity;
use hoststate_core::planner::{Planner, Runtime};
use hoststate_core::record::past::Past;
use hoststate_core::resources;
use hoststate_testkit::tree::Tree;
use serde_json::Value;

#[path = "hazards/boot.rs"]
mod boot;
#[path = "hazards/cards.rs"]
mod cards;
#[path = "hazards/dead_lines.rs"]
mod dead_lines;
#[path = "hazards/distro.rs"]
mod distro;
#[path = "hazards/functions_now.rs"]
mod functions_now;
#[path = "hazards/groups.rs"]
mod groups;
#[path = "hazards/guests.rs"]
mod guests;
#[path = "hazards/needs.rs"]
mod needs;
#[path = "hazards/network.rs"]
mod network;
#[path = "hazards/owners.rs"]
mod owners;
#[path = "hazards/parameters.rs"]
mod parameters;
#[path = "hazards/plain.rs"]
mod plain;
#[path = "hazards/precious.rs"]
mod precious;
#[path = "hazards/routes.rs"]
mod routes;
#[path = "hazards/storage.rs"]
mod storage;
#[path = "hazards/sysfs.rs"]
mod sysfs;
#[path = "hazards/virtual_functions.rs"]
mod virtual_functions;

fn plan(tree: &Tree, playbook: &Value, accepted: &[String]) -> Plan {
    let mut table = resources::TABLE.to_vec();
    table.extend([sysfs::ENTRY, sysfs::FOREIGN]);
    let declarations: Vec<Declaration> = serde_json::from_value(playbook.clone()).expect("declarations");
    let declared = Registry::new(&table).decode_all(declarations).expect("resources");
    let distro = distro::stub();
    let planner = Planner {
        declared: &declared,
        distro: &distro,
        guards: guards::TABLE,
        accepted,
        runtime: Runtime::Now,
        past: Past::default(),
        owner: None,
    };
    planner.plan(&mut tree.view()).expect("a plan")
}

/// Shows the hazards of a playbook on a host, and proves that each is accepted by its own id and by no other.
#[track_caller]
fn check(tree: &Tree, playbook: Value, expect: expect_test::Expect) {
    let found = plan(tree, &playbook, &[]);
    let mut text = String::new();
    for hazard in &found.guards {
        let severity = match hazard.severity {
            Severity::Refuse => "refuse",
            Severity::Warn => "warn",
        };
        text.push_str(&format!("{severity} {}: {}\n", hazard.id, hazard.message));
        for line in &hazard.evidence {
            text.push_str(&format!("    {line}\n"));
        }
        assert!(!hazard.evidence.is_empty(), "{} shows nothing to check", hazard.id);
        assert!(!hazard.accepted, "{} was accepted by nobody", hazard.id);
    }
    expect.assert_eq(&text);
    for hazard in &found.guards {
        let again = plan(tree, &playbook, std::slice::from_ref(&hazard.id));
        let accepted: Vec<&str> =
            again.guards.iter().filter(|it| it.accepted).map(|it| it.id.as_str()).collect();
        assert_eq!(accepted, [hazard.id.as_str()], "only the hazard itself is accepted by its id");
        assert_eq!(again.guards.len(), found.guards.len(), "the same hazards are found again");
    }
    let name = |id: &str| id.rsplit_once('-').map(|(name, _)| name.to_owned()).expect("an id with a hash");
    let others: Vec<String> = found.guards.iter().map(|it| format!("{}-000000", name(&it.id))).collect();
    assert!(
        plan(tree, &playbook, &others).guards.iter().all(|it| !it.accepted),
        "a wrong id accepts nothing"
    );
}

/// A host on which nothing must be found.
#[track_caller]
fn harmless(tree: &Tree, playbook: Value) {
    check(tree, playbook.clone(), expect_test::expect![""]);
    assert!(!plan(tree, &playbook, &[]).changes.is_empty(), "the twin must plan something to prove anything");
}
