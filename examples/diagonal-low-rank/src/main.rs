//! lrx, plus one layer kind.
fn main() -> std::process::ExitCode {
    lrx::main_with(|registry| registry.register(diagonal_low_rank::DiagonalLowRank))
}
