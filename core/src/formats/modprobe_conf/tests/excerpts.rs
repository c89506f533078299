//! Edits of one module's lines: they do what an edit of the whole file does, and the index goes with them.

use std::path::Path;
use std::rc::Rc;

use expect_test::{Expect, expect};
use hoststate_abi::lines::LineEdit;
use proptest::prelude::*;

use super::super::{ModprobeConf, ModprobeView, ModuleName};

const FILE: &str = "/etc/modprobe.d/a.conf";

fn name(text: &str) -> ModuleName {
    ModuleName::parse(text).unwrap()
}

/// What each of some changes does to the lines about one module.
const CHANGES: [fn(&mut ModprobeConf, &ModuleName); 5] = [
    |conf, module| conf.set_softdep(module, &[name("x")], &[]),
    |conf, module| conf.set_option(module, "p", "1").unwrap(),
    |conf, module| conf.add_blacklist(module),
    |conf, module| conf.set_install(module, "/bin/false").unwrap(),
    |conf, module| conf.remove_install(module),
];

fn edits(conf: &ModprobeConf, module: &ModuleName, change: usize) -> Vec<LineEdit> {
    let change = |conf: &mut ModprobeConf| {
        CHANGES[change](conf, module);
        Ok::<(), ()>(())
    };
    conf.edits(module, change).unwrap()
}

fn check(text: &str, change: usize, expect: Expect) {
    expect.assert_debug_eq(&edits(&ModprobeConf::parse(text), &name("nouveau"), change));
}

#[test]
fn an_edit_names_the_lines_of_the_file_and_no_others() {
    check(
        "# mine\noptions drm debug=1\noptions nouveau a=2 \\\n p=2\n",
        1,
        expect![[r#"
            [
                LineEdit {
                    line: Some(
                        4,
                    ),
                    removed: " p=2\n",
                    inserted: " p=1\n",
                },
            ]
        "#]],
    );
    check(
        "install nouveau /bin/false\n# between\ninstall nouveau /bin/true\n",
        4,
        expect![[r#"
            [
                LineEdit {
                    line: Some(
                        3,
                    ),
                    removed: "install nouveau /bin/true\n",
                    inserted: "",
                },
                LineEdit {
                    line: Some(
                        1,
                    ),
                    removed: "install nouveau /bin/false\n",
                    inserted: "",
                },
            ]
        "#]],
    );
    check(
        "blacklist nouveau\nblacklist drm\n",
        0,
        expect![[r#"
            [
                LineEdit {
                    line: None,
                    removed: "",
                    inserted: "softdep nouveau pre: x\n",
                },
            ]
        "#]],
    );
}

/// What a file says about some modules, and how it ends.
fn said(conf: &ModprobeConf) -> String {
    let of = |module: ModuleName| {
        let (softdep, install) = (conf.softdep(&module), conf.install(&module));
        format!("{:?} {:?} {softdep:?} {install:?}", conf.options(&module), conf.blacklisted(&module))
    };
    format!("{:?} {:?}", conf.ending, ["a", "b", "x"].map(name).map(of))
}

proptest! {
    #[test]
    fn the_lines_of_one_module_are_edited_as_the_whole_file_would_be(
        lines in prop::collection::vec(
            "(options|install|softdep|blacklist|#)? (a|b|\\*|a\\*) (p=[12]|pre: [xy]|/bin/(true|false))?( q=3)?\\\\{0,2}",
            0..6,
        ),
        is_open in any::<bool>(),
        changes in prop::collection::vec((0..CHANGES.len(), "[ab]"), 1..5),
    ) {
        let mut text = lines.join("\n");
        if !is_open {
            text.push('\n');
        }
        let mut whole = ModprobeConf::parse(&text);
        let mut view = ModprobeView::new(vec![(0, "a.conf", Rc::new(whole.clone()))]);
        for (change, module) in changes {
            let module = name(&module);
            let conf = view.file(Path::new(FILE)).unwrap();
            let edits = edits(&conf, &module, change);
            drop(conf);
            prop_assert!(view.edit(Path::new(FILE), &edits), "{edits:?}");
            CHANGES[change](&mut whole, &module);
            let conf = view.file(Path::new(FILE)).unwrap();
            prop_assert_eq!(conf.to_string(), whole.to_string());
            prop_assert_eq!(said(&conf), said(&ModprobeConf::parse(&whole.to_string())));
            let anew = ModprobeView::new(vec![(0, "a.conf", Rc::new(ModprobeConf::parse(&whole.to_string())))]);
            for module in ["a", "b", "x"].map(name) {
                prop_assert_eq!(view.softdep(&module), anew.softdep(&module));
                prop_assert_eq!(view.install(&module), anew.install(&module));
                prop_assert_eq!(view.blacklisted(&module), anew.blacklisted(&module));
                prop_assert_eq!(view.options(&module), anew.options(&module));
            }
        }
    }
}
