//! Declarations that more than one test uses.

/// A module that another one is loaded before.
pub(crate) const SOFTDEP: &str = r#"{"type":"modprobe_softdep","module":"nouveau","pre":["vfio-pci"],"playbook":{"file":"gpu.lua","line":3}}"#;

/// A module with a parameter.
pub(crate) const OPTIONS: &str = r#"{"type":"modprobe_options","name":"kvm","module":"kvm","options":{"ignore_msrs":"1"},"playbook":{"file":"gpu.lua","line":4}}"#;

/// Another value for the parameter of [`OPTIONS`].
pub(crate) const OTHER_OPTIONS: &str = r#"{"type":"modprobe_options","name":"other","module":"kvm","options":{"ignore_msrs":"0"},"playbook":{"file":"gpu.lua","line":9}}"#;

/// A field that does not exist.
pub(crate) const MISSPELT: &str = r#"{"type":"modprobe_softdep","module":"nouveau","per":["vfio-pci"],"playbook":{"file":"gpu.lua","line":3}}"#;
