//! tell
fn main() {
    let a: Vec<u64> = std::env::args().skip(1).map(|x| x.parse().unwrap()).collect();
    let mut t = 0usize;
    for i in 0..20000u64 {
        t += lrx_data::synthetic::story(0, i).split_whitespace().count()
    }
    println!("mean {}", t / 20000);
    for i in a[0]..a[1] {
        println!("{}\n----", lrx_data::synthetic::story(0, i));
    }
}
