//! From declarations to typed resources, by a table of types.

use std::cell::OnceCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::pci_address::PciAddress;
use schemars::Schema;
use serde_json::{Map, Value};

use crate::error::{Error, Result, Several};
use crate::language::declaration::{Declaration, ResourceId};
use crate::language::ensure::{Absent, ENSURE, Ensure};
use crate::language::external_type::{self, ExternalType, FieldCheck};
use crate::language::field_error::{Explainer, Misfit};
use crate::language::fields::Fields;
use crate::language::notation::Notation;
use crate::language::resource::{Resource, ResourceType};

mod unique;

pub use unique::unique;

/// One line of the table of resource types.
#[derive(Clone)]
pub struct Entry(Source);

/// Where a type comes from.
#[derive(Clone)]
enum Source {
    BuiltIn { name: &'static str, fields: Fields, decode: fn(&Map<String, Value>, Ensure) -> Decode },
    External(Rc<External>),
}

/// A type from outside, and what checks its values.
struct External {
    kind: Rc<dyn ExternalType>,
    fields: OnceCell<FieldCheck>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// What authors may give to each declaration.
const COMMON: &[&str] = &["name", ENSURE];

type Decode = Result<(String, Box<dyn Resource>), DecodeError>;

enum DecodeError {
    /// A field is wrong; which, and what else, is found out for those who read it.
    Shape,
    Invalid(Error),
}

impl Entry {
    /// Returns the table's line for `T`.
    pub const fn of<T: ResourceType>() -> Self {
        Self(Source::BuiltIn { name: T::NAME, fields: Fields::of::<T>(), decode: decode::<T> })
    }

    /// Returns the line of a type that is not built in.
    pub fn external(kind: Rc<dyn ExternalType>) -> Self {
        Self(Source::External(Rc::new(External { kind, fields: OnceCell::new() })))
    }

    /// Returns the name in playbooks; one with a dot is a function in a table there.
    pub fn name(&self) -> &str {
        match &self.0 {
            Source::BuiltIn { name, .. } => name,
            Source::External(it) => &it.kind.description().name,
        }
    }

    /// Returns the schema of the fields.
    pub fn schema(&self) -> Schema {
        match &self.0 {
            Source::BuiltIn { fields, .. } => fields.schema(),
            Source::External(it) => {
                let mut schema = it.kind.description().schema.clone();
                // What `FieldCheck` does, whether the schema says so or not.
                schema.insert("additionalProperties".to_owned(), Value::Bool(false));
                schema
            }
        }
    }

    /// Returns the names of the fields, with those that every declaration may have, sorted.
    pub fn fields(&self) -> Vec<String> {
        let schema = self.schema();
        let properties = schema.get("properties").and_then(Value::as_object);
        let mut fields: Vec<String> = properties.into_iter().flat_map(|it| it.keys().cloned()).collect();
        fields.extend(COMMON.iter().map(|it| (*it).to_owned()));
        fields.sort();
        fields
    }

    /// Returns all that is wrong with the fields of a declaration of this type, by itself.
    fn errors(&self, desired: &Map<String, Value>, notation: Notation) -> Vec<(Misfit, Error)> {
        match &self.0 {
            Source::BuiltIn { name, fields, .. } => fields.errors(name, COMMON, desired, notation),
            Source::External(it) => it.errors(self.schema().as_value(), desired, notation),
        }
    }

    fn decode(&self, desired: &Map<String, Value>, ensure: Ensure) -> Decode {
        match &self.0 {
            Source::BuiltIn { decode, .. } => decode(desired, ensure),
            Source::External(it) => it.decode(desired, ensure),
        }
    }
}

impl External {
    fn decode(&self, desired: &Map<String, Value>, ensure: Ensure) -> Decode {
        if !self.fields().map_err(DecodeError::Invalid)?.misfits(desired).is_empty() {
            return Err(DecodeError::Shape);
        }
        let resource = match ensure {
            Ensure::Present => self.kind.resource(desired),
            Ensure::Absent => self.kind.absent(desired),
        };
        let resource = resource.map_err(DecodeError::Invalid)?;
        Ok((external_type::default_name(self.kind.description(), desired), resource))
    }

    fn fields(&self) -> Result<&FieldCheck> {
        match self.fields.get() {
            Some(fields) => Ok(fields),
            None => {
                let fields = FieldCheck::new(&self.kind.description().schema)?;
                Ok(self.fields.get_or_init(|| fields))
            }
        }
    }

    fn errors(
        &self,
        schema: &Value,
        desired: &Map<String, Value>,
        notation: Notation,
    ) -> Vec<(Misfit, Error)> {
        let kind = self.kind.description().name.as_str();
        let judge =
            |it: &Map<String, Value>| self.fields().map(|fields| fields.misfits(it)).unwrap_or_default();
        let manual = match self.kind.known_from() {
            Some(file) => format!("{} says what each field takes.", file.display()),
            None => format!("`hoststate schema {kind}` shows what each field takes."),
        };
        Explainer { kind, schema, manual, common: COMMON, notation, judge: &judge }.errors(desired)
    }
}

fn decode<T: ResourceType>(value: &Map<String, Value>, ensure: Ensure) -> Decode {
    let decoded = T::deserialize(value).map_err(|_| DecodeError::Shape)?;
    decoded.validate().map_err(DecodeError::Invalid)?;
    let name = decoded.default_name();
    match ensure {
        Ensure::Present => Ok((name, Box::new(decoded))),
        Ensure::Absent => {
            decoded.validate_absent().map_err(DecodeError::Invalid)?;
            Ok((name, Box::new(Absent(decoded))))
        }
    }
}

/// A declaration with its decoded resource.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Type and name; the name is derived from the fields where the declaration has none.
    pub id: ResourceId,
    /// The declaration.
    pub declaration: Declaration,
    /// The resource.
    pub resource: Rc<dyn Resource>,
}

/// A declaration that is no resource, and why.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct Rejected {
    /// The declaration.
    pub declaration: Declaration,
    /// What does not fit; `None` for the declaration itself.
    pub misfit: Option<Misfit>,
    /// What is wrong with it.
    pub source: Error,
}

impl Rejected {
    /// Returns the address of a device, where its id is meant.
    pub fn address_for_id(&self) -> Option<PciAddress> {
        match self.misfit {
            Some(Misfit::AddressForId { address, .. }) => Some(address),
            _ => None,
        }
    }
}

/// The types that playbooks can use.
#[derive(Debug, Clone)]
pub struct Registry {
    entries: Vec<Entry>,
    untrusted: Untrusted,
}

/// Looks for plugins that are not trusted; done only where a name stands for nothing.
#[derive(Clone)]
struct Untrusted(Rc<dyn Fn() -> Vec<PathBuf>>);

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Untrusted")
    }
}

impl Registry {
    /// Returns a registry of these types.
    pub fn new(entries: &[Entry]) -> Self {
        Self { entries: entries.to_vec(), untrusted: Untrusted(Rc::new(Vec::new)) }
    }

    /// Returns the same registry, which can say which plugins are there and not trusted.
    #[must_use]
    pub fn beside(self, untrusted: impl Fn() -> Vec<PathBuf> + 'static) -> Self {
        Self { untrusted: Untrusted(Rc::new(untrusted)), ..self }
    }

    /// Says which plugins are there and not trusted: one of them may have a type that is not known. `None` where there
    /// are none.
    pub fn untrusted(&self) -> Option<String> {
        let files: Vec<String> = (self.untrusted.0)().iter().map(|it| it.display().to_string()).collect();
        let (verb, first) = (if files.len() == 1 { "is" } else { "are" }, files.first()?);
        Some(format!(
            "{} {verb} there and not trusted: `hoststate plugin trust {first}` shows what it has.",
            files.join(", ")
        ))
    }

    /// Adds types that are not built in.
    ///
    /// # Errors
    /// When a name is taken, or a table would stand where a function is.
    pub fn add(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<()> {
        for entry in entries {
            let name = entry.name();
            let vendor = name.split('.').next().unwrap_or_default();
            if let Some(taken) = self.entries.iter().map(Entry::name).find(|it| *it == name || *it == vendor)
            {
                let what = format!("two resource types need the name {taken:?}");
                return Err(Error::invalid(
                    what,
                    "Remove one of the two, or give it the name of its vendor.",
                ));
            }
            self.entries.push(entry);
        }
        Ok(())
    }

    /// Begins what the types need that the text of a playbook names, when that is about to be compared with a host: a
    /// plugin starts while the playbook is evaluated.
    pub fn foresee(&self, playbook: &str, root: &Path) {
        for Entry(source) in &self.entries {
            if let Source::External(it) = source
                && playbook.contains(it.kind.description().name.as_str())
            {
                it.kind.prepare(root);
            }
        }
    }

    /// Returns the types, in the order of the table.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the type of that name.
    ///
    /// # Errors
    /// When there is none; the hint names the nearest.
    pub fn entry(&self, name: &str) -> Result<&Entry> {
        self.entries.iter().find(|it| it.name() == name).ok_or_else(|| {
            let hint = match nearest(name, self.entries.iter().map(|it| it.name())) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => {
                    let names: Vec<&str> = self.entries.iter().map(|it| it.name()).collect();
                    let untrusted = self.untrusted().filter(|_| name.contains('.'));
                    untrusted.unwrap_or_else(|| format!("Types are: {}.", names.join(", ")))
                }
            };
            Error::invalid(format!("there is no resource type {name:?}"), hint)
        })
    }

    /// Decodes one declaration, without regard to others.
    ///
    /// # Errors
    /// When type, a field or a value is wrong: all of them.
    pub fn decode(&self, declaration: Declaration) -> Result<Declared, Several<Rejected>> {
        let decoded = match self.entry(&declaration.kind) {
            Ok(entry) => entry
                .decode(&declaration.desired, declaration.ensure)
                .map_err(|err| explain(entry, &declaration, err)),
            Err(unknown) => Err(Several::from((Some(Misfit::Unknown("type".to_owned())), unknown))),
        };
        match decoded {
            Ok((derived, resource)) => {
                let name = declaration.name.clone().unwrap_or(derived);
                Ok(Declared {
                    id: ResourceId { kind: declaration.kind.clone(), name },
                    declaration,
                    resource: resource.into(),
                })
            }
            Err(errors) => Err(errors.map(|(misfit, source)| Rejected {
                declaration: declaration.clone(),
                misfit,
                source,
            })),
        }
    }

    /// Decodes all declarations and leaves each out that [`unique`] leaves out.
    ///
    /// # Errors
    /// All declarations that are wrong.
    pub fn decode_all(&self, declarations: Vec<Declaration>) -> Result<Vec<Declared>, Several<Rejected>> {
        let mut declared = Vec::with_capacity(declarations.len());
        let mut rejected = Vec::new();
        for declaration in declarations {
            match self.decode(declaration) {
                Ok(it) => declared.push(it),
                Err(errors) => rejected.extend(errors),
            }
        }
        match unique(declared) {
            Ok(declared) => Several::none_of(rejected, declared),
            Err(twice) => {
                rejected.extend(twice);
                Several::none_of(rejected, Vec::new())
            }
        }
    }
}

/// Returns what is wrong, where in the declaration, and how to mend it.
fn explain(entry: &Entry, declaration: &Declaration, err: DecodeError) -> Several<(Option<Misfit>, Error)> {
    let about_all = |error: Error| Several::from((None, error));
    let misdeclared = |what, hint| Error::Misdeclared { kind: entry.name().to_owned(), what, hint };
    match err {
        DecodeError::Shape => {
            let errors = entry.errors(&declaration.desired, Notation::of(declaration));
            let errors = errors.into_iter().map(|(misfit, error)| (Some(misfit), error));
            match Several::none_of(errors.collect(), ()) {
                Err(several) => several,
                // The decoder that judges one after the other is the one that refused them together.
                Ok(()) => about_all(misdeclared(
                    "the fields do not fit together".to_owned(),
                    Some(format!("`hoststate schema {}` shows what each field takes.", entry.name())),
                )),
            }
        }
        DecodeError::Invalid(Error::Invalid { what, hint }) => about_all(misdeclared(what, hint)),
        DecodeError::Invalid(other) => about_all(other),
    }
}

/// Returns the candidate that `word` most likely was meant to be.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.map(|it| (strsim::normalized_damerau_levenshtein(word, it), it));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 >= 0.6).then_some(best.1)
}
