//! Wanted parameters that the running kernel was given, and that have no effect in it.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::language::registry::Declared;
use crate::machine::facts;
use crate::machine::iommu;
use crate::plan::scene::{Hazard, Severity};

/// Name of the warning.
pub const NAME: &str = "ineffective-parameter";

/// Parameters by which somebody wants an IOMMU.
const IOMMU: [&str; 4] = ["intel_iommu", "amd_iommu", "iommu", "iommu.passthrough"];

/// Parameters of one declaration, and why they have no effect.
#[derive(Debug)]
pub struct Ineffective<'a> {
    /// Where they are wanted.
    pub declared: &'a Declared,
    /// The parameters, one after the other as on the command line.
    pub parameters: String,
    /// What is so all the same: a clause without a full stop.
    pub reason: String,
    /// What a person can look at.
    pub evidence: String,
    /// What to do about it: a sentence, where there is something.
    pub mend: Option<String>,
}

impl Ineffective<'_> {
    /// Returns it as a warning of a plan.
    pub fn hazard(&self) -> Hazard {
        Hazard::new(NAME, Severity::Warn, &[&self.parameters], self.told(""))
            .shown_by([self.evidence.clone()])
    }

    /// Returns it in words, with `aside` behind the reason.
    pub fn told(&self, aside: &str) -> String {
        let mend = self.mend.as_ref().map(|it| format!(". {it}")).unwrap_or_default();
        format!("the kernel was given {}, and {}{aside}{mend}", self.parameters, self.reason)
    }
}

/// Adds a warning of each. What the running kernel has without effect, and the plan gives the next one, is one thing.
///
/// # Errors
/// As [`find`].
pub fn warn(host: &HostView, declared: &[Declared], hazards: &mut Vec<Hazard>) -> Result<()> {
    for hazard in find(host, declared)?.iter().map(Ineffective::hazard) {
        if hazards.iter().all(|it| it.id != hazard.id) {
            hazards.push(hazard);
        }
    }
    Ok(())
}

/// Finds the parameters among those that declarations want.
///
/// # Errors
/// When `/proc`, `/sys` or a kernel's configuration cannot be read.
pub fn find<'a>(host: &HostView, declared: &'a [Declared]) -> Result<Vec<Ineffective<'a>>> {
    let mut found = Vec::new();
    let wanted: Vec<_> = declared.iter().map(|it| (it, it.resource.parameters())).collect();
    // The kernel and the devices of a chroot are those of the machine it is mounted on.
    if wanted.iter().all(|(_, parameters)| parameters.is_empty()) || facts::proc_is_foreign(host)? {
        return Ok(found);
    }
    let Some(text) = host.attribute(Path::new("/proc/cmdline"))? else { return Ok(found) };
    let running = Cmdline::parse(&text);
    for (declared, mut parameters) in wanted {
        parameters.retain(|it| running.parameters().any(|parameter| parameter.same(it)));
        let is_iommu = |it: &&Parameter| IOMMU.iter().any(|name| it.same_name(name)) && !iommu::turns_off(it);
        let about_iommu: Vec<&str> =
            parameters.iter().copied().filter(is_iommu).map(Parameter::raw).collect();
        if let (false, Some(off)) = (about_iommu.is_empty(), iommu::why_off(host, &running)?) {
            found.push(Ineffective {
                declared,
                parameters: about_iommu.join(" "),
                reason: format!("the IOMMU is off: {}", off.reason),
                evidence: off.evidence,
                mend: Some(off.mend),
            });
        }
        for parameter in &parameters {
            if let Some(module) = loaded_all_the_same(host, parameter)? {
                found.push(Ineffective {
                    declared,
                    parameters: parameter.raw().to_owned(),
                    reason: format!("{module} is loaded anyway"),
                    evidence: format!("/sys/module/{module}/initstate is there"),
                    mend: None,
                });
            }
        }
    }
    Ok(found)
}

/// Returns a module that is loaded although a parameter forbids it.
fn loaded_all_the_same(host: &HostView, parameter: &Parameter) -> Result<Option<String>> {
    if !["modprobe.blacklist", "module_blacklist"].iter().any(|it| parameter.same_name(it)) {
        return Ok(None);
    }
    for module in parameter.value().unwrap_or_default().split(',').filter(|it| !it.is_empty()) {
        let module = module.replace('-', "_");
        if host.exists(&Path::new("/sys/module").join(&module).join("initstate"))? {
            return Ok(Some(module));
        }
    }
    Ok(None)
}
