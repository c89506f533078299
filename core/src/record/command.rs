//! Which command a run was, as its record has it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The command of a run. In records it is the text that `history` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum RunCommand {
    /// `converge`.
    Converge,
    /// `converge --at-boot`: the rest is done after the boot.
    ConvergeAtBoot,
    /// `converge --confirm-boot`: a boot is tried.
    ConfirmBoot,
    /// What was left for after the boot.
    AtBoot,
    /// `rollback`, with the id of the run that it undoes; empty in records that do not tell.
    Rollback(String),
    /// Another, such as a trial of the conformance kit.
    Other(String),
}

/// The type of the declaration that a rollback is planned by, and how its command begins.
pub const UNDO: &str = "rollback";

impl fmt::Display for RunCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Converge => f.write_str("converge"),
            Self::ConvergeAtBoot => f.write_str("converge --at-boot"),
            Self::ConfirmBoot => f.write_str("converge --confirm-boot"),
            Self::AtBoot => f.write_str("at boot"),
            Self::Rollback(run) if run.is_empty() => f.write_str(UNDO),
            Self::Rollback(run) => write!(f, "{UNDO} {run}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl From<RunCommand> for String {
    fn from(command: RunCommand) -> Self {
        command.to_string()
    }
}

impl From<String> for RunCommand {
    fn from(text: String) -> Self {
        let known = [Self::Converge, Self::ConvergeAtBoot, Self::ConfirmBoot, Self::AtBoot];
        if let Some(known) = known.into_iter().find(|it| it.to_string() == text) {
            return known;
        }
        match text.split_once(' ') {
            Some((UNDO, run)) => Self::Rollback(run.trim().to_owned()),
            None if text == UNDO => Self::Rollback(String::new()),
            _ => Self::Other(text),
        }
    }
}

impl JsonSchema for RunCommand {
    fn schema_name() -> Cow<'static, str> {
        "RunCommand".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["converge"] })
    }
}

#[cfg(test)]
mod tests {
    use super::RunCommand;

    #[test]
    fn what_is_recorded_is_read_as_the_same_command() {
        use RunCommand::{AtBoot, ConfirmBoot, Converge, ConvergeAtBoot, Other, Rollback};
        let run = Rollback("20261201T030000Z".to_owned());
        for command in
            [Converge, ConvergeAtBoot, ConfirmBoot, AtBoot, run, Rollback(String::new()), Other("kit".into())]
        {
            assert_eq!(RunCommand::from(command.to_string()), command);
        }
    }
}
