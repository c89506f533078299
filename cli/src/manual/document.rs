//! A text with headings, lists and code, as Markdown and as a manual page.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// A part of a document.
#[derive(Debug, Clone)]
pub(crate) enum Block {
    /// A heading; the one of the document has level 1.
    Heading(usize, String),
    /// A paragraph. What stands between backticks is what is typed or found in a file.
    Text(String),
    /// Lines as they are typed.
    Code {
        /// The language, for what colours it.
        language: &'static str,
        /// The lines.
        text: String,
    },
    /// Names, each with what kind of thing it is and what is said about it.
    Terms(Vec<Term>),
}

/// A name that is explained.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    /// The name.
    pub(crate) name: String,
    /// What kind of thing it is; may be empty.
    pub(crate) kind: String,
    /// What is said about it.
    pub(crate) about: String,
}

impl Term {
    /// Returns a term of no particular kind.
    pub(crate) fn new(name: impl Into<String>, about: impl Into<String>) -> Self {
        Self { name: name.into(), kind: String::new(), about: about.into() }
    }
}

/// Returns a paragraph.
pub(crate) fn text(text: &str) -> Block {
    Block::Text(text.to_owned())
}

/// Returns a heading.
pub(crate) fn heading(level: usize, text: &str) -> Block {
    Block::Heading(level, text.to_owned())
}

/// Returns the document as Markdown.
pub(crate) fn markdown(blocks: &[Block]) -> String {
    let mut out = String::new();
    for it in blocks {
        if !out.is_empty() {
            out.push('\n');
        }
        match it {
            Block::Heading(level, text) => out.push_str(&format!("{} {text}\n", "#".repeat(*level))),
            Block::Text(text) => out.push_str(&format!("{text}\n")),
            Block::Code { language, text } => {
                out.push_str(&format!("```{language}\n{}\n```\n", text.trim_end()));
            }
            Block::Terms(terms) => terms.iter().for_each(|it| out.push_str(&row(it))),
        }
    }
    out
}

fn row(Term { name, kind, about }: &Term) -> String {
    let kind = if kind.is_empty() { String::new() } else { format!(" ({kind})") };
    format!("- `{name}`{kind}: {}\n", about.replace('\n', " "))
}

/// Returns the document as the body of a manual page. Its own heading is in the page's title.
pub(crate) fn manual(blocks: &[Block]) -> Roff {
    let mut roff = Roff::new();
    for it in blocks {
        match it {
            Block::Heading(0 | 1, _) => {}
            Block::Heading(2, text) => {
                roff.control("SH", [text.to_uppercase().as_str()]);
            }
            Block::Heading(_, text) => {
                roff.control("SS", [text.replace('`', "").as_str()]);
            }
            Block::Text(text) => {
                roff.control("PP", []).text(inline(text));
            }
            Block::Code { text, .. } => {
                roff.control("PP", []).control("RS", ["4"]).control("nf", []);
                text.trim_end().lines().for_each(|it| {
                    roff.text([roman(it)]);
                });
                roff.control("fi", []).control("RE", []);
            }
            Block::Terms(terms) => {
                for Term { name, kind, about } in terms {
                    let kind = if kind.is_empty() { roman("") } else { italic(format!(" {kind}")) };
                    roff.control("TP", []).text([bold(name.as_str()), kind]).text(inline(about));
                }
            }
        }
    }
    roff
}

/// Sets in bold what stands between backticks.
fn inline(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts.map(|(index, it)| if index % 2 == 1 { bold(it) } else { roman(it) }).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::{Block, Term, heading, manual, markdown, text};

    fn document() -> Vec<Block> {
        vec![
            heading(1, "A page"),
            heading(2, "Files"),
            text("Say `x -y`, not\n.z."),
            Block::Code { language: "sh", text: ".a \\b\n'c\n".to_owned() },
            Block::Terms(vec![Term {
                name: "n".to_owned(),
                kind: "text".to_owned(),
                about: "It is.".to_owned(),
            }]),
        ]
    }

    #[test]
    fn a_document_is_markdown() {
        expect![[r#"
            # A page

            ## Files

            Say `x -y`, not
            .z.

            ```sh
            .a \b
            'c
            ```

            - `n` (text): It is.
        "#]]
        .assert_eq(&markdown(&document()));
    }

    #[test]
    fn no_line_of_a_document_is_taken_for_a_request() {
        let page = manual(&document()).render();
        for line in page.lines().filter(|it| it.starts_with(['.', '\''])) {
            let known = [".SH", ".PP", ".RS", ".RE", ".nf", ".fi", ".TP", ".ie", ".el"];
            assert!(known.iter().any(|it| line.starts_with(it)), "{line}");
        }
    }
}
