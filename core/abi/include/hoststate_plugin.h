/* hoststate_plugin.h: what a hoststate plugin that is a shared library exports.
 * Generated from core/abi/src/export.rs; docs/plugins.md describes requests and answers. */
#ifndef HOSTSTATE_PLUGIN_H
#define HOSTSTATE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this ABI. */
#define HOSTSTATE_ABI 1u

/* Version of the requests and answers. */
#define HOSTSTATE_PROTOCOL 1u

/* Bytes that the plugin hands over. */
typedef struct hoststate_buffer {
	uint8_t *data; /* the first byte; NULL for none */
	size_t len;    /* their number */
} hoststate_buffer;

/* Returns HOSTSTATE_ABI. */
uint32_t hoststate_abi(void);

/* Answers one request: `len` bytes of JSON, without the end of the line and without a final NUL. */
hoststate_buffer hoststate_call(const uint8_t *request, size_t len);

/* Frees what hoststate_call returned; called once for each answer. */
void hoststate_free(hoststate_buffer buffer);

#ifdef __cplusplus
}
#endif

#endif
