//! A playbook against a simulated host: the plan, the steps, and what is left.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Setting;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit};
use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::host::Host;
use hoststate_core::language::declaration::Declarations;
use hoststate_core::language::registry::{Declared, Registry};
use hoststate_core::mechanism::distro::{
    BootEntry, Bootloader, CopiedFile, Distro, EntryChoice, Family, ImageContent, Initramfs,
};
use hoststate_core::plan::planned::Plan;
use hoststate_core::plan::scene::Severity;
use hoststate_core::planner::{Planner, Runtime};
use hoststate_core::record::past::Past;
use hoststate_core::resources::TABLE;
use hoststate_testkit::sim::SimHost;

/// A boot loader whose entries are generated from one file of words.
#[derive(Debug)]
struct Words;

impl Bootloader for Words {
    fn name(&self) -> &str {
        "words"
    }

    fn cmdline(&self, _: &HostView, _: &CmdlineEdit) -> Result<Vec<Setting>> {
        Ok(Vec::new())
    }

    fn future(&self, host: &HostView) -> Result<Cmdline> {
        Ok(Cmdline::parse(&host.read(Path::new("/etc/words"))?.unwrap_or_default()))
    }

    fn entries(&self, _: &HostView) -> Result<Vec<BootEntry>> {
        Ok(Vec::new())
    }

    fn next_boot(&self, _: &HostView, _: &[BootEntry]) -> Result<EntryChoice> {
        Ok(EntryChoice { entry: None, other: None, because: "there are no entries".to_owned(), once: false })
    }

    fn regenerate(&self, _: &HostView) -> Result<Vec<String>> {
        Ok(vec!["update-grub".to_owned()])
    }
}

/// A host without initramfs images.
#[derive(Debug)]
struct NoImages;

impl Initramfs for NoImages {
    fn name(&self) -> &str {
        "none"
    }

    fn contents(&self, _: &HostView, _: &ImageContent) -> Result<Vec<Setting>> {
        Ok(Vec::new())
    }

    fn early_modules(&self, _: &HostView, _: &[ModuleName]) -> Result<Vec<Setting>> {
        Ok(Vec::new())
    }

    fn stale_copies(&self, _: &HostView, _: &[CopiedFile]) -> Result<Vec<Setting>> {
        Ok(Vec::new())
    }

    fn without_early_modules(&self, _: &HostView, _: &[ModuleName]) -> Result<Vec<Setting>> {
        Ok(Vec::new())
    }

    fn image(&self, _: &HostView, kernel: &str) -> Result<PathBuf> {
        Ok(PathBuf::from(format!("/boot/initrd.img-{kernel}")))
    }

    fn rebuild(&self, _: &HostView, _: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

fn explain(err: &Error) -> String {
    match err.hint() {
        Some(hint) => format!("error: {err}\nhint: {hint}"),
        None => format!("error: {err}"),
    }
}

fn decode(resources: &str) -> Result<Vec<Declared>, String> {
    let json = format!(r#"{{"format":"hoststate.declarations/1","resources":[{resources}]}}"#);
    let declarations = Declarations::from_json(&json).map_err(|err| explain(&err))?;
    Registry::new(TABLE).decode_all(declarations.resources).map_err(|err| explain(&err.first().source))
}

fn plan_of(host: &SimHost, declared: &[Declared]) -> Result<Plan, String> {
    let distro = Distro {
        id: "test".to_owned(),
        version: String::new(),
        family: Family::Debian,
        bootloader: Box::new(Words),
        told_by: Vec::new(),
        initramfs: Box::new(NoImages),
    };
    let planner = Planner {
        declared,
        distro: &distro,
        guards: &[],
        accepted: &[],
        runtime: Runtime::Now,
        past: Past::default(),
        owner: None,
    };
    planner.plan(&mut host.view()).map_err(|err| explain(&err))
}

/// Returns the plan of a playbook in words.
pub(crate) fn plan(host: &SimHost, resources: &str) -> String {
    match decode(resources).and_then(|declared| plan_of(host, &declared)) {
        Ok(plan) => describe(&plan),
        Err(text) => text,
    }
}

/// Carries out a playbook in rounds until nothing is left to do. Returns the steps and what is left.
pub(crate) fn converge(host: &SimHost, resources: &str) -> String {
    let declared = decode(resources).expect("a playbook");
    let mut log = Vec::new();
    for round in 1..5 {
        let plan = plan_of(host, &declared).expect("a plan");
        if !plan.has_work() || !plan.conflicts.is_empty() {
            log.push(format!("left: {}", describe(&plan)));
            return log.join("\n");
        }
        log.push(format!("round {round}"));
        for step in plan.changes.iter().flat_map(|it| &it.steps) {
            match host.perform(step) {
                Ok(_) => log.push(format!("  {step}")),
                Err(err) => {
                    log.push(explain(&err));
                    return log.join("\n");
                }
            }
        }
    }
    log.push("does not end".to_owned());
    log.join("\n")
}

fn describe(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for it in &plan.changes {
        let value = |it: &Option<String>| it.clone().unwrap_or_else(|| "-".to_owned());
        let disruption = format!("{:?}", it.disruption).to_lowercase();
        lines.push(format!("{}: {} to {} ({disruption})", it.about, value(&it.actual), value(&it.desired)));
        lines.extend(it.steps.iter().map(|step| format!("  {step}")));
        lines.extend(it.activation.iter().map(|activation| format!("  {activation}")));
    }
    lines.extend(plan.deferred.iter().map(|it| format!("deferred: {}", it.reason)));
    lines.extend(plan.conflicts.iter().map(|it| format!("blocked: {}: {}", it.about, it.reason)));
    let refused = plan.guards.iter().filter(|it| it.severity == Severity::Refuse);
    lines.extend(refused.map(|it| format!("refused: {}", it.message)));
    if lines.is_empty() { "nothing to do".to_owned() } else { lines.join("\n") }
}
