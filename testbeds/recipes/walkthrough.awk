# Makes docs/gpu-passthrough.md of the transcript of the scenario gpu-bios-intel:
#   cargo testbed run gpu-bios-intel --keep
#   awk -f testbeds/recipes/walkthrough.awk target/testbeds/kept/gpu-bios-intel/transcript.txt > docs/gpu-passthrough.md
BEGIN {
	print "# GPU passthrough, from an untouched disk to vfio-pci\n"
	print "A transcript of the scenario `gpu-bios-intel` of [the testbeds](testbeds-vm.md): a Debian 13 host in an emulated machine with BIOS and an Intel IOMMU."
	print "The commands, their output and their exit statuses are those of the run; the text between them comes from the scenario."
	print "Made by `testbeds/recipes/walkthrough.awk`; do not edit.\n"
	print "The playbook:\n\n```lua"
	while ((getline line < "testbeds/scenarios/lib/gpu-walkthrough.lua") > 0) print line
	print "```\n"
}
function close_block() { if (block) { print "```\n"; block = 0 } }
# What a step found or did by itself stands among the commands.
/^# (reboot$|up again: |[0-9a-f:.]+ is bound to )/ && !inside {
	if (open_note) { print ""; open_note = 0 }
	if (!block) { print "```console"; block = 1 }
	print
	next
}
# A remark; two lines of one remark belong together.
/^# / && !inside { close_block(); text = substr($0, 3); print text; open_note = 1; next }
/^\$ / && !inside {
	if (open_note) { print ""; open_note = 0 }
	if (!block) { print "```console"; block = 1 }
	print
	inside = 1
	long = /--format json/
	next
}
inside && /^\[[0-9]+\]$/ {
	if (long) print "… (a report as JSON: `\"changed\": false`, `\"steps\": []`)"
	print
	close_block()
	inside = 0
	next
}
inside && !long { print }
END { close_block() }
