/* A plugin of ABI 1, as it was when that ABI was made: it declares what it needs itself, so that no later header
 * changes it. Each macro makes it misbehave in one way. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct hoststate_buffer {
	uint8_t *data;
	size_t len;
} hoststate_buffer;

#ifndef ABI
#define ABI 1
#endif
#ifndef ASKS
#define ASKS ""
#endif
#ifndef STEP
#define STEP "{\"kind\":\"write_attribute\",\"path\":\"/sys/lamp\",\"value\":\"on\"}"
#endif

#define DESCRIBE "{\"describe\":{\"name\":\"lamp\",\"version\":\"1.0.0\"," ASKS "\"types\":[{" \
	"\"name\":\"acme.lamp\",\"schema\":{\"description\":\"A lamp.\",\"type\":\"object\"," \
	"\"properties\":{\"on\":{\"description\":\"Whether it shines.\",\"type\":\"boolean\"}}}," \
	"\"examples\":[{\"desired\":{\"on\":true},\"files\":{\"/sys/lamp\":\"off\\n\"}}]}]}}"

#ifndef NO_CALL
static const char *inspect(const char *line)
{
	static char answer[8192];
#if defined(SEGFAULT)
	*(volatile int *)(uintptr_t)8 = 1;
#elif defined(LOOP)
	for (;;)
		;
#elif defined(EXITS)
	fprintf(stderr, "the lamp fell off the table\n");
	exit(3);
#elif defined(PRINTS)
	printf("looking at the lamp\n");
	fflush(stdout);
#elif defined(TRUNCATED)
	return "{\"inspect\":{\"settings\":[{\"scope\":\"run";
#elif defined(REFUSES)
	return "{\"error\":{\"what\":\"the lamp is broken\",\"hint\":\"Buy another.\"}}";
#elif defined(CONTENT)
	return "{\"inspect\":{\"settings\":[{\"scope\":\"runtime\",\"subject\":\"lamp\",\"state\":{\"state\":\"converged\"}}]}}";
#endif
	const char *root = strstr(line, "\"root\":\"") + 8;
	char path[4096], state[32] = "";
	snprintf(path, sizeof path, "%.*s/sys/lamp", (int)strcspn(root, "\""), root);
	FILE *file = fopen(path, "r");
	if (file) {
		if (fgets(state, sizeof state, file))
			state[strcspn(state, "\n")] = '\0';
		fclose(file);
	}
#ifdef MEDDLES
	file = fopen(path, "w");
	if (file) {
		fputs("on\n", file);
		fclose(file);
	}
#endif
	if (!strcmp(state, "on"))
		return "{\"inspect\":{\"settings\":[{\"scope\":\"runtime\",\"subject\":\"lamp\",\"state\":{\"state\":\"converged\"}}]}}";
	snprintf(answer, sizeof answer, "{\"inspect\":{\"settings\":[{\"scope\":\"runtime\",\"subject\":\"lamp\",\"state\":{"
		 "\"state\":\"drifted\",\"actual\":\"%s\",\"desired\":\"on\",\"remedy\":{\"steps\":[" STEP "]}}}]}}", state);
	return answer;
}
#endif

uint32_t hoststate_abi(void)
{
	return ABI;
}

#ifndef NO_CALL
hoststate_buffer hoststate_call(const uint8_t *request, size_t len)
{
	char *line = calloc(1, len + 1);
	const char *answer = "{\"error\":{\"what\":\"unknown request\"}}";
	memcpy(line, request, len);
#ifdef GIGANTIC
	if (strstr(line, "{\"inspect\"")) {
		size_t size = 64 << 20;
		char *spaces = malloc(size);
		memset(spaces, ' ', size);
		return (hoststate_buffer){(uint8_t *)spaces, size};
	}
#endif
	if (strstr(line, "{\"hello\"") && strstr(line, "\"oldest\":1,"))
		answer = "{\"hello\":{\"protocol\":1}}";
	else if (strstr(line, "{\"describe\""))
		answer = DESCRIBE;
	else if (strstr(line, "{\"inspect\""))
		answer = inspect(line);
	const char *id = strstr(line, "\"id\":");
	unsigned long number = id ? strtoul(id + 5, NULL, 10) : 0;
#ifdef WRONG_ID
	number += strstr(line, "{\"inspect\"") != NULL;
#endif
	size_t size = strlen(answer) + 64;
	char *text = malloc(size);
#ifdef GARBAGE
	int length = snprintf(text, size, strstr(line, "{\"inspect\"") ? "Segmentation fault?" : "{\"id\":%lu,\"answer\":%s}", number, answer);
#else
	int length = snprintf(text, size, "{\"id\":%lu,\"answer\":%s}", number, answer);
#endif
#ifdef TRUNCATED
	if (strstr(line, "{\"inspect\""))
		length -= 2;
#endif
	free(line);
	return (hoststate_buffer){(uint8_t *)text, (size_t)length};
}
#endif

void hoststate_free(hoststate_buffer buffer)
{
	free(buffer.data);
}
