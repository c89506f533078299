#define _GNU_SOURCE
/*
 * The least a check of a small converged host can cost: read the files, compare the wanted lines, exit 0 or 1.
 * Usage: floor_check ROOT. What is wanted is what the playbook of the case "check small host" declares (src/bench/tree.rs).
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *root;
static char text[1 << 20];

/* Reads a file below the root as a string into `text`; an unreadable one ends the check. */
static int load(const char *path)
{
	char full[4096];
	snprintf(full, sizeof full, "%s/%s", root, path);
	int fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(full);
		return 0;
	}
	size_t used = 0;
	ssize_t got;
	while (used < sizeof text - 1 && (got = read(fd, text + used, sizeof text - 1 - used)) > 0)
		used += got;
	close(fd);
	text[used] = 0;
	return 1;
}

/* Whether the blank- or quote-delimited word stands between `line` and `end`. */
static int has_word(const char *line, const char *end, const char *word)
{
	size_t length = strlen(word);
	for (const char *at = line; at + length <= end; at++) {
		int starts = at == line || strchr(" \t\"'", at[-1]);
		int ends = at + length == end || strchr(" \t\"'\n", at[length]);
		if (starts && ends && !memcmp(at, word, length))
			return 1;
	}
	return 0;
}

/* Whether every line that starts with `prefix` (after blanks) carries both words, and there is one. */
static int lines_carry_words(const char *prefix)
{
	int seen = 0;
	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n');
		const char *first = line + strspn(line, " \t");
		if (!strncmp(first, prefix, strlen(prefix))) {
			seen = 1;
			if (!has_word(first, end, "intel_iommu=on") || !has_word(first, end, "iommu=pt"))
				return 0;
		}
		line = *end ? end + 1 : end;
	}
	return seen;
}

static int has_line(const char *wanted)
{
	size_t length = strlen(wanted);
	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n');
		if ((size_t)(end - line) == length && !memcmp(line, wanted, length))
			return 1;
		line = *end ? end + 1 : end;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	root = argv[1];
	int good = load("etc/default/grub") && lines_carry_words("GRUB_CMDLINE_LINUX_DEFAULT=");
	good = good && load("boot/grub/grub.cfg") && lines_carry_words("linux");
	good = good && load("proc/cmdline") && lines_carry_words("BOOT_IMAGE=");
	good = good && load("etc/modprobe.d/01-hoststate.conf")
		&& has_line("softdep nouveau pre: vfio-pci")
		&& has_line("softdep nvidiafb pre: vfio-pci")
		&& has_line("softdep snd_hda_intel pre: vfio-pci");
	good = good && load("etc/modprobe.d/zz-hoststate.conf")
		&& has_line("options vfio-pci ids=10de:0ffc,10de:0e1b")
		&& has_line("blacklist nouveau")
		&& has_line("blacklist nvidiafb");
	good = good && load("etc/modules-load.d/hoststate.conf") && has_line("vfio_pci");
	return good ? 0 : 1;
}
