//! `hoststate check`: whether a playbook is right, whatever the host.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Several;
use hoststate_core::language::contradiction::{self, Contradiction};
use hoststate_core::language::declaration::{DECLARATIONS_FORMAT, Declarations};
use hoststate_core::plan::doubts;
use hoststate_lua::facts::{Facts, NoHost};
use hoststate_lua::host_facts::HostFacts;
use serde::Serialize;
use serde_json::Value;

use crate::args::CheckArguments;
use crate::capture::Capture;
use crate::error::Result;
use crate::exit::Exit;
use crate::playbook::{self, PlaybookTrust};
use crate::plugins::Plugins;
use crate::provenance::absolute;
use crate::render::amount::counted;
use crate::render::errors;
use crate::render::escape::visible_line;
use crate::render::plan::named;
use crate::render::screen::{Amount, Screen};
use crate::render::shown::Shown;
use crate::session::Session;

/// What a playbook evaluates to, and what looks wrong in it.
#[derive(Serialize)]
struct Checked {
    #[serde(flatten)]
    declarations: Declarations,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Value>,
    /// What is declared, each with its line.
    #[serde(skip)]
    named: Vec<String>,
    /// The playbook.
    #[serde(skip)]
    name: String,
    /// How much it declares that only a host tells.
    #[serde(skip)]
    left_to_host: usize,
}

impl Shown for Checked {
    fn text(&self, screen: &Screen) -> String {
        let mut text = String::new();
        if screen.amount == Amount::More {
            for it in &self.named {
                text.push_str(&visible_line(it));
                text.push('\n');
            }
        }
        let count = counted(self.named.len() + self.left_to_host, "declaration");
        text.push_str(&format!("{}: {count}, valid\n", visible_line(&self.name)));
        text
    }
}

/// Runs the command. With JSON, prints the declarations that the playbook evaluates to.
///
/// # Errors
/// When the playbook cannot be read or declares what cannot be.
pub(crate) fn run(arguments: &CheckArguments, session: &Session) -> Result<Exit> {
    let registry = Plugins::new(&arguments.plugins)?.registry()?;
    let text = playbook::read(&arguments.playbook, &PlaybookTrust::Any)?;
    let load =
        |facts: &dyn Facts| playbook::load(&arguments.playbook, &text, facts, &registry, &PlaybookTrust::Any);
    let playbook = match &arguments.capture {
        None => load(&NoHost)?,
        Some(file) => {
            let capture = Capture::open(file)?;
            let host = HostView::new(capture.root());
            let distro = hoststate_providers::detect(&host)?;
            load(&HostFacts { host: &host, distro: &distro })?
        }
    };
    let contradictions = contradiction::find(&playbook.declared);
    Several::none_of(contradictions.iter().map(Contradiction::rejected).collect(), ())?;
    let mut doubts = doubts::find(&playbook.declared);
    if playbook.left_to_host > 0 {
        doubts.retain(|it| it.name != doubts::NOTHING_DECLARED);
    }
    // The playbook's loader says what is about no line.
    for doubt in doubts.iter().filter(|it| it.origin.is_some()) {
        session.warn_in_text(doubt);
    }
    let named = playbook.declared.iter().map(|it| named(&it.id, it.declaration.playbook.as_ref())).collect();
    let resources = playbook.declared.into_iter().map(|it| it.declaration).collect();
    let (name, left_to_host) = (playbook.name, playbook.left_to_host);
    // Whose the file is by itself it says without a word.
    let owner = playbook.owner.filter(|it| Path::new(it) != absolute(&arguments.playbook));
    session.show(&Checked {
        declarations: Declarations { format: DECLARATIONS_FORMAT.to_owned(), owner, resources },
        warnings: doubts.iter().map(errors::doubt_json).collect(),
        named,
        name,
        left_to_host,
    })?;
    Ok(Exit::Success)
}
