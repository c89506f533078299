//! modprobe.d: one file ([`ModprobeConf`]), and what all directories together mean to kmod ([`ModprobeView`]).
//!
//! Follows kmod 30 (libkmod/libkmod-config.c, libkmod-module.c, shared/util.c), checked against the real `modprobe`.

mod command_line;
mod directive;
mod edit;
mod excerpt;
mod file;
mod line;
mod module_name;
#[cfg(test)]
mod tests;
mod view;

pub use self::command_line::CommandLineOption;
pub use self::directive::{Directive, Softdep, loads_nothing, params};
pub use self::file::{ModprobeConf, ModuleCommand, OptionsLine};
pub use self::module_name::{ModuleName, same_folded};
pub use self::view::{DIRECTORIES, KERNEL_SOFTDEP, ModprobeView, Origin, Winner};

/// Text that modprobe.d cannot hold, or that is not a module name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModprobeError {
    /// Not a module name.
    #[error("`{0}` is not a module name, expected 1 to 55 letters, digits, `_`, `-`, `.` or `+`")]
    ModuleName(String),
    /// The file of a module.
    #[error("`{0}` is the file of a module, not its name")]
    ModuleFile(String),
    /// Not the name of a module parameter.
    #[error("`{0}` is not a module parameter, expected letters, digits, `_`, `-` or `.`")]
    Parameter(String),
    /// A value the kernel's quoting cannot carry.
    #[error(
        "the value {value:?} of `{parameter}` cannot be passed to a module: it holds a quote or a control character"
    )]
    Value {
        /// The parameter it was meant for.
        parameter: String,
        /// The value, as wanted.
        value: String,
    },
    /// A command that does not fit on one line.
    #[error("the command {0:?} cannot be written to modprobe.d: it is empty or holds a line break")]
    Command(String),
}
