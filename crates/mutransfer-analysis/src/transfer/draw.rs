//! What one table of a rule, real or resampled, says.

use std::collections::BTreeMap;
use std::f64::consts::LN_2;

use crate::table::sweep::Curve;
use crate::transfer::gap;
use crate::transfer::joint::Joint;
use crate::transfer::number::Number;
use crate::transfer::optimum::Optimum;
use crate::transfer::scaling::{Scaling, Vertex};

/// Numbers of one table.
pub(crate) type Values = BTreeMap<Number, f64>;

/// Which curves a transfer runs between.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) proxy: usize,
    /// None where the target is not in the table.
    pub(crate) target: Option<usize>,
    pub(crate) to: f64,
}

impl Route {
    /// From the widest proxy with any optimum to the target: the one asked for, else the widest of
    /// the table.
    pub(crate) fn of(curves: &[Curve], optima: &[Optimum], asked: Option<f64>) -> Option<Self> {
        let to = asked.or(curves.last().map(|curve| curve.at))?;
        let proxy = (0..curves.len())
            .rev()
            .find(|&index| curves[index].at < to && optima[index].log2.is_some())?;
        Some(Self {
            proxy,
            target: curves.iter().position(|curve| curve.at == to),
            to,
        })
    }
}

/// What one table says.
pub(crate) struct Draw {
    /// The bottom of each curve, where it is safe to build on.
    pub(crate) vertices: Vec<Option<Vertex>>,
    pub(crate) joint: Option<Joint>,
    /// Excess of the carried hyperparameter at a target of the table.
    pub(crate) excess: Option<f64>,
}

impl Draw {
    /// The vertices of all widths that take part in fits; none if one of them got lost.
    pub(crate) fn complete(&self, fitted: &[usize]) -> Option<Vec<Vertex>> {
        fitted.iter().map(|index| self.vertices[*index]).collect()
    }

    /// All numbers that this table has. `counts` says which of the fitted widths have an optimum
    /// that differs from that of the widest by more than noise.
    pub(crate) fn numbers(
        &self,
        fitted: &[usize],
        counts: &[bool],
        route: Option<Route>,
    ) -> Values {
        let vertices = self.complete(fitted).unwrap_or_default();
        let scaling = Scaling::of(&vertices);
        let mut numbers = Values::new();
        numbers.extend(present(&of_scaling(&vertices, &scaling, counts)));
        numbers.extend(
            self.joint
                .as_ref()
                .map(|joint| (Number::Error, joint.error)),
        );
        if let Some(route) = route {
            numbers.extend(present(&self.of_transfer(route, &scaling)));
        }
        numbers
    }

    fn of_transfer(&self, route: Route, scaling: &Scaling) -> [(Number, Option<f64>); 4] {
        let at_target = match route.target {
            Some(target) => self.vertices[target],
            None => extrapolated(route.to.ln(), scaling),
        };
        let ends = self.vertices[route.proxy].zip(at_target);
        let shift = ends.map(|(proxy, target)| (target.ln_best - proxy.ln_best) / LN_2);
        let gain = ends.map(|(proxy, target)| proxy.loss - target.loss);
        let regret = match route.target {
            Some(_) => self.excess,
            None => ends
                .zip(shift)
                .map(|((_, target), shift)| 0.5 * target.curvature * (shift * LN_2).powi(2)),
        };
        let share = regret.zip(gain).filter(|(_, gain)| *gain > 0.0);
        let measured = route.target.and_then(|target| self.vertices[target]);
        [
            (Number::Shift, shift),
            (Number::Regret, regret),
            (Number::TargetLoss, measured.map(|vertex| vertex.loss)),
            (
                Number::RelativeRegret,
                share.map(|(regret, gain)| regret / gain),
            ),
        ]
    }
}

fn present(numbers: &[(Number, Option<f64>)]) -> impl Iterator<Item = (Number, f64)> {
    numbers
        .iter()
        .filter_map(|(number, value)| Some((*number, (*value)?)))
}

fn of_scaling(
    vertices: &[Vertex],
    scaling: &Scaling,
    counts: &[bool],
) -> [(Number, Option<f64>); 10] {
    let gap = gap::exponent(vertices, counts);
    let ends = vertices.first().zip(vertices.last());
    let drift = ends
        .filter(|_| vertices.len() > 1)
        .map(|(first, last)| (last.ln_best - first.ln_best) / LN_2);
    let margin = gap
        .zip(scaling.alpha())
        .map(|(gap, alpha)| gap - alpha / 2.0);
    [
        (Number::Drift, drift),
        // Subtracting from zero leaves no sign on a zero.
        (Number::DriftRate, scaling.beta().map(|beta| 0.0 - beta)),
        (Number::Alpha, scaling.alpha()),
        (Number::Beta, scaling.beta()),
        (Number::S, scaling.s()),
        (Number::Gamma, scaling.gamma()),
        (Number::Kappa, scaling.kappa()),
        (Number::Limit, scaling.loss.map(|loss| loss.limit)),
        (Number::GapExponent, gap),
        (Number::GapMargin, margin),
    ]
}

/// The vertex at a width that was not swept.
fn extrapolated(ln_at: f64, scaling: &Scaling) -> Option<Vertex> {
    let loss = scaling.loss.map_or(f64::NAN, |loss| {
        loss.limit + loss.amplitude * (-loss.exponent * ln_at).exp()
    });
    Some(Vertex {
        ln_at,
        ln_best: scaling.best?.at(ln_at),
        loss,
        curvature: scaling.curvature?.at(ln_at).exp(),
        raw_loss: loss,
    })
}
