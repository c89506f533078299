/* A hoststate plugin in C: whether the kernel merges equal pages of guests.
 *
 *     linux.ksm { run = 1 }
 *
 * cc -shared -fPIC -I core/abi/include -o ksm.so examples/plugins/ksm.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hoststate_plugin.h"

#define ATTRIBUTE "/sys/kernel/mm/ksm/run"

static const char DESCRIPTION[] =
	"{\"describe\":{\"name\":\"ksm\",\"version\":\"1.0.0\",\"types\":[{\"name\":\"linux.ksm\",\"schema\":{"
	"\"description\":\"Whether the kernel merges equal pages of guests.\","
	"\"type\":\"object\",\"required\":[\"run\"],\"properties\":{\"run\":{"
	"\"description\":\"0 stops, 1 merges, 2 stops and takes merged pages apart.\",\"enum\":[0,1,2]}}},"
	"\"examples\":[{\"desired\":{\"run\":1},\"files\":{\"" ATTRIBUTE "\":\"0\\n\"}}]}]}}";

/* Copies the text after `key` up to the quote that ends it; escapes make it a refusal, not a guess. */
static int text_after(const char *line, const char *key, char *into, size_t size)
{
	const char *at = strstr(line, key);
	size_t length;

	if (!at)
		return 0;
	at += strlen(key);
	length = strcspn(at, "\"\\");
	if (at[length] != '"' || length >= size)
		return 0;
	memcpy(into, at, length);
	into[length] = '\0';
	return 1;
}

static void inspect(const char *line, char *answer, size_t size)
{
	const char *wanted = strstr(line, "\"run\":");
	char root[3072], path[4096], actual[32] = "";
	FILE *file;

	if (!wanted || !text_after(line, "\"root\":\"", root, sizeof root)) {
		snprintf(answer, size, "{\"error\":{\"what\":\"this plugin cannot read the request\"}}");
		return;
	}
	snprintf(path, sizeof path, "%s%s", strcmp(root, "/") ? root : "", ATTRIBUTE);
	file = fopen(path, "r");
	if (!file || !fgets(actual, sizeof actual, file)) {
		if (file)
			fclose(file);
		snprintf(answer, size, "{\"error\":{\"what\":\"this kernel cannot merge pages: there is no %s\","
			 "\"hint\":\"Boot a kernel with CONFIG_KSM.\"}}", ATTRIBUTE);
		return;
	}
	fclose(file);
	actual[strspn(actual, "0123456789")] = '\0';
	wanted += strlen("\"run\":");
	if (atoi(actual) == atoi(wanted)) {
		snprintf(answer, size, "{\"inspect\":{\"settings\":[{\"scope\":\"runtime\",\"subject\":\"%s\","
			 "\"state\":{\"state\":\"converged\"}}]}}", ATTRIBUTE);
		return;
	}
	snprintf(answer, size, "{\"inspect\":{\"settings\":[{\"scope\":\"runtime\",\"subject\":\"%s\",\"state\":{"
		 "\"state\":\"drifted\",\"actual\":\"%s\",\"desired\":\"%d\",\"remedy\":{\"steps\":[{"
		 "\"kind\":\"write_attribute\",\"path\":\"%s\",\"value\":\"%d\"}]}}}]}}",
		 ATTRIBUTE, actual, atoi(wanted), ATTRIBUTE, atoi(wanted));
}

/* Returns the number after `key`, 0 where there is none. */
static unsigned long number_after(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	return at ? strtoul(at + strlen(key), NULL, 10) : 0;
}

uint32_t hoststate_abi(void)
{
	return HOSTSTATE_ABI;
}

hoststate_buffer hoststate_call(const uint8_t *request, size_t len)
{
	char body[4096], *line = malloc(len + 1);
	hoststate_buffer buffer = {malloc(sizeof body + 64), 0};

	if (!line || !buffer.data)
		abort();
	memcpy(line, request, len);
	line[len] = '\0';
	if (strstr(line, "\"request\":{\"hello\"")) {
		if (number_after(line, "\"oldest\":") <= 1 && number_after(line, "\"protocol\":") >= 1)
			snprintf(body, sizeof body, "{\"hello\":{\"protocol\":%u}}", HOSTSTATE_PROTOCOL);
		else
			snprintf(body, sizeof body, "{\"error\":{\"what\":\"this plugin speaks protocol 1\"}}");
	} else if (strstr(line, "\"request\":{\"describe\"")) {
		snprintf(body, sizeof body, "%s", DESCRIPTION);
	} else if (strstr(line, "\"request\":{\"inspect\"")) {
		inspect(line, body, sizeof body);
	} else {
		snprintf(body, sizeof body, "{\"error\":{\"what\":\"this plugin does not know that request\"}}");
	}
	buffer.len = (size_t)sprintf((char *)buffer.data, "{\"id\":%lu,\"answer\":%s}",
				     number_after(line, "\"id\":"), body);
	free(line);
	return buffer;
}

void hoststate_free(hoststate_buffer buffer)
{
	free(buffer.data);
}
