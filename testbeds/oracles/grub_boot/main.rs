//! What a script boots, and what after that, against GRUB itself.
//!
//! Needs root, grub-emu and e2fsprogs. `cargo test -p hoststate-testbeds --test grub_boot`; the number of random
//! set-ups is `HOSTSTATE_GRUB_SET_UPS` (15), their seed `HOSTSTATE_GRUB_SEED` (1).
#![expect(clippy::disallowed_methods, reason = "runs a GRUB on disks of its own")]
#![expect(clippy::unwrap_used, reason = "a tool that cannot be run fails the comparison")]

#[path = "../../src/dice.rs"]
mod dice;
mod emulator;
mod noise;
mod random;
mod set_up;
mod shrink;
mod stub;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use emulator::{Emulator, Seen};
use hoststate_core::formats::grub_script::{Argument, End, Play, World, play};
use hoststate_testkit::campaign::number;
use set_up::{Drive, ENDS, SetUp};

/// Set-ups that are booted at once.
const WORKERS: usize = 6;

fn brackets(arguments: &[Argument]) -> String {
    arguments.iter().map(|it| format!("[{}]", it.text)).collect()
}

/// Says of a played boot what the emulator shows of a real one.
fn shown(world: &World) -> Seen {
    let started = world.menus.iter().filter_map(|it| it.started());
    let titles = started.map(|it| it.0.title.clone()).collect();
    let mut seen = Seen { titles, end: "unknown".to_owned(), ..Seen::default() };
    match &world.end {
        End::Boot(boot) => {
            seen.loader = brackets(&boot.loader.arguments);
            seen.modules = boot.modules.iter().map(|it| brackets(&it.arguments)).collect();
            seen.end = "boot".to_owned();
        }
        End::Leave(_) => seen.end = "leave".to_owned(),
        End::Menu => seen.end = "menu".to_owned(),
        End::Prompt => seen.end = "prompt".to_owned(),
        End::Password(_) => seen.end = "password".to_owned(),
        // GRUB crashes there.
        End::Unknown { why, .. } if why.starts_with("`fallback` names") => seen.end = "leave".to_owned(),
        End::Unknown { why, .. } => seen.end = format!("unknown: {why}"),
    }
    if world.menus.iter().any(|it| it.waits) {
        seen.end = "waits".to_owned();
    }
    seen
}

fn told(play: &Play) -> String {
    let told = |it: &World| format!("{:?} when {:?}", shown(it), it.assumptions);
    format!("{:?} {:?}", play.limit, play.worlds.iter().map(told).collect::<Vec<_>>())
}

/// How boots ended, and how many did.
type Ends = Mutex<BTreeMap<String, usize>>;

/// A boot that differs.
struct Difference {
    /// What kind it is, so that a smaller set-up with another is not taken for the same.
    kind: String,
    text: String,
}

/// Boots a set-up twice; returns the first difference.
fn difference(set_up: &SetUp, seen_ends: &Ends) -> Option<Difference> {
    let emulator = Emulator::new(set_up);
    let mut start = set_up.start();
    for boot in ["this boot", "the boot after it"] {
        let mut real = emulator.boot();
        let played = play(&start, set_up);
        let mut ours = shown(&played.worlds[0]);
        let kind = format!("{boot} {} {} {}", real.end, ours.end, played.worlds.len());
        let Some(world) = played.certain().or(crashes(&played)) else {
            return Some(Difference {
                kind,
                text: format!("{boot}: GRUB {real:?}\nnot certain: {}", told(&played)),
            });
        };
        for seen in [&mut real, &mut ours] {
            // What is loaded only counts if it starts.
            if seen.end != "boot" {
                (seen.loader, seen.modules) = Default::default();
            }
            // The screen is 80 columns wide and loses blanks at its edge.
            for text in [&mut seen.loader, &mut seen.modules].into_iter().chain(&mut seen.titles) {
                text.retain(|it| !it.is_whitespace());
            }
        }
        if matches!(real.end.as_str(), "menu" | "waits") {
            ours.titles = real.titles.clone();
        }
        // Of what was tried before, only GRUB's screen tells.
        let tried = real.titles.len().saturating_sub(ours.titles.len());
        real.titles.drain(..tried);
        if real != ours {
            let text = format!("{boot}:\nGRUB {real:?}\nours {ours:?}\n{:?}", world.failures);
            return Some(Difference { kind, text });
        }
        *seen_ends.lock().unwrap_or_else(PoisonError::into_inner).entry(real.end.clone()).or_default() += 1;
        if real.end == "waits" {
            // What a person would start there, nobody does here.
            return None;
        }
        start = world.next(&start);
        for (index, drive) in set_up.drives.iter().enumerate() {
            for (path, text) in drive.files.iter().filter(|it| it.0.ends_with("grubenv")) {
                let ours = start.blocks.get(&format!("(hd{index}){path}")).map_or(text.as_str(), |it| it);
                let real = emulator.file(index, path);
                if ours != real {
                    let text = format!("after {boot} {path} is {real:?} and not {ours:?}").replace("##", "");
                    return Some(Difference { kind: kind + path, text });
                }
            }
        }
    }
    None
}

/// Returns the world in which GRUB crashes because `fallback` names no entry.
fn crashes(play: &Play) -> Option<&World> {
    match play.worlds.as_slice() {
        [world] if shown(world).end == "leave" => Some(world),
        _ => None,
    }
}

const BLOCK: &str = "# GRUB Environment Block\n";

fn block(variables: &str) -> String {
    format!("{:#<1024}", format!("{BLOCK}{variables}"))
}

fn small(config: &str, variables: &str) -> SetUp {
    let mut files = BTreeMap::new();
    files.insert("/boot/grub/grub.cfg".to_owned(), config.to_owned());
    files.insert("/boot/grub/grubenv".to_owned(), block(variables));
    files.insert("/boot/grub/x86_64-emu/command.lst".to_owned(), "*echo: echo\n".to_owned());
    for name in ["/k", "/k2", "/i", "/i2"] {
        files.insert(name.to_owned(), "x".to_owned());
    }
    let drive =
        Drive { uuid: "11111111-2222-3333-4444-555555555555".to_owned(), label: "one".to_owned(), files };
    SetUp { drives: vec![drive], prefix: "/boot/grub".to_owned() }
}

#[test]
fn grub_agrees_on_small_scripts() {
    let text = include_str!("small_scripts.txt");
    let cases: Vec<&str> = text.split("\n====\n").filter(|it| !it.trim().is_empty()).collect();
    let differences = at_once(cases.len(), |index| {
        let case = cases[index];
        let (variables, config) = match case.split_once("\n--\n") {
            Some((variables, config)) => (format!("{variables}\n"), config),
            None => (String::new(), case),
        };
        // Most only want to know what arguments are.
        let config = match config.contains("menuentry") || config.contains("submenu") {
            true => format!("set timeout=0\n{config}\n"),
            false => format!(
                "set timeout=0\n{config}\nexport a b c d e f\nmenuentry M {{\nlinux /k \"$a\" \"$b\" \"$c\" \"$d\" \"$e\" \"$f\"\n{ENDS}\n}}\n"
            ),
        };
        difference(&small(&config, &variables), &Ends::default())
            .map(|it| format!("==== {case}\n{}\n", it.text))
    });
    assert!(differences.is_empty(), "{}", differences.join(""));
}

/// Runs tests that mostly wait; returns what they found.
fn at_once(count: usize, test: impl Fn(usize) -> Option<String> + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    let result = test(index);
                    found.lock().unwrap_or_else(PoisonError::into_inner).extend(result);
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Compares as many set-ups as are asked for, each of its own seed.
fn campaign(what: &str, make: impl Fn(u64) -> SetUp + Sync) {
    let (count, seed) = (number("HOSTSTATE_GRUB_SET_UPS", 15), number("HOSTSTATE_GRUB_SEED", 1));
    let ends = Ends::default();
    let differences = at_once(usize::try_from(count).unwrap(), |index| {
        let set_up = make(seed.wrapping_mul(1_000_003).wrapping_add(index as u64));
        let kind = difference(&set_up, &ends)?.kind;
        let differs = |it: &SetUp| difference(it, &Ends::default()).is_some_and(|it| it.kind == kind);
        let small = shrink::shrink(set_up, differs);
        let text = difference(&small, &Ends::default())?.text;
        Some(format!("set-up {index}: {text}\n{small}\n"))
    });
    let ends = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!(
        "{count} {what} of seed {seed}: {} differences; boots by their end: {ends:?}",
        differences.len()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn grub_agrees_on_random_hosts() {
    campaign("hosts", random::set_up);
}

#[test]
fn grub_agrees_on_noise() {
    campaign("scripts of noise", |seed| small(&noise::script(seed), ""));
}
