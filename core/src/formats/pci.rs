//! PCI addresses, ids and modaliases.
