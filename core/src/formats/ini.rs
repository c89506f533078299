//! Files of sections and keys, as systemd, NetworkManager and tuned write them.

/// One `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The section's name, without brackets; empty before the first.
    pub section: String,
    /// The key.
    pub key: String,
    /// The value, without the blanks around it.
    pub value: String,
    /// Its line, counted from 1.
    pub line: usize,
}

/// Reads the entries of a file, in order. Lines that begin with `#` or `;` are comments.
pub fn parse(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut section = String::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            entries.push(Entry { section: section.clone(), key, value, line: index + 1 });
        }
    }
    entries
}

/// Returns the last value of a key.
pub fn last<'a>(entries: &'a [Entry], section: &str, key: &str) -> Option<&'a Entry> {
    entries.iter().rev().find(|it| it.section == section && it.key == key)
}

#[cfg(test)]
mod tests {
    use super::{last, parse};

    #[test]
    fn keys_belong_to_their_section_and_the_last_one_counts() {
        let entries = parse("a=0\n[Match]\nPath = pci-1\n# a=1\n[Link]\na=2\na=3=4\n;a=5\n");
        assert_eq!(last(&entries, "Link", "a").map(|it| (it.value.as_str(), it.line)), Some(("3=4", 7)));
        assert_eq!(last(&entries, "Match", "Path").map(|it| it.value.as_str()), Some("pci-1"));
        assert_eq!(last(&entries, "Match", "a"), None);
    }
}
