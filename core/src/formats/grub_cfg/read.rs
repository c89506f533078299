//! Walks through the commands of a `grub.cfg`.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::{GrubCfg, MenuEntry, SetLine};
use crate::formats::grub_script::lexer::{self, Kind, Piece};
use crate::formats::kernel_cmdline::Cmdline;

/// Characters without a meaning of their own that end a word all the same.
const ENDS: [char; 5] = [';', '|', '&', '<', '>'];

/// Most bytes that the expansions of variables may have together. Doubling a variable takes sixteen bytes a line; a
/// real menu repeats some parameters in each of its entries.
const MOST_EXPANDED: usize = 16 << 20;

/// Most blocks inside of each other; grub-mkconfig makes three.
const MOST_BLOCKS: usize = 100;

/// Most entries, and most lines of the menu. grub-mkconfig makes three for a kernel, and a distribution keeps a few.
const MOST_ENTRIES: usize = 5_000;

/// Most `set` commands; grub-mkconfig makes some twenty.
const MOST_SETS: usize = 50_000;

/// A block the reader is in.
enum Block {
    Entry {
        title: String,
        id: Option<String>,
        first: usize,
        line: usize,
        /// How many assignments were to be undone before it.
        undo: usize,
    },
    Submenu {
        title: String,
    },
    /// `{`, a function, `if` or a loop.
    Other,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Lines before `at`, counted on the way.
    line: usize,
    blocks: Vec<Block>,
    /// Variables the file sets; `None`: to different values, or not for certain.
    variables: BTreeMap<String, Option<String>>,
    /// What variables were before entries set them; `None` outside: not set at all.
    undo: Vec<(String, Option<Option<String>>)>,
    /// Bytes that expansions may still have.
    budget: Cell<usize>,
    configfile: Option<String>,
    cfg: GrubCfg,
}

pub(super) fn read(text: &str) -> GrubCfg {
    let cfg = GrubCfg { text: text.to_owned(), ..GrubCfg::default() };
    let mut reader = Reader {
        text,
        at: 0,
        line: 1,
        blocks: Vec::new(),
        variables: BTreeMap::new(),
        undo: Vec::new(),
        budget: Cell::new(MOST_EXPANDED),
        configfile: None,
        cfg,
    };
    reader.run();
    let mut cfg = reader.cfg;
    if cfg.entries.is_empty() && !cfg.blscfg {
        cfg.stub_target = reader.configfile;
    }
    cfg
}

impl Reader<'_> {
    fn run(&mut self) {
        while self.at < self.text.len() {
            let line = self.line;
            let Some(words) = self.command() else {
                self.cfg.broken_line = Some(line);
                return;
            };
            self.perform(&words, line);
            if let Some(limit) = self.limit() {
                (self.cfg.broken_line, self.cfg.limit) = (Some(line), Some(limit));
                return;
            }
            // The character that ended the command.
            let Some(end) = self.text[self.at..].chars().next() else {
                return;
            };
            self.advance(end.len_utf8());
            match end {
                '{' => self.open(&words, line),
                '}' => self.close(),
                _ => {}
            }
        }
    }

    /// Returns which limit is passed.
    fn limit(&self) -> Option<&'static str> {
        if self.budget.get() == 0 {
            Some("the variables expand to more than 16 MiB")
        } else if self.blocks.len() > MOST_BLOCKS {
            Some("blocks are nested more than 100 deep")
        } else if self.cfg.entries.len().max(self.cfg.items) > MOST_ENTRIES {
            Some("there are more than 5000 menu entries")
        } else if self.cfg.sets.len() > MOST_SETS {
            Some("more than 50000 variables are set")
        } else {
            None
        }
    }

    fn advance(&mut self, length: usize) {
        self.line += self.text[self.at..self.at + length].matches('\n').count();
        self.at += length;
    }

    /// Reads words up to the character that ends a command; `None` at what is no word, such as a quote that is not closed.
    fn command(&mut self) -> Option<Vec<Vec<Piece>>> {
        let mut words = Vec::new();
        loop {
            let token = lexer::token(self.text, self.at);
            self.advance(token.start - self.at);
            match token.kind {
                Kind::Word => {}
                Kind::Foreign if !self.text[self.at..].starts_with(ENDS) => return None,
                _ => return Some(words),
            }
            self.advance(token.end - token.start);
            let word = token.pieces;
            // `then`, `else` and `do` are followed by a command on the same line.
            let reserved = ["then", "else", "do", "!"].iter().any(|it| plain(&word) == Some(it));
            // A line that goes on is no word of its own.
            let is_nothing = |it: &Piece| matches!(it, Piece::Bare { text, .. } if text.is_empty());
            if !(word.iter().all(is_nothing) || words.is_empty() && reserved) {
                words.push(word);
            }
        }
    }

    fn perform(&mut self, words: &[Vec<Piece>], line: usize) {
        let Some(name) = words.first().and_then(|it| plain(it)) else {
            return;
        };
        match name {
            "if" | "while" | "until" | "for" => self.blocks.push(Block::Other),
            "fi" | "done" => {
                self.blocks.pop_if(|it| matches!(it, Block::Other));
            }
            "set" => self.set(words, line),
            "unset" => {
                for name in words[1..].iter().filter_map(|it| plain(it)) {
                    self.assign(name, None);
                }
            }
            "blscfg" => self.cfg.blscfg = true,
            "configfile" if !self.in_entry() => {
                self.configfile = words.get(1).map(|it| self.expand(std::slice::from_ref(it)).join(" "));
            }
            "linux" | "linux16" | "linuxefi" => self.linux(name, &words[1..], line),
            "initrd" | "initrd16" | "initrdefi" => {
                let initrds = self.expand(&words[1..]);
                let first = self.blocks.iter().rev().find_map(|it| match it {
                    Block::Entry { first, .. } => Some(*first),
                    Block::Submenu { .. } | Block::Other => None,
                });
                for entry in self.cfg.entries.iter_mut().skip(first.unwrap_or(0)).rev().take(1) {
                    entry.initrds.extend(initrds.iter().cloned());
                }
            }
            _ => {}
        }
    }

    fn in_entry(&self) -> bool {
        self.blocks.iter().any(|it| matches!(it, Block::Entry { .. }))
    }

    fn conditional(&self) -> bool {
        self.blocks.iter().any(|it| matches!(it, Block::Other))
    }

    fn set(&mut self, words: &[Vec<Piece>], line: usize) {
        let Some(assignment) = words.get(1) else {
            return;
        };
        let quoted: Vec<Piece> = assignment.iter().map(quote).collect();
        let text = self.expand(&[quoted]).concat();
        let Some((name, value)) = text.split_once('=') else {
            return;
        };
        let conditional = self.conditional();
        let certain = !conditional && self.unresolved(std::slice::from_ref(assignment)).is_empty();
        self.assign(name, certain.then(|| value.to_owned()));
        let (name, value) = (name.to_owned(), value.to_owned());
        self.cfg.sets.push(SetLine { name, value, line, conditional });
    }

    fn assign(&mut self, name: &str, value: Option<String>) {
        let old = self.variables.insert(name.to_owned(), value);
        if self.in_entry() {
            self.undo.push((name.to_owned(), old));
        }
    }

    fn linux(&mut self, linux: &str, arguments: &[Vec<Piece>], line: usize) {
        let mut words = self.expand(arguments).into_iter();
        let kernel = words.next().unwrap_or_default();
        let words: Vec<String> = words.map(|it| loader_word(&it)).collect();
        let cmdline = Cmdline::parse(&words.join(" "));
        let mut entry = MenuEntry { line, linux: linux.to_owned(), kernel, cmdline, ..MenuEntry::default() };
        for block in &self.blocks {
            match block {
                Block::Entry { title, id, .. } => (entry.title, entry.id) = (title.clone(), id.clone()),
                Block::Submenu { title } => entry.submenu.push(title.clone()),
                Block::Other => {}
            }
        }
        let repair = |it: &str| it == "single" || it == "recovery";
        entry.recovery = entry.title.to_lowercase().contains("recovery")
            || entry.cmdline.parameters().any(|it| repair(it.raw()));
        entry.unresolved = self.unresolved(arguments);
        self.cfg.entries.push(entry);
    }

    fn open(&mut self, words: &[Vec<Piece>], line: usize) {
        let block = match words.first().and_then(|it| plain(it)) {
            Some("menuentry") => {
                let (title, id) = self.title(&words[1..]);
                self.cfg.items += 1;
                let (first, undo) = (self.cfg.entries.len(), self.undo.len());
                Block::Entry { title, id, first, line, undo }
            }
            Some("submenu") => {
                self.cfg.items += 1;
                Block::Submenu { title: self.title(&words[1..]).0 }
            }
            _ => Block::Other,
        };
        self.blocks.push(block);
    }

    fn close(&mut self) {
        // What an entry sets holds only when that entry is booted.
        if let Some(Block::Entry { undo, first, line, .. }) = self.blocks.pop() {
            for (name, old) in self.undo.drain(undo..).rev() {
                match old {
                    Some(old) => self.variables.insert(name, old),
                    None => self.variables.remove(&name),
                };
            }
            for entry in &mut self.cfg.entries[first..] {
                entry.block = (line, self.line);
            }
        }
    }

    /// Returns title and id from the arguments of `menuentry`.
    fn title(&self, arguments: &[Vec<Piece>]) -> (String, Option<String>) {
        let (mut title, mut id) = (None, None);
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let option = match word.as_slice() {
                // grub-mkconfig writes `$menuentry_id_option`, which is `--id` where GRUB knows it.
                [Piece::Variable { name, .. }] if name == "menuentry_id_option" => "--id",
                _ => plain(word).unwrap_or_default(),
            };
            let mut next = || words.next().map(|it| self.expand(std::slice::from_ref(it)).join(" "));
            match option {
                "--id" => id = next(),
                "--class" | "--users" | "--hotkey" | "--source" => drop(next()),
                _ => match option.strip_prefix("--id=") {
                    Some(value) => id = Some(value.to_owned()),
                    None if option.starts_with("--") || title.is_some() => {}
                    None => title = Some(self.expand(std::slice::from_ref(word)).join(" ")),
                },
            }
        }
        (title.unwrap_or_default(), id)
    }

    /// Returns the words GRUB makes of these; a variable that is not known stays as `$name`.
    fn expand(&self, words: &[Vec<Piece>]) -> Vec<String> {
        let mut expanded = Vec::new();
        for word in words {
            let mut current: Option<String> = None;
            for piece in word {
                match piece {
                    Piece::Bare { text, .. }
                    | Piece::Quoted { text, .. }
                    | Piece::Translated { text, .. } => {
                        current.get_or_insert_default().push_str(text);
                    }
                    Piece::Variable { name, quoted, .. } => {
                        let value = match self.variables.get(name) {
                            Some(Some(value)) => value.clone(),
                            _ => format!("${name}"),
                        };
                        let Some(left) = self.budget.get().checked_sub(value.len()) else {
                            self.budget.set(0);
                            return expanded;
                        };
                        self.budget.set(left);
                        if *quoted {
                            current.get_or_insert_default().push_str(&value);
                            continue;
                        }
                        let mut fields = value.split([' ', '\t']);
                        let first = fields.next().unwrap_or_default();
                        if !first.is_empty() {
                            current.get_or_insert_default().push_str(first);
                        }
                        for field in fields {
                            expanded.extend(current.take());
                            current = (!field.is_empty()).then(|| field.to_owned());
                        }
                    }
                }
            }
            expanded.extend(current);
        }
        expanded
    }

    fn unresolved(&self, words: &[Vec<Piece>]) -> Vec<String> {
        let unknown = |it: &Piece| match it {
            Piece::Variable { name, .. } if !matches!(self.variables.get(name), Some(Some(_))) => {
                Some(name.clone())
            }
            _ => None,
        };
        words.iter().flatten().filter_map(unknown).collect()
    }
}

/// Returns a word's text if it is written without variables.
fn plain(word: &[Piece]) -> Option<&str> {
    match word {
        [Piece::Bare { text, .. } | Piece::Quoted { text, .. }] => Some(text),
        _ => None,
    }
}

fn quote(piece: &Piece) -> Piece {
    match piece.clone() {
        Piece::Variable { name, at, .. } => Piece::Variable { name, quoted: true, at },
        other => other,
    }
}

/// Quotes a word as GRUB's `grub_create_loader_cmdline` does for the kernel.
fn loader_word(word: &str) -> String {
    let mut text = String::new();
    for it in word.chars() {
        if matches!(it, '\\' | '\'' | '"') {
            text.push('\\');
        }
        text.push(it);
    }
    match word.contains(' ') {
        true => format!("\"{text}\""),
        false => text,
    }
}
