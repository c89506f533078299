//! One flat list of what is wanted: each declaration, and behind it what it hands over to built-in types.

use std::borrow::Cow;

use crate::error::Result;
use crate::language::registry::Declared;
use crate::language::resource::Context;

/// Returns the declarations with their parts. A part is a resource of its own that stands for its declaration: it has the
/// id of it, the line, and what the records know it by.
///
/// # Errors
/// When a declaration cannot tell what its parts are.
pub fn expanded<'a>(declared: &'a [Declared], cx: Context<'_>) -> Result<Cow<'a, [Declared]>> {
    let mut all = Cow::Borrowed(declared);
    for (index, it) in declared.iter().enumerate() {
        let parts = it.resource.parts(cx).map_err(|err| err.of(&it.id))?;
        if !parts.is_empty() && matches!(all, Cow::Borrowed(_)) {
            all = Cow::Owned(declared[..index].to_vec());
        }
        if let Cow::Owned(list) = &mut all {
            list.push(it.clone());
            list.extend(parts.into_iter().map(|resource| Declared { resource, ..it.clone() }));
        }
    }
    Ok(all)
}
