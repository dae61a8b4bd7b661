//! lrx-train
