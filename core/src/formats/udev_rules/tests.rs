//! Groups of rules, and everything around them that stays.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{UdevRules, assigned_attributes};

const DEVICE: &str = "0000:3b:00.0";

fn check(text: &str, expect: Expect) {
    let mut rules = UdevRules::parse(text);
    let before = rules.rules_of(DEVICE).len();
    rules.set(DEVICE, "hoststate: lan", "", &[format!("KERNEL==\"{DEVICE}\", ATTR{{x}}=\"2\"")]);
    expect.assert_eq(&format!("{before} before\n{}", rules.as_str().replace('\r', "<CR>")));
    let once = rules.clone();
    rules.set(DEVICE, "hoststate: lan", "", &[format!("KERNEL==\"{DEVICE}\", ATTR{{x}}=\"2\"")]);
    assert_eq!(rules, once);
}

#[test]
fn a_new_group_goes_to_the_end() {
    check(
        "",
        expect![[r#"
        0 before
        # hoststate: lan
        KERNEL=="0000:3b:00.0", ATTR{x}="2"
    "#]],
    );
    check(
        "# mine\nKERNEL==\"sda\", MODE=\"0600\"",
        expect![[r#"
        0 before
        # mine
        KERNEL=="sda", MODE="0600"
        # hoststate: lan
        KERNEL=="0000:3b:00.0", ATTR{x}="2"
    "#]],
    );
}

#[test]
fn a_last_rule_that_asks_for_another_line_gets_an_empty_one() {
    check(
        "KERNEL==\"b\", \\\n",
        expect![[r#"
        0 before
        KERNEL=="b", \

        # hoststate: lan
        KERNEL=="0000:3b:00.0", ATTR{x}="2"
    "#]],
    );
}

#[test]
fn an_old_group_is_replaced_in_its_place() {
    check(
        "# top\n# hoststate: lan\nKERNEL==\"0000:3b:00.0\", ATTR{x}=\"1\"\nKERNELS==\"0000:3b:00.0\", \\\n  ATTR{y}=\"1\"\n\n# bottom\n",
        expect![[r#"
            2 before
            # top
            # hoststate: lan
            KERNEL=="0000:3b:00.0", ATTR{x}="2"

            # bottom
        "#]],
    );
}

#[test]
fn a_group_is_found_by_its_mark_whatever_is_noted_behind_it_and_can_go() {
    let text = "# top\n# hoststate: lan, serial 1\nKERNEL==\"0000:3b:00.0\", ATTR{x}=\"1\"\n# hoststate: lane\n\
                KERNEL==\"b\"\n";
    let mut rules = UdevRules::parse(text);
    assert_eq!(rules.marked("hoststate: lan"), [", serial 1", "e"]);
    rules.set(DEVICE, "hoststate: lan", ", serial 2", &[format!("KERNEL==\"{DEVICE}\"")]);
    assert_eq!(
        rules.as_str(),
        "# top\n# hoststate: lan, serial 2\nKERNEL==\"0000:3b:00.0\"\n# hoststate: lane\nKERNEL==\"b\"\n"
    );
    rules.remove(DEVICE, "hoststate: lan");
    assert_eq!(rules.as_str(), "# top\n# hoststate: lane\nKERNEL==\"b\"\n");
}

#[test]
fn other_addresses_and_comments_stay() {
    check(
        "KERNEL==\"0000:3b:00.1\", A=\"1\"\n#KERNEL==\"0000:3b:00.0\" \\\nXKERNEL==\"0000:3b:00.0\"\r\nKERNEL==\"0000:3b:00.00\"\n",
        expect![[r#"
            0 before
            KERNEL=="0000:3b:00.1", A="1"
            #KERNEL=="0000:3b:00.0" \
            XKERNEL=="0000:3b:00.0"<CR>
            KERNEL=="0000:3b:00.00"
            # hoststate: lan
            KERNEL=="0000:3b:00.0", ATTR{x}="2"
        "#]],
    );
}

#[test]
fn rules_are_found_by_each_name_that_they_compare_once() {
    let both = r#"KERNELS=="b", KERNEL=="a", KERNELS=="a""#;
    let text = format!(
        "{both}\n{both}\nKERNEL==\"a\", \\\n  X=\"1\"\n# KERNEL==\"c\"\nXKERNEL==\"d\"\nKERNEL==\"e\n"
    );
    let rules = UdevRules::parse(&text);
    let by_kernel = rules.by_kernel();
    assert_eq!(by_kernel.len(), 2);
    assert_eq!(by_kernel["a"], [both, both, "KERNEL==\"a\", \\\n  X=\"1\""]);
    assert_eq!(by_kernel["b"], [both, both]);
    for (kernel, rules_of) in by_kernel {
        assert_eq!(rules.rules_of(kernel), rules_of);
    }
}

#[test]
fn assignments_are_told_from_matches() {
    let rule = r#"DRIVER=="?*", ATTR{a}=="1", ATTR{device/sriov_numvfs}="4", ATTR{b}="", RUN+="x""#;
    assert_eq!(assigned_attributes(rule), ["sriov_numvfs=4", "b="]);
}

proptest! {
    #[test]
    fn lines_of_others_keep_their_bytes(text in "(# ?[a-z]{0,3}|KERNEL==\"(0000:3b:00.0|b)\"|\\\\|\r|\n|é){0,12}") {
        let mut rules = UdevRules::parse(&text);
        let others: Vec<String> = rules
            .logical_lines()
            .into_iter()
            .filter(|(_, line)| !super::matches(line, DEVICE))
            .map(|(_, line)| line.to_owned())
            .collect();
        rules.set(DEVICE, "hoststate: lan", "", &[format!("KERNEL==\"{DEVICE}\"")]);
        let kept = rules.as_str().replace("# hoststate: lan\nKERNEL==\"0000:3b:00.0\"\n", "");
        let others = others.concat();
        prop_assert_eq!(kept.trim_end_matches('\n'), others.trim_end_matches('\n'));
        prop_assert_eq!(rules.rules_of(DEVICE).len(), 1);
    }
}
