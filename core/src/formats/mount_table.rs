//! Tables of file systems: what is mounted (`mountinfo`, `mounts`), what shall be (`fstab`), and what is swap.

/// A mounted file system, or one that fstab wants mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub point: String,
    /// What: a device such as `/dev/mapper/vg-root`, or a name such as `tmpfs` or `rpool/root`.
    pub source: String,
    /// Its type: `ext4`, `xfs`, …
    pub kind: String,
    /// Options of the mount, then those of the file system, each once. Where one of both is `ro`, `rw` is left out.
    pub options: Vec<String>,
    /// `major:minor`, where the table has it.
    pub number: Option<String>,
    /// Which directory of the file system is mounted, such as the subvolume `/@`, where the table has it.
    pub root: Option<String>,
}

impl Mount {
    /// Returns whether nothing can be written there.
    pub fn is_read_only(&self) -> bool {
        self.options.iter().any(|it| it == "ro")
    }
}

/// Reads `/proc/PID/mountinfo` (proc_pid_mountinfo(5)); lines that are not of its shape are left out.
pub fn parse_mountinfo(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mountinfo).collect()
}

fn mountinfo(line: &str) -> Option<Mount> {
    let (mount, system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(2);
    let (number, root, point, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let mut system = system.split(' ');
    let (kind, source, of_system) = (system.next()?, system.next()?, system.next().unwrap_or_default());
    Some(Mount {
        point: unescaped(point),
        source: unescaped(source),
        kind: kind.to_owned(),
        options: merged(options, of_system),
        number: Some(number.to_owned()),
        root: Some(unescaped(root)),
    })
}

/// A file system that is read-only is so at every mount, and a mount that is read-only is so whatever its file system
/// allows.
fn merged(of_mount: &str, of_system: &str) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    for option in of_mount.split(',').chain(of_system.split(',')).filter(|it| !it.is_empty()) {
        if !options.iter().any(|it| it == option) {
            options.push(option.to_owned());
        }
    }
    if options.iter().any(|it| it == "ro") {
        options.retain(|it| it != "rw");
    }
    options
}

/// Reads `/proc/mounts` or `/etc/fstab` (fstab(5)): the columns are the same.
pub fn parse_fstab(text: &str) -> Vec<Mount> {
    let rows = text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#'));
    rows.filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (source, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
        let options = fields.next().unwrap_or_default().split(',').filter(|it| !it.is_empty());
        let subvolume = options.clone().find_map(|it| it.strip_prefix("subvol="));
        Some(Mount {
            point: unescaped(point),
            source: unescaped(source),
            kind: kind.to_owned(),
            options: options.map(str::to_owned).collect(),
            number: None,
            root: subvolume.map(|it| format!("/{}", it.trim_start_matches('/'))),
        })
    })
    .collect()
}

/// Reads `/proc/swaps`: the devices that are swap. Swap files are on file systems that are mounted.
pub fn parse_swaps(text: &str) -> Vec<String> {
    let rows = text.lines().skip(1).map(|it| it.split_whitespace().collect::<Vec<_>>());
    rows.filter(|it| it.get(1) == Some(&"partition"))
        .filter_map(|it| it.first().map(|it| unescaped(it)))
        .collect()
}

/// Returns the mount that a path is on: of those whose point is above it, the longest, and the last of several.
pub fn covering<'a>(mounts: &'a [Mount], path: &str) -> Option<&'a Mount> {
    let above = |it: &&Mount| {
        let rest = path.strip_prefix(it.point.trim_end_matches('/'));
        rest.is_some_and(|it| it.is_empty() || it.starts_with('/'))
    };
    mounts.iter().filter(above).max_by_key(|it| it.point.trim_end_matches('/').len())
}

/// Blanks and backslashes are written as `\040` and the like.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let digits = rest.get(at + 1..at + 4);
        match digits.and_then(|it| u8::from_str_radix(it, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[at + 4..];
            }
            None => {
                bytes.push(b'\\');
                rest = &rest[at + 1..];
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns whether a source is a device that is there only while an image is built.
pub fn is_of_a_builder(source: &str) -> bool {
    ["/dev/loop", "/dev/nbd", "/dev/mapper/loop"].iter().any(|it| source.starts_with(it))
}

#[cfg(test)]
mod tests {
    use super::{covering, parse_fstab, parse_mountinfo, parse_swaps};

    #[test]
    fn mountinfo_gives_device_point_and_both_kinds_of_options() {
        let text = "22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw,errors=remount-ro\n\
                    40 22 8:1 / /mnt/a\\040b rw - vfat /dev/sda1 ro\nnonsense\n";
        let mounts = parse_mountinfo(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].options, ["rw", "relatime", "errors=remount-ro"]);
        assert_eq!(mounts[1].options, ["ro"]);
        assert_eq!((mounts[0].point.as_str(), mounts[0].number.as_deref()), ("/", Some("253:0")));
        assert!(!mounts[0].is_read_only());
        assert_eq!((mounts[1].point.as_str(), mounts[1].is_read_only()), ("/mnt/a b", true));
    }

    #[test]
    fn a_path_is_on_the_nearest_mount_and_on_the_last_of_two() {
        let mounts = parse_fstab("a / x\nb /boot x\nc /bootx x\nd /boot y\n# e /boot/efi vfat\n");
        let source = |path| covering(&mounts, path).map(|it| it.source.as_str());
        assert_eq!(source("/boot/grub"), Some("d"));
        assert_eq!(source("/boot"), Some("d"));
        assert_eq!(source("/etc"), Some("a"));
    }

    #[test]
    fn swap_files_are_no_devices_and_odd_escapes_are_kept() {
        let text = "Filename\t\t\t\tType\t\tSize\n/dev/dm-1 partition 8 0 -2\n/swap\\x file 8 0 -3\n";
        assert_eq!(parse_swaps(text), ["/dev/dm-1"]);
        assert_eq!(parse_fstab("/a\\ /b\\04 x")[0].point, "/b\\04");
    }
}
