//! `modprobe_softdep`: modules loaded before and after another.

use hoststate_abi::setting::{Setting, State};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::formats::modprobe_conf::{ModprobeConf, ModuleName, Softdep};
use crate::language::contradiction::{Claim, Governed};
use crate::language::resource::{Context, Resource, ResourceType};
use crate::machine::modprobe_d;
use crate::resources::modprobe_file::{self, ConfFile};
use crate::resources::modprobe_removal::{self, Removal};

/// Modules loaded before and after another.
///
/// Of several `softdep` lines for one module kmod takes only the first, in bytewise order of the files' names; a
/// line that the kernel package ships in `modules.softdep` takes part in that order. What the winning line says
/// already is kept: the written line holds its modules and these.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModprobeSoftdep {
    /// The module, e.g. `nouveau`.
    module: ModuleName,
    /// Modules loaded before it, in this order.
    #[serde(default)]
    pre: Vec<ModuleName>,
    /// Modules loaded after it, in this order.
    #[serde(default)]
    post: Vec<ModuleName>,
    /// File in `/etc/modprobe.d` for the line; default `01-hoststate.conf`, which sorts before all others.
    file: Option<ConfFile>,
}

impl ResourceType for ModprobeSoftdep {
    const NAME: &'static str = "modprobe_softdep";

    fn default_name(&self) -> String {
        self.module.to_string()
    }

    fn validate(&self) -> Result<()> {
        if self.pre.is_empty() && self.post.is_empty() {
            let what = format!("softdep of {} names no module", self.module);
            return Err(Error::invalid(what, "Give `pre`, `post` or both."));
        }
        match self.pre.iter().chain(&self.post).find(|it| **it == self.module) {
            Some(_) => {
                let what = format!("{} would be loaded before or after itself", self.module);
                Err(Error::invalid(what, "Remove it from `pre` and `post`."))
            }
            None => Ok(()),
        }
    }

    /// A line that says no more than the one that counts without it goes as a whole.
    fn absent(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let own = modprobe_file::softdep_file(self.file.as_ref());
        let mut removal = Removal::new(cx)?;
        let mut found = Vec::new();
        while let Some(winner) = removal.view().softdep(&self.module)
            && self.names_any(&winner.value)
        {
            found.push(shown(&winner.value));
            let (pre, post) = (rest(&winner.value.pre, &self.pre), rest(&winner.value.post, &self.post));
            let Some(mut conf) = removal.change(&winner.origin, |it| it.remove_softdep(&self.module)) else {
                break;
            };
            let now = removal.view().softdep(&self.module).map(|it| (it.value.pre, it.value.post));
            if (!pre.is_empty() || !post.is_empty()) && now.as_ref() != Some(&(pre.clone(), post.clone())) {
                conf.set_softdep(&self.module, &modules(&pre), &modules(&post));
                removal.put(&modprobe_d::place(&winner.origin).file, conf);
            }
        }
        let mut settings = vec![removal.setting(format!("softdep {}", self.module), &own, &found)];
        let names_any = |it: &ModprobeConf| it.softdep(&self.module).is_some_and(|it| self.names_any(it));
        modprobe_removal::copies(cx, &own, &mut settings, names_any)?;
        Ok(settings)
    }
}

impl ModprobeSoftdep {
    fn names_any(&self, softdep: &Softdep) -> bool {
        let is_named = |found: &[String], named: &[ModuleName]| rest(found, named).len() < found.len();
        is_named(&softdep.pre, &self.pre) || is_named(&softdep.post, &self.post)
    }
}

/// Returns the modules that are not among `named`.
fn rest(found: &[String], named: &[ModuleName]) -> Vec<String> {
    found.iter().filter(|it| !named.iter().any(|name| name.is_spelled(it))).cloned().collect()
}

fn modules(found: &[String]) -> Vec<ModuleName> {
    found.iter().filter_map(|it| ModuleName::parse(it).ok()).collect()
}

impl Resource for ModprobeSoftdep {
    fn claims(&self) -> Vec<Claim> {
        let named = |when: &str, module: &ModuleName| {
            Claim::including(Governed::Softdep(self.module.clone()), format!("{when}: {}", module.as_str()))
        };
        let (pre, post) =
            (self.pre.iter().map(|it| named("pre", it)), self.post.iter().map(|it| named("post", it)));
        pre.chain(post).collect()
    }

    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let file = modprobe_file::softdep_file(self.file.as_ref());
        let winner = modprobe_d::view(cx.host)?.softdep(&self.module);
        let (pre, post) = match &winner {
            Some(winner) => (union(&winner.value.pre, &self.pre), union(&winner.value.post, &self.post)),
            None => (self.pre.clone(), self.post.clone()),
        };
        let actual = winner.as_ref().map(|it| shown(&it.value));
        let desired = line(&pre, &post);
        let mut effective = file.clone();
        let state = match &winner {
            Some(winner) if has(&winner.value.pre, &self.pre) && has(&winner.value.post, &self.post) => {
                effective = modprobe_d::place(&winner.origin).file;
                State::Converged
            }
            Some(winner) if comes_later(&file, winner) => modprobe_file::outweighed(
                &winner.origin,
                actual,
                desired,
                "of several softdep lines for a module the first counts. Remove that line, or name its file in `file`.",
            ),
            _ => modprobe_file::drifted(cx.host, &file, &self.module, (actual, desired), |conf| {
                conf.set_softdep(&self.module, &pre, &post);
                Ok(())
            })?,
        };
        let mut settings = vec![Setting::persistent(format!("softdep {}", self.module), state)];
        let images = modprobe_file::image_settings(cx, &effective, &settings)?;
        settings.extend(images);
        Ok(settings)
    }
}

type Winner = crate::formats::modprobe_conf::Winner<Softdep>;

fn comes_later(file: &std::path::Path, winner: &Winner) -> bool {
    modprobe_d::place(&winner.origin).file != file && !modprobe_d::comes_before(file, &winner.origin)
}

/// Returns whether `found` names all of `wanted`, in their order.
fn has(found: &[String], wanted: &[ModuleName]) -> bool {
    let mut found = found.iter();
    wanted.iter().all(|name| found.any(|it| name.is_spelled(it)))
}

/// Returns the modules of the line that wins now and, behind them, those it lacks. Where the order is wrong, the
/// wanted one comes first.
fn union(found: &[String], wanted: &[ModuleName]) -> Vec<ModuleName> {
    let found = modules(found);
    let is_new = |it: &&ModuleName| !found.contains(it);
    let in_order: Vec<ModuleName> = found.iter().chain(wanted.iter().filter(is_new)).cloned().collect();
    let mut rest = in_order.iter();
    if wanted.iter().all(|name| rest.any(|it| it == name)) {
        return in_order;
    }
    wanted.iter().chain(found.iter().filter(|it| !wanted.contains(it))).cloned().collect()
}

fn line(pre: &[ModuleName], post: &[ModuleName]) -> String {
    let words = |it: &[ModuleName]| it.iter().map(ModuleName::to_string).collect();
    shown(&Softdep { pre: words(pre), post: words(post), line: 0 })
}

fn shown(softdep: &Softdep) -> String {
    let mut words = Vec::new();
    for (head, modules) in [("pre:", &softdep.pre), ("post:", &softdep.post)] {
        if !modules.is_empty() {
            words.push(head);
            words.extend(modules.iter().map(String::as_str));
        }
    }
    words.join(" ")
}
