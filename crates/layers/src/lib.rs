//! lrx-layers
