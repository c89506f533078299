//! Tests of PCI addresses, ids, patterns and classes.

use std::fmt::{Debug, Display};

use expect_test::{Expect, expect};
use hoststate_abi::pci_address::PciAddress;
use proptest::prelude::*;

use super::{PciId, PciIdPattern, class_name, parse_id_list};

fn check<T: Display, E: Display>(parse: impl Fn(&str) -> Result<T, E>, inputs: &[&str], expect: Expect) {
    let show = |input: &&str| match parse(input) {
        Ok(value) => format!("{input} = {value}\n"),
        Err(err) => format!("{err}\n"),
    };
    expect.assert_eq(&inputs.iter().map(show).collect::<String>());
}

fn check_list(input: &str, expect: Expect) {
    let list = parse_id_list(input);
    let patterns: Vec<String> = list.patterns.iter().map(ToString::to_string).collect();
    expect.assert_eq(&format!("{patterns:?} malformed {:?} dropped {:?}", list.malformed, list.dropped));
}

#[test]
fn addresses_are_shown_in_full() {
    check(
        str::parse::<PciAddress>,
        &[
            "01:00.0",
            "0000:3B:1f.7",
            "10000:e1:00.0",
            "0000:01:20.0",
            "0000:01:00.8",
            "0:01:00.0",
            "01:00",
            "+1:00.0",
            "",
        ],
        expect![[r#"
            01:00.0 = 0000:01:00.0
            0000:3B:1f.7 = 0000:3b:1f.7
            10000:e1:00.0 = 10000:e1:00.0
            `0000:01:20.0` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
            `0000:01:00.8` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
            `0:01:00.0` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
            `01:00` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
            `+1:00.0` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
            `` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`
        "#]],
    );
}

#[test]
fn functions_of_a_card_share_a_slot_and_sort_by_number() {
    let address = |text: &str| text.parse::<PciAddress>().unwrap();
    assert_eq!(address("01:00.1").slot(), "0000:01:00");
    assert!(address("0000:0a:00.0") < address("0001:00:00.0"));
    assert!(address("0000:02:00.0") < address("0000:10:00.0"));
}

#[test]
fn addresses_and_patterns_are_strings_in_json() {
    let address: PciAddress = serde_json::from_str("\"01:00.0\"").unwrap();
    assert_eq!(serde_json::to_string(&address).unwrap(), "\"0000:01:00.0\"");
    assert!(serde_json::from_str::<PciIdPattern>("\"10de\"").is_err());
    let schema = schemars::schema_for!(PciAddress);
    expect![[r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"PciAddress","type":"string","examples":["0000:01:00.0"],"pattern":"^([0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[01][0-9a-fA-F]\\.[0-7]$"}"#]]
        .assert_eq(&serde_json::to_string(&schema).unwrap());
}

#[test]
fn id_patterns_are_shown_without_surplus_fields() {
    check(
        str::parse::<PciIdPattern>,
        &[
            "10DE:0FFC",
            "0x10de:0xffc",
            "10de:ffffffff",
            "10de:0ffc:ffffffff:ffffffff:0:0",
            "10de:ffffffff:1462:ffffffff",
            "8086:ffffffff:ffffffff:ffffffff:020000:ff0000",
            "10de",
            "10de:",
            "10de:0ffc:+1",
            "1:2:3:4:5:6:7",
            "10de:123456789",
        ],
        expect![[r#"
            10DE:0FFC = 10de:0ffc
            0x10de:0xffc = 10de:0ffc
            10de:ffffffff = 10de:ffffffff
            10de:0ffc:ffffffff:ffffffff:0:0 = 10de:0ffc
            10de:ffffffff:1462:ffffffff = 10de:ffffffff:1462
            8086:ffffffff:ffffffff:ffffffff:020000:ff0000 = 8086:ffffffff:ffffffff:ffffffff:020000:ff0000
            `10de` is not a PCI id, expected `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` in hexadecimal such as `10de:0ffc`
            `10de:` is not a PCI id, expected `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` in hexadecimal such as `10de:0ffc`
            `10de:0ffc:+1` is not a PCI id, expected `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` in hexadecimal such as `10de:0ffc`
            `1:2:3:4:5:6:7` is not a PCI id, expected `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` in hexadecimal such as `10de:0ffc`
            `10de:123456789` is not a PCI id, expected `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` in hexadecimal such as `10de:0ffc`
        "#]],
    );
}

#[test]
fn patterns_match_by_ids_and_masked_class() {
    let nic = PciId {
        vendor: 0x8086,
        device: 0x1583,
        subsystem_vendor: 0x8086,
        subsystem_device: 1,
        class: 0x02_0000,
    };
    let matching = |text: &&str| text.parse::<PciIdPattern>().unwrap().matches(&nic);
    let patterns = [
        "8086:1583",
        "8086:1584",
        "ffffffff:1583",
        "8086:1583:8086:2",
        "8086:1583:8086:1",
        "8086:1583:ffffffff:ffffffff:030000:ff0000",
        "8086:1583:ffffffff:ffffffff:030000",
        "ffff:1583",
    ];
    let hits: Vec<&str> = patterns.into_iter().filter(matching).collect();
    expect!["8086:1583 ffffffff:1583 8086:1583:8086:1 8086:1583:ffffffff:ffffffff:030000"]
        .assert_eq(&hits.join(" "));
}

#[test]
fn id_lists_are_read_as_the_driver_reads_them() {
    check_list("10de:0ffc,10de:0e1b", expect![[r#"["10de:0ffc", "10de:0e1b"] malformed [] dropped None"#]]);
    check_list(",10de:0ffc,,", expect![[r#"["10de:0ffc"] malformed [] dropped None"#]]);
    check_list("10de:0ffc, 10de:0e1b", expect![[r#"["10de:0ffc"] malformed [] dropped Some("10de:0e1b")"#]]);
    check_list("10de,gpu,0x10de:0xffc", expect![[r#"["10de:0ffc"] malformed ["10de", "gpu"] dropped None"#]]);
    check_list(
        "10de:0ffc:x,10de:0e1bq:1,0x:1",
        expect![[r#"["10de:0ffc", "10de:0e1b"] malformed ["0x:1"] dropped None"#]],
    );
    check_list("", expect!["[] malformed [] dropped None"]);
}

#[test]
fn a_modalias_holds_the_ids_and_the_class() {
    let text = "pci:v000010DEd00000FFCsv000010DEsd0000094Cbc03sc00i00";
    let id = PciId::from_modalias(text).unwrap();
    assert_eq!((id.vendor, id.device, id.class), (0x10de, 0x0ffc, 0x03_0000));
    assert_eq!(id.modalias(), text);
    for wrong in
        ["pci:v000010DEd*", "usb:v1D6Bp0002", "", "pci:v000010DEd00000FFCsv000010DEsd0000094Cbc03sc00i00x"]
    {
        assert!(PciId::from_modalias(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn classes_have_field_words() {
    let classes =
        [0x03_0000, 0x03_0200, 0x00_0100, 0x02_0000, 0x01_0802, 0x01_0601, 0x04_0300, 0x06_0400, 0x0c_0330];
    let words: Vec<&str> = classes.into_iter().map(class_name).collect();
    expect!["display display display network nvme storage audio bridge usb"].assert_eq(&words.join(" "));
    assert_eq!([0x07_0002, 0x0b_4000, 0xff_0000].map(class_name), ["serial", "processor", "other"]);
}

fn survives_its_own_spelling<T, E>(value: T) -> Result<(), TestCaseError>
where
    T: Display + Debug + PartialEq + std::str::FromStr<Err = E>,
    E: Debug,
{
    prop_assert_eq!(value.to_string().parse::<T>().unwrap(), value);
    Ok(())
}

proptest! {
    #[test]
    fn what_is_shown_reads_back(text in "([0-9a-f]{4,6}:)?[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]", fields in prop::collection::vec(any::<u32>(), 2..=6)) {
        let address: PciAddress = text.parse().unwrap();
        survives_its_own_spelling(address)?;
        prop_assert_eq!(PciAddress::of_routing_id(address.domain(), address.routing_id()), address);
        let id: Vec<String> = fields.iter().map(|field| format!("{field:x}")).collect();
        survives_its_own_spelling(id.join(":").parse::<PciIdPattern>().unwrap())?;
    }

    #[test]
    fn what_the_strict_reader_takes_the_kernel_takes_alike(text in "(0x)?[0-9a-f]{0,9}(:(0x)?[0-9a-f]{0,5}){0,6}") {
        if let Ok(pattern) = text.parse::<PciIdPattern>() {
            prop_assert_eq!(parse_id_list(&text).patterns, vec![pattern]);
        }
    }

    #[test]
    fn no_input_panics(text in ".{0,40}") {
        let outcomes = (text.parse::<PciAddress>(), text.parse::<PciIdPattern>(), PciId::from_modalias(&text));
        drop((outcomes, parse_id_list(&text), text.len()));
    }
}
