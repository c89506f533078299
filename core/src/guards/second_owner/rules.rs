//! Rules of udev that others wrote: attributes that they assign, and commands that they run.

use super::foreign_files;
use super::statement::Statement;
use crate::error::Result;
use crate::formats::attribute_writes::{self, Values};
use crate::formats::udev_rules;
use crate::formats::udev_rules::rule::{self, UdevRule};
use crate::machine::pci_bus::rule_values;
use crate::plan::scene::Scene;

const WHO: &str = "a udev rule";

/// Returns the rules that make virtual functions.
pub(super) fn counts(scene: Scene<'_>) -> Result<Vec<Statement>> {
    statements(scene, "sriov_numvfs", &|command| {
        let (before, after) = command.split_once("sriov_numvfs")?;
        Some(attribute_writes::number(before, after, &Values::new()))
    })
}

/// Returns the rules that bind drivers.
pub(super) fn drivers(scene: Scene<'_>) -> Result<Vec<Statement>> {
    statements(scene, "driver_override", &|command| {
        // The device is that of the rule, whatever the command calls it.
        let (driver, _) = attribute_writes::binding(command)?;
        Some(Some(driver).filter(|it| !it.contains(['$', '%'])))
    })
}

/// `of_command` says of a command whether it sets the attribute, and to what where that is told.
fn statements(
    scene: Scene<'_>,
    attribute: &str,
    of_command: &dyn Fn(&str) -> Option<Option<String>>,
) -> Result<Vec<Statement>> {
    let mut found = Vec::new();
    for path in foreign_files(scene, &udev_rules::DIRECTORIES, ".rules")? {
        let Some(rules) = scene.after.parsed(&path, rule::parse)? else { continue };
        for it in rules.iter() {
            let (sets, does) = match it.assigned(attribute) {
                Some(value) => (Some(value.to_owned()), format!("assigns {attribute}={value}")),
                None => {
                    let run = it.pairs.iter().filter(|pair| pair.key == "RUN" && !pair.compares());
                    let Some((sets, command)) =
                        run.filter_map(|pair| Some((of_command(&pair.value)?, &pair.value))).next()
                    else {
                        continue;
                    };
                    (sets, format!("runs {command}"))
                }
            };
            found.push(statement(it.clone(), sets, format!("{}:{} {does}", path.display(), it.line)));
        }
    }
    Ok(found)
}

fn statement(rule: UdevRule, sets: Option<String>, evidence: String) -> Statement {
    let is_of = move |card: &super::statement::Card<'_>| {
        rule.may_match(|key, name| rule_values::of(card.device, key, name))
    };
    Statement { who: WHO, sets, evidence, is_invitation: false, is_of: Box::new(is_of) }
}
