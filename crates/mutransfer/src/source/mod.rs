//! Shapes from files of other programs.

mod bsh;
mod json;
mod safetensors;
mod trained;

pub use bsh::BaseShapes;
pub use safetensors::shards;
pub use trained::LeftOut;
