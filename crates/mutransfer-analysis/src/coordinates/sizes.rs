//! The sizes of one quantity of one module, by seed and width.

/// One size of one seed, both in base-2 logarithms.
#[derive(Clone, Copy)]
pub(crate) struct Sized {
    pub(crate) seed: u64,
    pub(crate) width: f64,
    pub(crate) size: f64,
}

/// Sizes in an order that does not depend on that of the table.
#[derive(Clone)]
pub(crate) struct Sizes {
    /// Seeds in order, with their widths and sizes in order.
    seeds: Vec<(u64, Vec<(f64, f64)>)>,
    /// Where all seeds have the same widths: these, and the sizes of each seed.
    even: Option<(Vec<f64>, Vec<Vec<f64>>)>,
}

impl Sizes {
    pub(crate) fn of(mut sizes: Vec<Sized>) -> Self {
        sizes.sort_by(|a, b| {
            let by_width = a.width.total_cmp(&b.width);
            a.seed
                .cmp(&b.seed)
                .then(by_width)
                .then(a.size.total_cmp(&b.size))
        });
        let of_seed = |seed: &[Sized]| {
            let points = seed.iter().map(|size| (size.width, size.size));
            (seed[0].seed, points.collect())
        };
        Self::by_seed(
            sizes
                .chunk_by(|a, b| a.seed == b.seed)
                .map(of_seed)
                .collect(),
        )
    }

    fn by_seed(seeds: Vec<(u64, Vec<(f64, f64)>)>) -> Self {
        let parts = |(_, points): &(u64, Vec<(f64, f64)>)| -> (Vec<f64>, Vec<f64>) {
            points.iter().copied().unzip()
        };
        let all: Vec<(Vec<f64>, Vec<f64>)> = seeds.iter().map(parts).collect();
        let is_even = |widths: &[f64]| {
            let grows = widths.windows(2).all(|pair| pair[0] < pair[1]);
            grows && all.iter().all(|(own, _)| own == widths)
        };
        let widths = all.first().map(|(widths, _)| widths.clone());
        let even = widths.filter(|widths| widths.len() > 1 && is_even(widths));
        let even = even.map(|widths| (widths, all.into_iter().map(|(_, sizes)| sizes).collect()));
        Self { seeds, even }
    }

    /// The first so many seeds.
    pub(crate) fn first(&self, count: usize) -> Self {
        Self::by_seed(self.seeds.iter().take(count).cloned().collect())
    }

    pub(crate) fn seeds(&self) -> usize {
        self.seeds.len()
    }

    /// Log2 of the widths; empty where seeds differ in theirs.
    pub(crate) fn widths(&self) -> &[f64] {
        self.even.as_ref().map_or(&[], |(widths, _)| widths)
    }

    /// The sizes of each seed at all widths; none where seeds differ in theirs.
    pub(crate) fn rows(&self) -> Option<&[Vec<f64>]> {
        self.even.as_ref().map(|(_, rows)| rows.as_slice())
    }

    /// Points that share a height: those of a seed, or all where one was measured at a single
    /// width.
    pub(crate) fn groups(&self) -> Vec<Vec<(f64, f64)>> {
        let groups = || self.seeds.iter().map(|(_, points)| points.clone());
        let is_lonely = |points: Vec<(f64, f64)>| points.iter().all(|point| point.0 == points[0].0);
        if groups().any(is_lonely) {
            return vec![groups().flatten().collect()];
        }
        groups().collect()
    }

    /// The mean of sizes of the same seeds and widths; none where they differ.
    pub(crate) fn mean(all: &[&Self]) -> Option<Self> {
        let first = all.first()?;
        let mut seeds = first.seeds.clone();
        for (at, (seed, points)) in seeds.iter_mut().enumerate() {
            for (place, point) in points.iter_mut().enumerate() {
                let mut sum = 0.0;
                for one in all {
                    let (own, points) = one.seeds.get(at)?;
                    let (width, size) = points.get(place)?;
                    if (own, *width) != (&*seed, point.0) {
                        return None;
                    }
                    sum += size;
                }
                point.1 = sum / all.len() as f64;
            }
        }
        Some(Self::by_seed(seeds))
    }
}
