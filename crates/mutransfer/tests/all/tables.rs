//! Tables of users: how they may be written.

use mutransfer::{Optimizer, Parametrization};

fn table(text: &str) -> Parametrization {
    Parametrization::from_toml("mine", text).unwrap()
}

/// Numbers in a table mean what their texts mean.
#[test]
fn exponents_may_be_numbers() {
    let texts = "input = { a = '0' }\nhidden = { b = '1/2', c = '1' }\noutput = { a = '1' }";
    let numbers = "input = { a = 0, multiplier = 1 }";
    let twice =
        Parametrization::from_toml("mine", &format!("{numbers}\nhidden = {{}}\noutput = {{}}"));
    assert_eq!(
        twice.unwrap_err().to_string(),
        "table `mine`: [input] `multiplier` and `a` say the same thing; give one of them"
    );
    let numbers = "input = { a = 0 }\nhidden = { b = 0.5, c = 1 }\noutput = { a = 1.0 }";
    let [left, right] = [texts, numbers].map(|text| table(text).table(Optimizer::AdamW).unwrap());
    assert_eq!(left, right);
    let wrong = |text: &str| {
        let text = format!("hidden = {{ {text} }}\ninput = {{}}\noutput = {{}}");
        Parametrization::from_toml("mine", &text)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        wrong("b = 20"),
        "table `mine`: [hidden] `20` is no exponent: give a number from -10 to 10, such as \"-1/2\" or 0.5"
    );
    assert!(wrong("b = nan").contains("`NaN` is no exponent"));
    assert!(
        wrong("b = true").contains("expected text or a number"),
        "{}",
        wrong("b = true")
    );
}
