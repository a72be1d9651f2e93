//! Mean and spread of a sample.
//!
//! Sums run in the order of the values, so that results are the same to the last bit as long as
//! that order is: learning rates derived from them name trials.

/// The mean.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Squared distances from the mean, summed.
pub(crate) fn squares(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// Variance of what the values were drawn from; not a number for a single one.
pub(crate) fn variance(values: &[f64]) -> f64 {
    squares(values) / (values.len() as f64 - 1.0)
}

/// Standard deviation; zero where there are too few values to tell.
pub(crate) fn deviation(values: &[f64]) -> f64 {
    if values.len() > 1 {
        variance(values).sqrt()
    } else {
        0.0
    }
}

/// Standard error of the mean; none for a single value.
pub(crate) fn standard_error(values: &[f64]) -> Option<f64> {
    (values.len() > 1).then(|| (variance(values) / values.len() as f64).sqrt())
}
