//! How these tests evaluate a playbook and show what came of it.

use std::cell::RefCell;
use std::fmt::Write;

use expect_test::Expect;
use hoststate_core::error::Result;
use hoststate_core::language::ensure::Ensure;
use hoststate_core::language::registry::Registry;
use hoststate_core::resources;
use hoststate_lua::facts::{Device, DistroFacts, Facts, NoHost};
use hoststate_lua::{Level, Options, evaluate};
use serde_json::{Map, Value};

/// A host in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    pub(crate) vendor: Option<&'static str>,
    pub(crate) devices: Vec<Device>,
    pub(crate) modules: Vec<(&'static str, Vec<&'static str>)>,
}

impl Facts for Machine {
    fn distro(&self) -> Result<Option<DistroFacts>> {
        Ok(Some(DistroFacts { id: "ubuntu".into(), version: "24.04".into(), family: "debian".into() }))
    }

    fn kernel_release(&self) -> Result<Option<String>> {
        Ok(Some("6.8.0-45-generic".into()))
    }

    fn cpu_vendor(&self) -> Result<Option<String>> {
        Ok(self.vendor.map(str::to_owned))
    }

    fn devices(&self) -> Result<Vec<Device>> {
        let shown = |it: &Device| Device { foretold_group: None, ..it.clone() };
        Ok(self.devices.iter().map(shown).collect())
    }

    fn foretold_group(&self, address: &str) -> Result<Option<Vec<String>>> {
        let device = self.devices.iter().find(|it| it.address == address);
        Ok(device.and_then(|it| it.foretold_group.clone()))
    }

    fn modules(&self, address: &str) -> Result<Vec<String>> {
        let found = self.modules.iter().find(|(it, _)| *it == address);
        Ok(found.map(|(_, it)| it.iter().map(|it| (*it).to_owned()).collect()).unwrap_or_default())
    }

    fn find(&self, selector: &Map<String, Value>) -> Result<Vec<String>> {
        let fits = |device: &&Device| {
            selector.iter().all(|(key, value)| match key.as_str() {
                "vendor" => value == &device.vendor,
                "device" => value == &device.device,
                _ => value == &device.class_name,
            })
        };
        Ok(self.devices.iter().filter(fits).map(|it| it.address.clone()).collect())
    }
}

/// Returns a device by address, ids, class and group.
pub(crate) fn device(address: &str, id: &str, class: &str, class_name: &str, group: Option<u32>) -> Device {
    let (vendor, device) = id.split_once(':').expect("an id has two parts");
    Device {
        address: address.into(),
        vendor: vendor.into(),
        device: device.into(),
        class: class.into(),
        class_name: class_name.into(),
        iommu_group: group,
        ..Device::default()
    }
}

/// Returns what a playbook logs and declares, or its error.
pub(crate) fn outcome(facts: &dyn Facts, text: &str, modules: &[(&str, &str)]) -> String {
    outcome_with(&Registry::new(resources::TABLE), facts, text, modules)
}

/// Returns what a playbook logs and declares with these types, or its error.
pub(crate) fn outcome_with(
    registry: &Registry,
    facts: &dyn Facts,
    text: &str,
    modules: &[(&str, &str)],
) -> String {
    let out = RefCell::new(String::new());
    let log = |level: Level, text: &str| {
        let prefix = if level == Level::Warn { "warning: " } else { "> " };
        writeln!(out.borrow_mut(), "{prefix}{text}").expect("a String takes every text");
    };
    let find =
        |path: &str| Ok(modules.iter().find(|(it, _)| *it == path).map(|(_, text)| (*text).to_owned()));
    let options = Options { registry, facts, modules: &find, types: &|_, _, _| Vec::new(), log: &log };
    let result = evaluate("gpu.lua", text, &options);
    let mut out = out.into_inner();
    let written = match result {
        Ok(playbook) => playbook.declared.iter().try_for_each(|it| {
            let origin = it.declaration.playbook.as_ref().expect("a playbook knows its lines");
            let desired = Value::Object(it.declaration.desired.clone());
            let ensure = match it.declaration.ensure {
                Ensure::Present => "",
                Ensure::Absent => "absent ",
            };
            writeln!(out, "{origin}: {ensure}{} {desired}", it.id)
        }),
        Err(errors) => errors.iter().try_for_each(|err| {
            let at = err.origin.as_ref().map_or_else(|| "nowhere".to_owned(), ToString::to_string);
            let callers = err.callers.iter().map(|it| format!("  called at {it}\n")).collect::<String>();
            let hint = err.hint.as_ref().map_or_else(String::new, |it| format!("hint: {it}\n"));
            write!(out, "error: {err}\n  at {at}\n{callers}{hint}")
        }),
    };
    written.expect("a String takes every text");
    out
}

/// Checks a playbook on no host.
pub(crate) fn check(text: &str, expect: Expect) {
    expect.assert_eq(&outcome(&NoHost, text, &[]));
}

/// Checks many playbooks of one kind at once.
pub(crate) fn check_all(texts: &[&str], expect: Expect) {
    let all: String =
        texts.iter().map(|it| format!("{}\n{}\n", shown(it), outcome(&NoHost, it, &[]))).collect();
    expect.assert_eq(&all);
}

/// Returns a playbook as text with nothing in it that cannot be seen.
pub(crate) fn shown(text: &str) -> String {
    let hidden = |it: char| it != '\n' && it.is_control() || matches!(it, '\u{a0}' | '\u{200b}' | '\u{feff}');
    text.chars()
        .flat_map(|it| {
            if hidden(it) { it.escape_unicode().to_string() } else { it.to_string() }
                .chars()
                .collect::<Vec<_>>()
        })
        .collect()
}
