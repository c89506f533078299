//! Lines of the sources that stop the tool, or of which GRUB passes on only a part.

use expect_test::{Expect, expect};
use hoststate_core::mechanism::distro::Bootloader;
use hoststate_testkit::tree::Tree;

use super::{MAIN, OWN, centos7, check, check_on, debian};
use crate::testing::edit;

/// Shows the error, with its hint, of each of the texts.
fn refused(texts: &[&str], expect: Expect) {
    let mut shown = String::new();
    for text in texts {
        for (tool, grub) in [("update-grub", debian()), ("grub2-mkconfig", centos7())] {
            let tree = Tree::new(&[(MAIN, text)]);
            let Err(error) = grub.cmdline(&tree.view(), &edit(&["iommu=pt"])) else {
                panic!("{tool} does not stop at {text:?}");
            };
            if tool == "update-grub" {
                shown += &format!("{error}\n  {}\n", error.hint().unwrap_or_default());
            }
            let spoken = error.to_string();
            assert!(spoken.contains(&format!(": {tool} stops here; ")), "{spoken}");
        }
    }
    expect.assert_eq(&shown);
}

#[test]
fn a_line_that_is_no_command_stops_the_tool_and_nothing_is_written_behind_it() {
    refused(
        &[
            "GRUB_DEFAULT=0\n\nGRUB_CMDLINE_LINUX_DEFAULT=quiet splash\n",
            "GRUB_CMDLINE_LINUX=nouveau.modeset=0 rd.blacklist=nouveau\n",
            "GRUB_CMDLINE_LINUX=\"quiet\" mitigations=off rd.driver.pre=vfio-pci\n",
            "GRUB_TIMEOUT = 5\n",
            "GRUB_TIMEOUT =5\n",
            "GRUB_TIMEOUT 5\n",
            "# of another system\r\n\r\nGRUB_DEFAULT=0\r\n",
            "quiet\nintel_iommu=on iommu.strict=0\niommu.strict=0\n",
            "exit 0\n",
            "return 3\n",
            "false\n",
            "export GRUB_TIMEOUT = 5\n",
            "readonly GRUB_CMDLINE_LINUX=a\nGRUB_CMDLINE_LINUX=b\n",
        ],
        expect![[r#"
            /etc/default/grub:3: `splash` is no command: update-grub stops here; quote the value
              update-grub keeps the old boot configuration until this line is fixed.
            /etc/default/grub:1: `rd.blacklist=nouveau` is no command: update-grub stops here; quote the value
              update-grub keeps the old boot configuration until this line is fixed.
            /etc/default/grub:1: `rd.driver.pre=vfio-pci` is no command: update-grub stops here; quote the value
              update-grub keeps the old boot configuration until this line is fixed.
            /etc/default/grub:1: `GRUB_TIMEOUT` is no command: update-grub stops here; write the assignment without blanks around `=`
              update-grub keeps the old boot configuration until this line is fixed.
            /etc/default/grub:1: `GRUB_TIMEOUT` is no command: update-grub stops here; write the assignment without blanks around `=`
              update-grub keeps the old boot configuration until this line is fixed.
            /etc/default/grub:1: `GRUB_TIMEOUT` is no command: update-grub stops here; give the variable a value with `=`
              update-grub keeps the old boot configuration until this line is fixed.
            /etc/default/grub:2: `\r` is no command: update-grub stops here; remove the carriage returns from the file
              update-grub keeps the old boot configuration until this line is fixed.
            /etc/default/grub:2: `iommu.strict=0` is no command: update-grub stops here; quote the value
              update-grub keeps the old boot configuration until this line is fixed.
            /etc/default/grub:1: the shell ends here: update-grub stops here; fix this line first
              update-grub keeps the old boot configuration until this line is fixed.
            /etc/default/grub:1: the file returns 3: update-grub stops here; fix this line first
              update-grub keeps the old boot configuration until this line is fixed.
            /etc/default/grub:1: `false` fails: update-grub stops here; fix this line first
              update-grub keeps the old boot configuration until this line is fixed.
            /etc/default/grub:1: `export` is given `=`, which is not a name: update-grub stops here; fix this line first
              update-grub keeps the old boot configuration until this line is fixed.
            /etc/default/grub:2: `GRUB_CMDLINE_LINUX` is read only: update-grub stops here; fix this line first
              update-grub keeps the old boot configuration until this line is fixed.
        "#]],
    );
}

#[test]
fn a_program_that_a_whole_host_lacks_is_no_command() {
    let text = "GRUB_CMDLINE_LINUX=\"quiet\"\nsplash\n";
    let tree = Tree::new(&[(MAIN, text)]);
    // A part of a host cannot tell.
    let shown = |tree: &Tree| match debian().cmdline(&tree.view(), &edit(&["quiet"])) {
        Ok(_) => "read".to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(shown(&tree), "read");
    tree.write("/usr/bin/env", "");
    expect!["/etc/default/grub:2: `splash` is no command: update-grub stops here; fix this line first"]
        .assert_eq(&shown(&tree));
    tree.write("/usr/local/bin/splash", "");
    assert_eq!(shown(&tree), "read");
}

#[test]
fn a_failure_that_the_file_expects_does_not_stop_the_tool() {
    for text in [
        "GRUB_X=1 splash || :\n",
        "if iommu=pt splash; then :; fi\n",
        "! false.x\n:\n",
        "splash=1\n",
        "set +e\nsplash.x\n",
        "while false; do :; done\n",
        "return 0\nsplash.x\n",
    ] {
        let tree = Tree::new(&[(MAIN, text)]);
        let settings = debian().cmdline(&tree.view(), &edit(&["iommu=pt"]));
        assert!(settings.is_ok(), "{text:?}: {settings:?}");
    }
}

#[test]
fn a_line_break_in_a_value_ends_the_kernels_line() {
    check(
        &[(MAIN, "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\n splash\"\n")],
        &["iommu=pt"],
        expect![[r#"
            /etc/default/grub: quiet => iommu=pt
              blocked by /etc/default/grub:2: the value has a line break, and GRUB ends the kernel's line there: ` splash` and what is added is lost; put it on one line
        "#]],
    );
    check(
        &[(MAIN, "GRUB_CMDLINE_LINUX='quiet\n'\n"), (OWN, "GRUB_CMDLINE_LINUX_DEFAULT=\"iommu=pt\"\n")],
        &["iommu=pt"],
        expect![[r#"
            /etc/default/grub: quiet => iommu=pt
              blocked by /etc/default/grub:1: the value has a line break, and GRUB ends the kernel's line there: what is added is lost; put it on one line
        "#]],
    );
    // A joined line is none.
    check(
        &[(MAIN, "GRUB_CMDLINE_LINUX=\"quiet \\\n splash\"\n")],
        &["quiet"],
        expect![[r#"
        /etc/default/grub: converged
        /boot/grub/grub.cfg: (nothing) => every entry: quiet
          then boot configuration
    "#]],
    );
}

#[test]
fn each_shell_is_asked_in_its_own_language() {
    let text = "GRUB_CMDLINE_LINUX=\"quiet\"\nGRUB_CMDLINE_LINUX+=\" splash\"\n";
    check(
        &[(MAIN, text)],
        &["iommu=pt"],
        expect![[r#"
        error: /etc/default/grub:2: dash does not know `+=` (on `GRUB_CMDLINE_LINUX`): update-grub stops here; fix this line first
        hint: update-grub keeps the old boot configuration until this line is fixed.
    "#]],
    );
    check_on(
        &centos7(),
        &Tree::new(&[(MAIN, text)]),
        &["iommu=pt"],
        expect![[r#"
        /etc/default/grub: quiet splash => quiet splash iommu=pt
          write /etc/default/grub (107 bytes)
            +GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX iommu=pt"
        /boot/grub2/grub.cfg: (nothing) => every entry: iommu=pt
          then boot configuration
    "#]],
    );
}
