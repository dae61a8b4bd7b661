//! lrx
