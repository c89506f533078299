//! `hoststate check`: whether a playbook is right, whatever the host.

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Several;
use hoststate_core::language::contradiction::{self, Contradiction};
use hoststate_core::language::declaration::{DECLARATIONS_FORMAT, Declarations};
use hoststate_core::plan::doubts;
use hoststate_lua::facts::{Facts, NoHost};
use hoststate_lua::host_facts::HostFacts;
use serde::Serialize;
use serde_json::Value;

use crate::args::{CheckArguments, Format};
use crate::capture::Capture;
use crate::error::Result;
use crate::exit::Exit;
use crate::playbook::{self, PlaybookTrust};
use crate::plugins::Plugins;
use crate::render::errors;
use crate::render::escape::visible_line;
use crate::render::plan::named;
use crate::render::screen::Amount;
use crate::session::Session;

/// What a playbook evaluates to, and what looks wrong in it.
#[derive(Serialize)]
struct Checked {
    #[serde(flatten)]
    declarations: Declarations,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Value>,
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
    if session.format == Format::Json {
        let resources = playbook.declared.into_iter().map(|it| it.declaration).collect();
        let declarations = Declarations { format: DECLARATIONS_FORMAT.to_owned(), resources };
        let warnings = doubts.iter().map(errors::doubt_json).collect();
        session.print_json(&Checked { declarations, warnings })?;
        return Ok(Exit::Success);
    }
    // The playbook's loader says what is about no line.
    for doubt in doubts.iter().filter(|it| it.origin.is_some()) {
        session.warn(doubt);
    }
    let mut text = String::new();
    if session.screen.amount == Amount::More {
        for it in &playbook.declared {
            text.push_str(&visible_line(&named(&it.id, it.declaration.playbook.as_ref())));
            text.push('\n');
        }
    }
    let count = match playbook.declared.len() + playbook.left_to_host {
        1 => "1 declaration".to_owned(),
        count => format!("{count} declarations"),
    };
    text.push_str(&format!("{}: {count}, valid\n", visible_line(&playbook.name)));
    session.print(&text)?;
    Ok(Exit::Success)
}
