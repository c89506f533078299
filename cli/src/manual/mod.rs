//! What is read about hoststate away from its source: help, manual pages, the reference of the language. Made from the
//! definitions of the arguments and the schemas of the types, so that it says what the program does.

pub(crate) mod document;
pub(crate) mod examples;
pub(crate) mod language;
pub(crate) mod pages;
