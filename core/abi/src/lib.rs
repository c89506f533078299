//! The words that hoststate and its plugins share.
