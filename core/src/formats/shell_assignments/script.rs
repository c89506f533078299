//! The commands of a shell file: which of them assign what, and which may not run.

use std::collections::BTreeSet;
use std::ops::Range;

use super::status::{self, Program, Status};
use super::word::{self, Part};

/// Most commands that do something to variables; `/etc/default/grub` has some twenty.
const MOST_COMMANDS: usize = 10_000;

/// What a command does to variables.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Where the command or its word starts, in bytes.
    pub(super) offset: usize,
    /// Whether the command may be skipped or run in a process of its own.
    pub(super) conditional: bool,
    /// Whether the shell goes on when the command fails: it stands in a condition, or before `&&` or `||`.
    pub(super) tested: bool,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Assign {
        name: String,
        append: bool,
        value: Vec<Part>,
        /// Where the value stands, in bytes.
        span: Range<usize>,
    },
    Unset(String),
    Forget(String, &'static str),
    ForgetAll(&'static str),
    /// dash does not know this command or ends with a syntax error.
    OnlyBash(String),
    /// bash makes an array of a name.
    Array(String),
    /// A name that cannot be assigned any more.
    Freeze(String),
    /// `set -e` or `set +e`.
    Errexit(bool),
    /// A command that changes no variable ends.
    Ends(Status),
    /// A command runs that the file does not define.
    Run(Program),
    /// `return`.
    Return(Status),
    /// `exit` or `exec`: nothing of the shell is left, nor of the program that reads the file.
    Exit,
}

/// What a shell file does.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) events: Vec<Event>,
    pub(super) broken: Option<Broken>,
    /// Where the last list of commands starts, in bytes, and how it ends: the file ends so too.
    pub(super) last: Option<(usize, Status)>,
}

/// A place the reader cannot go past, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken {
    pub(super) offset: usize,
    pub(super) why: &'static str,
    /// Whether a shell would go on, and only this reader does not.
    pub(super) is_limit: bool,
}

/// Reads a file's commands, up to the first that is no shell.
pub(super) fn read(text: &str) -> Script {
    let mut reader = Reader::new(text, 0);
    let broken = reader.run().err();
    reader.end_item();
    Script { events: reader.events, broken, last: reader.last }
}

/// Returns where the commands after `$(` end, in bytes behind the closing parenthesis.
pub(super) fn substitution_end(text: &str, depth: usize) -> Option<usize> {
    if depth > word::DEEPEST {
        return None;
    }
    let mut reader = Reader::new(text, depth);
    reader.run().ok().map(|()| reader.at)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Between `if` or `elif` and `then`.
    IfCondition,
    If,
    /// Between `while` or `for` and `do`.
    LoopCondition,
    Loop,
    CasePattern,
    CaseBody,
    Brace,
    Parenthesis,
}

pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) blocks: Vec<Block>,
    pub(super) events: Vec<Event>,
    heredocs: Vec<(String, bool)>,
    pub(super) functions: BTreeSet<String>,
    /// Index of the first event of the current pipeline.
    pipeline: usize,
    /// The command stands behind `&&`, `||`, `|` or `!`.
    chained: bool,
    /// The command's failure is turned into success by `!`.
    pub(super) negated: bool,
    /// An operator stands before this place that wants a command behind it, on the next line too.
    open: bool,
    /// A file is opened, which may fail.
    redirected: bool,
    /// Index of the first event of the current list outside of blocks, and whether that list is a chain.
    item: usize,
    item_is_chain: bool,
    pub(super) item_is_negated: bool,
    last: Option<(usize, Status)>,
}

pub(super) type Step<T> = Result<T, Broken>;

impl<'a> Reader<'a> {
    fn new(text: &'a str, depth: usize) -> Reader<'a> {
        Reader {
            text,
            at: 0,
            depth,
            blocks: Vec::new(),
            events: Vec::new(),
            heredocs: Vec::new(),
            functions: BTreeSet::new(),
            pipeline: 0,
            chained: false,
            negated: false,
            open: false,
            redirected: false,
            item: 0,
            item_is_chain: false,
            item_is_negated: false,
            last: None,
        }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn broken<T>(&self, why: &'static str) -> Step<T> {
        Err(Broken { offset: self.at, why, is_limit: false })
    }

    pub(super) fn push(&mut self, offset: usize, kind: Kind) {
        let conditional = self.chained || !self.blocks.is_empty();
        let tested = self.negated || self.is_condition();
        self.events.push(Event { offset, conditional, tested, kind });
    }

    fn is_condition(&self) -> bool {
        self.blocks.iter().any(|it| matches!(it, Block::IfCondition | Block::LoopCondition))
    }

    /// Steps over `text` if it comes next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// Reads commands to the end of the text, or of the substitution this reader is for.
    fn run(&mut self) -> Step<()> {
        loop {
            self.skip_blanks();
            if self.events.len() > MOST_COMMANDS {
                let why = "more than 10000 commands change variables";
                return Err(Broken { offset: self.at, why, is_limit: true });
            }
            if self.blocks.last() == Some(&Block::CasePattern) {
                self.case_pattern()?;
            } else if self.rest().is_empty() {
                return match (self.blocks.is_empty() && !self.open, self.depth, self.heredocs.is_empty()) {
                    (true, 0, true) => Ok(()),
                    _ => self.broken("a block, substitution or here-document is not closed"),
                };
            } else if self.take("\n") {
                self.skip_heredocs()?;
                if !self.open {
                    self.end_list();
                }
            } else if self.take(";;") {
                match self.blocks.last_mut() {
                    Some(last @ Block::CaseBody) => *last = Block::CasePattern,
                    _ => return self.broken("`;;` outside `case`"),
                }
                self.end_list();
            } else if self.take(";") {
                self.end_list();
            } else if self.take("&&") || self.take("||") {
                // A failure left of these does not end the shell.
                self.events[self.pipeline..].iter_mut().for_each(|it| it.tested = true);
                self.pipeline = self.events.len();
                self.chain();
                self.open = true;
            } else if self.take("&") {
                self.make_conditional();
                self.end_list();
            } else if self.take("|") {
                self.make_conditional();
                self.chain();
                self.open = true;
            } else if self.take("(") {
                self.open = false;
                self.blocks.push(Block::Parenthesis);
            } else if self.take(")") {
                match self.blocks.pop() {
                    Some(Block::Parenthesis) => {}
                    None if self.depth > 0 => return Ok(()),
                    _ => return self.broken("`)` without `(`"),
                }
            } else if self.rest().starts_with(['<', '>']) {
                self.redirection()?;
            } else {
                self.open = false;
                self.command()?;
            }
        }
    }

    fn end_list(&mut self) {
        self.pipeline = self.events.len();
        self.take_redirection();
        self.chained = false;
        self.negated = false;
        if self.blocks.is_empty() {
            self.end_item();
        }
    }

    /// Notes that the command may fail because of a file it opens.
    pub(super) fn take_redirection(&mut self) {
        if std::mem::take(&mut self.redirected) {
            self.push(self.at, Kind::Ends(Status::Unknown));
        }
    }

    fn end_item(&mut self) {
        if let Some(first) = self.events.get(self.item) {
            let status = status::of_list(&self.events[self.item..], self.item_is_chain, self.item_is_negated);
            self.last = Some((first.offset, status));
        }
        self.item = self.events.len();
        self.item_is_chain = false;
        self.item_is_negated = false;
    }

    /// What follows runs only if the status of what stands before lets it, or in a process of its own.
    pub(super) fn chain(&mut self) {
        self.chained = true;
        self.item_is_chain |= !self.is_condition();
    }

    /// The commands of the pipeline run in processes of their own.
    fn make_conditional(&mut self) {
        for event in &mut self.events[self.pipeline..] {
            event.conditional = true;
            event.tested = true;
        }
    }

    /// Steps over blanks, joined lines and a comment.
    pub(super) fn skip_blanks(&mut self) {
        while self.take(" ") || self.take("\t") || self.take("\\\n") {}
        if self.rest().starts_with('#') {
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    pub(super) fn skip_heredocs(&mut self) -> Step<()> {
        for (end, strip) in std::mem::take(&mut self.heredocs) {
            loop {
                let Some(length) = self
                    .rest()
                    .find('\n')
                    .or(Some(self.rest().len()))
                    .filter(|it| *it > 0 || !self.rest().is_empty())
                else {
                    return self.broken("a here-document is not closed");
                };
                let line = &self.rest()[..length];
                self.at = (self.at + length + 1).min(self.text.len());
                if end == if strip { line.trim_start_matches('\t') } else { line } {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Reads one word, if one stands here.
    pub(super) fn word(&mut self) -> Step<Option<Word<'a>>> {
        if self.rest().is_empty()
            || self.rest().starts_with([' ', '\t', '\n', ';', '&', '|', '<', '>', '(', ')'])
        {
            return Ok(None);
        }
        match word::word(self.rest(), self.depth) {
            Ok((rest, parts)) => {
                let start = self.at;
                self.at = self.text.len() - rest.len();
                let raw = &self.text[start..self.at];
                Ok(Some(Word { start, raw, parts }))
            }
            Err(_) => self.broken("a quote, brace or substitution is not closed, or nested too deeply"),
        }
    }

    pub(super) fn redirection(&mut self) -> Step<()> {
        let operators = ["<<<", "<<-", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">"];
        let found = operators.iter().find(|it| self.rest().starts_with(**it));
        let operator = found.copied().unwrap_or_default();
        self.at += operator.len();
        while self.take(" ") || self.take("\t") || self.take("\\\n") {}
        let Some(target) = self.word()? else {
            return self.broken("a redirection without a target");
        };
        let is_descriptor = operator.ends_with('&') && target.raw.bytes().all(|it| it.is_ascii_digit());
        self.redirected |= !operator.starts_with("<<") && !is_descriptor && target.raw != "/dev/null";
        if operator == "<<" || operator == "<<-" {
            let end = word::literal(&target.parts).unwrap_or_else(|| target.raw.to_owned());
            self.heredocs.push((end, operator == "<<-"));
        }
        Ok(())
    }
}

/// A word, its text and its place.
pub(super) struct Word<'a> {
    pub(super) start: usize,
    pub(super) raw: &'a str,
    pub(super) parts: Vec<Part>,
}
