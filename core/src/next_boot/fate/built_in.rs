//! What happens before anything is loaded: drivers that are part of the kernel take what is theirs.

use super::inserts::{Insert, Switches};
use super::kmod::{Kernel, is_true};
use super::play::{Bound, Player};
use super::takes::BY_ID;
use super::{Certainty, Stage};
use crate::formats::kernel_cmdline::Parameter;
use crate::formats::modprobe_conf::ModuleName;

impl Player<'_> {
    /// Drivers that are part of the kernel take what is theirs, in the order in which they were linked.
    pub(super) fn built_in(&mut self, kernel: &Kernel, rank: &dyn Fn(&ModuleName) -> usize) {
        let is_by_id = |it: &&ModuleName| BY_ID.contains(&it.as_str());
        let mut drivers: Vec<Insert> = Vec::new();
        for module in kernel.builtin.iter().filter(is_by_id) {
            let driver = module.as_str().replace('_', "-");
            let parameter = self.parameters.parameters().rfind_named(&format!("{driver}.ids"));
            let ids = parameter.and_then(|it| {
                Some((it.value()?.to_owned(), format!("the kernel command line: {}", it.raw())))
            });
            let denylist = self.parameters.parameters().rfind_named(&format!("{driver}.disable_denylist"));
            let unsafe_mode = self.parameters.parameters().rfind_named("vfio.enable_unsafe_noiommu_mode");
            let is_on = |it: Option<&Parameter>| it.is_some_and(|it| is_true(it.value()));
            let without_iommu = is_on(unsafe_mode) && !kernel.lacks_noiommu;
            let switches = Switches { takes_denied: is_on(denylist), without_iommu };
            drivers.push(Insert {
                module: module.clone(),
                ids,
                switches,
                because: vec![format!("{module} is built in")],
            });
        }
        for function in self.functions {
            if let Some(driver) = &function.built_in {
                let because = vec![format!("{driver} is built in")];
                let (stage, certainty) = (Stage::BuiltIn, Certainty::Certain);
                let bound = Bound { driver: driver.clone(), stage, because, certainty };
                self.bound.insert(function.device.address, bound);
                continue;
            }
            let own = function.modules.iter().filter(|it| kernel.builtin.contains(*it));
            let own = own.map(|it| Insert {
                module: it.clone(),
                ids: None,
                switches: Switches::default(),
                because: vec![format!("{it} is built in")],
            });
            let mut all: Vec<Insert> = own.chain(drivers.iter().cloned()).collect();
            all.sort_by_key(|it| rank(&it.module));
            for insert in all {
                self.offer(&insert, function, Stage::BuiltIn);
            }
        }
        self.loaded.extend(drivers);
    }
}

/// Finding the last parameter of a name, the one that counts for most parameters.
trait LastNamed<'a> {
    fn rfind_named(self, name: &str) -> Option<&'a Parameter>;
}

impl<'a, I: Iterator<Item = &'a Parameter>> LastNamed<'a> for I {
    fn rfind_named(self, name: &str) -> Option<&'a Parameter> {
        self.filter(|it| it.same_name(name)).last()
    }
}
