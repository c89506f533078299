//! Tests of environment blocks.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(text: &str, edit: impl Fn(&mut GrubEnv), expect: Expect) {
    let mut env = GrubEnv::parse(text);
    assert_eq!(env.to_block().unwrap(), text);
    edit(&mut env);
    let block = match env.to_block() {
        Ok(block) => format!("{} bytes: {:?}", block.len(), block.trim_end_matches('#')),
        Err(err) => err.to_string(),
    };
    expect.assert_eq(&format!("{:?}\n{block}", env.variables().collect::<Vec<_>>()));
}

#[test]
fn variables_are_read_unescaped() {
    check(
        "# GRUB Environment Block\n# WARNING: hands off\nsaved_entry=a\\\\b\nkernelopts=root=x ro\\\ny \n###",
        |_| {},
        expect![[r##"
            [("saved_entry", "a\\b"), ("kernelopts", "root=x ro\ny ")]
            91 bytes: "# GRUB Environment Block\n# WARNING: hands off\nsaved_entry=a\\\\b\nkernelopts=root=x ro\\\ny \n""##]],
    );
}

#[test]
fn a_change_pads_a_block_of_any_size_to_1024_bytes() {
    let set = |env: &mut GrubEnv| {
        env.set("a", "3\\\n4").unwrap();
        env.set("new", "").unwrap();
        env.unset("b");
    };
    check(
        "# GRUB Environment Block\n# c\na=1\nb=2\n####\n",
        set,
        expect![[r##"
            [("a", "3\\\n4"), ("new", "")]
            1024 bytes: "# GRUB Environment Block\n# c\na=3\\\\\\\n4\nnew=\n""##]],
    );
    check(
        "",
        set,
        expect![[r##"
        [("a", "3\\\n4"), ("new", "")]
        1024 bytes: "# GRUB Environment Block\na=3\\\\\\\n4\nnew=\n""##]],
    );
}

#[test]
fn what_does_not_fit_is_an_error() {
    let set = |env: &mut GrubEnv| env.set("kernelopts", &"x".repeat(1024)).unwrap();
    check(
        "# GRUB Environment Block\n",
        set,
        expect![[r#"
        [("kernelopts", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")]
        the environment block needs 1061 bytes and has 1024"#]],
    );
}

#[test]
fn names_that_would_break_the_block_are_refused() {
    for name in ["", "a=b", "#a", "a\nb"] {
        assert!(GrubEnv::parse("").set(name, "x").is_err());
    }
}

proptest! {
    #[test]
    fn any_text_is_printed_as_it_was_read(text in "(# GRUB Environment Block\n)?([ab=\\\\\n#é]*|\\PC*)") {
        prop_assert_eq!(GrubEnv::parse(&text).to_block().unwrap(), text);
    }

    #[test]
    fn a_value_is_read_back(text in "(# GRUB Environment Block\n)?([ab]=[xy\\\\]{0,3}\n|#x\n)*", value in "[xy\\\\\n=# é]*") {
        let mut env = GrubEnv::parse(&text);
        env.set("a", &value).unwrap();
        let block = env.to_block().unwrap();
        prop_assert!(block.len() == 1024 || block == text);
        let again = GrubEnv::parse(&block);
        prop_assert_eq!(again.get("a"), Some(value.as_str()));
        let before = GrubEnv::parse(&text);
        prop_assert_eq!(again.get("b"), before.get("b"));
    }
}
