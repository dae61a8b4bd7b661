//! Wall time whose throughput is shown as a fraction of the machine's limit: elements are floating-point operations, held
//! against multiply-adds in registers; bytes are held against the memory's rate.

use std::time::{Duration, Instant};

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use lrx_tensor::{Precision, limits};

/// The measurement, and its formatter.
pub struct OfLimit {
    flops_per_second: f64,
    bytes_per_second: f64,
}

impl OfLimit {
    /// Measures the machine and prints what it can do.
    pub fn measured() -> Self {
        // As in `lrx`: this thread computes, too.
        let _ = rayon::ThreadPoolBuilder::new().use_current_thread().build_global();
        let this = Self {
            flops_per_second: limits::multiply_add_rate(Precision::F32),
            bytes_per_second: limits::memory_rate(),
        };
        println!(
            "{} threads; limits: multiply-adds {:.0} GFLOP/s (large matrix products {:.0}), memory {:.1} GB/s",
            rayon::current_num_threads(),
            this.flops_per_second / 1e9,
            limits::matrix_product_rate(Precision::F32) / 1e9,
            this.bytes_per_second / 1e9
        );
        this
    }
}

impl Measurement for OfLimit {
    type Intermediate = Instant;
    type Value = Duration;

    fn start(&self) -> Instant {
        WallTime.start()
    }

    fn end(&self, began: Instant) -> Duration {
        WallTime.end(began)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        WallTime.add(one, other)
    }

    fn zero(&self) -> Duration {
        WallTime.zero()
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for OfLimit {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_values(typical, values)
    }

    /// Values are nanoseconds; they become percent of the limit.
    fn scale_throughputs(&self, _typical: f64, throughput: &Throughput, values: &mut [f64]) -> &'static str {
        let (amount, limit, unit) = match throughput {
            Throughput::Elements(flops) => (*flops, self.flops_per_second, "% of multiply-adds"),
            Throughput::Bytes(bytes) => (*bytes, self.bytes_per_second, "% of memory"),
            _ => unreachable!("work is counted in floating-point operations or bytes"),
        };
        for value in values {
            *value = 100.0 * amount as f64 / (*value * 1e-9) / limit;
        }
        unit
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_for_machines(values)
    }
}
