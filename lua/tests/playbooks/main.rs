//! Playbooks, good and bad: what they declare, and the exact text of what is wrong with them.

mod absent;
mod all_at_once;
mod bad;
mod cards;
mod composites;
mod editor;
mod external;
mod globals;
mod good;
mod habits;
mod host;
mod limits;
mod mistakes;
mod modules;
mod nic;
mod sandbox;
mod strings;
mod support;
