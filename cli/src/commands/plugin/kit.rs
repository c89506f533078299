//! `hoststate plugin test`: the laws that a plugin and its types keep, each tried, each in plain words.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use hoststate_abi::description::{Example, TypeDescription};
use hoststate_core::language::declaration::Declaration;
use hoststate_core::language::ensure::Ensure;
use hoststate_core::language::registry::Registry;
use hoststate_core::plugins::conformance::{self, BrokenLaw, Conformity, Trial, TrialHost};
use hoststate_core::plugins::plugin::{Candidate, trial};
use hoststate_core::record::store::RecordStore;
use hoststate_core::run::apply::Activate;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::args::plugin::PluginTestArguments;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::plugins::{Plugins, canonical};
use crate::render::escape::visible_line;
use crate::render::screen::Screen;
use crate::render::shown::Shown;
use crate::session::Session;

/// Format of what the kit found.
const TEST_FORMAT: &str = "hoststate.plugin-test/1";

/// The law that there is something to try.
const HAS_EXAMPLES: &str = "it has an example to try it on";

/// What every host of an example has, unless the example says otherwise: a Debian without a kernel.
const PLAIN_HOST: [(&str, &str); 6] = [
    ("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
    ("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n"),
    ("/boot/grub/grub.cfg", ""),
    ("/etc/initramfs-tools/initramfs.conf", "MODULES=most\n"),
    ("/usr/sbin/update-grub", ""),
    ("/usr/sbin/update-initramfs", ""),
];

/// What the kit found.
#[derive(Serialize)]
struct Tested<'a> {
    format: &'static str,
    file: PathBuf,
    /// Of the chapters, one after the other.
    #[serde(serialize_with = "laws")]
    laws: &'a [Chapter],
    /// How many laws are broken.
    broken: usize,
}

/// What was tried, and how each law fared.
struct Chapter {
    about: String,
    laws: Vec<(&'static str, Fared)>,
}

/// How a law fared.
enum Fared {
    Holds,
    Broken(BrokenLaw),
    NotTried,
}

impl Chapter {
    fn new(about: String, laws: &[&'static str], Conformity { tried, findings }: Conformity) -> Self {
        let fared = |(index, law): (usize, &&'static str)| {
            let finding = findings.iter().find(|it| it.law == *law).cloned();
            let fared = match finding {
                Some(finding) => Fared::Broken(finding),
                None if index < tried => Fared::Holds,
                None => Fared::NotTried,
            };
            (*law, fared)
        };
        Self { about, laws: laws.iter().enumerate().map(fared).collect() }
    }
}

/// Runs the command. The plugin runs without rights, whatever it asks for.
///
/// # Errors
/// When it cannot be read or cannot say what it is, or there is no room for its hosts.
pub(crate) fn run(arguments: &PluginTestArguments, session: &Session) -> Result<Exit> {
    let plugins = Plugins::new(&arguments.plugins)?;
    let named = &arguments.plugin;
    let file = canonical(named).map_err(|err| Error::io(format!("the plugin {}", named.display()), err))?;
    let candidate = Candidate::try_out(&file, &plugins.program)?;
    let findings = candidate.conversation(&plugins.program);
    let verdict = Conformity { tried: trial::LAWS.len(), findings };
    let mut chapters = vec![Chapter::new(candidate.title(), &trial::LAWS, verdict)];
    let mut registry = Registry::clone(&plugins.base);
    registry.add(candidate.entries(&plugins.program, &plugins.base))?;
    for described in &candidate.description.types {
        chapters.extend(of_type(described, &registry)?);
    }
    let broken =
        chapters.iter().flat_map(|it| &it.laws).filter(|(_, it)| matches!(it, Fared::Broken(_))).count();
    session.show(&Tested { format: TEST_FORMAT, file, laws: &chapters, broken })?;
    Ok(if broken == 0 { Exit::Success } else { Exit::Error })
}

fn of_type(described: &TypeDescription, registry: &Registry) -> Result<Vec<Chapter>> {
    if described.examples.is_empty() {
        let mend = "Give the type `examples`: a `desired` value, and the `files` of a host that does not \
                    have it yet.";
        let finding = BrokenLaw::new(HAS_EXAMPLES, "there is none, so nothing of the type was tried", mend);
        return Ok(vec![Chapter::new(
            described.name.clone(),
            &[HAS_EXAMPLES],
            Conformity { tried: 1, findings: vec![finding] },
        )]);
    }
    let mut chapters = Vec::new();
    for (number, example) in (1..).zip(&described.examples) {
        let verdict = of_example(described, example, registry)?;
        let about = format!("{}, example {number}", described.name);
        chapters.push(Chapter::new(about, &conformance::LAWS, verdict));
    }
    Ok(chapters)
}

fn of_example(described: &TypeDescription, example: &Example, registry: &Registry) -> Result<Conformity> {
    let no_room = |err| Error::io("a directory for the host of an example", err);
    let room =
        |permissions| tempfile::Builder::new().permissions(Permissions::from_mode(permissions)).tempdir();
    // The plugin reads it without rights.
    let (root, records) = (room(0o755).map_err(no_room)?, room(0o700).map_err(no_room)?);
    let mut files: BTreeMap<PathBuf, String> =
        PLAIN_HOST.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
    files.extend(example.files.clone());
    let host = match TrialHost::new(root.path(), &files, &example.links) {
        Ok(host) => host,
        Err(err) => return Ok(Conformity::of(&err)),
    };
    if let Err(err) = host.open_to_all() {
        return Ok(Conformity::of(&err));
    }
    let (kind, desired) = (described.name.clone(), example.desired.clone());
    let declared = match registry.decode(Declaration {
        kind,
        name: None,
        ensure: Ensure::Present,
        playbook: None,
        composite: None,
        desired,
    }) {
        Ok(declared) => declared,
        Err(rejected) => return Ok(Conformity::of(&rejected.into_first().source)),
    };
    let distro = match hoststate_providers::detect(&hoststate_core::host::Host::view(&host)) {
        Ok(distro) => distro,
        Err(err) => return Ok(Conformity::of(&err)),
    };
    let records = RecordStore::new("/", records.path().join("runs"));
    let trial = Trial { declared: &declared, distro: &distro, records, activate: Activate::Skip };
    Ok(conformance::check(&trial, &host))
}

impl Shown for Tested<'_> {
    fn text(&self, _: &Screen) -> String {
        let mut text = String::new();
        let mut line = |it: String| {
            text.push_str(&visible_line(&it));
            text.push('\n');
        };
        for chapter in self.laws {
            line(chapter.about.clone());
            for (law, fared) in &chapter.laws {
                match fared {
                    Fared::Holds => line(format!("    ok      {law}")),
                    Fared::NotTried => line(format!("    -       {law}: not tried")),
                    Fared::Broken(finding) => {
                        line(format!("    BROKEN  {law}"));
                        finding.what.lines().for_each(|it| line(format!("            {it}")));
                        line(format!("            hint: {}", finding.mend));
                    }
                }
            }
        }
        line(match self.broken {
            0 => "All laws hold.".to_owned(),
            1 => "1 law is broken.".to_owned(),
            count => format!("{count} laws are broken."),
        });
        text
    }
}

fn laws<S: Serializer>(chapters: &[Chapter], serializer: S) -> Result<S::Ok, S::Error> {
    let laws = chapters.iter().flat_map(|chapter| {
        chapter.laws.iter().map(|(law, fared)| match fared {
            Fared::Holds => json!({ "subject": chapter.about, "law": law, "holds": true }),
            Fared::NotTried => json!({ "subject": chapter.about, "law": law, "holds": null }),
            Fared::Broken(BrokenLaw { what, mend, .. }) => json!({
                "subject": chapter.about, "law": law, "holds": false, "what": what, "hint": mend,
            }),
        })
    });
    laws.collect::<Vec<Value>>().serialize(serializer)
}
