//! The fields of a resource type or a composite: their schema, and everything that is wrong with values for them.

use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::language::field_error::{Explainer, Misfit, all_misfits};
use crate::language::notation::Notation;

/// The fields of a table of hoststate's own, as a struct describes them.
#[derive(Clone, Copy)]
pub struct Fields {
    schema: fn() -> Schema,
    first: fn(&Map<String, Value>) -> Option<Misfit>,
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields").finish_non_exhaustive()
    }
}

impl Fields {
    /// Returns the fields of `T`.
    pub const fn of<T: DeserializeOwned + JsonSchema>() -> Self {
        Self { schema: || schemars::schema_for!(T), first: first::<T> }
    }

    /// Returns their schema.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// Returns all that is wrong with `desired`: each misfit, and what and how to mend. `kind` is the type, `common`
    /// what it has beside these fields.
    pub fn errors(
        &self,
        kind: &str,
        common: &'static [&'static str],
        desired: &Map<String, Value>,
        notation: Notation,
    ) -> Vec<(Misfit, Error)> {
        let schema = self.schema().to_value();
        let judge = |it: &Map<String, Value>| all_misfits(&schema, it, self.first);
        let manual = format!("`hoststate schema {kind}` shows what each field takes.");
        let explainer = Explainer { kind, schema: &schema, manual, common, notation, judge: &judge };
        explainer.errors(desired)
    }
}

fn first<T: DeserializeOwned>(desired: &Map<String, Value>) -> Option<Misfit> {
    let err = serde_path_to_error::deserialize::<_, T>(desired).err()?;
    let (path, what) = (err.path().to_string(), err.inner().to_string());
    let missing = what.strip_prefix("missing field `").and_then(|it| it.strip_suffix('`'));
    Some(match missing {
        Some(field) if path == "." => Misfit::Missing(field.to_owned()),
        _ => Misfit::Wrong { path, what },
    })
}
