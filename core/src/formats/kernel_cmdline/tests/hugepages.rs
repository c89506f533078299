//! Counts of huge pages, which belong to the size before them.

use expect_test::expect;

use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};

fn edit(parameters: &[&str]) -> CmdlineEdit {
    let mut edit = CmdlineEdit::default();
    for parameter in parameters {
        let (list, parameter) = match (parameter.strip_prefix('-'), parameter.strip_prefix('+')) {
            (Some(parameter), _) => (&mut edit.absent, parameter),
            (None, Some(parameter)) => (&mut edit.additional, parameter),
            (None, None) => (&mut edit.present, *parameter),
        };
        list.push(Parameter::parse(parameter).unwrap());
    }
    edit
}

#[test]
fn a_count_goes_with_its_size_and_no_other_count_does() {
    let mut shown = String::new();
    for (line, parameters) in [
        (
            "a hugepagesz=1G hugepages=512 hugepagesz=2M hugepages=512",
            &["-hugepagesz=2M", "-hugepages=512"][..],
        ),
        ("a hugepagesz=1G hugepages=512 hugepagesz=2M hugepages=512", &["-hugepagesz=1g", "-hugepages=512"]),
        ("a hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=512 b", &["-hugepagesz=2M"]),
        ("a hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=4", &["-hugepages=4"]),
        ("hugepages=4 hugepagesz=1G hugepages=4", &["-hugepages=4"]),
        ("hugepagesz=1G hugepages=4", &["-hugepages=4"]),
        ("hugepages=8 hugepagesz=1G hugepages=4", &["-hugepages"]),
        ("hugepages=8 hugepagesz=1G hugepages=4", &["-hugepagesz"]),
        ("a hugepagesz=2M hugepages=16", &["+hugepagesz=1G", "+hugepages=16"]),
        ("a hugepagesz=1G hugepagesz=2M hugepages=16", &["+hugepagesz=1G", "+hugepages=16"]),
        ("a hugepagesz=1G hugepages=4", &["+hugepages=512"]),
        ("hugepages=512", &["+default_hugepagesz=1G", "+hugepagesz=1G", "+hugepages=16"]),
        ("hugepages=512", &["default_hugepagesz=1G"]),
        ("hugepages=512", &["default_hugepagesz=1G", "hugepages=16"]),
        ("hugepages=512 default_hugepagesz=1G", &["-default_hugepagesz"]),
        ("hugepages=512 default_hugepagesz=1G", &["-default_hugepagesz", "-hugepages"]),
        ("hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=8", &["hugepages=4"]),
        ("hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=8", &["hugepagesz=1G", "hugepages=4"]),
        ("hugepages=8", &["hugepages=4"]),
    ] {
        let (before, edit) = (Cmdline::parse(line), edit(parameters));
        let mut after = before.clone();
        after.edit(&edit);
        assert!(after.satisfies(&edit), "{line}: {parameters:?} -> {after}");
        let mut twice = after.clone();
        twice.edit(&edit);
        assert_eq!(twice, after);
        shown += &format!("{line}  {}\n    = {after}.\n", parameters.join(" "));
        if let Some(harm) = edit.huge_pages_harmed(&before, &after) {
            shown += &format!("    refused: {harm}\n");
        }
    }
    expect![[r#"
        a hugepagesz=1G hugepages=512 hugepagesz=2M hugepages=512  -hugepagesz=2M -hugepages=512
            = a hugepagesz=1G hugepages=512.
        a hugepagesz=1G hugepages=512 hugepagesz=2M hugepages=512  -hugepagesz=1g -hugepages=512
            = a hugepagesz=2M hugepages=512.
        a hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=512 b  -hugepagesz=2M
            = a hugepagesz=1G hugepages=4 b.
        a hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=4  -hugepages=4
            = a hugepagesz=1G hugepagesz=2M.
            refused: `hugepages=4` is the count of 1G, and would be changed with it; name the size with `hugepagesz=` before the count
        hugepages=4 hugepagesz=1G hugepages=4  -hugepages=4
            = hugepagesz=1G.
            refused: `hugepages=4` is the count of 1G, and would be changed with it; name the size with `hugepagesz=` before the count
        hugepagesz=1G hugepages=4  -hugepages=4
            = hugepagesz=1G.
            refused: `hugepages=4` is the count of 1G, and would be changed with it; name the size with `hugepagesz=` before the count
        hugepages=8 hugepagesz=1G hugepages=4  -hugepages
            = hugepagesz=1G.
        hugepages=8 hugepagesz=1G hugepages=4  -hugepagesz
            = hugepages=8.
        a hugepagesz=2M hugepages=16  +hugepagesz=1G +hugepages=16
            = a hugepagesz=2M hugepages=16 hugepagesz=1G hugepages=16.
        a hugepagesz=1G hugepagesz=2M hugepages=16  +hugepagesz=1G +hugepages=16
            = a hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=16.
        a hugepagesz=1G hugepages=4  +hugepages=512
            = a hugepages=512 hugepagesz=1G hugepages=4.
        hugepages=512  +default_hugepagesz=1G +hugepagesz=1G +hugepages=16
            = hugepages=512 default_hugepagesz=1G hugepagesz=1G hugepages=16.
            refused: `hugepages=512` has no size before it and would count pages of 1G; write the `hugepagesz=` that it is meant for before it, or name `hugepages` in `present`
        hugepages=512  default_hugepagesz=1G
            = hugepages=512 default_hugepagesz=1G.
            refused: `hugepages=512` has no size before it and would count pages of 1G; write the `hugepagesz=` that it is meant for before it, or name `hugepages` in `present`
        hugepages=512  default_hugepagesz=1G hugepages=16
            = hugepages=16 default_hugepagesz=1G.
        hugepages=512 default_hugepagesz=1G  -default_hugepagesz
            = hugepages=512.
            refused: `hugepages=512` has no size before it and would count pages of the kernel's default size; write the `hugepagesz=` that it is meant for before it, or name `hugepages` in `present`
        hugepages=512 default_hugepagesz=1G  -default_hugepagesz -hugepages
            = .
        hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=8  hugepages=4
            = hugepagesz=1G hugepages=4 hugepagesz=2M.
            refused: `hugepages=8` is the count of 2M, and would be changed with it; name the size with `hugepagesz=` before the count
        hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=8  hugepagesz=1G hugepages=4
            = hugepagesz=1G hugepages=4.
        hugepages=8  hugepages=4
            = hugepages=4.
    "#]].assert_eq(&shown);
}
