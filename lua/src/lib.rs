//! hoststate playbooks: Lua in, declarations out.
//!
//! A playbook sees facts about the host, never the host: it can neither read files nor change anything.
//! The same playbook and the same facts give the same declarations, byte for byte.
#![forbid(unsafe_code)]

use std::io;

use hoststate_abi::message::Description;
use hoststate_core::error::Several;
use hoststate_core::language::json_playbook::Located;
use hoststate_core::language::registry::{Declared, Entry, Registry};

pub mod composites;
mod constructors;
pub mod error;
mod evaluation;
pub mod facts;
mod globals;
pub mod host_facts;
mod host_table;
mod json;
mod limits;
mod lua_errors;
pub mod luals;
mod modules;
mod nil;
mod pattern;
mod paying;
mod sandbox;
mod strings;
mod syntax;
mod tokens;
mod type_host;
pub mod types;
mod value;

use crate::error::Error;
use crate::facts::Facts;

/// What a playbook evaluates to.
#[derive(Debug)]
pub struct Playbook {
    /// The declarations with their decoded resources, in the order in which they were made; each type and name
    /// once.
    pub declared: Vec<Declared>,
    /// How many composites declare nothing before a host is known.
    pub left_to_host: usize,
}

/// How urgent a message of a playbook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `print` and `log.info`.
    Info,
    /// `log.warn`.
    Warn,
}

/// What a playbook gets to see and use.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The types of resources.
    pub registry: &'a Registry,
    /// The facts behind the table `host`.
    pub facts: &'a dyn Facts,
    /// Returns the text of a file beside the playbook, e.g. of `net/cards.lua` for `require "net.cards"`; `None`
    /// when there is no such file. The path is relative and has no `..`.
    pub modules: &'a dyn Fn(&str) -> io::Result<Option<String>>,
    /// Returns the types of a file beside the playbook, by its name, its text and what it describes.
    pub types: &'a dyn Fn(&str, &str, Description) -> Vec<Entry>,
    /// Takes what the playbook prints and logs.
    pub log: &'a dyn Fn(Level, &str),
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("registry", self.registry).finish_non_exhaustive()
    }
}

/// Evaluates a playbook. `name` is the file as the user named it; errors and origins repeat it.
///
/// # Errors
/// When the playbook is no Lua, fails, goes past a limit, or declares what cannot be; each error has its line. A
/// declaration that cannot be does not keep those behind it from being looked at.
pub fn evaluate(name: &str, text: &str, options: &Options<'_>) -> Result<Playbook, Several<Error>> {
    evaluation::evaluate(name, text, options)
}

/// Returns what JSON declarations declare: resources as they are, composites as in a playbook. `name` is the file as
/// the user named it.
///
/// # Errors
/// All that is wrong, each with its line.
pub fn declare(name: &str, located: &[Located], options: &Options<'_>) -> Result<Playbook, Several<Error>> {
    json::declare(name, located, options)
}
