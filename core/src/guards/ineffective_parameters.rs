//! `ineffective-parameter`: a parameter that the plan puts on the kernel command line has no effect.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::kernel_cmdline::Parameter;
use crate::formats::pci::parse_id_list;
use crate::guards::boot_parameters;
use crate::machine::facts;
use crate::machine::iommu;
use crate::machine::kernels;
use crate::plan::scene::{Hazard, Scene, Severity};

pub mod running;

const NAME: &str = "ineffective-parameter";

/// What `intel_iommu=` takes (drivers/iommu/intel/iommu.c, `intel_iommu_setup`); `intgpu_off` is a patch of Debian's.
const INTEL: [&str; 10] = [
    "on",
    "off",
    "igfx_off",
    "intgpu_off",
    "sm_on",
    "sm_off",
    "sp_off",
    "strict",
    "forcedac",
    "tboot_noforce",
];

/// What `amd_iommu=` takes (drivers/iommu/amd/init.c, `parse_amd_iommu_options`).
const AMD: [&str; 9] = [
    "off",
    "force_enable",
    "force_isolation",
    "fullflush",
    "pgtbl_v1",
    "pgtbl_v2",
    "irtcachedis",
    "nohugepages",
    "v2_pgsizes_only",
];

/// What `iommu=` takes on x86 (arch/x86/kernel/pci-dma.c, `iommu_setup`, and amd_gart_64.c).
const X86: [&str; 20] = [
    "off",
    "force",
    "noforce",
    "biomerge",
    "panic",
    "nopanic",
    "merge",
    "nomerge",
    "forcesac",
    "allowdac",
    "nodac",
    "usedac",
    "soft",
    "pt",
    "nopt",
    "fullflush",
    "nofullflush",
    "memaper",
    "noagp",
    "noaperture",
];

/// Parts of releases of kernels that carry the ACS override patch.
const PATCHED: [&str; 8] = ["-pve", "zen", "xanmod", "liquorix", "cachyos", "acs", "lqx", "tkg"];

/// Finds parameters without effect among those that the plan adds.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let mut hazards = Vec::new();
    for parameter in &boot_parameters::read(scene)?.added {
        if let Some((why, evidence)) = why_ignored(scene, parameter)? {
            let hazard = Hazard::new(
                NAME,
                Severity::Warn,
                &[parameter.raw()],
                format!("{parameter} does not do what it seems to: {why}"),
            );
            hazards.push(hazard.shown_by([evidence]));
        }
    }
    Ok(hazards)
}

/// Returns why a parameter is without effect, and what shows it.
fn why_ignored(scene: Scene<'_>, parameter: &Parameter) -> Result<Option<(String, String)>> {
    let host = scene.after;
    let value = parameter.value().unwrap_or_default();
    let items = |known: &[&str], instead: &str| {
        let unknown = value.split([',', ' ']).find(|it| {
            let name = it.split([':', '=']).next().unwrap_or(it);
            !it.is_empty() && !known.contains(&name)
        });
        unknown.map(|it| {
            (
                format!("{} does not know {it}. {instead}", parameter.name()),
                format!("the plan adds {parameter}"),
            )
        })
    };
    Ok(match parameter.name() {
        "intel_iommu" => match items(&INTEL, "Write intel_iommu=on, and iommu=pt beside it for speed") {
            None => not_here(host, parameter)?,
            unknown => unknown,
        },
        "amd_iommu" => match items(&AMD, "The IOMMU of AMD is on unless it is turned off") {
            None => not_here(host, parameter)?,
            unknown => unknown,
        },
        "iommu" => match other_architecture(host, parameter)? {
            None => items(&X86, "intel_iommu=on turns the IOMMU of Intel on; that of AMD is on"),
            other => other,
        },
        "pcie_acs_override" => {
            let installed = kernels::installed(host)?;
            let is_plain = |it: &&String| !PATCHED.iter().any(|part| it.contains(part));
            installed.0.iter().find(is_plain).map(|it| {
                let why = "it belongs to a patch that no distribution's kernel has, and where it works it \
                           only pretends that devices are isolated";
                (why.to_owned(), format!("/lib/modules/{it} is not a kernel with that patch"))
            })
        }
        "video" if value.starts_with("efifb:") && value.contains("off") => {
            simple_framebuffer(host)?.map(|evidence| {
                ("this kernel's firmware framebuffer is simpledrm, not efifb".to_owned(), evidence)
            })
        }
        "modprobe.blacklist" => value.split(',').find(|it| it.contains('-')).map(|it| {
            let why = format!("modprobe compares this name literally; write {}", it.replace('-', "_"));
            (why, format!("the plan adds {parameter}"))
        }),
        "rd.driver.pre" | "rd.driver.blacklist" | "rd.driver.post"
            if scene.distro.initramfs.name() != "dracut" =>
        {
            let name = scene.distro.initramfs.name();
            let why = "only dracut reads it".to_owned();
            Some((why, format!("the initramfs images of this host are made by {name}")))
        }
        _ if parameter.same_name("vfio-pci.ids") => {
            let list = parse_id_list(value);
            list.malformed
                .first()
                .map(String::as_str)
                .or(list.dropped.as_deref())
                .map(|it| (format!("{it:?} is no id and is skipped"), format!("the plan adds {parameter}")))
        }
        _ => None,
    })
}

/// Returns why a parameter of x86 has no effect on this machine.
fn other_architecture(host: &HostView, parameter: &Parameter) -> Result<Option<(String, String)>> {
    if facts::proc_is_foreign(host)? {
        return Ok(None);
    }
    let (kind, shown, instead) = match facts::cpu_vendor(host)?.as_deref() {
        Some("ARM") => (
            "Arm",
            "/proc/cpuinfo has CPU implementer, and no vendor_id",
            "The SMMU is on where the firmware describes it; iommu.passthrough=1 is the portable spelling of iommu=pt",
        ),
        // Its own `iommu=` takes other values (arch/powerpc/platforms/powernv/pci-ioda.c).
        Some("POWER") if parameter.value() == Some("pt") || parameter.name() != "iommu" => {
            ("POWER", "/proc/cpuinfo has a cpu POWER", "The IOMMU of POWER is on and needs no parameter")
        }
        _ => return Ok(None),
    };
    let why = format!("it is a parameter of x86, and this machine is {kind}. {instead}");
    Ok(Some((why, shown.to_owned())))
}

/// Returns why a parameter that wants an IOMMU has no effect on this machine.
fn not_here(host: &HostView, parameter: &Parameter) -> Result<Option<(String, String)>> {
    if let Some(other) = other_architecture(host, parameter)? {
        return Ok(Some(other));
    }
    if iommu::turns_off(parameter) || facts::proc_is_foreign(host)? {
        return Ok(None);
    }
    let (own, instead) = match parameter.name() {
        "intel_iommu" => ("GenuineIntel", "that of AMD is on unless it is turned off"),
        _ => ("AuthenticAMD", "intel_iommu=on turns the IOMMU of Intel on"),
    };
    let vendor = facts::cpu_vendor(host)?.unwrap_or_default();
    if ["GenuineIntel", "AuthenticAMD"].contains(&vendor.as_str()) && vendor != own {
        let why = format!("it is about the IOMMU of another vendor; {instead}");
        return Ok(Some((why, format!("/proc/cpuinfo has vendor_id {vendor}"))));
    }
    Ok(iommu::why_never(host)?.map(|it| (format!("{}. {}", it.reason, it.mend), it.evidence)))
}

/// Returns what shows that the kernel gives the firmware's framebuffer to simpledrm or simplefb.
fn simple_framebuffer(host: &HostView) -> Result<Option<String>> {
    let driver = Path::new("/sys/bus/platform/drivers/simple-framebuffer");
    if host.is_dir(driver)? {
        return Ok(Some(format!("{} is there", driver.display())));
    }
    for release in &kernels::installed(host)?.0 {
        let path = format!("/boot/config-{release}");
        let config = host.read_lossy(Path::new(&path))?.unwrap_or_default();
        if config.lines().any(|it| it == "CONFIG_SYSFB_SIMPLEFB=y") {
            return Ok(Some(format!("{path} has CONFIG_SYSFB_SIMPLEFB=y")));
        }
    }
    Ok(None)
}
