//! What every analysis needs: means, lines, quantiles, intervals.

pub(crate) mod bootstrap;
pub(crate) mod descent;
pub(crate) mod distribution;
pub(crate) mod estimate;
pub(crate) mod line;
pub(crate) mod measured;
pub(crate) mod minimum;
pub(crate) mod needed;
pub(crate) mod sample;
