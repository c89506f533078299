//! What a boot loader would start: the default entry of a `grub.cfg` or a legacy `grub.conf`.
//!
//! It stands in for the boot loader where there is none to run, so it reads no more than these files of a container.

/// A kernel that was started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Boot {
    /// What the kernel shows in `/proc/cmdline`.
    pub(crate) cmdline: String,
    /// The version in the name of the kernel's file.
    pub(crate) release: String,
}

/// The first entry: none of these hosts has a saved one.
pub(crate) fn of_grub_cfg(text: &str) -> Option<Boot> {
    text.lines().find_map(|line| kernel(line, &["linux", "linux16", "linuxefi"]))
}

/// The entry that `default=` counts to, from 0.
pub(crate) fn of_grub_conf(text: &str) -> Option<Boot> {
    let default = text.lines().find_map(|it| it.trim().strip_prefix("default="));
    let number = default.and_then(|it| it.trim().parse().ok()).unwrap_or(0);
    text.lines().filter_map(|line| kernel(line, &["kernel"])).nth(number)
}

fn kernel(line: &str, commands: &[&str]) -> Option<Boot> {
    let mut words = line.split_whitespace();
    if !commands.contains(&words.next()?) {
        return None;
    }
    let file = words.next()?;
    let release = file.rsplit('/').next()?.strip_prefix("vmlinuz-")?;
    let mut cmdline = vec![format!("BOOT_IMAGE={file}")];
    cmdline.extend(words.map(String::from));
    Some(Boot { cmdline: cmdline.join(" "), release: release.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_of_a_grub_cfg_is_booted() {
        let text = "menuentry 'a' {\n\tlinux\t/boot/vmlinuz-6.1.0-2 root=UUID=x ro  quiet\n}\n\
                    menuentry 'b' {\n\tlinux /boot/vmlinuz-6.1.0-1 root=UUID=x single\n}\n";
        let boot = of_grub_cfg(text).expect("an entry");
        assert_eq!(boot.cmdline, "BOOT_IMAGE=/boot/vmlinuz-6.1.0-2 root=UUID=x ro quiet");
        assert_eq!(boot.release, "6.1.0-2");
    }

    #[test]
    fn the_default_entry_of_a_legacy_grub_conf_is_booted() {
        let text = "default=1\ntitle A\n\tkernel /vmlinuz-2 ro a\ntitle B\n\tkernel /vmlinuz-1 ro b\n";
        assert_eq!(of_grub_conf(text).expect("an entry").cmdline, "BOOT_IMAGE=/vmlinuz-1 ro b");
    }
}
