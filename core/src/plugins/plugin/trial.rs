//! What a plugin does with requests that it should not get: other protocols, unknown words, garbage.

use std::path::Path;

use hoststate_abi::message::{Answer, Description, FEATURES, Hello, PROTOCOL, Response, User};

use crate::error::Result;
use crate::plugins::conformance::BrokenLaw;
use crate::plugins::plugin::session::Session;

/// A protocol that there will never be.
const NEVER: u32 = 1_000_000;

/// The laws of `conversation`, in the order in which they are tried.
pub const LAWS: [&str; 6] = [
    "it speaks to this hoststate",
    "it speaks to a newer hoststate that still knows its protocol",
    "it says so when hoststate no longer knows its protocol",
    "it describes itself the same way twice",
    "it answers an unknown request with an error",
    "it answers garbage with an error, and goes on",
];

/// Tries a plugin's side of the conversation. Each law gets a process of its own.
pub(super) fn conversation(program: &Path, path: &Path, bytes: &[u8], known: &Description) -> Vec<BrokenLaw> {
    let start = || Session::start(program, path, bytes, Path::new("/"), User::Nobody, known.asks.seconds);
    let features = || FEATURES.map(str::to_owned).to_vec();
    let hello = |protocol, oldest| Hello { protocol, oldest, features: features() };
    let tries: [(&str, Result<Option<BrokenLaw>>); 6] = [
        (LAWS[0], start().and_then(|mut it| it.greet(hello(PROTOCOL, PROTOCOL))).map(|()| None)),
        (LAWS[1], start().and_then(|mut it| newer(&mut it, hello(NEVER, PROTOCOL)))),
        (LAWS[2], start().and_then(|mut it| too_new(&mut it))),
        (LAWS[3], start().and_then(|mut it| same(&mut it, hello(PROTOCOL, PROTOCOL), known))),
        (LAWS[4], start().and_then(|mut it| unknown(&mut it, hello(PROTOCOL, PROTOCOL)))),
        (LAWS[5], start().and_then(|mut it| garbage(&mut it, hello(PROTOCOL, PROTOCOL)))),
    ];
    let findings = tries.into_iter().filter_map(|(law, result)| match result {
        Ok(finding) => finding,
        Err(err) => Some(BrokenLaw::new(law, err.to_string(), err.hint().unwrap_or_default())),
    });
    findings.collect()
}

fn newer(session: &mut Session, hello: Hello) -> Result<Option<BrokenLaw>> {
    let answer = session.exchange(&line(1, &format!("{{\"hello\":{}}}", json(&hello))))?;
    Ok(match serde_json::from_slice::<Response>(&answer) {
        Ok(Response { answer: Answer::Hello(welcome), .. }) if welcome.protocol == PROTOCOL => None,
        Ok(Response { answer: Answer::Hello(welcome), .. }) => Some(BrokenLaw::new(
            LAWS[1],
            format!("it says that it speaks version {}, which does not exist", welcome.protocol),
            "Answer with the version the plugin was written for, not with the one that was offered.",
        )),
        _ => Some(BrokenLaw::new(
            LAWS[1],
            format!("it answers {}", shown(&answer)),
            "Accept any range from `oldest` to `protocol` that has the plugin's version in it.",
        )),
    })
}

fn too_new(session: &mut Session) -> Result<Option<BrokenLaw>> {
    let hello = Hello { protocol: NEVER, oldest: NEVER, features: Vec::new() };
    let answer = session.exchange(&line(1, &format!("{{\"hello\":{}}}", json(&hello))))?;
    let mend = "Answer with `error` when the plugin's version is not between `oldest` and `protocol`.";
    Ok(refusal(LAWS[2], &answer, mend))
}

fn same(session: &mut Session, hello: Hello, known: &Description) -> Result<Option<BrokenLaw>> {
    session.greet(hello)?;
    let is_same = session.describe()? == *known && session.describe()? == *known;
    let mend = "A description is constant: what was trusted must be what runs.";
    Ok((!is_same).then(|| BrokenLaw::new(LAWS[3], "the two descriptions differ", mend)))
}

fn unknown(session: &mut Session, hello: Hello) -> Result<Option<BrokenLaw>> {
    session.greet(hello)?;
    let answer = session.exchange(&line(7, "{\"frobnicate\":{}}"))?;
    Ok(refusal(LAWS[4], &answer, "Answer what the plugin does not know with `error`."))
}

fn garbage(session: &mut Session, hello: Hello) -> Result<Option<BrokenLaw>> {
    session.greet(hello)?;
    let answer = session.exchange(b"\xff{\"id\":")?;
    let refused = refusal(LAWS[5], &answer, "Answer a line that is no request with `error`, with the id 0.");
    if refused.is_none() {
        session.describe()?;
    }
    Ok(refused)
}

fn refusal(law: &'static str, answer: &[u8], mend: &str) -> Option<BrokenLaw> {
    match serde_json::from_slice::<Response>(answer) {
        Ok(Response { answer: Answer::Error(_), .. }) => None,
        _ => Some(BrokenLaw::new(law, format!("it answers {}", shown(answer)), mend)),
    }
}

fn line(id: u64, request: &str) -> Vec<u8> {
    format!("{{\"id\":{id},\"request\":{request}}}").into_bytes()
}

fn json(hello: &Hello) -> String {
    let Hello { protocol, oldest, features } = hello;
    format!("{{\"protocol\":{protocol},\"oldest\":{oldest},\"features\":{features:?}}}")
}

fn shown(answer: &[u8]) -> String {
    String::from_utf8_lossy(&answer[..answer.len().min(120)]).into_owned()
}
