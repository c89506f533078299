//! The three C symbols of a plugin that is a shared library.

#![expect(unsafe_code, reason = "a C ABI passes pointers")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::plugin::Plugin;

/// Version of the C ABI.
pub const ABI: u32 = 1;

/// Bytes that a plugin hands over; [`Free`] takes them back.
#[repr(C)]
#[derive(Debug)]
pub struct Buffer {
    /// The first byte; null for none.
    pub data: *mut u8,
    /// Their number.
    pub len: usize,
}

/// Type of `hoststate_abi`: returns [`ABI`].
pub type Abi = unsafe extern "C" fn() -> u32;

/// Type of `hoststate_call`: takes the request of a line, returns the answer.
pub type Call = unsafe extern "C" fn(request: *const u8, len: usize) -> Buffer;

/// Type of `hoststate_free`: takes a buffer that `hoststate_call` returned, once.
pub type Free = unsafe extern "C" fn(buffer: Buffer);

/// Exports a plugin: `export_plugin!(Plugin::new("name", "1.0").with::<Type>());`, once in a `cdylib`.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:expr) => {
        /// Returns the version of the C ABI.
        #[unsafe(no_mangle)]
        pub extern "C" fn hoststate_abi() -> u32 {
            $crate::export::ABI
        }

        /// Answers one request.
        ///
        /// # Safety
        /// `request` points to `len` bytes.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn hoststate_call(request: *const u8, len: usize) -> $crate::export::Buffer {
            // SAFETY: the caller keeps to the contract above.
            unsafe { $crate::export::call(|| $plugin, request, len) }
        }

        /// Frees an answer.
        ///
        /// # Safety
        /// `buffer` was returned by `hoststate_call`, and was not freed before.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn hoststate_free(buffer: $crate::export::Buffer) {
            // SAFETY: the caller keeps to the contract above.
            unsafe { $crate::export::free(buffer) }
        }
    };
}

/// Answers the request of `len` bytes at `request`, for [`export_plugin!`].
///
/// # Safety
/// `request` points to `len` bytes.
pub unsafe fn call(plugin: impl FnOnce() -> Plugin, request: *const u8, len: usize) -> Buffer {
    // SAFETY: the caller says that these bytes are there.
    let request = unsafe { std::slice::from_raw_parts(request, len) };
    // No panic may cross into C; an empty answer is one that hoststate reports.
    let answer = catch_unwind(AssertUnwindSafe(|| plugin().answer(request))).unwrap_or_default();
    let bytes = Box::leak(answer.into_bytes().into_boxed_slice());
    Buffer { data: bytes.as_mut_ptr(), len: bytes.len() }
}

/// Frees what [`call`] returned, for [`export_plugin!`].
///
/// # Safety
/// `buffer` was returned by [`call`], and was not freed before.
pub unsafe fn free(buffer: Buffer) {
    // SAFETY: `call` leaked a boxed slice of exactly this address and length.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(buffer.data, buffer.len)) });
}

/// Returns the text of `hoststate_plugin.h`.
pub fn header() -> String {
    format!(
        "\
/* hoststate_plugin.h: what a hoststate plugin that is a shared library exports.
 * Generated from core/abi/src/export.rs; docs/plugins.md describes requests and answers. */
#ifndef HOSTSTATE_PLUGIN_H
#define HOSTSTATE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern \"C\" {{
#endif

/* Version of this ABI. */
#define HOSTSTATE_ABI {ABI}u

/* Version of the requests and answers. */
#define HOSTSTATE_PROTOCOL {PROTOCOL}u

/* Bytes that the plugin hands over. */
typedef struct hoststate_buffer {{
	uint8_t *data; /* the first byte; NULL for none */
	size_t len;    /* their number */
}} hoststate_buffer;

/* Returns HOSTSTATE_ABI. */
uint32_t hoststate_abi(void);

/* Answers one request: `len` bytes of JSON, without the end of the line and without a final NUL. */
hoststate_buffer hoststate_call(const uint8_t *request, size_t len);

/* Frees what hoststate_call returned; called once for each answer. */
void hoststate_free(hoststate_buffer buffer);

#ifdef __cplusplus
}}
#endif

#endif
",
        PROTOCOL = crate::message::PROTOCOL
    )
}
