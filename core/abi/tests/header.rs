//! The committed C header is what the Rust side says, and a C compiler agrees about it.

use hoststate_abi::export::header;

#[test]
fn the_committed_header_is_the_generated_one() {
    expect_test::expect_file!["../include/hoststate_plugin.h"].assert_eq(&header());
}
