# One host of the fleet: NAME DIRECTORY LOWER HOSTSTATE KEY. Runs in namespaces of its own and ends in sshd.
set -e
name=$1 directory=$2 lower=$3 hoststate=$4 key=$5
mount --make-rprivate /
cd "$directory"
: >started
mkdir -p upper work root
mount -t overlay overlay -o "lowerdir=$lower,upperdir=upper,workdir=work" root
cd root
hostname "$name"
echo "$name" >etc/hostname
mount -t tmpfs -o mode=755,size=1m dev dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for node in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
	set -- $node
	mknod -m 666 "dev/$1" c "$2" "$3"
done
mount -t proc proc proc
mount -t sysfs -o ro sys sys
mount -t tmpfs -o size=16m run run
mkdir -p run/sshd run/booted root/.ssh
chmod 700 root root/.ssh
cat "$key" >root/.ssh/authorized_keys
# The kernel is the machine's; what it was booted with would be too.
kernel=$(ls lib/modules)
echo "BOOT_IMAGE=/boot/vmlinuz-$kernel root=/dev/vda ro quiet" >run/booted/cmdline
echo "$kernel" >run/booted/osrelease
mount --bind run/booted/cmdline proc/cmdline
mount --bind run/booted/osrelease proc/sys/kernel/osrelease
mkdir -p usr/local/bin
touch usr/local/bin/hoststate
mount --bind "$hoststate" usr/local/bin/hoststate
mkdir -p .old
pivot_root . .old
exec chroot . /usr/bin/busybox sh -c '
	busybox umount -l /.old
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin
	exec /usr/sbin/sshd -D -e -o UsePAM=no -o PidFile=none'
