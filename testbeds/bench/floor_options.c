/*
 * The least a check of many module options can cost: read FILES files, find DECLARATIONS lines.
 * Usage: floor_options ROOT DECLARATIONS FILES. Declaration N wants "options benchN p=N" in bench-(N % FILES).conf.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char text[1 << 20];

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	int declarations = atoi(argv[2]), files = atoi(argv[3]);
	if (declarations < 1 || files < 1)
		return 2;
	unsigned char *found = calloc(declarations, 1);
	if (!found)
		return 2;
	for (int file = 0; file < files; file++) {
		char path[4096];
		snprintf(path, sizeof path, "%s/etc/modprobe.d/bench-%d.conf", argv[1], file);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			perror(path);
			return 1;
		}
		size_t used = 0;
		ssize_t got;
		while (used < sizeof text - 1 && (got = read(fd, text + used, sizeof text - 1 - used)) > 0)
			used += got;
		close(fd);
		text[used] = 0;
		for (char *line = text; *line;) {
			char *end = strchrnul(line, '\n');
			char saved = *end, wanted[64];
			*end = 0;
			/* The number is read from the line, then the whole line is compared with the wanted one. */
			if (!strncmp(line, "options bench", 13)) {
				int number = atoi(line + 13);
				snprintf(wanted, sizeof wanted, "options bench%d p=%d", number, number);
				if (number >= 0 && number < declarations && number % files == file && !strcmp(line, wanted))
					found[number] = 1;
			}
			*end = saved;
			line = saved ? end + 1 : end;
		}
	}
	for (int number = 0; number < declarations; number++)
		if (!found[number])
			return 1;
	return 0;
}
