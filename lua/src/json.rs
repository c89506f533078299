//! JSON declarations: resources as they are, composites by the Lua that playbooks call.

use std::collections::BTreeMap;

use hoststate_core::error::{Error as EngineError, Several};
use hoststate_core::language::contradiction;
use hoststate_core::language::declaration::ResourceId;
use hoststate_core::language::ensure::{ENSURE, Ensure};
use hoststate_core::language::field_error::Misfit;
use hoststate_core::language::json_playbook::Located;
use hoststate_core::language::notation::Notation;
use hoststate_core::language::registry::{self, Registry};
use mlua::serde::SerializeOptions;
use mlua::{Function, Lua, LuaSerdeExt};
use serde_json::Value;

use crate::composites::{Composite, composite};
use crate::error::Error;
use crate::evaluation::{Evaluation, finish, thoroughly, within};
use crate::limits::out_of_memory;
use crate::lua_errors::{self, Failure};
use crate::{Options, Playbook};

/// What messages call the file.
const SUBJECT: &str = "the declarations";

/// Returns what a file of JSON declarations declares, as [`crate::declare`].
pub(crate) fn declare(
    name: &str,
    located: &[Located],
    options: &Options<'_>,
) -> Result<Playbook, Several<Error>> {
    let mut errors = Vec::new();
    let mut left_to_host = 0;
    let declared = if located.iter().any(|it| composite(&it.declaration.kind).is_some()) {
        let evaluated = thoroughly(SUBJECT, options, |options, manner| {
            within(SUBJECT, name, "", options, manner, |lua, evaluation| {
                let mut errors = Vec::new();
                for it in located {
                    match composite(&it.declaration.kind) {
                        Some(composite) => call(lua, evaluation, composite, it, &mut errors)?,
                        None => evaluation.declared.borrow_mut().extend(decode(options, it, &mut errors)),
                    }
                }
                // What they check of all together is worth knowing when each by itself is right.
                if errors.is_empty() {
                    finish(evaluation)?;
                }
                Ok((evaluation.declared.take(), evaluation.left_to_host.get(), errors))
            })
        });
        let (declared, left, wrong) =
            evaluated.unwrap_or_else(|told| (Vec::new(), 0, told.into_iter().collect()));
        left_to_host = left;
        errors.extend(wrong);
        declared
    } else {
        located.iter().filter_map(|it| decode(options, it, &mut errors)).collect()
    };
    let declared = contradiction::yielded(declared);
    let declared = registry::unique(declared).unwrap_or_else(|twice| {
        let numbers = numbers(options.registry, located);
        errors.extend(twice.into_iter().map(|it| {
            let id = options.registry.decode(it.declaration.clone()).ok().map(|it| it.id);
            let all = id.and_then(|it| numbers.get(&it)).map(|it| it.join(" and ")).unwrap_or_default();
            let what = if all.is_empty() { it.to_string() } else { format!("resources {all}: {it}") };
            Error { kind: None, what, ..Error::of_engine(&it.source) }.at(it.declaration.playbook)
        }));
        Vec::new()
    });
    Several::none_of(errors, Playbook { declared, left_to_host })
}

/// Returns which resources declare a thing, by its type and name.
fn numbers(registry: &Registry, located: &[Located]) -> BTreeMap<ResourceId, Vec<String>> {
    let mut numbers: BTreeMap<ResourceId, Vec<String>> = BTreeMap::new();
    for it in located {
        // Those that are wrong are told already.
        if let Ok(declared) = registry.decode(it.declaration.clone()) {
            numbers.entry(declared.id).or_default().push(it.number.to_string());
        }
    }
    numbers
}

fn decode(options: &Options<'_>, it: &Located, errors: &mut Vec<Error>) -> Option<registry::Declared> {
    match options.registry.decode(it.declaration.clone()) {
        Ok(declared) => Some(declared),
        Err(rejected) => {
            errors.extend(rejected.iter().map(|wrong| {
                let error = Error::of_declaration(wrong, options.facts);
                labelled(it, error).at(it.at(wrong.misfit.as_ref().and_then(Misfit::path)))
            }));
            None
        }
    }
}

fn call(
    lua: &Lua,
    evaluation: &Evaluation<'_>,
    composite: &'static Composite,
    it: &Located,
    errors: &mut Vec<Error>,
) -> mlua::Result<()> {
    let mut fields = it.declaration.desired.clone();
    // What a composite declares has names of its own.
    if let Some(name) = &it.declaration.name {
        fields.insert("name".to_owned(), Value::String(name.clone()));
    }
    let wrong = composite.fields.errors(composite.name, &[ENSURE], &fields, Notation::of(&it.declaration));
    if !wrong.is_empty() {
        errors.extend(wrong.iter().map(|(misfit, source)| about(it, misfit.path(), source)));
        return Ok(());
    }
    if it.declaration.ensure != Ensure::Present {
        fields.insert(ENSURE.to_owned(), it.declaration.ensure.word().into());
    }
    let plain = SerializeOptions::new().set_array_metatable(false);
    let table = lua.to_value_with(&fields, plain)?;
    let function: Function = lua.globals().get(composite.name)?;
    evaluation.composite.replace(it.declaration.playbook.clone());
    let before = evaluation.declared.borrow().len();
    let done = function.call::<()>(table);
    evaluation.composite.replace(None);
    match done.map_err(|err| lua_errors::explain(evaluation, &err)) {
        Ok(()) => {
            evaluation.ran_composite(before);
            Ok(())
        }
        Err(Failure::Error(error)) => {
            errors.push(labelled(it, error));
            Ok(())
        }
        Err(Failure::Memory(_)) => Err(mlua::Error::external(out_of_memory(SUBJECT))),
    }
}

/// Returns an error about a declaration, with the place of the value at `path`.
fn about(it: &Located, path: Option<&str>, source: &EngineError) -> Error {
    labelled(it, Error::of_engine(source)).at(it.at(path))
}

/// Says which of the resources an error means: `resource 3 (sriov_numvfs "lan"): …`.
fn labelled(it: &Located, error: Error) -> Error {
    let (kind, name) = (&it.declaration.kind, &it.declaration.name);
    let named = name.as_ref().map_or_else(String::new, |it| format!(" {it:?}"));
    // Of its own type it is named with the number; what a composite declares has another.
    let other = error.kind.filter(|it| **it != **kind).map(|it| format!("{it}: ")).unwrap_or_default();
    let what = format!("resource {} ({kind}{named}): {other}{}", it.number, error.what);
    Error { kind: None, what, ..error }
}
