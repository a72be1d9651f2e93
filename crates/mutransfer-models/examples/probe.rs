use mutransfer::*;
use mutransfer_models::data::*;
use mutransfer_models::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let width: usize = a[1].parse().unwrap();
    let rule: Rule = a[2].parse().unwrap();
    let text = a[3].clone();
    let steps: usize = a[4].parse().unwrap();
    let batch: usize = a[5].parse().unwrap();
    let context: usize = a[6].parse().unwrap();
    let from: i32 = a[7].parse().unwrap();
    let to: i32 = a[8].parse().unwrap();
    let base: usize = a[9].parse().unwrap();
    let opts = a.get(10).cloned().unwrap_or_default();
    let corpus = if text == "syn" {
        Corpus::Synthetic(Language::new(0))
    } else {
        Corpus::Text(Text::read(text.as_ref()).unwrap())
    };
    println!("floor {:?}", corpus.floor());
    let arch = Architecture {
        kind: Kind::Gpt,
        depth: 2,
        heads: Heads::Dim(if opts.contains("d32") { 32 } else { 16 }),
        vocabulary: corpus.vocabulary(),
        context,
        zero_readout: opts.contains('r'),
        zero_query: opts.contains('q'),
    };
    let plan = arch.plan(base, width, rule, Optimizer::AdamW).unwrap();
    for e in from..=to {
        for seed in 0..1 {
            let init = if opts.contains('c') { Init::Constant(0.05) } else { Init::FanIn(1.0) };
            let hyper = Hyper { learning_rate: 2f64.powi(e), init, ..Hyper::default() };
            let t0 = std::time::Instant::now();
            let mut t = trainer(&arch, width, &plan, &hyper, &corpus, Batches { size: batch, seed }).unwrap();
            let warm = steps / 10;
            let mut first = 0.;
            let mut last = 0.;
            for s in 0..steps {
                let f = if s < warm {
                    (s + 1) as f64 / warm as f64
                } else {
                    0.5 * (1.0 + (std::f64::consts::PI * (s - warm) as f64 / (steps - warm) as f64).cos())
                };
                let l = t.step(f);
                if s == 0 {
                    first = l
                }
                last = l;
            }
            println!(
                "{rule} w{width} 2^{e} seed {seed} first {first:.3} last {last:.3} val {:.4}  {:.1} ms/step",
                t.validation_loss(),
                t0.elapsed().as_secs_f64() * 1e3 / steps as f64
            );
        }
    }
}
