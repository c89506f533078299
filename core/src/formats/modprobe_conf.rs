//! modprobe.d: one file, and what all directories together mean to kmod.

mod module_name;

pub use self::module_name::ModuleName;

/// Text that modprobe.d cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModprobeError {
    /// Not a module name.
    #[error("`{0}` is not a module name, expected 1 to 55 letters, digits, `_`, `-`, `.` or `+`")]
    ModuleName(String),
}
