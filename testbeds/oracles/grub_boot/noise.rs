//! Scripts of words in any order, most of which are wrong somewhere.

use crate::dice::Dice;
use crate::set_up::ENDS;

const WORDS: [&str; 62] = [
    "a=1",
    "b=$a",
    "c=\"x $b\"",
    "set",
    "d='q r'",
    "e=\"d\\\"q\"",
    "$a",
    "${b}",
    "\"$c\"",
    "\\ ",
    "\\\n",
    "x\\\n",
    ";",
    ";",
    ";",
    ";;",
    "&&",
    "|",
    "{",
    "}",
    "if",
    "then",
    "else",
    "elif",
    "fi",
    "if true; then",
    "if false ; then",
    "; fi",
    "if [ \"$a\" = 1 ]; then",
    "for",
    "i",
    "in",
    "do",
    "done",
    "for i in x y; do",
    "; done",
    "function",
    "function f {",
    "f",
    "f 1 2",
    "true",
    "false",
    "[ 1 = 2 ]",
    "#x",
    "# don't",
    "$",
    "$\"t $a\"",
    "'",
    "\"",
    "! true",
    "!",
    "export a",
    "unset b",
    "e=$?",
    "f=\"$1$#\"",
    "return 3",
    "break",
    "[[",
    "]]",
    "a=\"${a}+\"",
    "menuentry m {",
    "a=$(b)",
];

pub(crate) fn script(seed: u64) -> String {
    let mut dice = Dice::new(seed);
    let mut text = String::new();
    for _ in 0..1 + dice.below(6) {
        for _ in 0..1 + dice.below(7) {
            text += dice.pick(&WORDS);
            text += dice.pick(&[" ", " ", " ", "", "\t"]);
        }
        text.push('\n');
    }
    format!(
        "set timeout=0\n{text}\nexport a b c d e f\nmenuentry M {{\nlinux /k \"$a\" \"$b\" \"$c\" \"$d\" \"$e\" \"$f\"\n{ENDS}\n}}\n"
    )
}
