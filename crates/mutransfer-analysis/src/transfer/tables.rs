//! What the curves of a rule say, as they are and with other seeds.

use std::f64::consts::LN_2;

use rayon::prelude::*;

use crate::statistics::bootstrap::affordable;
use crate::statistics::sample::deviation;
use crate::transfer::analysis::Seeds;
use crate::transfer::draw::Draw;
use crate::transfer::gap::above_noise;
use crate::transfer::joint::{Joint, joint, rescatter};
use crate::transfer::optimum::{Optimum, redrawn};
use crate::transfer::point::Point;
use crate::transfer::regret::excess;
use crate::transfer::resample::{Resampler, Weighted, together};
use crate::transfer::rule::Rule;
use crate::transfer::scaling::{Scaling, Vertex};
use crate::transfer::window::whole_valley;

impl Rule<'_> {
    /// What the table says.
    pub(crate) fn real(&self) -> Draw {
        let vertices: Vec<Option<Vertex>> = self
            .curves
            .iter()
            .zip(&self.optima)
            .map(|(curve, optimum)| Vertex::of(curve.at, optimum))
            .collect();
        let log2 = self.route.and_then(|route| self.optima[route.proxy].log2);
        let target = self.route.and_then(|route| route.target);
        let points: Vec<&[Point]> = self.points.iter().map(Vec::as_slice).collect();
        Draw {
            joint: self.joint(&vertices, &points),
            excess: target.zip(log2).and_then(|(target, log2)| {
                excess(&self.points[target], &self.optima[target], log2).nats()
            }),
            vertices,
        }
    }

    /// What resampled tables say; none of them has a curve without a resampler.
    pub(crate) fn redraws(&self, resamplers: &[Option<Resampler>], real: &Draw) -> Vec<Draw> {
        let effort = resamplers.iter().flatten().map(Resampler::effort).sum();
        let count = affordable(self.request.replicates, effort);
        let of_curves = resamplers.iter().map(Option::as_ref);
        let weighted: Vec<Option<Weighted>> = of_curves
            .map(|one| one.map(|resampler| resampler.weighted(count)))
            .collect();
        let replicates = (0..count).into_par_iter();
        let mut draws: Vec<Draw> = replicates
            .map(|replicate| {
                let curves = weighted.iter().map(Option::as_ref);
                let points = curves.map(|one| one.map(|weighted| weighted.draw(replicate)));
                self.redraw(&points.collect::<Vec<_>>())
            })
            .collect();
        if let Some(joint) = &real.joint {
            let redrawn = draws.iter_mut().filter_map(|draw| draw.joint.as_mut());
            let of_fits = self
                .fitted
                .iter()
                .filter_map(|index| resamplers[*index].as_ref());
            let seeds = together(of_fits.map(|resampler| resampler.freedoms.level));
            let is_shared = self.request.seeds == Seeds::Shared && seeds > 0;
            rescatter(joint, redrawn.collect(), is_shared.then_some(seeds));
        }
        draws
    }

    fn redraw(&self, points: &[Option<Vec<Point>>]) -> Draw {
        let (mut optima, mut vertices) = (Vec::new(), Vec::new());
        for (index, curve) in self.curves.iter().enumerate() {
            let both = points[index]
                .as_ref()
                .zip(self.optima[index].valley.as_ref());
            let optimum =
                both.map(|(points, valley)| redrawn(points, valley, self.optima[index].noise));
            vertices.push(
                optimum
                    .as_ref()
                    .and_then(|optimum| Vertex::of(curve.at, optimum)),
            );
            optima.push(optimum);
        }
        let slices: Vec<&[Point]> = points
            .iter()
            .map(|points| points.as_deref().unwrap_or_default())
            .collect();
        Draw {
            joint: self.joint(&vertices, &slices),
            excess: self.redrawn_excess(points, &optima, &vertices),
            vertices,
        }
    }

    fn redrawn_excess(
        &self,
        points: &[Option<Vec<Point>>],
        optima: &[Option<Optimum>],
        vertices: &[Option<Vertex>],
    ) -> Option<f64> {
        let route = self.route?;
        let target = route.target?;
        vertices[target]?;
        let log2 = vertices[route.proxy]?.ln_best / LN_2;
        excess(points[target].as_ref()?, optima[target].as_ref()?, log2).nats()
    }

    fn joint(&self, vertices: &[Option<Vertex>], points: &[&[Point]]) -> Option<Joint> {
        let (mut fitted, mut curves) = (Vec::new(), Vec::new());
        for &index in &self.fitted {
            fitted.push(vertices[index]?);
            let valley = self.optima[index].valley.as_ref()?;
            curves.push(
                whole_valley(points[index], valley)
                    .iter()
                    .filter_map(|point| Some((point.value.ln(), point.loss?)))
                    .collect(),
            );
        }
        joint(&fitted, &Scaling::of(&fitted), &curves)
    }

    /// Which fitted widths' optima differ from that of the widest by more than noise.
    pub(crate) fn above_noise(&self, real: &Draw, draws: &[Draw]) -> Vec<bool> {
        let vertices = real.complete(&self.fitted).unwrap_or_default();
        if vertices.is_empty() {
            return Vec::new();
        }
        let complete: Vec<Vec<Vertex>> = draws
            .iter()
            .filter_map(|draw| draw.complete(&self.fitted))
            .collect();
        let mut errors = Vec::new();
        for index in 0..vertices.len() {
            let gaps: Vec<f64> = complete
                .iter()
                .map(|all| all[index].ln_best - all[all.len() - 1].ln_best)
                .collect();
            errors.push(deviation(&gaps));
        }
        above_noise(&vertices, &errors)
    }
}
