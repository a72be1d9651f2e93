//! Shapes from files of other programs.

mod bsh;
mod json;
mod safetensors;
