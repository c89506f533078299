//! Commands about the script itself: loops, functions, `eval`, other scripts.

use super::Origin;
use super::commands::{BAD_ARGUMENT, BAD_NUMBER, Call, FILE_NOT_FOUND};
use super::machine::{Flow, Machine, Status, script_at, unknown};
use super::number::{self, NotANumber};
use super::text::Text;

impl Machine<'_> {
    pub(super) fn leave_loops(&mut self, call: &Call<'_>) -> Status {
        let count = match call.arguments {
            [] => 1,
            [count] => match whole(&count.text) {
                Ok(0) => return BAD_ARGUMENT,
                Ok(count) => count,
                Err(status) => return status,
            },
            _ => return BAD_ARGUMENT,
        };
        self.is_continue = call.name == "continue";
        self.breaks = count.min(self.loops);
        0
    }

    pub(super) fn shift(&mut self, call: &Call<'_>) -> Status {
        let Some(scope) = &mut self.scope else {
            return 0;
        };
        let count = match call.arguments {
            [] => 1,
            [count] => match number::leading(&count.text, 10) {
                (count, "") => count.unwrap_or(0),
                _ => return BAD_ARGUMENT,
            },
            _ => return BAD_ARGUMENT,
        };
        match usize::try_from(count) {
            Ok(count) if count <= scope.len() => {
                scope.drain(..count);
                0
            }
            _ => BAD_ARGUMENT,
        }
    }

    pub(super) fn return_from_function(&mut self, call: &Call<'_>) -> Status {
        let status = match call.arguments {
            _ if self.scope.is_none() => return BAD_ARGUMENT,
            [] => self.status().unwrap_or(0),
            [status] => match whole(&status.text) {
                Ok(status) => status as Status,
                Err(status) => return status,
            },
            _ => return BAD_ARGUMENT,
        };
        self.returns = true;
        status
    }

    pub(super) fn eval(&mut self, call: &Call<'_>) -> Flow<Status> {
        let mut text = Text::default();
        for (index, argument) in call.arguments.iter().enumerate() {
            if index > 0 {
                text.append(&Text::plain(" "));
            }
            text.append(argument);
        }
        if text.unknown.is_some() {
            return Err(unknown(format!("`{}` cannot be known", text.text), Some(call.place.clone())));
        }
        let script = script_at(&text.text, &Origin { place: call.place.clone(), variable: None });
        self.run_text(&script, 0, script.source.text.len())
    }

    pub(super) fn source(&mut self, call: &Call<'_>, in_own_context: bool) -> Flow<Status> {
        let [config] = call.arguments else {
            return Ok(BAD_ARGUMENT);
        };
        if !in_own_context {
            self.normal(config, Some(call.place), false)?;
            return Ok(0);
        }
        self.open_context();
        self.normal(config, Some(call.place), true)?;
        self.contexts.pop();
        Ok(0)
    }

    pub(super) fn enter_normal_mode(&mut self, call: &Call<'_>) -> Flow<Status> {
        let config = match call.arguments.first() {
            Some(config) => config.clone(),
            None => {
                let mut config = self.get("prefix").map(|it| it.value.clone()).unwrap_or_default();
                config.append(&Text::plain("/grub.cfg"));
                config
            }
        };
        self.normal(&config, Some(call.place), true)?;
        Err(Box::new(self.prompt()))
    }

    /// `increment` and `decrement` of Fedora.
    pub(super) fn count(&mut self, call: &Call<'_>) -> Status {
        let [name] = call.arguments else {
            return BAD_ARGUMENT;
        };
        let Some(old) = self.get(&name.text).map(|it| it.value.clone()) else {
            return FILE_NOT_FOUND;
        };
        let (digits, is_negative) = match old.text.strip_prefix('-') {
            Some(digits) => (digits, true),
            None => (old.text.as_str(), false),
        };
        let Ok(value) = number::leading(digits, 0).0 else {
            return BAD_NUMBER;
        };
        let value = if is_negative { (value as i64).wrapping_neg() } else { value as i64 };
        let step = if call.name == "increment" { 1 } else { -1 };
        let origin = Origin { place: call.place.clone(), variable: None };
        let mut new = Text::new(&value.wrapping_add(step).to_string(), origin);
        new.unknown = old.unknown;
        self.set(&name.text, new, call.place);
        0
    }
}

fn whole(text: &str) -> Result<u64, Status> {
    match number::leading(text, 10) {
        (Ok(number), "") => Ok(number),
        (Ok(_), _) => Err(BAD_ARGUMENT),
        (Err(NotANumber::NoDigits), _) => Err(BAD_NUMBER),
        (Err(NotANumber::TooLarge), _) => Err(super::commands::OUT_OF_RANGE),
    }
}
