//! depmod's indexes: `modules.builtin`, `modules.alias`, `modules.softdep`, `modules.dep`.
