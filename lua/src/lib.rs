//! hoststate playbooks: Lua in, declarations out.
