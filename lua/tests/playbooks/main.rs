//! Playbooks, good and bad: what they declare, and the exact text of what is wrong with them.

mod bad;
mod composites;
mod editor;
mod external;
mod good;
mod host;
mod limits;
mod modules;
mod nic;
mod sandbox;
mod strings;
mod support;
