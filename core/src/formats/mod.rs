//! Every text format hoststate reads or edits: text in, value out, no I/O.

pub mod bls_entry;
pub mod dracut_conf;
pub mod efi_variable;
pub mod fib_trie;
pub mod field_schema;
pub mod fnmatch;
pub mod grub_cfg;
pub mod grub_legacy;
pub mod grub_script;
pub mod grubenv;
pub mod host_text;
pub mod ini;
pub mod initramfs;
pub mod kernel_cmdline;
pub mod modprobe_conf;
pub mod module_file;
pub mod module_index;
pub mod module_list;
pub mod mount_table;
pub mod newc;
pub mod os_release;
pub mod pci;
pub mod posix_acl;
pub mod proc_net;
pub mod shell_assignments;
pub mod udev_rules;
