//! lrx, plus one layer kind.
fn main() -> std::process::ExitCode {
    lrx::main_with(|registry| registry.register(scaled_low_rank::ScaledLowRank))
}
