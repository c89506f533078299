/*
 * Runs one program once and tells what it cost: "nanoseconds peak_rss_kib exit_code" on standard output.
 * Usage: measure PROGRAM [ARGUMENT...]. The program's own output goes nowhere; its standard error stays.
 *
 * Small and static on purpose: the kernel counts the starter's own peak into the peak of what it starts by
 * vfork (setmax_mm_hiwater_rss in exec_mmap), so a large starter would hide a small program.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv, char **environment)
{
	if (argc < 2)
		return 2;
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);

	struct timespec before, after;
	struct rusage usage;
	int status;
	pid_t child;
	clock_gettime(CLOCK_MONOTONIC, &before);
	int error = posix_spawn(&child, argv[1], &actions, NULL, argv + 1, environment);
	if (error) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(error));
		return 2;
	}
	if (wait4(child, &status, 0, &usage) < 0) {
		perror("wait4");
		return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &after);
	long long elapsed = (after.tv_sec - before.tv_sec) * 1000000000LL + (after.tv_nsec - before.tv_nsec);
	printf("%lld %ld %d\n", elapsed, usage.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}
