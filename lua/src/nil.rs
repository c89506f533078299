//! What is said about a value that is nil: where it most likely comes from.

use hoststate_core::language::declaration::Origin;
use hoststate_core::language::field_error::Misfit;
use hoststate_core::language::registry::Rejected;

use crate::error::Error;
use crate::evaluation::Evaluation;
use crate::tokens::{Kind, Token, tokens};

/// Returns the error about a field that a declaration lacks, if its author wrote one and gave it nil.
pub(crate) fn field(evaluation: &Evaluation<'_>, rejected: &Rejected) -> Option<Error> {
    let Some(Misfit::Missing(missing)) = &rejected.misfit else { return None };
    let declaration = &rejected.declaration;
    let origin = declaration.playbook.as_ref()?;
    let files = evaluation.files.borrow();
    let text = &files.iter().find(|it| it.name == origin.file)?.text;
    let tokens = tokens(text);
    let value = value_of(&tokens, origin.line, missing)?;
    let what = format!("{}: `{missing}` is nil", declaration.kind);
    let hint = found_nothing(evaluation, value.text).unwrap_or_else(|| {
        format!("`{}` has no value there. Give it one, or leave the declaration out.", value.text)
    });
    Some(Error::new(what, hint))
}

/// Returns the first token of what is given to a field in the table that begins in that line.
fn value_of<'t>(tokens: &[Token<'t>], line: u32, field: &str) -> Option<Token<'t>> {
    let mut depth = 0;
    let here = tokens.iter().skip_while(|it| it.line < line);
    let mut rest = here.skip_while(|it| it.text != "{").peekable();
    while let Some(token) = rest.next() {
        match token.text {
            "{" | "(" => depth += 1,
            "}" | ")" => depth -= 1,
            _ if depth == 1
                && token.kind == Kind::Name
                && token.text == field
                && rest.peek().is_some_and(|it| it.text == "=") =>
            {
                return rest.nth(1).copied();
            }
            _ => {}
        }
        if depth == 0 {
            return None;
        }
    }
    None
}

/// Returns a sentence about the `find` that gave the variable of that name nothing, if one did; `?` is no variable but an
/// item of a list.
pub(crate) fn found_nothing(evaluation: &Evaluation<'_>, name: &str) -> Option<String> {
    let found_nothing = evaluation.found_nothing.borrow();
    let sets = |origin: &&Origin| {
        let line = evaluation.line(Some(origin)).unwrap_or_default();
        let before = line.split_once('=').map_or("", |(before, _)| before);
        name == "?" || before.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').any(|it| it == name)
    };
    let origin = found_nothing.keys().rev().find(sets)?;
    if !evaluation.options.facts.available() {
        return Some(format!(
            "`host.pci:find` at {origin} finds nothing because `check` looks at no host; `hoststate plan` does. Write \
             `if {name} then … end` around what needs the device.",
            name = if name == "?" { "#list > 0" } else { name }
        ));
    }
    let why = evaluation.options.facts.nothing_found(&found_nothing[origin]);
    let why = why.unwrap_or_else(|| "`hoststate inspect devices` lists the devices".to_owned());
    Some(format!("`host.pci:find` at {origin} found nothing: {why}"))
}
