//! The commands of a shell file: which of them assign what, and which may not run.

use std::collections::BTreeSet;
use std::ops::Range;

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
    /// `exit` or `return`.
    Stop,
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
pub(super) fn read(text: &str) -> (Vec<Event>, Option<Broken>) {
    let mut reader = Reader::new(text, 0);
    let broken = reader.run().err();
    (reader.events, broken)
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
enum Block {
    If,
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
    blocks: Vec<Block>,
    pub(super) events: Vec<Event>,
    heredocs: Vec<(String, bool)>,
    pub(super) functions: BTreeSet<String>,
    /// Index of the first event of the current pipeline.
    pipeline: usize,
    /// The command stands behind `&&`, `||`, `|` or `!`.
    chained: bool,
}

type Step<T> = Result<T, Broken>;

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
        self.events.push(Event { offset, conditional, kind });
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
                return match (self.blocks.is_empty(), self.depth, self.heredocs.is_empty()) {
                    (true, 0, true) => Ok(()),
                    _ => self.broken("a block, substitution or here-document is not closed"),
                };
            } else if self.take("\n") {
                self.skip_heredocs()?;
                self.end_list();
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
                let only_bash = |it: &Event| matches!(it.kind, Kind::OnlyBash(_));
                self.make_conditional(only_bash);
                self.pipeline = self.events.len();
                self.chained = true;
            } else if self.take("&") {
                self.make_conditional(|_| true);
                self.end_list();
            } else if self.take("|") {
                self.make_conditional(|_| true);
                self.chained = true;
            } else if self.take("(") {
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
                self.command()?;
            }
        }
    }

    fn end_list(&mut self) {
        self.pipeline = self.events.len();
        self.chained = false;
    }

    fn make_conditional(&mut self, which: impl Fn(&Event) -> bool) {
        let pipeline = self.events[self.pipeline..].iter_mut();
        pipeline.filter(|it| which(it)).for_each(|it| it.conditional = true);
    }

    /// Steps over blanks, joined lines and a comment.
    pub(super) fn skip_blanks(&mut self) {
        while self.take(" ") || self.take("\t") || self.take("\\\n") {}
        if self.rest().starts_with('#') {
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn skip_heredocs(&mut self) -> Step<()> {
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
        if operator == "<<" || operator == "<<-" {
            let end = word::literal(&target.parts).unwrap_or_else(|| target.raw.to_owned());
            self.heredocs.push((end, operator == "<<-"));
        }
        Ok(())
    }

    fn case_pattern(&mut self) -> Step<()> {
        if self.rest().is_empty() {
            return self.broken("`case` without `esac`");
        }
        if self.take("\n") {
            return self.skip_heredocs();
        }
        let open = self.take("(");
        loop {
            self.skip_blanks();
            match self.word()? {
                Some(it) if it.raw == "esac" && !open => {
                    self.blocks.pop();
                    return Ok(());
                }
                Some(_) => {}
                None if self.take("|") => {}
                None if self.take(")") => {
                    self.blocks.pop();
                    self.blocks.push(Block::CaseBody);
                    return Ok(());
                }
                None => return self.broken("a `case` pattern without `)`"),
            }
        }
    }

    /// Reads a reserved word or a simple command.
    fn command(&mut self) -> Step<()> {
        let Some(first) = self.word()? else {
            return self.broken("text that is no command");
        };
        match first.raw {
            "if" => self.blocks.push(Block::If),
            "while" | "until" => self.blocks.push(Block::Loop),
            "{" => self.blocks.push(Block::Brace),
            "!" => self.chained = true,
            "then" | "else" | "elif" => self.inside(Block::If)?,
            "do" => self.inside(Block::Loop)?,
            "fi" => self.close(Block::If)?,
            "done" => self.close(Block::Loop)?,
            "}" => self.close(Block::Brace)?,
            "esac" => self.close(Block::CaseBody)?,
            "for" | "select" => self.for_loop()?,
            "case" => self.case()?,
            "[[" => {
                self.push(first.start, Kind::OnlyBash("`[[`".to_owned()));
                self.skip_test()?;
            }
            _ => return self.simple_command(first),
        }
        Ok(())
    }

    fn inside(&self, block: Block) -> Step<()> {
        match self.blocks.last() == Some(&block) {
            true => Ok(()),
            false => self.broken("a reserved word outside its block"),
        }
    }

    fn close(&mut self, block: Block) -> Step<()> {
        self.inside(block)?;
        self.blocks.pop();
        Ok(())
    }

    fn for_loop(&mut self) -> Step<()> {
        self.blocks.push(Block::Loop);
        self.skip_blanks();
        let Some(name) = self.word()? else {
            return self.broken("`for` without a name");
        };
        self.push(name.start, Kind::Forget(name.raw.to_owned(), "set by a loop"));
        self.skip_blanks();
        while !self.rest().starts_with(['\n', ';']) {
            match self.word()? {
                Some(it) if it.raw == "do" => return Ok(()),
                Some(_) => self.skip_blanks(),
                None => return self.broken("`for` without `do`"),
            }
        }
        Ok(())
    }

    fn case(&mut self) -> Step<()> {
        self.skip_blanks();
        self.word()?;
        self.skip_blanks();
        while self.take("\n") {
            self.skip_blanks();
        }
        match self.word()? {
            Some(it) if it.raw == "in" => self.blocks.push(Block::CasePattern),
            _ => return self.broken("`case` without `in`"),
        }
        Ok(())
    }

    fn skip_test(&mut self) -> Step<()> {
        loop {
            self.skip_blanks();
            match self.word()? {
                Some(it) if it.raw == "]]" => return Ok(()),
                Some(_) => {}
                None if self.rest().is_empty() => return self.broken("`[[` without `]]`"),
                // Every character that starts no word is one byte long.
                None => self.at += 1,
            }
        }
    }
}

/// A word, its text and its place.
pub(super) struct Word<'a> {
    pub(super) start: usize,
    pub(super) raw: &'a str,
    pub(super) parts: Vec<Part>,
}
