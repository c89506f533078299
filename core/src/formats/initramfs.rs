//! What an initramfs image contains: concatenated, compressed cpio archives.
