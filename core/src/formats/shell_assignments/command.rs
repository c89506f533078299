//! A simple command: assignments, the builtins that change variables, function definitions.

use super::script::{Broken, Kind, Reader, Word};
use super::status::{self, BASH_BUILTINS, Program, Status};
use super::word::{self, Part};

/// Assignments before these outlive the command, in a POSIX shell.
const SPECIAL: [&str; 14] = [
    ":", ".", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift",
    "times", "trap",
];

/// A word of the form `name=value`, `name+=value` or `name[index]=value`.
struct Assigned<'a> {
    name: &'a str,
    append: bool,
    element: bool,
    value_at: usize,
}

fn assigned<'a>(word: &Word<'a>) -> Option<Assigned<'a>> {
    let (rest, name) = word::name(word.raw).ok()?;
    let (element, rest) = match rest.strip_prefix('[').and_then(|it| it.split_once(']')) {
        Some((_, after)) => (true, after),
        None => (false, rest),
    };
    let (append, value) = match rest.strip_prefix("+=") {
        Some(value) => (true, value),
        None => (false, rest.strip_prefix('=')?),
    };
    let value_at = word.raw.len() - value.len();
    Some(Assigned { name, append, element, value_at })
}

/// Returns the names that a command's words assign before it, each with whether its value is empty.
fn assigned_before<'a>(words: &[Word<'a>]) -> Vec<(&'a str, bool)> {
    let name = |word: &Word<'a>| assigned(word).map(|it| (it.name, it.value_at == word.raw.len()));
    words.iter().filter_map(name).collect()
}

/// Returns whether a text is a name, or an assignment to one.
fn begins_with_name(text: &str) -> bool {
    word::name(text).is_ok_and(|(rest, _)| rest.is_empty() || rest.starts_with('=') || rest.starts_with("+="))
}

impl<'a> Reader<'a> {
    /// Reads the rest of a simple command and notes what it does.
    pub(super) fn simple_command(&mut self, first: Word<'a>) -> Result<(), Broken> {
        if first.raw == "function" {
            return self.function_keyword(&first);
        }
        let mut words = vec![first];
        let mut array = None;
        loop {
            let last = &words[words.len() - 1];
            let adjacent = self.at == last.start + last.raw.len();
            if adjacent
                && self.rest().starts_with(['<', '>'])
                && last.raw.bytes().all(|it| it.is_ascii_digit())
            {
                // A number touching a redirection is its file descriptor.
                words.pop();
                self.redirection()?;
                if words.is_empty() {
                    return Ok(());
                }
            }
            let last = &words[words.len() - 1];
            if adjacent && self.rest().starts_with('(') && last.raw.ends_with('=') && assigned(last).is_some()
            {
                array = Some(words.len() - 1);
                self.skip_array()?;
            }
            self.skip_blanks();
            if self.rest().starts_with(['<', '>']) {
                self.redirection()?;
            } else if self.rest().starts_with('(') {
                return self.function(&words);
            } else if let Some(word) = self.word()? {
                words.push(word);
            } else {
                break;
            }
        }
        // Inside a substitution nothing outlives the command.
        if self.depth == 0 {
            self.note(&words, array);
        }
        Ok(())
    }

    fn skip_array(&mut self) -> Result<(), Broken> {
        self.take("(");
        loop {
            self.skip_blanks();
            if self.take(")") {
                return Ok(());
            }
            if !self.take("\n") && self.word()?.is_none() {
                return self.broken("an array is not closed");
            }
        }
    }

    fn function(&mut self, words: &[Word<'a>]) -> Result<(), Broken> {
        self.take("(");
        self.skip_blanks();
        if words.len() != 1 || !self.take(")") {
            return self.broken("`(` inside a command");
        }
        self.functions.insert(words[0].raw.to_owned());
        self.skip_to_body()
    }

    fn function_keyword(&mut self, keyword: &Word<'a>) -> Result<(), Broken> {
        self.push(keyword.start, Kind::OnlyBash("`function`".to_owned()));
        self.skip_blanks();
        let Some(name) = self.word()? else {
            return self.broken("a function without a name");
        };
        self.functions.insert(name.raw.to_owned());
        self.skip_blanks();
        if self.take("(") {
            self.skip_blanks();
            self.take(")");
        }
        self.skip_to_body()
    }

    /// Steps to the block that is a function's body.
    fn skip_to_body(&mut self) -> Result<(), Broken> {
        self.skip_blanks();
        while self.take("\n") {
            self.skip_blanks();
        }
        Ok(())
    }

    fn note(&mut self, words: &[Word<'a>], array: Option<usize>) {
        for word in words {
            self.note_assigning_expansions(word.start, &word.parts);
        }
        let leading = words.iter().take_while(|it| assigned(it).is_some()).count();
        let Some(command) = words.get(leading) else {
            for (index, word) in words.iter().enumerate() {
                self.note_assignment(word, array == Some(index), false);
            }
            self.take_redirection();
            return;
        };
        let Some(name) = word::literal(&command.parts) else {
            self.push(command.start, Kind::ForgetAll("a command is named by an expansion"));
            // `NAME= "$NAME more"`: no program has a value for its name.
            if command.raw.starts_with('"')
                && let Some(slip) = status::slip(command.raw, &[], &assigned_before(&words[..leading]))
            {
                let name = command.raw.to_owned();
                self.push(command.start, Kind::Run(Program { name, slip: Some(slip) }));
            }
            self.take_redirection();
            return;
        };
        if array.is_some()
            && !matches!(name.as_str(), "declare" | "typeset" | "local" | "export" | "readonly")
        {
            self.push(command.start, Kind::OnlyBash("an array".to_owned()));
        }
        let special = SPECIAL.contains(&name.as_str()) || name == "unset";
        for word in words[..leading].iter().filter(|_| special) {
            if let Some(it) = assigned(word) {
                let why = "assigned before a builtin, which shells treat differently";
                self.push(word.start, Kind::Forget(it.name.to_owned(), why));
            }
        }
        for word in &words[..leading] {
            // dash takes `name+=value` for the name of a command.
            if let Some(it) = assigned(word).filter(|it| it.append || it.element) {
                self.push(word.start, Kind::OnlyBash(format!("the assignment to `{}`", it.name)));
            }
        }
        let arguments = &words[leading + 1..];
        self.note_builtin(command.start, &name, arguments, array.map(|it| it.wrapping_sub(leading + 1)));
        if !status::is_builtin(&name) && !self.functions.contains(&name) {
            let slip = status::slip(&name, arguments, &assigned_before(&words[..leading]));
            self.push(command.start, Kind::Run(Program { name, slip }));
        }
        self.take_redirection();
    }

    fn note_builtin(&mut self, start: usize, name: &str, arguments: &[Word<'a>], array: Option<usize>) {
        let names = || arguments.iter().filter(|it| !it.raw.starts_with('-'));
        let is_name = |it: &Word<'_>| word::name(it.raw).is_ok_and(|it| it.0.is_empty());
        let mut no_names = names().filter(|it| !is_name(it) && assigned(it).is_none());
        if matches!(name, "export" | "readonly" | "unset")
            && let Some(word) = no_names.next()
        {
            self.push(start, Kind::ForgetAll("a builtin is given something that is not a name"));
            // Both shells fail there, but bash at `unset` only sometimes.
            let text = word::literal(&word.parts).filter(|it| name != "unset" && !begins_with_name(it));
            if let Some(text) = text {
                let why = format!("`{name}` is given `{}`, which is not a name", status::shown(&text));
                self.push(start, Kind::Ends(Status::Fails(why)));
            }
        }
        match name {
            _ if self.functions.contains(name) => {
                self.push(start, Kind::ForgetAll("a function of the file is called"));
            }
            "export" | "readonly" | "declare" | "typeset" | "local" => {
                if !matches!(name, "export" | "readonly") {
                    self.push(start, Kind::OnlyBash(format!("`{name}`")));
                }
                for (index, word) in arguments.iter().enumerate() {
                    if assigned(word).is_some() {
                        self.note_assignment(word, array == Some(index), true);
                    }
                    if let (true, Ok((_, variable))) = (name == "readonly", word::name(word.raw)) {
                        self.push(word.start, Kind::Freeze(variable.to_owned()));
                    }
                }
                if name == "local" {
                    self.push(start, Kind::Ends(status::of_builtin(name, arguments)));
                }
            }
            "unset" if !arguments.iter().any(|it| it.raw == "-f") => {
                for word in names() {
                    self.push(word.start, Kind::Unset(word.raw.to_owned()));
                }
            }
            "read" | "getopts" => {
                for word in names() {
                    self.push(word.start, Kind::Forget(word.raw.to_owned(), "read while the file runs"));
                }
            }
            "printf" if arguments.first().is_some_and(|it| it.raw == "-v") => {
                for word in arguments.iter().skip(1).take(1) {
                    self.push(word.start, Kind::Forget(word.raw.to_owned(), "printed while the file runs"));
                }
            }
            "source" | "mapfile" | "readarray" | "let" | "shopt" => {
                self.push(start, Kind::OnlyBash(format!("`{name}`")));
                self.push(start, Kind::ForgetAll("another file is read, or a command runs that may assign"));
            }
            "." | "eval" | "alias" => {
                self.push(start, Kind::ForgetAll("another file is read, or a command runs that may assign"));
            }
            // `command -v tool` only looks; `command . file` reads one.
            "command" | "builtin" if !arguments.iter().any(|it| it.raw == "-v") => {
                self.push(start, Kind::ForgetAll("a builtin is called by way of another"));
            }
            "return" => {
                let status = match arguments.first().map(|it| it.raw) {
                    Some("0") => Status::Succeeds,
                    // Whoever returns after a failure returns that.
                    None if !self.is_doubtful() => Status::Succeeds,
                    Some(it) if it.parse::<u8>().is_ok() => Status::Fails(format!("the file returns {it}")),
                    _ => Status::Unknown,
                };
                self.push(start, Kind::Return(status));
            }
            "exit" => self.push(start, Kind::Exit),
            "exec" if !arguments.is_empty() => self.push(start, Kind::Exit),
            "set" => self.note_options(start, arguments),
            _ if BASH_BUILTINS.contains(&name) => {
                self.push(start, Kind::OnlyBash(format!("`{name}`")));
                self.push(start, Kind::Ends(Status::Unknown));
            }
            _ if status::is_builtin(name) => {
                self.push(start, Kind::Ends(status::of_builtin(name, arguments)));
            }
            _ => {}
        }
    }

    /// `set` may turn on what ends the shell, and off what does.
    fn note_options(&mut self, start: usize, arguments: &[Word<'a>]) {
        for (at, word) in arguments.iter().enumerate() {
            match word.raw {
                "-e" => self.push(start, Kind::Errexit(true)),
                "+e" => self.push(start, Kind::Errexit(false)),
                "-x" | "+x" | "-v" | "+v" => {}
                // Positional parameters, which no value may hold without being unknown.
                "--" => break,
                it if at == 0 && !it.starts_with(['-', '+']) => break,
                _ => self.push(start, Kind::ForgetAll("`set` changes how the shell reads what follows")),
            }
        }
    }

    fn note_assignment(&mut self, word: &Word<'a>, array: bool, argument: bool) {
        let Some(it) = assigned(word) else { return };
        let name = it.name.to_owned();
        if it.append && argument {
            self.push(word.start, Kind::OnlyBash(format!("`+=` on `{name}`")));
        }
        if it.element || array {
            self.push(word.start, Kind::OnlyBash(format!("the array `{name}`")));
            self.push(word.start, Kind::Array(name));
            return;
        }
        let raw = &word.raw[it.value_at..];
        let unreadable = || vec![Part::Opaque("text that is not a value")];
        let mut value = word::whole_value(raw).unwrap_or_else(unreadable);
        if argument && word::literal(&value).is_none() && !raw.starts_with('"') {
            // Old dash splits the arguments of `export`, bash does not.
            value = vec![Part::Opaque("an unquoted expansion in an argument")];
        }
        let start = word.start + it.value_at;
        let span = start..start + raw.len();
        let append = it.append;
        self.push(word.start, Kind::Assign { name, append, value, span });
    }

    /// Whether a failure may stand right before this place.
    fn is_doubtful(&self) -> bool {
        self.events.last().is_some_and(|it| it.tested)
    }

    /// `${name:=word}` assigns wherever it stands.
    fn note_assigning_expansions(&mut self, start: usize, parts: &[Part]) {
        for part in parts {
            if let Part::Variable { name, test: Some(test) } = part {
                if test.operator == '=' {
                    self.push(start, Kind::Forget(name.clone(), "assigned by `${name=word}`"));
                }
                self.note_assigning_expansions(start, &test.word);
            }
        }
    }
}
