//! G12, G13: batch and duration, and what decay does over time.

use crate::common;

use common::{close, digits, fraction};
use mutransfer::{BatchLaw, Decay, Factors, Horizon, Hyper, Roles, Size, Sizes, decay_warm_up};

const BASE: Hyper = Hyper {
    learning_rate: 0.01,
    weight_decay: 0.1,
    eps: 1e-8,
    init: mutransfer::Init::FanIn(1.0),
    beta1: 0.9,
    beta2: 0.99,
    momentum: 0.5,
    factors: Roles::all(Factors::ONE),
    attention: 1.0,
};

/// A target with so many times the batch and the tokens of the base.
fn sizes(batch: usize, tokens: usize) -> Sizes {
    Sizes::NONE
        .with(Size::Batch, 1, batch)
        .and_then(|sizes| sizes.with(Size::Tokens, 1, tokens))
        .unwrap()
}

/// G12, batch × 4 at the same tokens.
#[test]
fn batch_times_four() {
    for (decay, weight_decay) in [(Decay::TimesLr, 0.2), (Decay::Independent, 0.4)] {
        let grown = Horizon::default().apply(sizes(4, 1), &BASE, decay).unwrap();
        close(grown.learning_rate, 0.02);
        close(grown.weight_decay, weight_decay);
        close(grown.eps, 0.5e-8);
        close(grown.beta1, 0.6);
        close(grown.beta2, 0.96);
        assert_eq!((grown.momentum, grown.init), (BASE.momentum, BASE.init));
    }
}

#[test]
fn batch_and_tokens_together_change_nothing() {
    let same = sizes(8, 8);
    for decay in Decay::ALL {
        let hyper = Horizon::default().apply(same, &BASE, decay).unwrap();
        close(hyper.learning_rate, BASE.learning_rate);
        close(hyper.weight_decay, BASE.weight_decay);
        close(hyper.eps, BASE.eps);
        close(hyper.beta1, BASE.beta1);
        close(hyper.beta2, BASE.beta2);
    }
    assert_eq!(same.iterations(), 1.0);
}

/// Learning rate times decay times iterations is what the default rule holds.
#[test]
fn the_product_over_a_run_is_constant() {
    for (batch, tokens) in [(1, 4), (2, 16), (4, 2)] {
        let (horizon, sizes) = (Horizon::default(), sizes(batch, tokens));
        let hyper = horizon.apply(sizes, &BASE, Decay::TimesLr).unwrap();
        close(
            hyper.learning_rate * hyper.weight_decay * sizes.iterations(),
            BASE.learning_rate * BASE.weight_decay,
        );
        let hyper = horizon.apply(sizes, &BASE, Decay::Independent).unwrap();
        close(hyper.weight_decay * sizes.iterations(), BASE.weight_decay);
    }
}

/// Twice and then four times is eight times, for batch and for tokens.
#[test]
fn horizons_compose() {
    let horizon = Horizon::default();
    for decay in Decay::ALL {
        let step = |hyper: &Hyper, batch, tokens| {
            let grown = horizon.apply(sizes(batch, tokens), hyper, decay);
            grown.unwrap()
        };
        let twice = step(&step(&BASE, 2, 4), 2, 16);
        let whole = step(&BASE, 4, 64);
        close(twice.learning_rate, whole.learning_rate);
        close(twice.weight_decay, whole.weight_decay);
        close(twice.eps, whole.eps);
        close(twice.beta1, whole.beta1);
        close(twice.beta2, whole.beta2);
    }
}

/// O6 and O7: only the learning rate follows another law; the rest keeps the default rule.
#[test]
fn other_laws_of_batch_and_duration() {
    let noise = 8.0;
    let surge = |batch: f64| 1.0 / (0.5 * ((noise / batch).sqrt() + (batch / noise).sqrt()));
    let cases = [
        (BatchLaw::SquareRoot, "1/2", (4.0 / 2.0f64).sqrt()),
        (BatchLaw::Constant, "0", 1.0),
        (BatchLaw::Linear, "0", 4.0),
        (BatchLaw::Surge { noise }, "0", surge(4.0) / surge(1.0)),
        (BatchLaw::SquareRoot, "8/25", 2.0 * 2f64.powf(-0.32)),
        (BatchLaw::Constant, "-307/1000", 2f64.powf(0.307)),
    ];
    for (batch_law, exponent, expected) in cases {
        let tokens_exponent = fraction(exponent);
        let horizon = Horizon {
            batch_law,
            tokens_exponent,
        };
        let hyper = horizon.apply(sizes(4, 2), &BASE, Decay::TimesLr).unwrap();
        close(hyper.learning_rate / BASE.learning_rate, expected);
        // The linear law leaves decay to the learning rate; its tokens count as ever.
        let by_batch = if batch_law == BatchLaw::Linear {
            1.0
        } else {
            2.0
        };
        close(
            hyper.weight_decay / BASE.weight_decay,
            by_batch / 2f64.sqrt(),
        );
        close(hyper.beta1, 0.8);
        assert_eq!(
            horizon.keeps_noise(),
            exponent == "1/2",
            "{batch_law:?} {exponent}"
        );
    }
}

/// SGD's linear law: the decay of a token is the same whatever the batch, in every convention.
#[test]
fn the_linear_law_keeps_decay_per_token() {
    let horizon = Horizon {
        batch_law: BatchLaw::Linear,
        ..Horizon::default()
    };
    for (decay, own) in [
        (Decay::L2, 1.0),
        (Decay::TimesLr, 1.0),
        (Decay::Independent, 8.0),
    ] {
        let hyper = horizon.apply(sizes(8, 1), &BASE, decay).unwrap();
        close(hyper.weight_decay / BASE.weight_decay, own);
        let per_step = match decay {
            Decay::Independent => hyper.weight_decay / BASE.weight_decay,
            Decay::L2 | Decay::TimesLr => {
                let product = hyper.learning_rate * hyper.weight_decay;
                product / (BASE.learning_rate * BASE.weight_decay)
            }
        };
        // A batch of 8 steps once where the base steps 8 times.
        close(per_step, 8.0);
    }
}

/// Past the noise scale the surge law falls (2405.14578).
#[test]
fn surge_rises_and_falls() {
    let horizon = Horizon {
        batch_law: BatchLaw::Surge { noise: 4.0 },
        ..Horizon::default()
    };
    let rate = |batch: usize| {
        let hyper = horizon.apply(sizes(batch, batch), &BASE, Decay::TimesLr);
        hyper.unwrap().learning_rate * (batch as f64).sqrt()
    };
    assert!(rate(2) > rate(1));
    assert!(rate(4) > rate(8));
    close(rate(2), rate(8));
}

#[test]
fn named_durations() {
    let expected = [
        ("iso-horizon", "1/2"),
        ("bjorck", "8/25"),
        ("constant", "0"),
        ("step-law", "-307/1000"),
    ];
    assert_eq!(
        Horizon::DURATION,
        expected.map(|(name, exponent)| (name, fraction(exponent)))
    );
    assert_eq!(Horizon::default().tokens_exponent, fraction("1/2"));
}

#[test]
fn betas_must_stay_below_one() {
    let error = Horizon::default()
        .apply(sizes(16, 1), &BASE, Decay::TimesLr)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "(1 - beta1) m_B/m_D is 1.600, not between 0 and 1; lower the batch or raise beta1"
    );
    let zero = |size, base, target| {
        let error = Sizes::NONE.with(size, base, target).unwrap_err();
        error.to_string()
    };
    assert_eq!(zero(Size::Batch, 1, 0), "a batch of zero examples");
    assert_eq!(zero(Size::Tokens, 0, 1), "a duration of zero tokens");
}

/// G13 (2510.19093).
#[test]
fn warm_up_from_decay() {
    for a in [0.1, 0.5, 0.999] {
        close(decay_warm_up(4.0, 1.0, a, 0.0), 0.25);
    }
    close(decay_warm_up(4.0, 1.0, 0.9, 1e6), 1.0);
    digits(decay_warm_up(4.0, 1.0, 0.9, 10.0), 0.5951063);
    close(decay_warm_up(4.0, 4.0, 0.9, 0.0), 0.25);
}
