//! The built-in types keep the laws that `hoststate plugin test` tries on others.

use hoststate_core::apply::Activate;
use hoststate_core::conformance::{self, Trial};

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
