//! What a type hands over to built-in types is tried, verified and explained as what a playbook declares itself.

use serde_json::Value;

use crate::lab::Lab;

/// A playbook that declares both itself.
const DECLARED: &str =
    "kernel_cmdline { present = { \"iommu=pt\" } }\nvfio_pci_ids { ids = { \"10de:0ffc\" } }\n";

/// A type written in Lua that hands both over.
const TYPE: &str = r#"resource_type {
  name = "acme.card",
  fields = { ids = { type = "array", items = { type = "string" } } },
  inspect = function(desired)
    return { settings = {}, resources = {
      { type = "kernel_cmdline", present = { "iommu=pt" } },
      { type = "vfio_pci_ids", ids = desired.ids },
    } }
  end,
}
"#;

/// The same as a program.
const PLUGIN: &str = r#"#!/bin/sh
while IFS= read -r line; do
	id=${line#*:}; id=${id%%,*}
	case $line in
	*'{"hello":'*) answer='{"hello":{"protocol":1,"features":["resources"]}}' ;;
	*'{"describe":'*) answer='{"describe":{"name":"card","version":"1","types":[{"name":"acme.card","schema":{"type":"object","properties":{"ids":{"type":"array"}}}}]}}' ;;
	*) answer='{"inspect":{"settings":[],"resources":[{"type":"kernel_cmdline","present":["iommu=pt"]},{"type":"vfio_pci_ids","ids":["10de:0ffc"]}]}}' ;;
	esac
	printf '%s\n' "{\"id\":$id,\"answer\":$answer}"
done
"#;

/// Who wants it.
#[derive(Debug, Clone, Copy)]
enum By {
    Playbook,
    LuaType,
    Plugin,
}

/// Debian 12 with a sound card, and a playbook that wants it for guests and `intel_iommu=on` beside that.
fn lab(by: By) -> Lab {
    let lab = Lab::captured("debian-12-confirm-boot");
    for (name, text) in [
        ("vendor", "0x10de"),
        ("device", "0x0ffc"),
        ("class", "0x040300"),
        ("subsystem_vendor", "0x10de"),
        ("subsystem_device", "0x0001"),
    ] {
        lab.write(&format!("root/sys/bus/pci/devices/0000:01:00.0/{name}"), &format!("{text}\n"));
    }
    let wanted = match by {
        By::Playbook => DECLARED.to_owned(),
        By::LuaType => {
            lab.install("card.lua", TYPE);
            lab.trusts("card.lua");
            "acme.card { ids = { \"10de:0ffc\" } }\n".to_owned()
        }
        By::Plugin => {
            lab.install("card", PLUGIN);
            lab.trusts("card");
            "acme.card { ids = { \"10de:0ffc\" } }\n".to_owned()
        }
    };
    let beside = "kernel_cmdline { present = { \"intel_iommu=on\" } }\n";
    lab.write("playbook.lua", &format!("{wanted}{beside}"));
    lab
}

fn json(lab: &Lab, words: &str) -> Value {
    let answer = lab.run(&format!("{words} --format json"));
    let (text, _) = answer.rsplit_once("exit ").expect("an exit status");
    let text = &text[text.find('{').unwrap_or_default()..];
    serde_json::from_str(text).unwrap_or_else(|err| panic!("{err}: {answer}"))
}

/// Checks that types get the answer that a playbook gets which declares what they hand over.
fn same_for_all(answer: impl Fn(&Lab) -> Value) -> Value {
    let declared = answer(&lab(By::Playbook));
    for by in [By::LuaType, By::Plugin] {
        assert_eq!(answer(&lab(by)), declared, "{by:?}");
    }
    declared
}

#[test]
fn a_boot_tries_it_before_it_is_permanent() {
    for by in [By::Playbook, By::LuaType, By::Plugin] {
        let plan = json(&lab(by), "converge --check playbook.lua --root root --confirm-boot");
        let files = plan["files"].as_array().expect("files");
        let text =
            |path: &str| files.iter().find(|it| it["path"] == path).and_then(|it| it["after"].as_str());
        let entry = text("/boot/grub/custom.cfg").unwrap_or_default();
        assert!(entry.contains(" iommu=pt ") && entry.contains(" intel_iommu=on "), "{by:?}: {entry}");
        assert_eq!(text("/etc/default/grub"), None, "{by:?}: permanent before it was tried");
    }
}

#[test]
fn verify_says_that_it_is_without_effect() {
    let reasons = same_for_all(|lab| {
        let cmdline = lab.read("root/proc/cmdline");
        lab.write("root/proc/cmdline", &format!("{} iommu=pt\n", cmdline.trim_end()));
        let answer = json(lab, "verify playbook.lua --root root");
        let of_iommu = |it: &&Value| it["verdict"] == "ineffective_parameter";
        let findings = answer["findings"].as_array().expect("findings");
        findings.iter().filter(of_iommu).map(|it| it["reason"].clone()).collect()
    });
    assert!(
        reasons[0].as_str().is_some_and(|it| it.starts_with("the kernel was given iommu=pt")),
        "{reasons}"
    );
}

#[test]
fn why_knows_the_driver_that_is_wanted() {
    let wanted = same_for_all(|lab| json(lab, "why 01:00.0 playbook.lua --root root")["wanted"].clone());
    assert_eq!(wanted, "vfio-pci");
}

#[test]
fn it_contradicts_what_is_declared_beside_it() {
    let conflicts = same_for_all(|lab| {
        lab.write("playbook.lua", &lab.read("playbook.lua").replace("intel_iommu=on", "intel_iommu=off"));
        let plan = json(lab, "plan playbook.lua --root root");
        plan["conflicts"].as_array().expect("conflicts").iter().map(|it| it["subject"].clone()).collect()
    });
    assert_eq!(conflicts, Value::from(vec!["IOMMU"]));
}

#[test]
fn the_kit_finds_a_type_that_hands_over_only_what_is_not_so_yet() {
    let lab = Lab::new();
    lab.install(
        "msrs.lua",
        r#"resource_type {
  name = "acme.msrs",
  fields = { on = { type = "boolean" } },
  examples = { { desired = { on = true }, files = { ["/etc/lamp"] = "on\n" } } },
  inspect = function(_, host)
    if host:read("/etc/modprobe.d/zz-hoststate.conf") then
      return { settings = { { scope = "persistent", subject = "msrs", state = { state = "converged" } } } }
    end
    return { resources = { { type = "modprobe_options", module = "kvm", options = { ignore_msrs = 1 } } } }
  end,
}
"#,
    );
    let said = lab.run("plugin test plugins/msrs.lua");
    assert!(said.contains("BROKEN  what is handed over is known before and after\n"), "{said}");
    assert!(said.contains("once it is done, it does not hand over ModprobeOptions"), "{said}");
}
