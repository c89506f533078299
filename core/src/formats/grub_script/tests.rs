//! Tests of playing boots: a disk of texts, and how a boot is shown.

use std::collections::BTreeMap;

use expect_test::Expect;

use super::*;

mod distributions;
mod language;
mod menus;

/// Files by `(device)/path`; those of the device `dark` cannot be known.
#[derive(Default)]
struct TestDisk(BTreeMap<String, String>);

impl TestDisk {
    fn new(files: &[(&str, &str)]) -> TestDisk {
        TestDisk(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }
}

impl Disk for TestDisk {
    fn file(&self, device: &str, path: &str) -> File {
        if device == "dark" {
            return File::Unknown;
        }
        let name = format!("({device}){path}");
        match self.0.get(&name) {
            Some(text) => File::Text(text.as_str().into()),
            None if path.starts_with("/k") || path.starts_with("/i") => File::Data,
            None if self.0.keys().any(|it| it.starts_with(&format!("{name}/"))) => File::Directory,
            None => File::Absent,
        }
    }

    fn list(&self, device: &str, path: &str) -> Listing {
        if device == "dark" {
            return Listing::Unknown;
        }
        let inside = format!("({device}){path}/");
        let names: Vec<String> =
            self.0.keys().filter_map(|it| it.strip_prefix(&inside)).map(str::to_owned).collect();
        if names.is_empty() { Listing::Absent } else { Listing::Names(names) }
    }

    fn search(&self, _: SearchBy, what: &str, _: &[&str]) -> Found {
        match what {
            "unknown" => Found::Unknown,
            _ if what.starts_with("hd") || what == "dark" => Found::Device(what.to_owned()),
            _ => Found::Absent,
        }
    }

    fn is_writable(&self, device: &str, _: &str) -> Option<bool> {
        (device != "hd9").then_some(true)
    }
}

fn start(family: Family) -> Start {
    let variables = [("root", "hd0"), ("prefix", "(hd0)/grub")];
    Start {
        family,
        cpu: "x86_64".to_owned(),
        platform: "efi".to_owned(),
        config: "(hd0)/grub/grub.cfg".to_owned(),
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        blocks: BTreeMap::new(),
    }
}

fn block(variables: &str) -> String {
    format!("{:#<1024}", format!("# GRUB Environment Block\n{variables}"))
}

fn place(place: &Place) -> String {
    let file = place.file.strip_prefix("(hd0)/grub/grub.cfg").unwrap_or(&place.file);
    format!("{file}:{}", place.line)
}

fn origins(origins: &[Origin]) -> String {
    let shown = origins.iter().map(|it| match &it.variable {
        Some(variable) => format!("{} {variable}", place(&it.place)),
        None => place(&it.place),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn command(command: &Command) -> String {
    let arguments = command.arguments.iter().map(|it| format!(" [{}]", it.text));
    format!("{} {}{}", place(&command.place), command.name, arguments.collect::<String>())
}

/// Shows a world: what was taken, why, and how it ends.
fn shown(world: &World) -> String {
    let mut lines = String::new();
    for menu in &world.menus {
        for pick in &menu.picks {
            let entry = &menu.entries[pick.entry];
            let by = match &pick.by {
                Decider::Default(it) => format!("default {:?} of {}", it.value, origins(&it.origins)),
                Decider::First(None) => "first".to_owned(),
                Decider::First(Some(it)) => format!("first for {:?} of {}", it.value, origins(&it.origins)),
                Decider::Fallback(it) => format!("fallback {:?} of {}", it.value, origins(&it.origins)),
            };
            lines += &format!("{:?} {} by {by}\n", entry.title, place(&entry.place));
        }
    }
    for it in &world.failures {
        lines += &format!("failed {} {}\n", place(&it.place), it.what);
    }
    match &world.end {
        End::Boot(boot) => {
            lines += &format!("{}\n", command(&boot.loader));
            for it in &boot.modules {
                lines += &format!("{}\n", command(it));
            }
        }
        End::Leave(it) => lines += &format!("leaves {}\n", command(it)),
        End::Menu => lines += "stays at the menu\n",
        End::Prompt => lines += "stays at the command line\n",
        End::Password(it) => lines += &format!("asks for a password {}\n", place(it)),
        End::Unknown { why, place: at } => {
            lines += &format!("unknown {} {why}\n", at.as_ref().map(place).unwrap_or_default());
        }
    }
    for (file, block) in &world.blocks {
        lines += &format!("{file} {:?}\n", block.trim_end_matches('#').split_once('\n').map(|it| it.1));
    }
    lines
}

fn all(play: &Play) -> String {
    let mut lines = String::new();
    for world in &play.worlds {
        if play.worlds.len() > 1 {
            for it in &world.assumptions {
                lines += &format!("if {} ({}):\n", it.what, place(&it.place));
            }
        }
        lines += &shown(world);
    }
    lines
}

/// Plays a script with files beside it.
fn check_with(family: Family, config: &str, files: &[(&str, &str)], expect: Expect) {
    let mut disk = TestDisk::new(files);
    disk.0.insert("(hd0)/grub/grub.cfg".to_owned(), config.to_owned());
    expect.assert_eq(&all(&play(&start(family), &disk)));
}

fn check(config: &str, expect: Expect) {
    check_with(Family::Upstream, config, &[], expect);
}
