#!/bin/bash
# A loop device says that a write was done of which only a part fits into its backing file.
#
# Seen on Linux 6.18: the loop driver hands a request to the backing file system in one call. On a full one that call writes
# as many bytes as fit and says so, and the driver takes every positive answer to a write for success. Direct writes,
# fsync and a file system on the device (ext4, XFS) hear of no error; what did not fit reads as zeros. A test that
# makes a thin device of a loop device on a full tmpfs therefore blames the file system, or the program above it, for bytes that
# the device has thrown away. Requests of one page (queue/max_sectors_kb = 4) cannot be cut, and fail as they should.
#
# Needs root, losetup and Python. Exit code 0: still so. 1: it behaves otherwise. 2: it could not be tried.
set -u
dir=$(mktemp -d) || exit 2
device=
clean_up() {
    [ -z "$device" ] || losetup --detach "$device"
    umount "$dir" 2>/dev/null
    rmdir "$dir"
}
trap clean_up EXIT
mount -t tmpfs -o size=64M tmpfs "$dir" || exit 2
truncate --size=200M "$dir/backing" || exit 2
device=$(losetup --find --show "$dir/backing") || exit 2
# All but 100 KiB is somebody else's.
dd if=/dev/zero of="$dir/rest" bs=4k status=none 2>/dev/null
truncate --size=-100K "$dir/rest"
uname -sr
try() {
    echo "$1" >"/sys/block/${device#/dev/}/queue/max_sectors_kb" || exit 2
    python3 - "$device" "$2" <<'PY'
import mmap, os, sys
size, offset = 256 << 10, int(sys.argv[2])
device = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
written, read = mmap.mmap(-1, size), mmap.mmap(-1, size)
written.write(b"\xab" * size)
try:
    said = os.pwritev(device, [written], offset)
    os.fsync(device)
except OSError as error:
    print("the write ended with:", error.strerror)
    sys.exit(11)
os.preadv(device, [read], offset)
kept = len(bytes(read).rstrip(b"\0"))
print(f"{said} bytes were written and flushed, says the device; {kept} of them are there")
sys.exit(10 if said == size and kept < size else 0)
PY
}
echo "requests of up to 1280 KiB:"
try 1280 8388608
large=$?
truncate --size=-100K "$dir/rest"
echo "requests of 4 KiB:"
try 4 33554432
small=$?
[ "$large" = 10 ] && [ "$small" = 11 ] && exit 0
echo "this is not what was seen"
exit 1
