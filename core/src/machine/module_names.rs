//! The modules that the installed kernels have, and which of them was most likely meant by a name that none has.

use std::rc::Rc;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::modprobe_conf::ModuleName;
use crate::formats::module_index::{ModulesBuiltin, ModulesDep};
use crate::machine::kernels::{self, modules_directory};

/// Part of vfio since Linux 6.2; the walk-throughs still name it.
const MERGED: &str = "vfio_virqfd";

/// The shortest name that is compared with others: shorter ones are near to everything.
const SHORTEST: usize = 5;

/// From which length on a name may differ in two characters.
const LONG: usize = 8;

/// How many names are compared with all that there are.
pub const COMPARED: usize = 64;

/// The modules of all installed kernels.
#[derive(Debug)]
pub struct ModuleNames {
    /// The releases of these kernels.
    pub kernels: Vec<String>,
    files: Vec<Rc<ModulesDep>>,
    builtin: Vec<Rc<ModulesBuiltin>>,
}

impl ModuleNames {
    /// Returns the modules; `None` where no kernel is installed or one does not tell, for nothing can be said then.
    ///
    /// # Errors
    /// When an index exists and cannot be read.
    pub fn read(host: &HostView) -> Result<Option<Self>> {
        let kernels = kernels::installed(host)?.0.clone();
        let (mut files, mut builtin) = (Vec::new(), Vec::new());
        for release in &kernels {
            let directory = modules_directory(release);
            let Some(of_kernel) = host.parsed(&directory.join("modules.dep"), ModulesDep::parse)? else {
                return Ok(None);
            };
            let Some(in_kernel) = host.parsed(&directory.join("modules.builtin"), ModulesBuiltin::parse)?
            else {
                return Ok(None);
            };
            files.push(of_kernel);
            builtin.push(in_kernel);
        }
        Ok((!kernels.is_empty()).then_some(Self { kernels, files, builtin }))
    }

    /// Returns the modules of one kernel.
    pub fn of(release: &str, files: &Rc<ModulesDep>, builtin: Option<&Rc<ModulesBuiltin>>) -> Self {
        Self {
            kernels: vec![release.to_owned()],
            files: vec![Rc::clone(files)],
            builtin: builtin.into_iter().map(Rc::clone).collect(),
        }
    }

    /// Returns whether any of the kernels has a module.
    pub fn has(&self, module: &ModuleName) -> bool {
        self.files.iter().any(|it| it.contains(module)) || self.builtin.iter().any(|it| it.contains(module))
    }

    /// Returns the module that a name was most likely meant to be, as its file spells it.
    pub fn near(&self, name: &str) -> Option<String> {
        let name = name.replace('-', "_");
        let all = self.files.iter().flat_map(|it| it.names());
        let all = all.chain(self.builtin.iter().flat_map(|it| it.names()));
        let slips = all.filter_map(|it| Some((slips(&name, it.as_str())?, it)));
        slips.min().map(|(_, nearest)| nearest.spelled().to_owned())
    }

    /// Returns what to say behind a name that none of the kernels has: the nearest, or that it is gone for good.
    pub fn advice(&self, name: &str) -> Option<String> {
        let folded = name.replace('-', "_");
        if folded == MERGED || slips(&folded, MERGED).is_some() {
            return Some(format!("{MERGED} is part of vfio since Linux 6.2: leave it out"));
        }
        self.near(name).map(|near| format!("did you mean {near}?"))
    }
}

/// Returns by how many characters a name differs from a known one, if it is near enough to be that one misspelt.
fn slips(name: &str, known: &str) -> Option<usize> {
    let most = if known.len() < LONG { 1 } else { 2 };
    let longer = name.len().abs_diff(known.len());
    if known.len() < SHORTEST || name == known || longer > most {
        return None;
    }
    Some(strsim::damerau_levenshtein(name, known)).filter(|it| *it <= most && !is_variant(name, known))
}

/// `ixgb` and `ixgbe`, `nvidia` and `nvidiafb`, `mlx4_en` and `mlx5_en` are drivers of their own.
fn is_variant(name: &str, known: &str) -> bool {
    let digitless = |it: &str| it.chars().filter(|it| !it.is_ascii_digit()).collect::<String>();
    let (short, long) = if name.len() < known.len() { (name, known) } else { (known, name) };
    let goes_on = long.starts_with(short) && (long.len() - short.len() > 1 || long.len() <= SHORTEST + 1);
    goes_on || digitless(name) == digitless(known)
}

#[cfg(test)]
mod tests {
    use super::slips;

    #[test]
    fn a_slip_is_near_and_a_driver_of_its_own_is_not() {
        let near = [
            ("nouvaeu", "nouveau"),
            ("nouvea", "nouveau"),
            ("vfiopci", "vfio_pci"),
            ("vifo_pci", "vfio_pci"),
            ("vfio_pc", "vfio_pci"),
            ("kvm_intell", "kvm_intel"),
            ("snd_hda_itnel", "snd_hda_intel"),
        ];
        for (name, known) in near {
            assert!(slips(name, known).is_some(), "{name} {known}");
        }
        let others = [
            ("ixgb", "ixgbe"),
            ("e1000", "e1000e"),
            ("nvidia", "nvidiafb"),
            ("mlx4_en", "mlx5_en"),
            ("radeon", "radeonfb"),
            ("kvm", "kvm_amd"),
            ("acme", "amd"),
        ];
        for (name, known) in others {
            assert!(slips(name, known).is_none(), "{name} {known}");
        }
    }
}
