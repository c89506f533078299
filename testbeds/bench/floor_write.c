/*
 * The least a safe writing of many module options can cost: each file by temporary file, fsync, rename, fsync of the directory.
 * Usage: floor_write ROOT DECLARATIONS FILES. Writes what floor_options looks for; ROOT/etc/modprobe.d must exist.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char text[1 << 20];

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	int declarations = atoi(argv[2]), files = atoi(argv[3]);
	if (declarations < 1 || files < 1)
		return 2;
	char path[4096];
	snprintf(path, sizeof path, "%s/etc/modprobe.d", argv[1]);
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return fail(path);
	for (int file = 0; file < files; file++) {
		size_t used = 0;
		for (int number = file; number < declarations; number += files)
			used += snprintf(text + used, sizeof text - used, "options bench%d p=%d\n", number, number);
		char name[64], temporary[80];
		snprintf(name, sizeof name, "bench-%d.conf", file);
		snprintf(temporary, sizeof temporary, ".%s.new", name);
		int fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			return fail(temporary);
		for (size_t done = 0; done < used;) {
			ssize_t put = write(fd, text + done, used - done);
			if (put < 0)
				return fail(temporary);
			done += put;
		}
		if (fsync(fd) || close(fd) || renameat(directory, temporary, directory, name) || fsync(directory))
			return fail(name);
	}
	return 0;
}
