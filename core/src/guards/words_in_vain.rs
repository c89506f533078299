//! Wanted words that the running kernel was given, and that have no effect in it.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Word};
use crate::language::registry::Declared;
use crate::machine::facts;
use crate::machine::iommu;
use crate::plan::scene::{Hazard, Severity};

/// Name of the warning.
pub const NAME: &str = "word-in-vain";

/// Words by which somebody wants an IOMMU.
const IOMMU: [&str; 4] = ["intel_iommu", "amd_iommu", "iommu", "iommu.passthrough"];

/// Words of one declaration, and why they were given in vain.
#[derive(Debug)]
pub struct InVain<'a> {
    /// Where they are wanted.
    pub declared: &'a Declared,
    /// The words, one after the other as on the command line.
    pub words: String,
    /// What is so all the same: a clause without a full stop.
    pub reason: String,
    /// What a person can look at.
    pub evidence: String,
    /// What to do about it: a sentence, where there is something.
    pub mend: Option<String>,
}

impl InVain<'_> {
    /// Returns it as a warning of a plan.
    pub fn hazard(&self) -> Hazard {
        Hazard::new(NAME, Severity::Warn, &[&self.words], self.told("")).shown_by([self.evidence.clone()])
    }

    /// Returns it in words, with `aside` behind the reason.
    pub fn told(&self, aside: &str) -> String {
        let mend = self.mend.as_ref().map(|it| format!(". {it}")).unwrap_or_default();
        format!("the kernel was given {}, and {}{aside}{mend}", self.words, self.reason)
    }
}

/// Finds the words among those that declarations want.
///
/// # Errors
/// When `/proc`, `/sys` or a kernel's configuration cannot be read.
pub fn find<'a>(host: &HostView, declared: &'a [Declared]) -> Result<Vec<InVain<'a>>> {
    let mut found = Vec::new();
    let wanted: Vec<_> = declared.iter().map(|it| (it, it.resource.parameters())).collect();
    // The kernel and the devices of a chroot are those of the machine it is mounted on.
    if wanted.iter().all(|(_, words)| words.is_empty()) || facts::proc_is_foreign(host)? {
        return Ok(found);
    }
    let Some(text) = host.attribute(Path::new("/proc/cmdline"))? else { return Ok(found) };
    let running = Cmdline::parse(&text);
    for (declared, mut words) in wanted {
        words.retain(|it| running.words().any(|word| word.same(it)));
        let is_iommu = |it: &&Word| IOMMU.iter().any(|name| it.same_name(name)) && !iommu::turns_off(it);
        let about_iommu: Vec<&str> = words.iter().copied().filter(is_iommu).map(Word::raw).collect();
        if let (false, Some(off)) = (about_iommu.is_empty(), iommu::why_off(host, &running)?) {
            found.push(InVain {
                declared,
                words: about_iommu.join(" "),
                reason: format!("the IOMMU is off: {}", off.reason),
                evidence: off.evidence,
                mend: Some(off.mend),
            });
        }
        for word in &words {
            if let Some(module) = loaded_all_the_same(host, word)? {
                found.push(InVain {
                    declared,
                    words: word.raw().to_owned(),
                    reason: format!("{module} is loaded all the same"),
                    evidence: format!("/sys/module/{module}/initstate is there"),
                    mend: None,
                });
            }
        }
    }
    Ok(found)
}

/// Returns a module that is loaded although a word forbids it.
fn loaded_all_the_same(host: &HostView, word: &Word) -> Result<Option<String>> {
    if !["modprobe.blacklist", "module_blacklist"].iter().any(|it| word.same_name(it)) {
        return Ok(None);
    }
    for module in word.value().unwrap_or_default().split(',').filter(|it| !it.is_empty()) {
        let module = module.replace('-', "_");
        if host.exists(&Path::new("/sys/module").join(&module).join("initstate"))? {
            return Ok(Some(module));
        }
    }
    Ok(None)
}
