//! lrx-data
