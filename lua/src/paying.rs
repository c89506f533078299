//! Lua whose operators pay for the texts that they compare and look up.

use std::fmt::Write;

use crate::tokens::{Kind, Token, tokens};

/// Bytes of a text that is not worth paying for.
const SHORT: usize = 256;

/// Returns a text that returns the file's function when it is called with the value that pays (`prelude/paying.lua`).
///
/// That value comes before the right side of comparisons and before keys, joined with `..`. This binds more tightly than a
/// comparison, so nothing else about the text must be understood. Lines stay as they are.
pub(crate) fn paying(text: &str) -> String {
    let pays = free_name(text);
    let mut out = format!("local {pays}=... return function(...) ");
    let mut done = 0;
    let mut place = Place::Elsewhere;
    let mut pays_for_key = Vec::new();
    let tokens = tokens(text);
    for (index, token) in tokens.iter().enumerate() {
        place = place.after(token);
        let start = token.text.as_ptr().addr() - text.as_ptr().addr();
        let end = start + token.text.len();
        let is_short = is_short(&tokens[index + 1..]);
        let (upto, more) = match token.text {
            _ if token.kind != Kind::Sign => continue,
            "==" | "~=" | "<=" | ">=" if !is_short => (end, format!(" {pays}.. ")),
            "<" | ">" if !is_short && place == Place::Elsewhere => (end, format!(" {pays}.. ")),
            "[" => {
                pays_for_key.push(!is_short);
                if is_short {
                    continue;
                }
                (end, format!("{pays}..("))
            }
            "]" if pays_for_key.pop() == Some(true) => (start, ")".to_owned()),
            _ => continue,
        };
        out.push_str(&text[done..upto]);
        out.push_str(&more);
        done = upto;
    }
    let _infallible = write!(out, "{}\nend", &text[done..]);
    out
}

/// Returns whether an operand is a literal: as short as it is, there is nothing to pay.
fn is_short(operand: &[Token<'_>]) -> bool {
    let literal = operand.first().is_some_and(|it| match it.kind {
        Kind::Number => true,
        Kind::Text => it.text.len() < SHORT,
        _ => matches!(it.text, "nil" | "true" | "false"),
    });
    literal && operand.get(1).is_some_and(|it| it.text != "..")
}

/// Returns a name that the text does not use.
fn free_name(text: &str) -> String {
    let mut name = "pays".to_owned();
    while text.contains(&name) {
        name.push('_');
    }
    name
}

/// Where a token stands: `local limit <const> = 4` compares nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Behind `local` or a comma in its list.
    BeforeName,
    BehindName,
    /// Inside of `<const>`.
    Attribute,
    Elsewhere,
}

impl Place {
    fn after(self, token: &Token<'_>) -> Self {
        match (self, token.kind, token.text) {
            (_, Kind::Name, "local") => Self::BeforeName,
            (Self::BeforeName, Kind::Name, "function") => Self::Elsewhere,
            (Self::BeforeName, Kind::Name, _) => Self::BehindName,
            (Self::BehindName, Kind::Sign, ",") => Self::BeforeName,
            (Self::BehindName, Kind::Sign, "<") | (Self::Attribute, Kind::Name, _) => Self::Attribute,
            (Self::Attribute, Kind::Sign, ">") => Self::BehindName,
            _ => Self::Elsewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::paying;

    #[test]
    fn comparisons_and_keys_pay_and_nothing_else_changes() {
        let text = "local n <const>, t <close>, pays = 1, nil, {[\"a[b]\"] = 2, [pays[1]'s'] = 3}\n\
                    if n<2 and t[n][#t] >= f[[x < y]] or not (n ~= -n..'==') then -- a == b\n  return n << 2 > n >> 1\nend";
        expect![[r#"
            local pays_=... return function(...) local n <const>, t <close>, pays = 1, nil, {["a[b]"] = 2, [pays_..(pays[1]'s')] = 3}
            if n<2 and t[pays_..(n)][pays_..(#t)] >= pays_..  f[[x < y]] or not (n ~= pays_..  -n..'==') then -- a == b
              return n << 2 > pays_..  n >> 1
            end
            end"#]]
        .assert_eq(&paying(text));
    }
}
