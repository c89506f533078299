//! The numbers of virtual functions that netplan makes (netplan-yaml(5), `virtual-function-count` and `link`).

use std::collections::BTreeMap;
use std::rc::Rc;

use super::foreign_files;
use super::statement::{Card, Statement};
use crate::error::Result;
use crate::formats::yaml::{self, Node};
use crate::plan::scene::Scene;

const DIRECTORIES: [&str; 3] = ["/etc/netplan", "/run/netplan", "/usr/lib/netplan"];

/// A definition of an interface, over all files: a later one adds to it and goes before.
#[derive(Default)]
struct Definition {
    names: Vec<String>,
    macs: Vec<String>,
    drivers: Vec<String>,
    is_matched: bool,
    count: Option<(String, String)>,
    /// The functions of it that are defined, each with its place.
    functions: Vec<String>,
}

impl Definition {
    fn add(&mut self, node: &Node, path: &str) {
        if let Some(matches) = node.get("match") {
            self.is_matched = true;
            let texts = |name: &str| -> Vec<String> {
                let values = matches.get(name).map(Node::items).unwrap_or_default();
                values.iter().filter_map(|it| it.text()).map(str::to_owned).collect()
            };
            for (own, name) in
                [(&mut self.names, "name"), (&mut self.macs, "macaddress"), (&mut self.drivers, "driver")]
            {
                let given = texts(name);
                if !given.is_empty() {
                    *own = given;
                }
            }
        }
        if let Some(count) = node.get("virtual-function-count")
            && let Some(text) = count.text()
        {
            let evidence = format!("{path}:{} has virtual-function-count: {text}", count.line);
            self.count = Some((text.to_owned(), evidence));
        }
    }

    /// All that is given must hold. Its own name and the one that it sets are what it may be called now.
    fn is_of(&self, id: &str, card: &Card<'_>) -> bool {
        if !self.is_matched {
            return card.is_named(id);
        }
        let any =
            |given: &[String], has: &dyn Fn(&str) -> bool| given.is_empty() || given.iter().any(|it| has(it));
        any(&self.names, &|it| card.is_named(it))
            && any(&self.macs, &|it| card.has_mac(it))
            && any(&self.drivers, &|it| card.has_driver(it))
    }
}

pub(super) fn counts(scene: Scene<'_>) -> Result<Vec<Statement>> {
    let mut files = foreign_files(scene, &DIRECTORIES, ".yaml")?;
    files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    let mut definitions: BTreeMap<String, Definition> = BTreeMap::new();
    let mut renamed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in files {
        let documents = scene.after.parsed(&path, yaml::parse)?.unwrap_or_default();
        let path = path.display().to_string();
        let all = documents.iter().filter_map(|it| it.at(&["network", "ethernets"]));
        for (id, node) in all.flat_map(Node::entries) {
            definitions.entry(id.to_owned()).or_default().add(node, &path);
            if let Some(name) = node.get("set-name").and_then(Node::text) {
                renamed.entry(id.to_owned()).or_default().push(name.to_owned());
            }
            if let Some(link) = node.get("link")
                && let Some(of) = link.text()
            {
                let place = format!("{path}:{} has {id} with link: {of}", link.line);
                definitions.entry(of.to_owned()).or_default().functions.push(place);
            }
        }
    }
    for (id, names) in renamed {
        // It has the new name already, unless the host was not booted since.
        if let Some(definition) = definitions.get_mut(&id).filter(|it| !it.names.is_empty()) {
            definition.names.extend(names);
        }
    }
    let mut statements = Vec::new();
    for (id, definition) in definitions {
        let made = definition.functions.len();
        let (count, evidence) = match (&definition.count, definition.functions.first()) {
            // Fewer than are defined is an error of netplan's.
            (Some((count, evidence)), _) if count.parse().is_ok_and(|it: usize| it >= made) => {
                (count.clone(), evidence.clone())
            }
            (_, Some(first)) => {
                let more = if made > 1 { format!(", and {} more", made - 1) } else { String::new() };
                (made.to_string(), format!("{first}{more}"))
            }
            (Some((count, evidence)), None) => (count.clone(), evidence.clone()),
            (None, None) => continue,
        };
        let definition = Rc::new(definition);
        statements.push(Statement {
            who: "netplan",
            sets: Some(count),
            evidence,
            is_invitation: false,
            is_of: Box::new(move |card| definition.is_of(&id, card)),
        });
    }
    Ok(statements)
}
