//! Module parameters on the kernel command line, as kmod reads them.

use super::module_name::fold;

/// What one parameter of the kernel command line says to kmod (libkmod/libkmod-config.c, `kmod_config_parse_kcmdline`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLineOption {
    /// `module.param[=value]`: options that come after those of every file.
    Options {
        /// The module, folded.
        module: String,
        /// `param=value`, as an options line has it.
        text: String,
    },
    /// `modprobe.blacklist=a,b`. kmod does not fold these names: one written with a dash blacklists nothing.
    Blacklist(Vec<String>),
}

impl CommandLineOption {
    /// Reads one parameter, quotes included; `None` if it is not a module's.
    ///
    /// Quotes may stand around the whole parameter (as GRUB writes them) or in the value, and there is exactly one dot
    /// before the `=`.
    pub fn parse(parameter: &str) -> Option<Self> {
        let inner = parameter.strip_prefix('"');
        let (name, value) = match inner.unwrap_or(parameter).split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (inner.unwrap_or(parameter), None),
        };
        let (module, parameter) = name.split_once('.')?;
        let closes_late = inner.is_some() && value.is_none();
        if closes_late || parameter.contains('.') || name.contains(['"', ' ', '\t']) {
            return None;
        }
        if let ("modprobe", "blacklist", Some(value)) = (module, parameter, value) {
            let names = value.trim_end_matches(if inner.is_some() { "\"" } else { "\0" }).split(',');
            return Some(Self::Blacklist(names.map(str::to_owned).collect()));
        }
        let module = fold(module)?.into_owned();
        // kmod moves the quote in front of the parameter to the value.
        let quote = if inner.is_some() { "\"" } else { "" };
        let text = value.map_or_else(|| parameter.to_owned(), |value| format!("{parameter}={quote}{value}"));
        Some(Self::Options { module, text })
    }
}
