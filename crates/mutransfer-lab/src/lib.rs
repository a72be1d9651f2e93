//! Trials, studies, analysis, figures and the report. Knows neither burn nor candle.

pub mod record;
