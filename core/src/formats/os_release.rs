//! `os-release` and the release files older systems have instead.
