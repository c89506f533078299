//! `modprobe_options`: parameters a module is loaded with.

use std::collections::BTreeMap;

use hoststate_abi::setting::{Setting, State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::formats::modprobe_conf::{ModuleName, Origin, same_folded};
use crate::language::contradiction::{Claim, Governed};
use crate::language::item::one_by_one;
use crate::language::resource::{Context, Resource, ResourceType};
use crate::machine::modprobe_d;
use crate::resources::modprobe_file::{self, ConfFile};
use crate::resources::modprobe_removal::{self, Removal};

/// Parameters a module is loaded with.
///
/// All `options` lines of a module are passed on in bytewise order of the files' names, the command line's
/// `module.parameter=` last; for one parameter the last value counts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModprobeOptions {
    /// The module, e.g. `kvm_intel`.
    module: ModuleName,
    /// Parameters and their values: texts, numbers, or `true` and `false` (written as `1` and `0`).
    #[schemars(extend("examples" = [{ "nested": 1 }]))]
    options: BTreeMap<String, OptionValue>,
    /// File in `/etc/modprobe.d` for the lines; default `zz-hoststate.conf`, which sorts after all others.
    file: Option<ConfFile>,
}

/// A parameter's value as modprobe.d writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Value")]
#[schemars(extend("type" = ["string", "number", "boolean"]))]
struct OptionValue(String);

impl TryFrom<Value> for OptionValue {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            Value::Bool(flag) => Ok(Self(u8::from(flag).to_string())),
            other => Err(format!(
                "{other} is not a value of a module parameter; give a text, a number, true or false"
            )),
        }
    }
}

impl ResourceType for ModprobeOptions {
    const NAME: &'static str = "modprobe_options";

    fn default_name(&self) -> String {
        let parameters: Vec<&str> = self.options.keys().map(String::as_str).collect();
        format!("{} {}", self.module, parameters.join(","))
    }

    fn validate(&self) -> Result<()> {
        if self.options.is_empty() {
            return Err(Error::invalid("`options` is empty", "Give at least one parameter."));
        }
        Ok(())
    }

    /// Another value of a parameter is somebody else's, and comes back by itself where a line of hoststate's outweighed it.
    fn absent(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let own = modprobe_file::options_file(self.file.as_ref());
        let mut removal = Removal::new(cx)?;
        let before = cx.before.map(modprobe_d::read).transpose()?;
        let mut found = Vec::new();
        for (parameter, OptionValue(value)) in &self.options {
            // What a value of ours took the place of in that line comes back there.
            let was = before.as_ref().and_then(|it| it.effective_option(&self.module, parameter));
            let was = was.filter(|it| !same_value(&it.value, value));
            while let Some(winner) = removal.view().effective_option(&self.module, parameter)
                && same_value(&winner.value, value)
            {
                let assignment = format!("{parameter}={}", winner.value);
                if !found.contains(&assignment) {
                    found.push(assignment);
                }
                let replaced = was.as_ref().filter(|it| in_one_file(&it.origin, &winner.origin));
                let mut refused = None;
                let changed = removal.change(&winner.origin, |conf| match replaced {
                    Some(was) => refused = conf.set_option(&self.module, parameter, &was.value).err(),
                    None => conf.remove_option(&self.module, parameter),
                });
                if let Some(err) = refused {
                    return Err(Error::Invalid { what: err.to_string(), hint: None });
                }
                if changed.is_none() {
                    break;
                }
            }
        }
        let mut settings = vec![removal.setting(format!("options {}", self.module), &own, &found)];
        modprobe_removal::copies(cx, &own, &mut settings, |conf| {
            let options = conf.options(&self.module);
            options.iter().flat_map(|it| it.params()).any(|(name, value)| {
                let is_it = |it: (&String, &OptionValue)| {
                    same_folded(it.0, name) && same_value(value.unwrap_or("1"), &it.1.0)
                };
                self.options.iter().any(is_it)
            })
        })?;
        Ok(settings)
    }
}

impl Resource for ModprobeOptions {
    fn items(&self, desired: &Map<String, Value>) -> Vec<Map<String, Value>> {
        one_by_one(desired, "options")
    }

    fn claims(&self) -> Vec<Claim> {
        let claim = |(parameter, OptionValue(value)): (&String, &OptionValue)| {
            let value = number(value).map_or_else(|| value.clone(), |it| it.to_string());
            let parameter = parameter.replace('-', "_");
            Claim::exactly(Governed::ModuleParameter { module: self.module.clone(), parameter }, value)
        };
        self.options.iter().map(claim).collect()
    }

    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let file = modprobe_file::options_file(self.file.as_ref());
        let view = modprobe_d::view(cx.host)?;
        let mut found = Vec::new();
        let mut missing = false;
        let mut winner_file = None;
        let mut stronger = None;
        for (parameter, OptionValue(value)) in &self.options {
            let winner = view.effective_option(&self.module, parameter);
            match winner {
                Some(winner) if same_value(&winner.value, value) => {
                    found.push(format!("{parameter}={}", winner.value));
                    winner_file = Some(modprobe_d::place(&winner.origin).file);
                }
                Some(winner) => {
                    found.push(format!("{parameter}={}", winner.value));
                    missing = true;
                    if modprobe_d::comes_before(&file, &winner.origin) {
                        stronger = Some(winner.origin);
                    }
                }
                None => missing = true,
            }
        }
        drop(view);
        let effective = if missing { file.clone() } else { winner_file.unwrap_or_else(|| file.clone()) };
        let state = if missing { self.missing(cx, &file, found, stronger)? } else { State::Converged };
        let mut settings = vec![Setting::persistent(format!("options {}", self.module), state)];
        if effective.starts_with("/etc") {
            let images = modprobe_file::image_settings(cx, &effective, &settings)?;
            settings.extend(images);
        }
        Ok(settings)
    }
}

impl ModprobeOptions {
    fn missing(
        &self,
        cx: Context<'_>,
        file: &std::path::Path,
        found: Vec<String>,
        stronger: Option<Origin>,
    ) -> Result<State> {
        let wanted: Vec<String> = self
            .options
            .iter()
            .map(|(parameter, OptionValue(value))| format!("{parameter}={value}"))
            .collect();
        let actual = (!found.is_empty()).then(|| found.join(" "));
        let desired = wanted.join(" ");
        match stronger {
            Some(origin) => Ok(modprobe_file::outweighed(
                &origin,
                actual,
                desired,
                "of several values for an option the last counts. Remove that one, or name its file in `file`.",
            )),
            None => modprobe_file::drifted(cx.host, file, &self.module, (actual, desired), |conf| {
                self.options.iter().try_for_each(|(parameter, OptionValue(value))| {
                    conf.set_option(&self.module, parameter, value)
                })
            }),
        }
    }
}

fn in_one_file(left: &Origin, right: &Origin) -> bool {
    matches!((left, right), (Origin::File { path: left, .. }, Origin::File { path: right, .. }) if left == right)
}

/// Two spellings of one number are the same value: `kstrtoul` with base 0 reads both (kernel/params.c).
fn same_value(found: &str, wanted: &str) -> bool {
    found == wanted || matches!((number(found), number(wanted)), (Some(a), Some(b)) if a == b)
}

fn number(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => (16, hex),
        None if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        None => (10, digits),
    };
    let plain = digits.bytes().all(|it| it.is_ascii_hexdigit());
    i128::from_str_radix(digits, radix).ok().filter(|_| plain).map(|it| sign * it)
}
