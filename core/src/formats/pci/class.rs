//! Field words for PCI class codes.

/// Returns the short word for a 24-bit class code as sysfs shows it (`0x030000`), such as `display`.
///
/// Selectors compare with it (`class = "display"`).
/// Three subclasses have words of their own because people look for them: `nvme`, `usb`, `serial`.
/// Codes from the PCI Code and ID Assignment Specification, `include/linux/pci_ids.h`.
pub fn class_name(class: u32) -> &'static str {
    match (class >> 8) & 0xffff {
        0x0001 => "display",
        0x0108 => "nvme",
        0x0401 | 0x0403 => "audio",
        0x0700 => "serial",
        0x0c03 => "usb",
        0x0c05 => "smbus",
        subclass => match subclass >> 8 {
            0x00 => "unclassified",
            0x01 => "storage",
            0x02 => "network",
            0x03 => "display",
            0x04 => "multimedia",
            0x05 => "memory",
            0x06 => "bridge",
            0x07 => "communication",
            0x08 => "system",
            0x09 => "input",
            0x0a => "docking",
            0x0b => "processor",
            0x0c => "serial_bus",
            0x0d => "wireless",
            0x0e => "intelligent_io",
            0x0f => "satellite",
            0x10 => "encryption",
            0x11 => "signal_processing",
            0x12 => "accelerator",
            0x13 => "instrumentation",
            0x40 => "coprocessor",
            _ => "other",
        },
    }
}
