//! lrx with all the ideas of the crates beside this one.

use lrx::train::RegisterOptimizer;

fn main() -> std::process::ExitCode {
    lrx::main_with(|registry| {
        registry.register(silu_low_rank::SiluLowRank)?;
        registry.register(sparse_low_rank::SparseLowRank)?;
        registry.register(dense_then_svd::DenseThenSvd)?;
        registry.register_block(gated_mlp_of_any::GatedMlpOfAny)?;
        registry.register_init(depth_scaled_init::DepthScaled)?;
        registry.register_optimizer(lion::Lion)
    })
}
