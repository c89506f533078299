//! Values of variables and arguments, which remember where their parts were written.

use super::Origin;

/// A text made of parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) text: String,
    /// Where parts begin, in bytes, in ascending order.
    spans: Vec<(usize, Origin)>,
    /// Why the text is not what GRUB would have: a part that cannot be known stands in it as `$name`.
    pub(super) unknown: Option<String>,
}

impl Text {
    pub(super) fn new(text: &str, origin: Origin) -> Text {
        Text { text: text.to_owned(), spans: vec![(0, origin)], unknown: None }
    }

    /// Returns a text GRUB itself sets.
    pub(super) fn plain(text: &str) -> Text {
        Text { text: text.to_owned(), ..Text::default() }
    }

    pub(super) fn push(&mut self, text: &str, origin: Origin) {
        if self.spans.last().is_none_or(|it| it.1 != origin) {
            self.spans.push((self.text.len(), origin));
        }
        self.text.push_str(text);
    }

    pub(super) fn append(&mut self, other: &Text) {
        let start = self.text.len();
        for (at, origin) in &other.spans {
            if self.spans.last().is_none_or(|it| it.1 != *origin) {
                self.spans.push((start + at, origin.clone()));
            }
        }
        self.text.push_str(&other.text);
        self.unknown = self.unknown.take().or_else(|| other.unknown.clone());
    }

    /// Returns how many bytes it takes, roughly.
    pub(super) fn size(&self) -> usize {
        self.text.len() + self.spans.len() * size_of::<(usize, Origin)>()
    }

    /// Returns the part from `start` to `end`, in bytes.
    pub(super) fn slice(&self, start: usize, end: usize) -> Text {
        let from = self.spans.partition_point(|it| it.0 <= start).saturating_sub(1);
        let inside = self.spans[from..].iter().take_while(|it| it.0 < end.max(start + 1));
        let spans = inside.map(|it| (it.0.saturating_sub(start), it.1.clone())).collect();
        Text { text: self.text[start..end].to_owned(), spans, unknown: self.unknown.clone() }
    }

    /// Returns its parts with where they were written; what nobody wrote counts to what follows, or to `other`.
    pub(super) fn parts<'t>(&'t self, other: &'t Origin) -> impl Iterator<Item = (&'t str, &'t Origin)> {
        let starts = std::iter::once(0).chain(self.spans.iter().skip(1).map(|it| it.0));
        let ends = self.spans.iter().skip(1).map(|it| it.0).chain([self.text.len()]);
        let origins = self.spans.iter().map(|it| &it.1).chain(std::iter::repeat(other));
        starts.zip(ends).zip(origins).map(|((start, end), origin)| (&self.text[start..end], origin))
    }

    /// Returns where its parts were written, each once, in their order.
    pub(super) fn origins(&self) -> Vec<Origin> {
        let mut origins: Vec<Origin> = Vec::new();
        for (_, origin) in &self.spans {
            if !origins.contains(origin) {
                origins.push(origin.clone());
            }
        }
        origins
    }
}

/// What GRUB takes for blank (`grub_isspace` of kern/misc.c).
pub(super) fn is_space(it: char) -> bool {
    matches!(it, ' ' | '\t' | '\n' | '\r')
}
