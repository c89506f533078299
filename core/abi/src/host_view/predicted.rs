//! What a plan will have done to a host's files, and what is made of many files and kept up with that.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::HostView;
use crate::lines::{LineEdit, Lines};
use crate::step::Step;

/// A file that will be another than it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    /// The file, links resolved.
    pub path: PathBuf,
    /// What changes in its lines; absent where all of it may be another, or the file is gone.
    pub edits: Option<Vec<LineEdit>>,
}

/// What was made of many files, and the generation of the view it was made from.
#[derive(Debug, Clone)]
pub(super) struct Derived {
    generation: usize,
    value: Rc<dyn Any>,
}

/// A value that outlasts every prediction.
struct Kept<T>(Rc<T>);

impl HostView {
    /// Makes later reads see `text` in `path`; `None` predicts that the file is gone.
    ///
    /// # Errors
    /// When a symbolic link on the way cannot be read.
    pub fn predict(&mut self, path: &Path, text: Option<String>) -> io::Result<()> {
        let resolved = self.resolve(path)?;
        self.predicted.insert(resolved.clone().into_os_string(), text.map(Lines::new));
        self.note(resolved, None);
        Ok(())
    }

    /// Makes later reads see a file with `edits` done to it; one that is not there begins empty.
    ///
    /// # Errors
    /// When the file cannot be read as text, or does not have the lines that an edit takes out.
    pub fn predict_edits(&mut self, path: &Path, edits: &[LineEdit]) -> io::Result<()> {
        let resolved = self.resolve(path)?;
        let known = self.predicted.get_mut(resolved.as_os_str()).and_then(Option::take);
        let is_known = known.is_some();
        let mut lines = match known {
            Some(lines) => lines,
            None => Lines::new(self.read(&resolved)?.unwrap_or_default()),
        };
        let result = edit(path, &mut lines, edits);
        if is_known || result.is_ok() {
            self.predicted.insert(resolved.clone().into_os_string(), Some(lines));
        }
        result?;
        self.note(resolved, Some(edits.to_vec()));
        Ok(())
    }

    /// Makes later reads see what a step does to files; what it does besides is not predicted.
    ///
    /// # Errors
    /// Those of [`Self::predict`] and [`Self::predict_edits`].
    pub fn predict_step(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::WriteFile { path, text } => self.predict(path, Some(text.clone())),
            Step::EditFile { path, edits } => self.predict_edits(path, edits),
            Step::RemoveFile { path } => self.predict(path, None),
            Step::WriteAttribute { .. } | Step::Run { .. } => Ok(()),
        }
    }

    fn note(&mut self, resolved: PathBuf, edits: Option<Vec<LineEdit>>) {
        // What the host has without predictions is still known to whoever asks for that.
        Rc::make_mut(&mut self.known).parsed.get_mut().remove(resolved.as_os_str());
        self.history.push(Prediction { path: resolved, edits });
    }

    /// Returns the text of a file with `edits` done to it; one that is not there begins empty.
    ///
    /// # Errors
    /// As for [`Self::predict_edits`].
    pub fn edited(&self, path: &Path, edits: &[LineEdit]) -> io::Result<String> {
        let mut lines = Lines::new(self.without_predictions().read(path)?.unwrap_or_default());
        edit(path, &mut lines, edits)?;
        Ok(lines.to_string())
    }

    /// Returns what is predicted, by resolved path; `None` is a file that will be gone.
    pub fn predictions(&self) -> BTreeMap<PathBuf, Option<String>> {
        let text = |it: &Option<Lines>| it.as_ref().map(Lines::to_string);
        self.predicted.iter().map(|(path, lines)| (PathBuf::from(path), text(lines))).collect()
    }

    /// Returns whether a file has this text; `None` when there is no such file.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn has_text(&self, path: &Path, text: &str) -> io::Result<Option<bool>> {
        // Of a text that grows line by line its size tells enough, until the last of them.
        if let Some(Some(lines)) = self.predicted.get(self.resolve(path)?.as_os_str())
            && lines.size() != text.len()
        {
            return Ok(Some(false));
        }
        Ok(self.parsed(path, str::to_owned)?.map(|it| *it == text))
    }

    /// Returns what `build` makes of the host, computed once for this view: no prediction is about what it reads.
    ///
    /// # Errors
    /// Those of `build`.
    pub fn derived_once<T: 'static, E>(
        &self,
        build: impl FnOnce(&HostView) -> Result<T, E>,
    ) -> Result<Rc<T>, E> {
        let kept = self.derived(|host, old: Option<(Rc<Kept<T>>, &[Prediction])>| match old {
            Some((kept, _)) => Ok(Kept(Rc::clone(&kept.0))),
            None => build(host).map(|it| Kept(Rc::new(it))),
        })?;
        Ok(Rc::clone(&kept.0))
    }

    /// Returns what `build` makes of many files, computed again only after a prediction. Then `build` gets the
    /// value from before and what was predicted since, so that it need not start anew.
    ///
    /// # Errors
    /// Those of `build`.
    pub fn derived<T: 'static, E>(
        &self,
        build: impl FnOnce(&HostView, Option<(Rc<T>, &[Prediction])>) -> Result<T, E>,
    ) -> Result<Rc<T>, E> {
        let generation = self.history.len();
        let known = self.known.derived.borrow_mut().remove(&TypeId::of::<T>());
        let old = known.and_then(|it| Some((it.value.downcast::<T>().ok()?, it.generation)));
        let value = match old {
            Some((value, made)) if made == generation => value,
            Some((value, made)) => Rc::new(build(self, Some((value, &self.history[made..])))?),
            None => Rc::new(build(self, None)?),
        };
        let entry = Derived { generation, value: Rc::clone(&value) as Rc<dyn Any> };
        self.known.derived.borrow_mut().insert(TypeId::of::<T>(), entry);
        Ok(value)
    }
}

fn edit(path: &Path, lines: &mut Lines, edits: &[LineEdit]) -> io::Result<()> {
    edits.iter().try_for_each(|it| lines.edit(it)).map_err(|err| {
        let what = format!("{}: {err}", path.display());
        io::Error::new(io::ErrorKind::InvalidInput, what)
    })
}
