//! Checking a value against a schema of fields.

use serde_json::{Map, Value};

use super::{Bound, DEEPEST, Fault, FieldSchema, Measure, Misfit, Rules, Segment, TYPES, Type};

/// Returns all that is wrong with a value.
pub(super) fn misfits(schema: &FieldSchema, value: &Value) -> Vec<Misfit> {
    let mut check = Check { schema, path: Vec::new(), misfits: Vec::new() };
    check.value(&schema.root, value, DEEPEST);
    check.misfits
}

/// One value on its way through a schema.
struct Check<'a> {
    schema: &'a FieldSchema,
    path: Vec<Segment>,
    misfits: Vec<Misfit>,
}

impl Check<'_> {
    fn wrong(&mut self, what: String) {
        self.fault(Fault::Wrong(what));
    }

    fn fault(&mut self, fault: Fault) {
        self.misfits.push(Misfit { path: self.path.clone(), fault });
    }

    fn inside(&mut self, segment: Segment, rules: &Rules, value: &Value, depth: usize) {
        self.path.push(segment);
        self.value(rules, value, depth);
        self.path.pop();
    }

    /// Returns what `rules` alone find wrong.
    fn alone(&self, rules: &Rules, value: &Value, depth: usize) -> Vec<Misfit> {
        let mut check = Check { schema: self.schema, path: self.path.clone(), misfits: Vec::new() };
        check.value(rules, value, depth);
        check.misfits
    }

    fn value(&mut self, rules: &Rules, value: &Value, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return self.wrong("the schema refers to itself in a circle".to_owned());
        };
        if rules.never {
            return self.wrong(format!("{value} is not allowed here"));
        }
        if !rules.types.is_empty() && !rules.types.iter().any(|it| it.has(value)) {
            return self.wrong(format!("{value} is not of {}", type_names(&rules.types)));
        }
        if let Some(values) = rules.one_of_values.as_ref().filter(|it| !it.iter().any(|it| same(it, value))) {
            return self.wrong(format!("{value} is not one of {}", either(values)));
        }
        for bound in &rules.bounds {
            if let Some(what) = bound.broken(value) {
                self.wrong(what);
            }
        }
        if let (Some((pattern, regex)), Value::String(text)) = (&rules.pattern, value)
            && !regex.is_match(text)
        {
            self.wrong(format!("{value} does not match {pattern:?}"));
        }
        match value {
            Value::Object(fields) => self.object(rules, fields, depth),
            Value::Array(items) => self.array(rules, items, depth),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        let referred = rules.reference.as_ref().and_then(|it| self.schema.definitions.get(it));
        for rules in rules.all_of.iter().chain(referred) {
            self.value(rules, value, depth);
        }
        if !rules.any_of.is_empty() {
            self.any(&rules.any_of, value, depth);
        }
        if !rules.one_of.is_empty() {
            let fitting = rules.one_of.iter().filter(|it| self.alone(it, value, depth).is_empty()).count();
            match fitting {
                0 => self.any(&rules.one_of, value, depth),
                1 => {}
                _ => self.wrong(format!(
                    "{value} fits {fitting} of the alternatives, of which it may fit \
                     only one"
                )),
            }
        }
        if let Some(not) = &rules.not
            && self.alone(not, value, depth).is_empty()
        {
            self.wrong(format!("{value} is not allowed here"));
        }
    }

    /// What fits none of several shapes is told by the one that it comes nearest to: of its own type.
    fn any(&mut self, shapes: &[Rules], value: &Value, depth: usize) {
        let mut tried: Vec<Vec<Misfit>> = shapes.iter().map(|it| self.alone(it, value, depth)).collect();
        if tried.iter().any(Vec::is_empty) {
            return;
        }
        let constants: Vec<Value> =
            shapes.iter().flat_map(|it| it.one_of_values.clone().unwrap_or_default()).collect();
        if constants.len() == shapes.len() {
            return self.wrong(format!("{value} is not one of {}", either(&constants)));
        }
        let mut of_type = tried.iter().enumerate().filter(|(at, _)| self.is_of_type(&shapes[*at], value));
        match (of_type.next(), of_type.next()) {
            (Some((at, _)), None) => self.misfits.append(&mut tried[at]),
            _ => {
                let names: Vec<Type> = shapes.iter().flat_map(|it| self.types_of(it, DEEPEST)).collect();
                match names.is_empty() || names.iter().any(|it| it.has(value)) {
                    true => self.wrong(format!("{value} fits none of the alternatives")),
                    false => self.wrong(format!("{value} is not of {}", type_names(&names))),
                }
            }
        }
    }

    /// Returns the types that a value of this shape can have; none where the shape does not say.
    fn types_of(&self, rules: &Rules, depth: usize) -> Vec<Type> {
        let Some(depth) = depth.checked_sub(1) else { return Vec::new() };
        if !rules.types.is_empty() {
            return rules.types.clone();
        }
        let referred = rules.reference.as_ref().and_then(|it| self.schema.definitions.get(it));
        let shapes = rules.any_of.iter().chain(&rules.one_of).chain(referred);
        shapes.flat_map(|it| self.types_of(it, depth)).collect()
    }

    fn is_of_type(&self, rules: &Rules, value: &Value) -> bool {
        self.types_of(rules, DEEPEST).iter().any(|it| it.has(value))
    }

    fn object(&mut self, rules: &Rules, fields: &Map<String, Value>, depth: usize) {
        for name in rules.required.iter().filter(|it| !fields.contains_key(*it)) {
            self.fault(Fault::Missing(name.clone()));
        }
        for (name, value) in fields {
            let named = rules.properties.iter().find(|it| it.0 == *name);
            match (named, &rules.others) {
                (Some((_, rules)), _) => self.inside(Segment::Field(name.clone()), rules, value, depth),
                (None, Some(others)) if others.never => self.fault(Fault::Unexpected(name.clone())),
                (None, Some(others)) => self.inside(Segment::Field(name.clone()), others, value, depth),
                (None, None) => {}
            }
        }
    }

    fn array(&mut self, rules: &Rules, items: &[Value], depth: usize) {
        if let Some(rules) = &rules.items {
            for (index, item) in items.iter().enumerate() {
                self.inside(Segment::Item(index), rules, item, depth);
            }
        }
        let is_twice = |(at, it): (usize, &Value)| items[..at].iter().any(|other| same(other, it));
        if rules.unique && items.iter().enumerate().any(is_twice) {
            self.wrong(format!("{} has an item twice", Value::from(items)));
        }
    }
}

impl Type {
    fn has(self, value: &Value) -> bool {
        match (self, value) {
            // A number without a fraction is whole, however it is written (validation, section 4.2.3 of the core).
            (Self::Integer, Value::Number(it)) => {
                !it.is_f64() || it.as_f64().is_some_and(|it| it.fract() == 0.0)
            }
            (Self::Null, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Number, Value::Number(_))
            | (Self::String, Value::String(_))
            | (Self::Array, Value::Array(_))
            | (Self::Object, Value::Object(_)) => true,
            _ => false,
        }
    }

    fn name(self) -> &'static str {
        TYPES.iter().find(|it| it.1 == self).map_or("", |it| it.0)
    }
}

impl Bound {
    /// Returns in words how a value breaks it.
    fn broken(&self, value: &Value) -> Option<String> {
        let Self { of, limit } = self;
        let (measured, kind) = match (of, value) {
            (
                Measure::Minimum | Measure::Maximum | Measure::Above | Measure::Below | Measure::MultipleOf,
                Value::Number(it),
            ) => (it.as_f64()?, ""),
            (Measure::MinLength | Measure::MaxLength, Value::String(it)) => {
                (count(it.chars().count()), "characters")
            }
            (Measure::MinItems | Measure::MaxItems, Value::Array(it)) => (count(it.len()), "items"),
            (Measure::MinFields | Measure::MaxFields, Value::Object(it)) => (count(it.len()), "fields"),
            _ => return None,
        };
        let what = match of {
            Measure::Minimum if measured < *limit => format!("{value} is less than the minimum of {limit}"),
            Measure::Maximum if measured > *limit => {
                format!("{value} is greater than the maximum of {limit}")
            }
            Measure::Above if measured <= *limit => format!("{value} is not greater than {limit}"),
            Measure::Below if measured >= *limit => format!("{value} is not less than {limit}"),
            Measure::MultipleOf if (measured / limit).fract() != 0.0 => {
                format!("{value} is not a multiple of {limit}")
            }
            Measure::MinLength | Measure::MinItems | Measure::MinFields if measured < *limit => {
                format!("{value} has fewer than {limit} {kind}")
            }
            Measure::MaxLength | Measure::MaxItems | Measure::MaxFields if measured > *limit => {
                format!("{value} has more than {limit} {kind}")
            }
            _ => return None,
        };
        Some(what)
    }
}

fn count(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// Whether two values are the same; `1` and `1.0` are.
fn same(one: &Value, other: &Value) -> bool {
    one == other || (one.is_number() && one.as_f64() == other.as_f64())
}

fn type_names(types: &[Type]) -> String {
    let mut names: Vec<Value> = types.iter().map(|it| Value::from(it.name())).collect();
    names.dedup();
    format!("type {}", either(&names))
}

fn either(values: &[Value]) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    match texts.as_slice() {
        [many @ .., last] if !many.is_empty() => format!("{} or {last}", many.join(", ")),
        texts => texts.concat(),
    }
}
