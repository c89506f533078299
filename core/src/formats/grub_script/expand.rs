//! Words of a command and what they expand to (grub-core/script/execute.c, argv.c).

use super::lexer::{self, Piece};
use super::machine::{Flow, Machine};
use super::source::Source;
use super::syntax::Word;
use super::text::{Text, is_space};

/// Arguments under construction; an empty unquoted word leaves none behind.
#[derive(Default)]
struct Arguments(Vec<Option<Text>>);

impl Arguments {
    fn next(&mut self) {
        if !matches!(self.0.last(), Some(None)) {
            self.0.push(None);
        }
    }

    fn append(&mut self, text: &Text) {
        if let Some(last) = self.0.last_mut() {
            last.get_or_insert_default().append(text);
        }
    }
}

impl Machine<'_> {
    pub(super) fn expand(&mut self, source: &Source, words: &[Word]) -> Flow<Vec<Text>> {
        let mut arguments = Arguments::default();
        for word in words {
            arguments.next();
            let first = arguments.0.len() - 1;
            for piece in word {
                match piece {
                    Piece::Bare { text, .. } if text.is_empty() => {}
                    Piece::Bare { text, at, end, wild } => {
                        let mut piece = written(source, text, *at, *end);
                        let is_path =
                            source.text[..*at].ends_with(is_space) && text.starts_with(['/', '(', '*']);
                        if *wild && is_path && self.expands_names {
                            let why = format!("`{text}` names files that GRUB looks for");
                            piece.unknown = Some(why);
                        }
                        arguments.append(&piece);
                    }
                    Piece::Quoted { text, at, end } => arguments.append(&written(source, text, *at, *end)),
                    Piece::Translated { text, at } => {
                        let text = Text::new(&self.translated(text), source.origin(*at));
                        arguments.append(&text);
                    }
                    Piece::Variable { name, quoted, .. } => {
                        for (index, value) in self.values(name, *quoted).iter().enumerate() {
                            if index > 0 {
                                arguments.next();
                            }
                            arguments.append(value);
                        }
                    }
                }
            }
            let sizes = arguments.0[first..].iter().flatten().map(Text::size);
            self.spend_text(16 + sizes.sum::<usize>())?;
        }
        Ok(arguments.0.into_iter().flatten().collect())
    }

    fn values(&mut self, name: &str, quoted: bool) -> Vec<Text> {
        if name == "?"
            && let Some(status) = self.status()
        {
            return vec![Text::plain(&self.settle(status).to_string())];
        }
        let split = |value: &Text| if quoted { vec![value.clone()] } else { split(value) };
        let parameters = self.scope.as_ref();
        match name {
            "#" => parameters.map(|it| Text::plain(&it.len().to_string())).into_iter().collect(),
            "*" if quoted => {
                let mut joined = Text::default();
                for (index, parameter) in parameters.into_iter().flatten().enumerate() {
                    if index > 0 {
                        joined.append(&Text::plain(" "));
                    }
                    joined.append(parameter);
                }
                parameters.filter(|it| !it.is_empty()).map(|_| joined).into_iter().collect()
            }
            "*" | "@" => parameters.into_iter().flatten().flat_map(split).collect(),
            _ if name.starts_with(|it: char| it.is_ascii_digit()) => {
                let index = name.parse::<usize>().ok().and_then(|it| it.checked_sub(1));
                let parameter = index.and_then(|it| parameters?.get(it));
                parameter.into_iter().flat_map(split).collect()
            }
            _ => match self.get(name).map(|it| &it.value) {
                Some(value) if value.unknown.is_some() => vec![value.clone()],
                Some(value) if !value.text.is_empty() => split(value),
                _ => Vec::new(),
            },
        }
    }

    /// Puts variables into a translated text, for which there is no translation (`parse_string` of execute.c).
    fn translated(&self, text: &str) -> String {
        let (mut shown, mut rest, mut is_escaped) = (String::new(), text, false);
        while let Some(it) = rest.chars().next() {
            rest = &rest[it.len_utf8()..];
            match it {
                '\\' => {
                    is_escaped = !is_escaped;
                    if !is_escaped {
                        shown.push('\\');
                    }
                    continue;
                }
                '$' if !is_escaped => match lexer::variable(rest) {
                    Some((name, length)) => {
                        rest = &rest[length..];
                        match name {
                            "*" | "@" => shown.extend(["$", name]),
                            "#" => {
                                shown.push_str(&self.scope.as_ref().map_or(0, Vec::len).to_string());
                            }
                            "?" => shown.extend(self.status().map(|it| it.to_string())),
                            _ => shown.push_str(self.get(name).map_or("", |it| &it.value.text)),
                        }
                    }
                    None => shown.push('$'),
                },
                '$' => shown.push('$'),
                it => {
                    if is_escaped {
                        shown.push('\\');
                    }
                    shown.push(it);
                }
            }
            is_escaped = false;
        }
        shown
    }
}

/// Returns a piece with where its parts were written.
fn written(source: &Source, text: &str, at: usize, end: usize) -> Text {
    let origins: Vec<_> = source.origins(at, end).collect();
    let mut written = Text::default();
    let has_escapes = text.len() != end - at;
    for (index, (start, origin)) in origins.iter().enumerate() {
        let stop = origins.get(index + 1).map_or(end, |it| it.0);
        let part = match (has_escapes, index) {
            (false, _) => &text[start - at..stop - at],
            (true, 0) => text,
            (true, _) => "",
        };
        written.push(part, origin.clone());
    }
    written
}

/// Splits a value at blanks; those at its beginning and end do not part it from its neighbours.
fn split(value: &Text) -> Vec<Text> {
    let (mut words, mut at) = (Vec::new(), 0);
    let text = &value.text;
    while let Some(start) = text[at..].find(|it| !is_space(it)).map(|it| it + at) {
        let end = text[start..].find(is_space).map_or(text.len(), |it| it + start);
        words.push(value.slice(start, end));
        at = end;
    }
    words
}
