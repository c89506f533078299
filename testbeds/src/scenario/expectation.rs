//! Stored expectations: a text beside the scenario, compared with what was found, renewed with `--bless`.

use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::{
    error::{Error, Result},
    files,
};

/// Characters of a UUID as text.
const UUID_LENGTH: usize = 36;

/// Where texts come from and, when they are renewed, go to.
pub(crate) struct Expectations {
    /// The directory of the scenario.
    pub(crate) stored: PathBuf,
    /// Where renewed texts are left, for the runner to put beside the scenario; `None` compares.
    pub(crate) renewed: Option<PathBuf>,
}

impl Expectations {
    /// Fails with a diff from the stored text to the found one, unless they are the same.
    ///
    /// What differs from one build of an image to the next does not count: the release of the running kernel reads
    /// `$KERNEL`, a UUID reads `$UUID`, and the name of the host is left out of the first line.
    pub(super) fn compare(&self, name: &str, found: &str, kernel: &str) -> Result<()> {
        if Path::new(name).components().count() != 1 || !Path::new(name).is_relative() {
            return Err(Error::Argument {
                step: "expect_diff".into(),
                reason: format!("{name:?} is not the name of a file beside the scenario"),
            });
        }
        let found = without_uuids(without_name(&found.replace(kernel, "$KERNEL")));
        if let Some(renewed) = &self.renewed {
            return files::write(renewed.join(name), &found);
        }
        let path = self.stored.join(name);
        if !path.is_file() {
            return Err(Error::NoExpectation { name: name.into(), found });
        }
        let stored = files::read(&path)?;
        if stored == found {
            return Ok(());
        }
        let diff = TextDiff::from_lines(&stored, &found);
        let diff = diff.unified_diff().context_radius(3).header("stored", "found").to_string();
        Err(Error::Differs { name: name.into(), diff })
    }
}

/// Leaves out the name of the host, behind which a plan says what it is.
fn without_name(plan: &str) -> &str {
    let first = plan.lines().next().unwrap_or_default();
    match first.split_once(": ") {
        Some((name, _)) if !name.contains(' ') => &plan[name.len() + ": ".len()..],
        _ => plan,
    }
}

/// Writes `$UUID` for every UUID.
fn without_uuids(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(word) = rest.get(..UUID_LENGTH)
            && is_uuid(word)
        {
            result.push_str("$UUID");
            rest = &rest[UUID_LENGTH..];
        } else {
            result.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    result
}

/// Whether it looks like `678a2d47-cb5e-4656-ae80-71e0125ad555`.
fn is_uuid(word: &str) -> bool {
    let mut groups = word.split('-').map(|it| (it.len(), it.bytes().all(|it| it.is_ascii_hexdigit())));
    [8, 4, 4, 4, 12].into_iter().all(|length| groups.next() == Some((length, true)))
        && groups.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_host_does_not_count() {
        assert_eq!(without_name("a1: debian 13, grub2\n\n+ b: c\n"), "debian 13, grub2\n\n+ b: c\n");
        assert_eq!(without_name("debian 13, grub2\n\n+ b: c\n"), "debian 13, grub2\n\n+ b: c\n");
    }

    #[test]
    fn a_uuid_does_not_count() {
        let text = "root=UUID=678a2d47-cb5e-4656-ae80-71e0125ad555 a-b é 678a2d47-cb5e";
        assert_eq!(without_uuids(text), "root=UUID=$UUID a-b é 678a2d47-cb5e");
    }
}
