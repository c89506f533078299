//! Each declaration once: what says the same twice, and what says two things of one name.

use std::collections::HashMap;

use super::{Declared, Rejected};
use crate::error::{Error, Several};
use crate::language::declaration::{Declaration, ResourceId};

/// Leaves out each declaration that says the same as an earlier one of the same type and name.
///
/// # Errors
/// All that say something else than an earlier one of the same type and name.
pub fn unique(declared: Vec<Declared>) -> Result<Vec<Declared>, Several<Rejected>> {
    let mut all: Vec<Declared> = Vec::with_capacity(declared.len());
    let mut rejected = Vec::new();
    let mut seen: HashMap<ResourceId, usize> = HashMap::with_capacity(declared.len());
    for declared in declared {
        match seen.get(&declared.id) {
            None => {
                seen.insert(declared.id.clone(), all.len());
                all.push(declared);
            }
            Some(&first)
                if all[first].declaration.desired == declared.declaration.desired
                    && all[first].declaration.ensure == declared.declaration.ensure => {}
            Some(&first) if all[first].declaration.ensure != declared.declaration.ensure => {
                rejected.push(both_ways(&all[first], declared));
            }
            Some(&first) => {
                let at = match &all[first].declaration.playbook {
                    Some(origin) => format!(" at {origin}"),
                    None => String::new(),
                };
                let what = format!("{} is declared twice, first{at}, and they differ", declared.id);
                let source = Error::invalid(what, "Merge the two into one declaration.");
                rejected.push(Rejected { declaration: declared.declaration, misfit: None, source });
            }
        }
    }
    Several::none_of(rejected, all)
}

/// Refuses what shall be there and shall not.
fn both_ways(first: &Declared, second: Declared) -> Rejected {
    let said = |it: &Declaration| {
        let at = it.playbook.as_ref().map_or_else(String::new, |it| format!(" at {it}"));
        format!("{}{at}", it.ensure.word())
    };
    let (first, second) = (&first.declaration, (second.id, second.declaration));
    let what = format!("{} is declared {} and {}", second.0, said(first), said(&second.1));
    let source = Error::invalid(what, "Decide which of the two it should be.");
    Rejected { declaration: second.1, misfit: None, source }
}
