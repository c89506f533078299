//! The built-in types keep the laws that `hoststate plugin test` tries on others.

use std::path::PathBuf;
use std::rc::Rc;

use hoststate_abi::setting::{Disruption, Setting, State};
use hoststate_core::error::Result;
use hoststate_core::language::registry::Declared;
use hoststate_core::language::resource::{Context, Resource};
use hoststate_core::plugins::conformance::{self, Trial};
use hoststate_core::run::apply::Activate;

use crate::lab::{EVERY_TYPE, KINDS, Lab, declared};

#[test]
fn every_built_in_type_conforms_on_every_kind_of_host() {
    for kind in KINDS {
        for declared in &declared(EVERY_TYPE) {
            // The device of this one is a virtual function, which another declaration makes.
            if declared.declaration.desired.get("device").is_some_and(|it| it == "0000:02:10.2") {
                continue;
            }
            let lab = Lab::new(kind);
            let distro = &lab.distro;
            let trial = Trial { declared, distro, records: lab.store(), activate: Activate::Run };
            let verdict = conformance::check(&trial, &lab.host);
            assert_eq!(verdict.tried, conformance::LAWS.len(), "{kind:?} {}: {verdict:?}", declared.id);
            assert!(verdict.findings.is_empty(), "{kind:?} {}: {verdict:?}", declared.id);
            assert!(!lab.performed().is_empty(), "{kind:?} {}: nothing was tried", declared.id);
        }
    }
}

/// Declares nothing to do, and does it while it is asked.
#[derive(Debug)]
struct Meddler {
    file: PathBuf,
}

impl Resource for Meddler {
    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        #[expect(clippy::disallowed_methods, reason = "this is what must not be done")]
        std::fs::write(cx.host.below_root(&self.file), "meddled\n")?;
        Ok(vec![Setting::runtime("lamp", Disruption::None, State::Converged)])
    }
}

#[test]
fn a_write_that_was_not_proposed_is_found() {
    let lab = Lab::new(KINDS[0]);
    let mut all = declared(EVERY_TYPE);
    let resource = Rc::new(Meddler { file: "/etc/lamp".into() });
    let declared = Declared { resource, ..all.remove(0) };
    let trial =
        Trial { declared: &declared, distro: &lab.distro, records: lab.store(), activate: Activate::Run };
    let verdict = conformance::check(&trial, &lab.host);
    let found: Vec<_> = verdict.findings.iter().map(|it| (it.law, it.what.as_str())).collect();
    let content = "it says that the example's host is already as wanted";
    assert_eq!(
        found,
        [
            ("a host that is not so differs", content),
            ("an inspection writes nothing", "/etc/lamp was changed")
        ]
    );
}
