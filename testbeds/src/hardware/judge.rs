//! Whether a boot of changed hardware did what was agreed to and nothing else, and whether `verify` tells what changed.

use super::{
    case::Case,
    playbook::{self, Declared, How, Wanted},
    rack::{Card, Model},
    shown::Shown,
};

/// The GPU that the firmware shows its messages on.
const CONSOLE: &str = "0000:00:02.0";
/// Drivers that take a device away from the host.
const OF_GUESTS: [&str; 2] = ["vfio-pci", "pci-stub"];

/// What came of a case.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Functions that have what was agreed to.
    pub(super) given: usize,
    /// Functions that were declared, or sit where such a one was, and are as without hoststate.
    pub(super) left_alone: usize,
    /// Changes that `verify` tells.
    pub(super) told: usize,
    pub(super) faults: Vec<String>,
}

/// Judges a boot; `plan` has each declaration with the card that was meant and the address where it was, `said` is what
/// `verify` said, with its exit `status`.
pub(super) fn judge(
    case: &Case,
    plan: &[(&Declared, &Card, String)],
    before: &Shown,
    after: &Shown,
    said: &str,
    status: i32,
) -> Verdict {
    let mut verdict = Verdict::default();
    let mut known = Vec::new();
    for card in &case.after.cards {
        for function in 0..card.model.ids().len() as u8 {
            let Some(address) = after.address(card, function) else { continue };
            known.push(address);
            drivers(plan, after, (card, function, address), &mut verdict);
        }
    }
    for address in after.addresses().filter(|it| !known.contains(it)) {
        let driver = after.driver(address);
        let is_of_ours = after.physical(address).is_some_and(|it| known.contains(&it));
        if !is_of_ours && driver.is_some_and(|it| OF_GUESTS.contains(&it)) {
            verdict.faults.push(format!("{address}, which belongs to the board, has {driver:?}"));
        }
    }
    if !after.root_works {
        verdict.faults.push("the root does not answer".into());
    }
    if after.driver(CONSOLE) != before.driver(CONSOLE) {
        verdict.faults.push(format!("the console has {:?}", after.driver(CONSOLE)));
    }
    for (declared, meant, address) in
        plan.iter().filter(|it| matches!(it.0.how, How::Address | How::Functions))
    {
        match told(case, after, (declared, meant, address), said, status) {
            Ok(is_told) => verdict.told += usize::from(is_told),
            Err(fault) => verdict.faults.push(format!("verify (status {status}): {fault}; it said:\n{said}")),
        }
    }
    verdict
}

fn drivers(
    plan: &[(&Declared, &Card, String)],
    after: &Shown,
    (card, function, address): (&Card, u8, &str),
    verdict: &mut Verdict,
) {
    let driver = after.driver(address);
    let what = format!("{:?} {} function {function} at {address}", card.model, card.number);
    let wanted = playbook::wanted(plan, card, function, address);
    let is_right = match wanted {
        Wanted::Own => driver == card.model.driver(),
        Wanted::Vfio => driver == Some("vfio-pci"),
        Wanted::Either => driver == card.model.driver() || driver == Some("vfio-pci"),
    };
    if !is_right {
        verdict.faults.push(format!("{what} has {driver:?}, wanted is {wanted:?}"));
    }
    let made = after.virtual_functions(address).unwrap_or_default();
    let agreed = playbook::functions(plan, card, address);
    if made != agreed {
        verdict.faults.push(format!("{what} has {made} virtual functions, agreed to are {agreed}"));
    }
    if card.model == Model::Network && !after.has_interface(address) {
        verdict.faults.push(format!("{what} has no interface"));
    }
    let is_given = is_right && (wanted != Wanted::Own || agreed > 0);
    let is_near = plan.iter().any(|it| it.1.number == card.number || it.2 == address);
    verdict.given += usize::from(is_given);
    verdict.left_alone += usize::from(is_right && !is_given && is_near);
}

/// Whether a change of a declared address is told where there is one; else what is missing.
fn told(
    case: &Case,
    after: &Shown,
    (declared, meant, address): (&Declared, &Card, &str),
    said: &str,
    status: i32,
) -> Result<bool, String> {
    let place_of = |card: &Card| after.address(card, declared.function);
    let there =
        case.after.cards.iter().find(|card| {
            (0..card.model.ids().len() as u8).any(|it| after.address(card, it) == Some(address))
        });
    let moved = case.after.cards.iter().find(|it| it.number == meant.number).and_then(place_of);
    let is_known = meant.model.has_serial() || (meant.model == Model::Igb && declared.how == How::Functions);
    let says = |text: String| if said.contains(&text) { Ok(()) } else { Err(format!("no {text:?}")) };
    if moved == Some(address) {
        let is_taken_for_another = said.contains(&format!("{address} was "));
        return if is_taken_for_another { Err(format!("{address} is what it was")) } else { Ok(false) };
    }
    let is_there = after.addresses().any(|it| it == address);
    let of_its_kind = there.is_some_and(|it| it.model.ids() == meant.model.ids());
    if is_there && of_its_kind && !is_known {
        // Nothing tells the two apart.
        return Ok(false);
    }
    if status == 0 {
        return Err(format!("nothing is amiss, but {address} is another"));
    }
    if is_there {
        says(format!("{address} was "))?;
    }
    match moved {
        Some(place) if is_known => says(format!("the card moved to {place}"))?,
        _ => says(address.to_owned())?,
    }
    Ok(true)
}
