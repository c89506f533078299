//! Files as the declarations alone would write them: under `--prune` what an owner's earlier runs put there is taken out first,
//! then what is declared is put in, so that nothing shows in which order it came.

use std::path::PathBuf;

use hoststate_abi::about::About;
use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::lines::LineEdit;
use hoststate_abi::setting::{Remedy, Setting, State};
use hoststate_abi::step::Step;

use super::{Draft, Planner, recalled, steps_of};
use crate::error::Result;
use crate::language::registry::Declared;
use crate::language::resource::Context;
use crate::machine::kernels;

/// What `initramfs_modules` writes reaches an image only when that is made anew.
const INITRAMFS_MODULES: &str = "initramfs_modules";

/// What is taken out of one file may be what another file is named for: so often a run plans at most.
const ROUNDS: usize = 5;

/// The texts of a host on which the owner's earlier runs never were.
struct Anew {
    view: HostView,
    /// Which declaration wrote each file last; `None` for one that only what is taken out was in.
    writers: Vec<(PathBuf, Option<usize>)>,
}

impl Planner<'_> {
    /// Returns settings, each of a declaration, that make the files of `view`, which shows the host as planned, what the
    /// declarations write on a host without what the owner's earlier runs set. None where they are that already.
    pub(super) fn rewritten(
        &self,
        owned: &[Declared],
        draft: &Draft,
        view: &HostView,
    ) -> Result<Vec<(usize, Vec<Setting>)>> {
        if owned.is_empty() || self.declared.is_empty() || !draft.conflicts.is_empty() {
            return Ok(Vec::new());
        }
        let Some(anew) = self.anew(owned, view)? else { return Ok(Vec::new()) };
        let mut rewritten = Vec::new();
        let mut is_menu_older = self.orders_parameters(&anew.view, view)?;
        for (path, writer) in &anew.writers {
            let (planned, wanted) = (view.read(path)?, anew.view.read(path)?);
            if planned == wanted {
                continue;
            }
            let index = writer.unwrap_or_default();
            let step = match wanted {
                Some(wanted) => {
                    let edits =
                        LineEdit::between(&planned.unwrap_or_default(), &wanted).into_iter().collect();
                    Step::EditFile { path: path.clone(), edits }
                }
                None => Step::RemoveFile { path: path.clone() },
            };
            let set = |about: About, remedy| {
                let actual = Some("with what earlier declarations left".to_owned());
                let desired = Some("as these declarations write it".to_owned());
                Setting::persistent(about, State::Drifted { actual, desired, remedy })
            };
            let mut settings = vec![set(About::File(path.clone()), Remedy::Steps(vec![step]))];
            if std::mem::take(&mut is_menu_older)
                && let Some(menu) = self.distro.bootloader.generated()
            {
                settings.push(set(About::File(menu), Remedy::Activation(Activation::BootConfig)));
            }
            if self.declared[index].declaration.kind == INITRAMFS_MODULES {
                for kernel in &kernels::installed(view)?.0 {
                    let image = About::File(self.distro.initramfs.image(view, kernel)?);
                    settings.push(set(
                        image,
                        Remedy::Activation(Activation::Initramfs { kernel: kernel.clone() }),
                    ));
                }
            }
            rewritten.push((index, settings));
        }
        Ok(rewritten)
    }

    /// Returns the host as the declarations alone would have it; `None` where that cannot be told.
    fn anew(&self, owned: &[Declared], view: &HostView) -> Result<Option<Anew>> {
        let mut anew = Anew { view: view.without_predictions(), writers: Vec::new() };
        let before = recalled::views(owned, view, self.past, self.owner)?;
        for _ in 0..ROUNDS {
            let mut has_written = false;
            for (it, before) in owned.iter().zip(&before) {
                let cx = Context { before: before.as_deref(), ..Context::new(&anew.view, self.distro) };
                // What cannot be taken out stays, and is written about by whoever declares it.
                let Ok(settings) = it.resource.inspect(cx) else { continue };
                has_written |= anew.write(None, &settings)?;
            }
            if !has_written {
                break;
            }
        }
        let before = recalled::views(self.declared, view, self.past, self.owner)?;
        for _ in 0..ROUNDS {
            let mut has_written = false;
            for (index, (it, before)) in self.declared.iter().zip(&before).enumerate() {
                let cx = Context { before: before.as_deref(), ..Context::new(&anew.view, self.distro) };
                let Ok(settings) = it.resource.inspect(cx) else { return Ok(None) };
                has_written |= anew.write(Some(index), &settings)?;
            }
            if !has_written {
                break;
            }
        }
        Ok(Some(anew))
    }

    /// Returns whether entries made from the sources would have the same parameters in another order.
    fn orders_parameters(&self, anew: &HostView, planned: &HostView) -> Result<bool> {
        let parameters = |view| self.distro.bootloader.future(view).map(|it| it.to_string());
        match (parameters(anew), parameters(planned)) {
            (Ok(anew), Ok(planned)) => Ok(anew != planned),
            // A loader that is left alone has no menu of ours.
            (Err(_), _) | (_, Err(_)) => Ok(false),
        }
    }
}

impl Anew {
    /// Shows what settings do to files; returns whether they do anything.
    fn write(&mut self, writer: Option<usize>, settings: &[Setting]) -> Result<bool> {
        let mut has_written = false;
        for step in settings.iter().flat_map(steps_of) {
            let Some(path) = step.file() else { continue };
            let path = self.view.resolve(path)?;
            let before = self.view.read(&path)?;
            self.view.predict_step(step)?;
            has_written |= before != self.view.read(&path)?;
            match self.writers.iter_mut().find(|it| it.0 == path) {
                Some(known) => known.1 = writer.or(known.1),
                None => self.writers.push((path, writer)),
            }
        }
        Ok(has_written)
    }
}
