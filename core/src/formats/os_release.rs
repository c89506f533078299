//! `os-release`, and the release files older systems have instead.

use std::collections::BTreeMap;

/// What a system calls itself (os-release(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// `ID`; `linux` where it is absent, as the manual says.
    pub id: String,
    /// `ID_LIKE`, the nearest relative first.
    pub id_like: Vec<String>,
    /// `VERSION_ID`; absent on rolling releases and Debian unstable.
    pub version_id: Option<String>,
    /// `VARIANT_ID`, such as `coreos` or `silverblue`.
    pub variant_id: Option<String>,
    /// `VERSION_CODENAME`.
    pub version_codename: Option<String>,
    /// `NAME`; `Linux` where it is absent.
    pub name: String,
    /// `PRETTY_NAME`; the name where it is absent.
    pub pretty_name: String,
    /// Every variable, also those above.
    pub variables: BTreeMap<String, String>,
}

impl OsRelease {
    /// Reads `/etc/os-release`: shell assignments of literals, quoted or not; lines that are none are skipped.
    pub fn parse(text: &str) -> Self {
        let mut variables = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            if let Some((name, value)) = line.split_once('=') {
                variables.insert(name.trim().to_owned(), unquoted(value));
            }
        }
        let filled = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let name = filled("NAME").unwrap_or_else(|| "Linux".to_owned());
        Self {
            id: filled("ID").unwrap_or_else(|| "linux".to_owned()),
            id_like: filled("ID_LIKE").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            version_id: filled("VERSION_ID"),
            variant_id: filled("VARIANT_ID"),
            version_codename: filled("VERSION_CODENAME"),
            pretty_name: filled("PRETTY_NAME").unwrap_or_else(|| name.clone()),
            name,
            variables,
        }
    }

    /// Reads `/etc/redhat-release`, the only such file of CentOS 6: `CentOS release 6.10 (Final)`.
    ///
    /// `None` if it is not of the form `NAME release VERSION`.
    pub fn redhat_release(text: &str) -> Option<Self> {
        let pretty = text.lines().next()?.trim();
        let (name, rest) = pretty.split_once(" release ")?;
        let version = rest.split_whitespace().next()?;
        let id = match name.to_ascii_lowercase() {
            name if name.starts_with("centos") => "centos",
            name if name.starts_with("red hat") => "rhel",
            name if name.starts_with("scientific") => "scientific",
            name if name.starts_with("oracle") => "ol",
            name if name.starts_with("fedora") => "fedora",
            name if name.starts_with("rocky") => "rocky",
            name if name.starts_with("almalinux") => "almalinux",
            _ => "linux",
        };
        let id_like =
            if matches!(id, "rhel" | "fedora" | "linux") { vec!["fedora"] } else { vec!["rhel", "fedora"] };
        Some(Self {
            id: id.to_owned(),
            id_like: id_like.into_iter().map(str::to_owned).collect(),
            version_id: Some(version.to_owned()),
            name: name.to_owned(),
            pretty_name: pretty.to_owned(),
            ..Self::default()
        })
    }

    /// Reads `/etc/SuSE-release`, the only such file up to SLES 11: a name, then `VERSION = 11` and `PATCHLEVEL = 4`.
    ///
    /// `None` if it names no SUSE.
    pub fn suse_release(text: &str) -> Option<Self> {
        let pretty = text.lines().next()?.trim();
        if !pretty.to_ascii_lowercase().contains("suse") {
            return None;
        }
        let field = |name: &str| {
            let rows = text.lines().filter_map(|it| it.split_once('='));
            rows.filter(|it| it.0.trim() == name).map(|it| it.1.trim().to_owned()).next()
        };
        let version = match (field("VERSION"), field("PATCHLEVEL")) {
            (Some(version), Some(level)) if level != "0" => Some(format!("{version}.{level}")),
            (version, _) => version,
        };
        let is_open = pretty.to_ascii_lowercase().contains("opensuse");
        Some(Self {
            id: if is_open { "opensuse" } else { "sles" }.to_owned(),
            id_like: vec!["suse".to_owned()],
            version_id: version,
            name: pretty.split(" (").next().unwrap_or(pretty).to_owned(),
            pretty_name: pretty.to_owned(),
            ..Self::default()
        })
    }

    /// Reads `/etc/debian_version`: `12.11`, or `trixie/sid` where there is no number yet.
    ///
    /// `None` if it is empty.
    pub fn debian_version(text: &str) -> Option<Self> {
        let version = text.lines().next().map(str::trim).filter(|version| !version.is_empty())?;
        let numbered = version.starts_with(|c: char| c.is_ascii_digit());
        let codename = version.split_once('/').map(|(codename, _)| codename.to_owned());
        Some(Self {
            id: "debian".to_owned(),
            version_id: numbered.then(|| version.to_owned()),
            version_codename: codename,
            name: "Debian GNU/Linux".to_owned(),
            pretty_name: format!("Debian GNU/Linux {version}"),
            ..Self::default()
        })
    }

    /// Returns the first number of `VERSION_ID`: 22 for `22.04`, 7 for `7.9.2009`.
    pub fn major(&self) -> Option<u32> {
        let version = self.version_id.as_deref()?;
        version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// Returns whether the system is `id` or says that it is like it.
    pub fn is_like(&self, id: &str) -> bool {
        self.id == id || self.id_like.iter().any(|like| like == id)
    }
}

/// Takes a literal as the shell would: quotes may stand around any part, a backslash quotes outside single quotes.
fn unquoted(value: &str) -> String {
    let mut text = String::new();
    let mut quote = None;
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('\\', Some('"')) => match chars.next_if(|next| matches!(next, '"' | '\\' | '$' | '`')) {
                Some(next) => text.push(next),
                None => text.push('\\'),
            },
            ('\\', None) => text.extend(chars.next()),
            // An unquoted blank ends the word.
            (' ' | '\t', None) => break,
            (c, _) => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::OsRelease;

    fn check(release: Option<&OsRelease>, expect: Expect) {
        let show = |it: &OsRelease| {
            let OsRelease { id, id_like, version_id, variant_id, pretty_name, .. } = it;
            format!("{id} {id_like:?} {version_id:?} {variant_id:?} {:?} {pretty_name}", it.major())
        };
        expect.assert_eq(&release.map_or("none".to_owned(), show));
    }

    #[test]
    fn quotes_comments_and_fields_may_be_missing() {
        let read = |text: &str| Some(OsRelease::parse(text));
        check(
            read("NAME=Fedora\nID=fedora\nVERSION_ID=40\nVARIANT_ID='coreos'\n").as_ref(),
            expect![[r#"fedora [] Some("40") Some("coreos") Some(40) Fedora"#]],
        );
        check(read("# x\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"R \\\"9\\\" \\$x\"").as_ref(), expect![[r#"rocky ["rhel", "centos", "fedora"] Some("9.4") None Some(9) R "9" $x"#]]);
        check(read("ID=arch\nBUILD_ID=rolling\n").as_ref(), expect!["arch [] None None None Linux"]);
        check(read("").as_ref(), expect!["linux [] None None None Linux"]);
    }

    #[test]
    fn older_release_files_are_read() {
        check(
            OsRelease::redhat_release("CentOS release 6.10 (Final)\n").as_ref(),
            expect![[r#"centos ["rhel", "fedora"] Some("6.10") None Some(6) CentOS release 6.10 (Final)"#]],
        );
        check(
            OsRelease::redhat_release("Red Hat Enterprise Linux Server release 7.9 (Maipo)").as_ref(),
            expect![[
                r#"rhel ["fedora"] Some("7.9") None Some(7) Red Hat Enterprise Linux Server release 7.9 (Maipo)"#
            ]],
        );
        check(OsRelease::redhat_release("nothing").as_ref(), expect!["none"]);
        check(
            OsRelease::suse_release(
                "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n",
            )
            .as_ref(),
            expect![[r#"sles ["suse"] Some("11.4") None Some(11) SUSE Linux Enterprise Server 11 (x86_64)"#]],
        );
        check(
            OsRelease::suse_release("openSUSE 13.1 (x86_64)\nVERSION = 13.1\nCODENAME = Bottle\n").as_ref(),
            expect![[r#"opensuse ["suse"] Some("13.1") None Some(13) openSUSE 13.1 (x86_64)"#]],
        );
        check(OsRelease::suse_release("something else").as_ref(), expect!["none"]);
        check(
            OsRelease::debian_version("12.11\n").as_ref(),
            expect![[r#"debian [] Some("12.11") None Some(12) Debian GNU/Linux 12.11"#]],
        );
        check(
            OsRelease::debian_version("trixie/sid").as_ref(),
            expect!["debian [] None None None Debian GNU/Linux trixie/sid"],
        );
        check(OsRelease::debian_version("").as_ref(), expect!["none"]);
    }

    #[test]
    fn relatives_count() {
        let release = OsRelease::parse("ID=ol\nID_LIKE=fedora");
        assert!(release.is_like("fedora") && release.is_like("ol") && !release.is_like("debian"));
    }

    proptest! {
        #[test]
        fn a_quoted_value_reads_back(value in "[^\"\\\\$`\n\r]{1,20}", text in ".{0,40}") {
            let release = OsRelease::parse(&format!("NAME=\"{value}\""));
            prop_assert_eq!(release.name, value);
            drop((OsRelease::parse(&text), OsRelease::redhat_release(&text), OsRelease::suse_release(&text), OsRelease::debian_version(&text)));
        }
    }
}
