//! What happens to a machine between a plan and a boot.

use super::rack::Rack;
use crate::dice::Dice;

/// Changes a machine at random, as people and firmware do; returns what was done, for a person.
pub(super) fn change(rack: &Rack, dice: &mut Dice) -> (Rack, String) {
    let mut now = rack.clone();
    let mut done = Vec::new();
    for _ in 0..1 + usize::from(dice.one_in(3)) {
        let spare: Vec<usize> = (0..now.cards.len()).filter(|it| now.cards[*it].model.is_spare()).collect();
        match dice.below(9) {
            0 => done.push("nothing".to_owned()),
            1 | 2 => {
                now.put_spare(dice);
                let card = &now.cards[now.cards.len() - 1];
                done.push(format!("{:?} {} was put into slot {:x}", card.model, card.number, card.slot));
            }
            3 if spare.len() > 1 => {
                let card = now.cards.remove(spare[dice.below(spare.len())]);
                done.push(format!("{:?} {} was taken out", card.model, card.number));
            }
            4 => {
                // The drive with the root and the host's network move, too.
                let (slot, index) = (now.free_slot(dice), dice.below(now.cards.len()));
                let card = &mut now.cards[index];
                card.slot = slot;
                done.push(format!("{:?} {} was moved to slot {slot:x}", card.model, card.number));
            }
            5 | 6 => {
                let one = dice.below(now.cards.len());
                let other = (one + 1 + dice.below(now.cards.len() - 1)) % now.cards.len();
                let places = [one, other].map(|it| (now.cards[it].slot, now.cards[it].way));
                (now.cards[one].slot, now.cards[one].way) = places[1];
                (now.cards[other].slot, now.cards[other].way) = places[0];
                let names =
                    [one, other].map(|it| format!("{:?} {}", now.cards[it].model, now.cards[it].number));
                done.push(format!("{} were swapped", names.join(" and ")));
            }
            7 if !spare.is_empty() => {
                // Another card in its place, of the same kind or not.
                let index = spare[dice.below(spare.len())];
                let old = now.cards[index].clone();
                now.put_spare(dice);
                if let Some(mut new) = now.cards.pop() {
                    new.model = if dice.one_in(2) { old.model } else { new.model };
                    (new.slot, new.way) = (old.slot, old.way);
                    done.push(format!(
                        "{:?} {} replaced {:?} {}",
                        new.model, new.number, old.model, old.number
                    ));
                    now.cards[index] = new;
                }
            }
            _ => {
                now.reserved = 1 + dice.below(4) as u8;
                done.push(format!("the firmware keeps {} numbers of buses", now.reserved));
            }
        }
    }
    (now, done.join(", "))
}
