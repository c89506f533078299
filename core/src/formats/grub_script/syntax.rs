//! Commands of GRUB's script language (grub-core/script/parser.y).
//!
//! GRUB reads a file line by line, a line with all that its braces, quotes and `if` go on to, and runs each before
//! it reads the next: what stands before a mistake has been run, and reading goes on behind the line of the mistake.

use std::sync::Arc;

use super::lexer::{self, Kind, Piece, Token};

/// Most blocks inside of each other; GRUB's parser has a limit of its own that no menu comes near.
const MOST_BLOCKS: usize = 60;

const KEYWORDS: [&str; 15] = [
    "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "in", "select", "then", "until",
    "while", "function",
];

pub(super) type Word = Vec<Piece>;

pub(super) type List = Arc<[Node]>;

#[derive(Debug)]
pub(super) enum Node {
    Command {
        words: Vec<Word>,
        /// What stands between the braces at its end, as range of the source.
        block: Option<(usize, usize)>,
        at: usize,
    },
    If {
        /// Conditions, each with what runs if it is the first that holds.
        clauses: Vec<(List, List)>,
        otherwise: Option<List>,
    },
    For {
        variable: String,
        words: Vec<Word>,
        body: List,
        at: usize,
    },
    While {
        condition: List,
        body: List,
        until: bool,
    },
}

impl Node {
    /// Returns where it begins.
    pub(super) fn at(&self) -> usize {
        match self {
            Node::Command { at, .. } | Node::For { at, .. } => *at,
            Node::If { clauses, .. } => clauses.first().and_then(|it| it.0.first()).map_or(0, Node::at),
            Node::While { condition, .. } => condition.first().map_or(0, Node::at),
        }
    }
}

/// What GRUB reads before it runs something.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) functions: Vec<(String, List)>,
    pub(super) list: List,
    /// Where the next one begins.
    pub(super) end: usize,
    /// Where the mistake is for which nothing of it runs.
    pub(super) mistake: Option<Mistake>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) at: usize,
    /// Whether GRUB might understand it, and only this reader does not go so deep.
    pub(super) is_limit: bool,
}

/// Reads what GRUB reads at once from `start`.
pub(super) fn unit(text: &str, start: usize) -> Unit {
    let mut parser = Parser { text, token: lexer::token(text, start), depth: 0, functions: Vec::new() };
    let read = parser.line();
    let functions = std::mem::take(&mut parser.functions);
    let (list, end, mistake) = match read {
        Ok(list) => (list, parser.token.end, None),
        Err(is_limit) => {
            let token = &parser.token;
            let from = if token.kind == Kind::Newline { token.start } else { token.end };
            let end = text[from..].find('\n').map_or(text.len(), |it| from + it + 1);
            (Vec::new(), end, Some(Mistake { at: token.start.min(text.len().saturating_sub(1)), is_limit }))
        }
    };
    Unit { functions, list: list.into(), end, mistake }
}

struct Parser<'a> {
    text: &'a str,
    token: Token,
    depth: usize,
    functions: Vec<(String, List)>,
}

/// A mistake at the current token; `true` if only a limit was met.
type Parsed<T> = Result<T, bool>;

impl Parser<'_> {
    fn next(&mut self) -> Token {
        let next = lexer::token(self.text, self.token.end);
        std::mem::replace(&mut self.token, next)
    }

    fn raw(&self) -> &str {
        match self.token.kind {
            Kind::Word => &self.text[self.token.start..self.token.end],
            _ => "",
        }
    }

    fn is_keyword(&self) -> bool {
        KEYWORDS.contains(&self.raw())
    }

    fn keyword(&mut self, word: &str) -> Parsed<()> {
        if self.raw() != word {
            return Err(false);
        }
        self.next();
        Ok(())
    }

    fn kind(&mut self, kind: Kind) -> Parsed<Token> {
        if self.token.kind != kind {
            return Err(false);
        }
        Ok(self.next())
    }

    fn newlines(&mut self) {
        while self.token.kind == Kind::Newline {
            self.next();
        }
    }

    /// Reads a line outside of all blocks; its newline stays the current token.
    fn line(&mut self) -> Parsed<Vec<Node>> {
        let mut list = Vec::new();
        loop {
            match self.token.kind {
                Kind::Newline | Kind::End => return Ok(list),
                _ => {}
            }
            if self.raw() == "function" {
                self.function()?;
            } else {
                list.push(self.command()?);
            }
            match self.token.kind {
                Kind::Newline | Kind::End => {}
                Kind::Semicolon => {
                    self.next();
                }
                _ => return Err(false),
            }
        }
    }

    fn function(&mut self) -> Parsed<()> {
        self.next();
        let name = self.raw().to_owned();
        if !lexer::is_name(&name) || self.is_keyword() {
            return Err(false);
        }
        self.next();
        self.newlines();
        self.kind(Kind::Open)?;
        let (list, is_delimited) = self.inside(Self::commands)?;
        if !is_delimited || self.token.kind != Kind::Close {
            return Err(false);
        }
        self.functions.push((name, list.into()));
        self.next();
        Ok(())
    }

    fn inside<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MOST_BLOCKS {
            return Err(true);
        }
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// Reads commands, and whether a newline or `;` stands behind the last.
    fn commands(&mut self) -> Parsed<(Vec<Node>, bool)> {
        self.newlines();
        let mut list = vec![self.command()?];
        loop {
            match self.token.kind {
                Kind::Newline | Kind::Semicolon => {}
                _ => return Ok((list, false)),
            }
            self.next();
            self.newlines();
            let opens = ["if", "for", "while", "until"].contains(&self.raw());
            if self.token.kind != Kind::Word || (self.is_keyword() && !opens) {
                return Ok((list, true));
            }
            list.push(self.command()?);
        }
    }

    fn delimited(&mut self) -> Parsed<List> {
        let (list, is_delimited) = self.commands()?;
        if is_delimited { Ok(list.into()) } else { Err(false) }
    }

    fn command(&mut self) -> Parsed<Node> {
        let at = self.token.start;
        match self.raw() {
            "if" => self.inside(Self::conditional),
            "for" => self.inside(|it| it.for_loop(at)),
            kind @ ("while" | "until") => {
                let until = kind == "until";
                self.inside(|it| {
                    it.next();
                    let condition = it.delimited()?;
                    Ok(Node::While { condition, body: it.body()?, until })
                })
            }
            "" => Err(false),
            _ if self.is_keyword() => Err(false),
            _ => self.simple(at),
        }
    }

    fn conditional(&mut self) -> Parsed<Node> {
        let (mut clauses, mut otherwise) = (Vec::new(), None);
        while otherwise.is_none() && self.raw() != "fi" {
            let is_else = self.raw() == "else";
            self.next();
            if is_else {
                otherwise = Some(self.delimited()?);
                continue;
            }
            let condition = self.delimited()?;
            self.keyword("then")?;
            clauses.push((condition, self.delimited()?));
            if !["else", "elif", "fi"].contains(&self.raw()) {
                return Err(false);
            }
        }
        self.keyword("fi")?;
        Ok(Node::If { clauses, otherwise })
    }

    fn for_loop(&mut self, at: usize) -> Parsed<Node> {
        self.next();
        let variable = self.raw().to_owned();
        if !lexer::is_name(&variable) || self.is_keyword() {
            return Err(false);
        }
        self.next();
        self.keyword("in")?;
        let words = self.words();
        match self.token.kind {
            Kind::Newline | Kind::Semicolon => self.next(),
            _ => return Err(false),
        };
        self.newlines();
        Ok(Node::For { variable, words, body: self.body()?, at })
    }

    /// Reads `do … done`.
    fn body(&mut self) -> Parsed<List> {
        self.keyword("do")?;
        let body = self.delimited()?;
        self.keyword("done")?;
        Ok(body)
    }

    fn words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        while self.token.kind == Kind::Word {
            words.push(self.next().pieces);
        }
        words
    }

    fn simple(&mut self, at: usize) -> Parsed<Node> {
        let words = self.words();
        let mut block = None;
        if self.token.kind == Kind::Open {
            let start = self.token.end;
            self.inside(|it| {
                it.next();
                it.commands()
            })?;
            if self.token.kind != Kind::Close {
                return Err(false);
            }
            block = Some((start, self.token.start));
            self.next();
        }
        Ok(Node::Command { words, block, at })
    }
}
