//! A simulated host: a tree that answers writes as the kernel and the tools would.
