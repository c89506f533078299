//! A chain of reasons as text: one line for each link, its evidence below.

use hoststate_core::why::chain::{Chain, Standing};

use crate::render::escape::visible_line;
use crate::render::screen::{Amount, Paint, Screen};

/// Where evidence begins.
const EVIDENCE: usize = 10;

/// Returns the chain.
pub(crate) fn text(screen: &Screen, chain: &Chain) -> String {
    let driver = chain.now.as_deref().map_or("without a driver".to_owned(), |it| format!("on {it}"));
    let wanted = chain.wanted.as_ref().map_or(String::new(), |it| format!(", wanted on {it}"));
    let head = format!("{} ({}): {driver}{wanted}", chain.address, chain.description);
    let mut out = screen.paint(Paint::Heading, &visible_line(&head));
    out.push('\n');
    for link in &chain.links {
        let (label, paint) = match link.standing {
            Standing::Ok => ("ok       ", Paint::Added),
            Standing::Blocks => ("blocks   ", Paint::Removed),
            Standing::Waits => ("waits    ", Paint::Warning),
            Standing::Fact => ("-        ", Paint::Faint),
            Standing::Unknown => ("unknown  ", Paint::Warning),
        };
        out.push_str(&screen.paint(paint, label));
        let mut finding = String::new();
        screen.prose(&mut finding, label.len(), &visible_line(&format!("{}: {}", link.what, link.finding)));
        out.push_str(finding.trim_start());
        if screen.amount > Amount::Less {
            for it in &link.evidence {
                screen.prose(&mut out, EVIDENCE + 1, &visible_line(it));
            }
        }
    }
    out.push('\n');
    screen.prose(&mut out, 0, &chain.conclusion);
    out
}
