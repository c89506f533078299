//! `test` and `[` (grub-core/commands/test.c).

use std::cmp::Ordering;

use super::commands::{Call, FALSE};
use super::machine::{Machine, PENDING, Status};
use super::number::{signed, unsigned};
use super::text::Text;
use super::{File, Listing, Place};

/// Most parentheses inside of each other; since 2025 GRUB itself has this limit.
const MOST_PARENTHESES: usize = 100;

/// A condition that cannot be told without knowing more.
struct Untold;

type Told<T> = Result<T, Untold>;

struct Test<'t, 'm, 'a> {
    machine: &'m mut Machine<'a>,
    place: &'t Place,
    arguments: &'t [Text],
    at: usize,
    depth: usize,
}

impl Machine<'_> {
    pub(super) fn test(&mut self, call: &Call<'_>) -> Status {
        let arguments = match call.arguments {
            [rest @ .., last] if last.text == "]" => rest,
            all => all,
        };
        let shown: Vec<&str> = arguments.iter().map(|it| it.text.as_str()).collect();
        let shown = format!("[ {} ]", shown.join(" "));
        let told = match arguments.iter().any(|it| it.unknown.is_some()) {
            true => Err(Untold),
            false => Test { machine: self, place: call.place, arguments, at: 0, depth: 0 }.any(),
        };
        match told {
            Ok(true) => 0,
            Ok(false) => FALSE,
            Err(Untold) => {
                self.pending = Some((shown, call.place.clone()));
                PENDING
            }
        }
    }
}

impl<'t> Test<'t, '_, '_> {
    fn argument(&self, offset: usize) -> Option<&'t str> {
        let arguments = self.arguments;
        arguments.get(self.at + offset).map(|it| it.text.as_str())
    }

    fn any(&mut self) -> Told<bool> {
        let (mut any, mut all, mut is_inverted) = (false, true, false);
        while let Some(first) = self.argument(0) {
            let value = match self.primary()? {
                Some(value) => value,
                None => {
                    self.at += 1;
                    match first {
                        ")" => {
                            self.depth = self.depth.saturating_sub(1);
                            return Ok(any || all);
                        }
                        "(" => {
                            self.depth += 1;
                            if self.depth > MOST_PARENTHESES {
                                return Err(Untold);
                            }
                            self.any()?
                        }
                        "!" => {
                            is_inverted = !is_inverted;
                            continue;
                        }
                        "-a" => continue,
                        "-o" => {
                            any |= all;
                            all = true;
                            continue;
                        }
                        text => !text.is_empty(),
                    }
                }
            };
            all = all && (value != is_inverted);
            is_inverted = false;
        }
        Ok(any || all)
    }

    /// Evaluates a comparison or a test of a file, if one stands here.
    fn primary(&mut self) -> Told<Option<bool>> {
        if let (Some(left), Some(operator), Some(right)) =
            (self.argument(0), self.argument(1), self.argument(2))
            && let Some(value) = self.comparison(left, operator, right)?
        {
            self.at += 3;
            return Ok(Some(value));
        }
        let (Some(operator), Some(operand)) = (self.argument(0), self.arguments.get(self.at + 1)) else {
            return Ok(None);
        };
        let value = match operator {
            "-n" => !operand.text.is_empty(),
            "-z" => operand.text.is_empty(),
            "-s" => match self.machine.file(operand) {
                File::Text(text) => !text.is_empty(),
                File::Data => true,
                File::Directory | File::Absent => false,
                File::Unknown => self.machine.exists_perhaps(operand, self.place),
            },
            "-e" | "-f" | "-d" => {
                let found = self.found(operand);
                match (operator, found) {
                    (_, File::Unknown) => self.machine.exists_perhaps(operand, self.place),
                    (_, File::Absent) => false,
                    ("-d", found) => found == File::Directory,
                    ("-f", found) => found != File::Directory,
                    _ => true,
                }
            }
            _ => return Ok(None),
        };
        self.at += 2;
        Ok(Some(value))
    }

    fn comparison(&self, left: &str, operator: &str, right: &str) -> Told<Option<bool>> {
        let is_order = |order: Ordering| match operator {
            "=" | "==" | "-eq" => Some(order.is_eq()),
            "!=" | "-ne" => Some(order.is_ne()),
            "<" | "-lt" => Some(order.is_lt()),
            "<=" | "-le" => Some(order.is_le()),
            ">" | "-gt" => Some(order.is_gt()),
            ">=" | "-ge" => Some(order.is_ge()),
            _ => None,
        };
        Ok(match operator {
            "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => is_order(signed(left).cmp(&signed(right))),
            "-pgt" | "-plt" => {
                let (left, right) = without_prefix(left, right);
                let order = unsigned(left).cmp(&unsigned(right));
                Some(if operator == "-pgt" { order.is_gt() } else { order.is_lt() })
            }
            _ if operator.starts_with("-nt") || operator.starts_with("-ot") => return Err(Untold),
            _ => is_order(left.cmp(right)),
        })
    }

    /// Returns what GRUB finds by listing the directory of a path, to which no slash has to lead.
    fn found(&self, name: &Text) -> File {
        let Some(location) = self.machine.location(name) else {
            return File::Absent;
        };
        let Some(device) = location.device.filter(|_| name.unknown.is_none()) else {
            return File::Unknown;
        };
        let path = location.path.trim_end_matches('/');
        let library = self.machine.library;
        if path.is_empty() {
            // The device itself.
            return match library.disk.list(&device, "/") {
                Listing::Names(_) => File::Directory,
                Listing::Absent => File::Absent,
                Listing::Unknown => File::Unknown,
            };
        }
        match path.starts_with('/') {
            true => library.file(&device, path),
            false => library.file(&device, &format!("/{path}")),
        }
    }
}

/// Leaves out what two texts have in common, up to the number in which they begin to differ.
fn without_prefix<'t>(left: &'t str, right: &'t str) -> (&'t str, &'t str) {
    let common = left.bytes().zip(right.bytes()).take_while(|it| it.0 == it.1).count();
    let digits = left.as_bytes()[..common].iter().rev().take_while(|it| it.is_ascii_digit()).count();
    // The first character is left out even if it is a digit.
    let start = if common > 0 { (common - digits).max(1) } else { 0 };
    (left.get(start..).unwrap_or(""), right.get(start..).unwrap_or(""))
}
