//! lrx-model
