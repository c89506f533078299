//! Tests of words, conditions, loops and functions.

use expect_test::expect;

use super::*;

/// Shows what `$a`, `$b` and `$c` hold at the end of a script.
fn values(script: &str, expect: Expect) {
    let config =
        format!("set timeout=0\n{script}\nexport a b c\nmenuentry M {{\nlinux /k \"$a\" \"$b\" \"$c\"\n}}\n");
    let mut disk = TestDisk::default();
    disk.0.insert("(hd0)/grub/grub.cfg".to_owned(), config);
    let play = play(&start(Family::Upstream), &disk);
    let shown = match play.certain().map(|it| &it.end) {
        Some(End::Boot(boot)) => {
            boot.parameters().iter().map(|it| format!("[{}]", it.text)).collect::<String>()
        }
        _ => all(&play),
    };
    expect.assert_eq(&shown);
}

#[test]
fn values_are_split_at_blanks_outside_of_quotes_only() {
    values("set a='x y' b=1\nset b=\"p $a q\"\nset c=$a$a", expect!["[x y][p x y q][x]"]);
    values("x=' b '\nset a=a$x'c'$x\nb=p${x}q", expect!["[abcb][pbq][]"]);
}

#[test]
fn quotes_and_escapes_are_those_of_grub() {
    values("a=memmap=4G\\$4G\nb=\"4G$4G\"\nc='4G$4G'", expect!["[memmap=4G$4G][4GG][4G$4G]"]);
    values("a=x\\\ny\nb=\"x\\\ny\"\nc=\"x\ny\"", expect!["[xy][xy][x\ny]"]);
    values("b=x#y # c\n#c=1\n #c=2", expect!["[][x#y][]"]);
    values("a=$\"hello $b\\\"\"\nb='\\'\nc=\"\\x\\\\\"", expect![[r#"[hello "][\][\x\]"#]]);
}

#[test]
fn a_line_with_a_mistake_does_not_run_and_the_next_one_does() {
    values("a=1; b=$ \nc=3", expect!["[][][3]"]);
    values("a=1;; b=2\nc=3", expect!["[][][3]"]);
    values("if true; then\na=1\n)\nb=2 |\nc=3\nfi", expect!["[][][3]"]);
    values("menuentry x { }\na=1\nfunction f { }\nb=2", expect!["[1][2][]"]);
}

#[test]
fn a_mistake_in_quotes_is_found_when_the_whole_word_has_been_read() {
    values("b=\"$ \"x\"\na=1\n\"\nc=3", expect!["[][][3]"]);
}

#[test]
fn an_unclosed_quote_or_block_swallows_the_rest() {
    check(
        "set timeout=0\nmenuentry A {\n linux /k\n}\nif true; then\nset default=9\n",
        expect![[r#"
        "A" :2 by first
        failed :6 the command is not written as GRUB wants it
        :3 linux [/k]
    "#]],
    );
    check(
        "menuentry A {\n linux '/k\n}\n",
        expect![[r#"
        failed :2 the command is not written as GRUB wants it
        stays at the command line
    "#]],
    );
}

#[test]
fn an_unknown_command_is_a_success_where_the_list_of_commands_is_complete() {
    let files = [("(hd0)/grub/x86_64-efi/command.lst", "*echo: echo\nfoo: bar\n")];
    let config = "set timeout=0\nif fou; then x=1; else x=2; fi\nexport x\nmenuentry A { linux /k $x\n}\n";
    check_with(
        Family::Upstream,
        config,
        &files,
        expect![[r#"
        "A" :4 by first
        failed :2 there is no command `fou`
        :4 linux [/k] [1]
    "#]],
    );
    let config = "set timeout=0\nif foo; then x=1; else x=2; fi\nexport x\nmenuentry A { linux /k $x\n}\n";
    check_with(
        Family::Upstream,
        config,
        &files,
        expect![[r#"
        if `foo` succeeds (:2):
        "A" :4 by first
        :4 linux [/k] [1]
        if `foo` fails (:2):
        "A" :4 by first
        :4 linux [/k] [2]
    "#]],
    );
}

#[test]
fn loops_and_functions_run_as_grub_runs_them() {
    values(
        "for i in x y z; do if [ $i = y ]; then continue; fi; a=\"$a$i\"; done\nwhile [ \"$b\" != xx ]; do b=\"${b}x\"; done\nuntil [ \"$c\" = zz ]; do c=\"${c}z\"; if [ $c = z ]; then break; fi; done",
        expect!["[xz][xx][z]"],
    );
    values(
        "function f { a=\"$#:$1:$2\"; shift; b=\"$#:$*\"; setparams p 'q r'; return 3; a=no; }\nf 'x y' z\nc=$?",
        expect!["[2:x y:z][1:z][3]"],
    );
    values(
        "function f { for i in \"$@\"; do a=\"$a($i)\"; done; for i in $*; do b=\"$b($i)\"; done; }\nf 'x y' '' z",
        expect!["[(x y)()(z)][(x)(y)(z)][]"],
    );
}

#[test]
fn tests_compare_texts_numbers_and_files() {
    values(
        "if [ -f /k -a ! -e /nope ]; then a=1; fi\nif [ -d /grub ]; then b=1; fi\nif [ -f /grub ]; then c=1; fi",
        expect!["[1][1][]"],
    );
    values(
        "if [ '' -o b ]; then a=1; fi\nif [ ( a = b -o a = a ) -a x ]; then b=1; fi\nif [ ]; then c=1; fi",
        expect!["[1][1][1]"],
    );
    values(
        "if [ vmlinuz-2 -plt vmlinuz-11 ]; then a=1; fi\nif [ -1 -lt 0x1 ]; then b=1; fi\nif [ 010 -eq 8 ]; then c=1; fi",
        expect!["[1][1][1]"],
    );
}

#[test]
fn a_pattern_sets_what_its_groups_fit() {
    values("regexp --set=a --set=0:b 'v([0-9]+)' xv12y\nregexp z y\nc=$?", expect!["[12][v12][1]"]);
}

#[test]
fn eval_and_the_status_of_a_command() {
    values("eval \"set a=1; b='x y'\"\n! true\nc=$?", expect!["[1][x y][1]"]);
}

#[test]
fn scripts_without_end_are_told_by_their_limit() {
    check(
        "while true; do x=1; done\n",
        expect![[r#"
        unknown :1 it runs more than 100,000 commands
    "#]],
    );
    check(
        "function f { f; }\nf\n",
        expect![[r#"
        unknown :1 its commands run each other more than 60 deep
    "#]],
    );
    check(
        &format!("x=0123456789abcdef\n{}", "x=$x$x$x$x\n".repeat(40)),
        expect![[r#"
        unknown  its words take more than 64 MiB
    "#]],
    );
    check(
        &"submenu a {\n".repeat(5000),
        expect![[r#"
        unknown :61 blocks are nested more than 60 deep
    "#]],
    );
    check(
        "source /grub/grub.cfg\n",
        expect![[r#"
        unknown :1 its commands run each other more than 60 deep
    "#]],
    );
}
