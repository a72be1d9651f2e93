//! The trials of a study for other programs.

mod jsonl;
mod optuna;
#[cfg(feature = "parquet")]
mod parquet;
mod tensorboard;

pub use jsonl::jsonl;
pub use optuna::optuna;
#[cfg(feature = "parquet")]
pub use parquet::parquet;
pub use tensorboard::tensorboard;
