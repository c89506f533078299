//! Boot Loader Specification entries, `/boot/loader/entries/*.conf`.
