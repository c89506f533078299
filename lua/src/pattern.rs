//! Lua's patterns, matched step by step against a budget.
//!
//! The matcher of the C library can take longer than the universe for a pattern of fifty characters, and no hook
//! stops C. This one knows the same patterns (Lua 5.4 reference manual, section 6.4.1) and pays for each step.

#[cfg(test)]
mod tests;

/// Captures in a pattern (`LUA_MAXCAPTURES`).
const MAX_CAPTURES: usize = 32;

/// Nested calls of the matcher (`MAXCCALLS`).
const MAX_DEPTH: usize = 200;

/// What a capture holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capture {
    /// The bytes from here to there.
    Text(usize, usize),
    /// A place, from `()`.
    Position(usize),
    /// Begun and not ended.
    Open(usize),
}

/// Why a match ended without an answer.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The pattern is wrong.
    Malformed(String),
    /// The budget is spent.
    Spent(crate::error::Error),
}

/// The budget: takes a number of steps.
pub(crate) type Spend<'a> = &'a dyn Fn(u64) -> Result<(), crate::error::Error>;

/// A pattern on a subject.
pub(crate) struct Matcher<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    captures: Vec<Capture>,
    /// Steps that are not paid yet.
    steps: u64,
    spend: Spend<'a>,
    depth: usize,
}

/// How many steps are taken between two payments.
const BATCH: u64 = 1024;

/// What a step costs, in instructions.
const COST: u64 = 8;

/// How many bytes a step goes through, where nothing else is done with them.
const BYTES: usize = 64;

impl<'a> Matcher<'a> {
    /// Returns a matcher of a pattern without its `^`.
    pub(crate) fn new(subject: &'a [u8], pattern: &'a [u8], spend: Spend<'a>) -> Self {
        Self { subject, pattern, captures: Vec::new(), steps: 0, spend, depth: 0 }
    }

    /// Returns where a match that begins at `start` ends.
    pub(crate) fn at(&mut self, start: usize) -> Result<Option<usize>, Stop> {
        self.captures.clear();
        self.depth = 0;
        self.run(start, 0)
    }

    /// Returns the captures of the last match; the whole match where the pattern has none.
    pub(crate) fn captures(&self, start: usize, end: usize) -> Result<Vec<Capture>, Stop> {
        if self.captures.iter().any(|it| matches!(it, Capture::Open(_))) {
            return Err(malformed("unfinished capture"));
        }
        Ok(if self.captures.is_empty() { vec![Capture::Text(start, end)] } else { self.captures.clone() })
    }

    fn step(&mut self) -> Result<(), Stop> {
        self.pay(1)
    }

    /// Pays for bytes of the pattern or the subject that are gone through at once.
    fn go_through(&mut self, bytes: usize) -> Result<(), Stop> {
        self.pay(u64::try_from(bytes / BYTES).unwrap_or(u64::MAX))
    }

    fn pay(&mut self, steps: u64) -> Result<(), Stop> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps < BATCH {
            return Ok(());
        }
        let steps = std::mem::take(&mut self.steps);
        (self.spend)(steps.saturating_mul(COST)).map_err(Stop::Spent)
    }

    fn run(&mut self, at: usize, pattern: usize) -> Result<Option<usize>, Stop> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(malformed("pattern too complex"));
        }
        let end = self.items(at, pattern);
        self.depth -= 1;
        end
    }

    fn items(&mut self, mut at: usize, mut pattern: usize) -> Result<Option<usize>, Stop> {
        loop {
            self.step()?;
            let Some(&first) = self.pattern.get(pattern) else { return Ok(Some(at)) };
            match (first, self.pattern.get(pattern + 1)) {
                (b'(', Some(b')')) => return self.open(at, pattern + 2, Capture::Position(at)),
                (b'(', _) => return self.open(at, pattern + 1, Capture::Open(at)),
                (b')', _) => return self.close(at, pattern + 1),
                (b'$', None) => return Ok((at == self.subject.len()).then_some(at)),
                (b'%', Some(b'b')) => match self.balance(at, pattern + 2)? {
                    Some(end) => {
                        at = end;
                        pattern += 4;
                        continue;
                    }
                    None => return Ok(None),
                },
                (b'%', Some(b'f')) => {
                    let set = pattern + 2;
                    if self.pattern.get(set) != Some(&b'[') {
                        return Err(malformed("missing `[` after `%f` in pattern"));
                    }
                    let end = self.class_end(set)?;
                    self.go_through(3 * (end - set))?;
                    let byte = |index: Option<usize>| {
                        index.and_then(|it| self.subject.get(it)).copied().unwrap_or(0)
                    };
                    let (before, here) = (byte(at.checked_sub(1)), byte(Some(at)));
                    if self.in_set(before, set, end) || !self.in_set(here, set, end) {
                        return Ok(None);
                    }
                    pattern = end;
                    continue;
                }
                (b'%', Some(digit @ b'0'..=b'9')) => match self.back_reference(at, *digit)? {
                    Some(end) => {
                        at = end;
                        pattern += 2;
                        continue;
                    }
                    None => return Ok(None),
                },
                _ => {}
            }
            let end = self.class_end(pattern)?;
            self.go_through(end - pattern)?;
            let fits = self.fits(at, pattern, end)?;
            match self.pattern.get(end) {
                Some(b'?') => {
                    if fits && let Some(done) = self.run(at + 1, end + 1)? {
                        return Ok(Some(done));
                    }
                    pattern = end + 1;
                }
                Some(b'*') => return self.greedy(at, at, pattern, end),
                Some(b'+') => return if fits { self.greedy(at + 1, at + 1, pattern, end) } else { Ok(None) },
                Some(b'-') => return self.lazy(at, pattern, end),
                _ if fits => {
                    at += 1;
                    pattern = end;
                }
                _ => return Ok(None),
            }
        }
    }

    fn greedy(
        &mut self,
        least: usize,
        mut at: usize,
        item: usize,
        end: usize,
    ) -> Result<Option<usize>, Stop> {
        while self.fits(at, item, end)? {
            self.step()?;
            at += 1;
        }
        loop {
            if let Some(done) = self.run(at, end + 1)? {
                return Ok(Some(done));
            }
            if at == least {
                return Ok(None);
            }
            at -= 1;
        }
    }

    fn lazy(&mut self, mut at: usize, item: usize, end: usize) -> Result<Option<usize>, Stop> {
        loop {
            if let Some(done) = self.run(at, end + 1)? {
                return Ok(Some(done));
            }
            if !self.fits(at, item, end)? {
                return Ok(None);
            }
            at += 1;
        }
    }

    fn open(&mut self, at: usize, pattern: usize, capture: Capture) -> Result<Option<usize>, Stop> {
        if self.captures.len() >= MAX_CAPTURES {
            return Err(malformed("too many captures"));
        }
        self.captures.push(capture);
        let count = self.captures.len();
        let end = self.run(at, pattern)?;
        if end.is_none() {
            self.captures.truncate(count - 1);
        }
        Ok(end)
    }

    fn close(&mut self, at: usize, pattern: usize) -> Result<Option<usize>, Stop> {
        let open = self.captures.iter().rposition(|it| matches!(it, Capture::Open(_)));
        let Some((index, Capture::Open(start))) = open.map(|it| (it, self.captures[it])) else {
            return Err(malformed("invalid pattern capture"));
        };
        self.captures[index] = Capture::Text(start, at);
        let end = self.run(at, pattern)?;
        if end.is_none() {
            self.captures[index] = Capture::Open(start);
        }
        Ok(end)
    }

    fn balance(&mut self, at: usize, pattern: usize) -> Result<Option<usize>, Stop> {
        let (Some(&open), Some(&close)) = (self.pattern.get(pattern), self.pattern.get(pattern + 1)) else {
            return Err(malformed("missing arguments to `%b`"));
        };
        if self.subject.get(at) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1_usize;
        for index in at + 1..self.subject.len() {
            self.step()?;
            let byte = self.subject[index];
            if byte == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(index + 1));
                }
            } else if byte == open {
                depth += 1;
            }
        }
        Ok(None)
    }

    fn back_reference(&mut self, at: usize, digit: u8) -> Result<Option<usize>, Stop> {
        let capture = digit.checked_sub(b'1').and_then(|it| self.captures.get(usize::from(it)));
        let (start, end) = match capture {
            Some(&Capture::Text(start, end)) => (start, end),
            // A place is no text that could be there again.
            Some(Capture::Position(_)) => return Ok(None),
            Some(Capture::Open(_)) | None => {
                return Err(malformed(&format!("invalid capture index %{}", char::from(digit))));
            }
        };
        self.go_through(end - start)?;
        let text = &self.subject[start..end];
        Ok(self.subject[at..].starts_with(text).then_some(at + text.len()))
    }

    fn class_end(&self, pattern: usize) -> Result<usize, Stop> {
        match self.pattern.get(pattern) {
            Some(b'%') if pattern + 1 >= self.pattern.len() => Err(malformed("pattern ends with `%`")),
            Some(b'%') => Ok(pattern + 2),
            Some(b'[') => {
                let mut end = pattern + 1;
                if self.pattern.get(end) == Some(&b'^') {
                    end += 1;
                }
                // A `]` that comes first is one of the set.
                loop {
                    match self.pattern.get(end) {
                        None => return Err(malformed("missing `]` in pattern")),
                        Some(b'%') => end += 2,
                        Some(_) => end += 1,
                    }
                    if self.pattern.get(end) == Some(&b']') {
                        return Ok(end + 1);
                    }
                }
            }
            _ => Ok(pattern + 1),
        }
    }

    fn fits(&mut self, at: usize, pattern: usize, end: usize) -> Result<bool, Stop> {
        let Some(&byte) = self.subject.get(at) else { return Ok(false) };
        self.go_through(end - pattern)?;
        Ok(match self.pattern[pattern] {
            b'.' => true,
            b'%' => in_class(byte, self.pattern[pattern + 1]),
            b'[' => self.in_set(byte, pattern, end),
            literal => literal == byte,
        })
    }

    /// `start` is the `[`, `end` is behind the `]`.
    fn in_set(&self, byte: u8, start: usize, end: usize) -> bool {
        let negated = self.pattern[start + 1] == b'^';
        let mut items = &self.pattern[start + 1 + usize::from(negated)..end - 1];
        loop {
            let (found, rest) = match items {
                [] => return negated,
                [b'%', class, rest @ ..] => (in_class(byte, *class), rest),
                [low, b'-', high, rest @ ..] => ((*low..=*high).contains(&byte), rest),
                [literal, rest @ ..] => (*literal == byte, rest),
            };
            if found {
                return !negated;
            }
            items = rest;
        }
    }
}

fn malformed(what: &str) -> Stop {
    Stop::Malformed(what.to_owned())
}

/// Classes of the C locale: a playbook means the same everywhere.
fn in_class(byte: u8, class: u8) -> bool {
    let inside = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'g' => byte.is_ascii_graphic(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        _ => return class == byte,
    };
    inside != class.is_ascii_uppercase()
}
