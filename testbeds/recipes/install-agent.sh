#!/bin/sh
# Puts the testbed's agent into the systemd host below the directory $1.
set -eu
install -m 755 agent.sh "$1/usr/local/sbin/testbed-agent"
cat >"$1/etc/systemd/system/testbed-agent.service" <<'EOF'
[Unit]
Description=Testbed agent
DefaultDependencies=no
After=systemd-remount-fs.service systemd-tmpfiles-setup-dev.service systemd-udev-trigger.service

[Service]
ExecStart=/usr/local/sbin/testbed-agent
Restart=always
RestartSec=1
KillMode=process

[Install]
WantedBy=sysinit.target
EOF
units="$1/etc/systemd/system"
mkdir -p "$units/sysinit.target.wants"
ln -sf ../testbed-agent.service "$units/sysinit.target.wants/"
# Work that nobody waits for and that would compete with what is tested.
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service systemd-timesyncd.service \
	fstrim.timer dpkg-db-backup.timer getty@tty1.service systemd-networkd-wait-online.service man-db.timer; do
	ln -sf /dev/null "$units/$unit"
done
