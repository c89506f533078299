//! Plays a boot once for each way that what is unknown may be.

use std::collections::HashMap;

use super::files::Library;
use super::machine::Machine;
use super::{Assumption, Disk, End, Place, Play, Start, World};

/// Most ways that are played.
const MOST_WORLDS: usize = 64;

/// Most commands that are run in one way, and in all together; a menu of 20,000 entries is one of as many.
const MOST_STEPS: usize = 100_000;
const MOST_STEPS_OF_ALL: usize = 1_000_000;

/// Most bytes that the words of all ways may have together.
const MOST_TEXT: usize = 64 << 20;

/// What may still be spent.
pub(super) struct Budget {
    pub(super) steps: usize,
    pub(super) text: usize,
}

/// Answers to what cannot be known: those of one world.
#[derive(Default)]
pub(super) struct Answers {
    /// Of each question how it is answered, and how many answers it has.
    path: Vec<(usize, usize)>,
    asked: usize,
    /// The same question has the same answer.
    known: HashMap<String, usize>,
    pub(super) assumptions: Vec<Assumption>,
}

impl Answers {
    /// Answers a question with one of some sentences, by its number.
    pub(super) fn answer(&mut self, key: String, place: &Place, sentences: &[String]) -> usize {
        if let Some(answer) = self.known.get(&key) {
            return *answer;
        }
        if self.asked == self.path.len() {
            self.path.push((0, sentences.len()));
        }
        let answer = self.path[self.asked].0;
        self.asked += 1;
        self.known.insert(key, answer);
        self.assumptions.push(Assumption { what: sentences[answer].clone(), place: place.clone() });
        answer
    }

    /// Goes on to the next world; `None` after the last.
    fn next(self) -> Option<Answers> {
        let mut path = self.path;
        path.truncate(self.asked);
        while path.last().is_some_and(|it| it.0 + 1 == it.1) {
            path.pop();
        }
        path.last_mut()?.0 += 1;
        Some(Answers { path, ..Answers::default() })
    }
}

/// Plays a boot.
pub fn play(start: &Start, disk: &dyn Disk) -> Play {
    let library = Library::new(disk);
    let (mut steps, mut text) = (MOST_STEPS_OF_ALL, MOST_TEXT);
    let mut play = Play { worlds: Vec::new(), limit: None };
    let mut answers = Some(Answers::default());
    for _ in 0..MOST_WORLDS {
        let Some(current) = answers.take() else {
            return play;
        };
        let given = steps.min(MOST_STEPS);
        let mut budget = Budget { steps: given, text };
        let (world, current) = Machine::new(start, &library, current, &mut budget).boot();
        (steps, text) = (steps - (given - budget.steps), budget.text);
        if !play.worlds.iter().any(|it| it.ends_like(&world)) {
            play.worlds.push(world);
        }
        answers = current.next();
    }
    if answers.is_some() {
        play.limit = Some("what is unknown leaves more than 64 possibilities");
    }
    play
}

impl Play {
    /// Returns what happens if that is certain: whatever the unknown is, the same entry starts the same, and leaves
    /// the same for the boot after it.
    pub fn certain(&self) -> Option<&World> {
        match self.worlds.as_slice() {
            [world] if self.limit.is_none() && !matches!(world.end, End::Unknown { .. }) => Some(world),
            _ => None,
        }
    }

    /// Returns what decides between the two likeliest ways, as it is in the likeliest.
    pub fn divide(&self) -> Option<&Assumption> {
        let [first, second, ..] = self.worlds.as_slice() else {
            return None;
        };
        let mut pairs = first.assumptions.iter().zip(&second.assumptions);
        pairs.find(|it| it.0 != it.1).map(|it| it.0)
    }
}

impl World {
    /// Returns the boot that follows, if nothing else changes the environment blocks.
    pub fn next(&self, start: &Start) -> Start {
        let mut next = start.clone();
        next.blocks.extend(self.blocks.iter().map(|(file, block)| (file.clone(), block.clone())));
        next
    }

    /// Returns where the entry is that is started last, if one is.
    pub fn entry(&self) -> Option<&Place> {
        let menu = self.menus.last()?;
        menu.picks.last().map(|it| &menu.entries[it.entry].place)
    }

    fn ends_like(&self, other: &World) -> bool {
        self.end == other.end && self.blocks == other.blocks && self.entry() == other.entry()
    }
}
