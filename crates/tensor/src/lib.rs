//! lrx-tensor
