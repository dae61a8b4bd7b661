//! lrx-analysis
