//! What is found by its name.

use std::str::FromStr;

use strum::{VariantArray, VariantNames};

use crate::error::Error;
use crate::kind::Kind;
use crate::variant::Variant;

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        named("model", name)
    }
}

impl FromStr for Variant {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        named("variant", name)
    }
}

fn named<T: Copy + VariantArray + VariantNames>(
    what: &'static str,
    name: &str,
) -> Result<T, Error> {
    let names = <T as VariantNames>::VARIANTS;
    let values = <T as VariantArray>::VARIANTS;
    match names.iter().position(|known| *known == name) {
        Some(index) => Ok(values[index]),
        None => Err(Error::Unknown {
            what,
            name: name.to_owned(),
            known: names.join(", "),
        }),
    }
}
