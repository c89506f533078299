//! Command lines that write attributes of devices: which number, which driver, and whom they mean.

/// Names that a text gives to variables, with their values.
pub type Values = Vec<(String, Vec<String>)>;

/// Returns what variables of a script hold: `NAME=value` and `for NAME in a b`.
pub fn values(text: &str) -> Values {
    let mut values = Vec::new();
    let plain = |it: &str| it.trim_matches(['"', '\'', ';']).to_owned();
    for part in text.lines().flat_map(|it| it.split(';')).map(str::trim) {
        let part = part.strip_prefix("Environment=").unwrap_or(part).trim_start_matches(['"', '\'']);
        let part = part.rsplit_once(" -c '").map_or(part, |it| it.1);
        let words: Vec<&str> = part.split_whitespace().collect();
        if let ["for", name, "in", listed @ ..] = words.as_slice() {
            values.push(((*name).to_owned(), listed.iter().map(|it| plain(it)).collect()));
        } else if let Some((name, value)) = part.split_once('=')
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
            && !name.is_empty()
        {
            values.push((name.to_owned(), plain(value).split_whitespace().map(plain).collect()));
        }
    }
    values
}

/// Returns the values of a word; `None` where a variable in it is not told.
pub fn expanded(word: &str, values: &Values) -> Option<Vec<String>> {
    let Some((before, rest)) = word.split_once('$') else { return Some(vec![word.to_owned()]) };
    let rest = rest.trim_start_matches('{');
    let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let after = after.trim_start_matches('}');
    let known: Vec<&String> = values.iter().filter(|it| it.0 == name).flat_map(|it| &it.1).collect();
    if known.is_empty() || known.iter().any(|it| it.contains(['$', '`', '('])) {
        return None;
    }
    let all = known.iter().map(|it| expanded(&format!("{before}{it}{after}"), values));
    all.collect::<Option<Vec<_>>>().map(|it| it.concat())
}

/// Returns the number that a line writes: `echo 4 > …`, `echo 4 | tee …`, `… = 4`, `w … - - - - 4`.
pub fn number(before: &str, after: &str, values: &Values) -> Option<String> {
    let plain = |it: &str| it.trim_matches(['"', '\'']).to_owned();
    let words: Vec<&str> = before.split_whitespace().collect();
    let echo =
        words.iter().rposition(|it| plain(it) == "echo" || it.ends_with("/echo") || plain(it) == "printf");
    let word = match echo {
        Some(at) => words[at + 1..].iter().map(|it| plain(it)).find(|it| !it.starts_with('-')),
        None => {
            let rest = after.trim_start().trim_start_matches(['"', '\'']).trim_start();
            match rest.strip_prefix('=') {
                Some(value) => Some(plain(value.trim())),
                None => rest.split_whitespace().last().map(plain),
            }
        }
    };
    let word = word?;
    let word = word.split(['>', '|']).next().unwrap_or(&word).to_owned();
    let known = expanded(&word, values)?;
    let [one] = known.as_slice() else { return None };
    let one = one.trim_end_matches("\\n");
    one.parse::<u16>().ok().map(|it| it.to_string())
}

/// Returns of a command that binds the driver, and whom it means.
pub fn binding(line: &str) -> Option<(String, Vec<String>)> {
    let plain = |it: &str| it.trim_matches(['"', '\'', ';', ',']).to_owned();
    let words: Vec<String> =
        line.split([' ', '\t', '=', ';']).filter(|it| !it.is_empty()).map(plain).collect();
    let at = |name: &str| words.iter().position(|it| it.rsplit('/').next() == Some(name));
    if let Some(start) = at("dpdk-devbind.py").or_else(|| at("dpdk-devbind")) {
        let words = &words[start + 1..];
        let bind = words.iter().position(|it| it == "-b" || it == "--bind")?;
        let driver = words.get(bind + 1)?.clone();
        let all = words.iter().enumerate().filter(|(index, it)| *index != bind + 1 && !it.starts_with('-'));
        return Some((driver, all.map(|it| it.1.clone()).collect()));
    }
    if let Some(start) = at("driverctl") {
        let set = words.iter().skip(start).position(|it| it == "set-override")? + start;
        return Some((words.get(set + 2)?.clone(), vec![words.get(set + 1)?.clone()]));
    }
    let echo = words.iter().rposition(|it| it == "echo" || it.ends_with("/echo"))?;
    let mut written = words[echo + 1..].iter().filter(|it| !it.starts_with('-'));
    let value = written.next()?.split('>').next().unwrap_or_default().to_owned();
    let path =
        words[echo + 1..].iter().map(|it| it.trim_start_matches('>')).find(|it| it.contains("/sys"))?;
    let path = &path[path.find("/sys")?..];
    if let Some(device) = path.strip_suffix("/driver_override") {
        return Some((value, vec![device.to_owned()]));
    }
    let driver = path.strip_suffix("/bind")?.strip_prefix("/sys/bus/pci/drivers/")?;
    Some((driver.to_owned(), vec![value]))
}

#[cfg(test)]
mod tests {
    use super::{binding, number, values};

    #[test]
    fn a_line_says_the_number_that_it_writes() {
        let written = |line: &str| {
            let (before, after) = line.split_once("sriov_numvfs").unwrap();
            number(before, after, &values("N=7\n"))
        };
        assert_eq!(written("echo 4 > /sys/x/sriov_numvfs").as_deref(), Some("4"));
        assert_eq!(written("ExecStart=/bin/sh -c 'echo 4 >/sys/x/sriov_numvfs'").as_deref(), Some("4"));
        assert_eq!(
            written("ExecStart=/bin/sh -c '/usr/bin/echo \"$N\" > /sys/x/sriov_numvfs'").as_deref(),
            Some("7")
        );
        assert_eq!(written("echo 4 | tee /sys/x/sriov_numvfs").as_deref(), Some("4"));
        assert_eq!(written("class/net/eth0/device/sriov_numvfs = 8").as_deref(), Some("8"));
        assert_eq!(written("w /sys/x/sriov_numvfs - - - - 5").as_deref(), Some("5"));
        assert_eq!(written("echo $M > /sys/x/sriov_numvfs"), None);
    }

    #[test]
    fn a_line_says_the_driver_that_it_binds() {
        let of = |line: &str| binding(line).map(|(driver, whom)| format!("{driver}: {}", whom.join(" ")));
        assert_eq!(
            of("ExecStart=/usr/bin/dpdk-devbind.py -b vfio-pci 0000:3b:00.0 3b:00.1").as_deref(),
            Some("vfio-pci: 0000:3b:00.0 3b:00.1")
        );
        assert_eq!(of("dpdk-devbind --bind=igb_uio eth0").as_deref(), Some("igb_uio: eth0"));
        assert_eq!(
            of("driverctl --nosave set-override 0000:3b:00.0 vfio-pci").as_deref(),
            Some("vfio-pci: 0000:3b:00.0")
        );
        let path = "/sys/bus/pci/devices/0000:3b:00.0";
        let shown = format!("vfio-pci: {path}");
        assert_eq!(of(&format!("echo vfio-pci > {path}/driver_override")).as_deref(), Some(shown.as_str()));
        assert_eq!(
            of("sh -c 'echo 0000:3b:00.0 > /sys/bus/pci/drivers/vfio-pci/bind'").as_deref(),
            Some("vfio-pci: 0000:3b:00.0")
        );
        assert_eq!(of("dpdk-devbind.py --status"), None);
    }
}
