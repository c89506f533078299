//! What a boot makes of the rules that have hoststate act: with the program, without it, and for a twin of the card.

use hoststate_testkit::tree::Tree;

use crate::hosts::{answer, host};

const CARD: &str = "/sys/devices/pci0000:00/0000:00:1c.0/0000:03:00.0";
const BIND: &str = "driver_binding { device = '0000:03:00.0', driver = 'vfio-pci' }";
const BIND_TO_HOST: &str = "driver_binding { device = '0000:03:00.0', driver = 'i40e' }";

/// A captured host on which these programs are seen; none are seen of others.
fn with_programs(programs: &[&str]) -> Tree {
    let tree = host("ubuntu-24.04", &[]);
    programs.iter().for_each(|it| tree.write(it, ""));
    tree
}

fn converged(tree: &Tree, playbook: &str) {
    let words =
        ["converge", "playbook.lua", "--yes", "--activate", "skip", "--accept", &accepted(tree, playbook)];
    let (text, status) = answer(tree, &words, playbook);
    assert_eq!(status, Some(0), "{text}");
}

/// Returns what the plan asks to be accepted: the card has the default route.
fn accepted(tree: &Tree, playbook: &str) -> String {
    let (text, _) = answer(tree, &["plan", "playbook.lua"], playbook);
    text.split("--accept ").nth(1).and_then(|it| it.split_whitespace().next()).unwrap_or("none").to_owned()
}

/// Returns the driver that the next boot gives the card.
fn next(tree: &Tree) -> String {
    let (text, _) = answer(tree, &["inspect", "devices", "--format", "json"], "");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let devices = json["devices"].as_array().expect("devices");
    let card = devices.iter().find(|it| it["address"] == "0000:03:00.0").expect("the card");
    card["next"]["next"].as_str().unwrap_or("none").to_owned()
}

#[test]
fn a_tree_without_hoststate_is_told_what_its_boot_rules_need() {
    for (programs, is_missing) in [
        (&[][..], false),
        (&["/bin/sh"], true),
        (&["/bin/sh", "/usr/bin/hoststate"], false),
        (&["/bin/sh", "/usr/local/bin/hoststate"], false),
    ] {
        let tree = with_programs(programs);
        let (plan, _) = answer(&tree, &["plan", "playbook.lua"], BIND);
        let told = "/usr/bin/hoststate is not there, and boot rules run it";
        assert_eq!(plan.contains(told), is_missing, "{programs:?} {plan}");
        let local = programs.contains(&"/usr/local/bin/hoststate");
        let program = if local { "/usr/local/bin/hoststate" } else { "/usr/bin/hoststate" };
        assert!(
            plan.contains(&format!("RUN+=\"{program} boot-device 0000:03:00.0 driver=vfio-pci")),
            "{plan}"
        );
    }
}

#[test]
fn what_the_program_does_at_boot_is_foretold_where_it_is_there() {
    for (programs, expected) in
        [(&[][..], "vfio-pci"), (&["/bin/sh"], "igc"), (&["/bin/sh", "/usr/bin/hoststate"], "vfio-pci")]
    {
        let tree = with_programs(programs);
        converged(&tree, BIND);
        assert_eq!(next(&tree), expected, "{programs:?}");
    }
}

#[test]
fn a_rule_for_a_driver_of_the_host_asks_for_the_program_first() {
    let tree = with_programs(&["/bin/sh"]);
    let (plan, _) = answer(&tree, &["plan", "playbook.lua"], BIND_TO_HOST);
    let rule = plan.lines().find(|it| it.starts_with("+ACTION")).expect("a rule");
    let (before, after) = rule.split_once("TEST==\"/usr/bin/hoststate\"").expect("it asks");
    assert!(!before.contains("driver_override") && after.contains("driver_override"), "{rule}");
}

/// A configuration space with a Device Serial Number.
fn config(number: u8) -> Vec<u8> {
    let mut config = vec![0; 0x10c];
    config[0x100] = 3;
    config[0x104] = number;
    config
}

#[test]
fn a_twin_of_the_card_is_foretold_to_keep_its_driver() {
    let tree = with_programs(&[]);
    tree.write(format!("{CARD}/config"), config(1));
    converged(&tree, BIND);
    let rules = tree.read("/etc/udev/rules.d/70-hoststate-driver.rules").expect("the rules");
    assert!(rules.contains("serial=00-00-00-00-00-00-00-01"), "{rules}");
    assert_eq!(next(&tree), "vfio-pci");
    tree.write(format!("{CARD}/config"), config(2));
    assert_eq!(next(&tree), "igc");
}

#[test]
fn virtual_functions_that_the_program_makes_are_foretold_where_it_is_there() {
    for (programs, are_made) in
        [(&[][..], true), (&["/bin/sh"], false), (&["/bin/sh", "/usr/bin/hoststate"], true)]
    {
        let tree = with_programs(programs);
        converged(&tree, "sriov_numvfs { device = '0000:3b:00.0', numvfs = 2 }");
        let (text, _) = answer(&tree, &["inspect", "devices"], "");
        assert_eq!(text.contains("The next boot makes 0000:3b:02.1"), are_made, "{programs:?} {text}");
    }
}

#[test]
fn a_virtual_function_of_a_twin_of_its_card_is_foretold_to_keep_its_driver() {
    let tree = with_programs(&[]);
    let card = "/sys/devices/pci0000:00/0000:00:1d.0/0000:3b:00.0";
    tree.write(format!("{card}/config"), config(1));
    tree.write(
        "/etc/udev/rules.d/80-mine.rules",
        "ACTION==\"add|bind\", KERNEL==\"0000:3b:00.0\", DRIVER==\"?*\", ATTR{sriov_numvfs}=\"2\"\n",
    );
    let both = "sriov_numvfs { device = '0000:3b:00.0', numvfs = 2 }\n\
                driver_binding { device = '0000:3b:02.1', driver = 'vfio-pci' }";
    converged(&tree, both);
    let told = || answer(&tree, &["inspect", "devices"], "").0;
    assert!(told().contains("makes 0000:3b:02.1, for vfio-pci"), "{}", told());
    tree.write(format!("{card}/config"), config(2));
    assert!(told().contains("makes 0000:3b:02.1, for iavf"), "{}", told());
}
