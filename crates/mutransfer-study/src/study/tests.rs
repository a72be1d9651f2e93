//! Studies as they are written: their sizes, in whichever form.

use std::path::Path;

use super::Study;
use crate::axis::Axis;

#[track_caller]
fn study(text: &str) -> Study {
    Study::parse(text, Path::new("study.toml")).unwrap()
}

#[track_caller]
fn refused(text: &str, part: &str) {
    let error = Study::parse(text, Path::new("study.toml")).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string);
    let said = format!("{error} {}", source.unwrap_or_default());
    assert!(said.contains(part), "{part:?} in {said}");
}

#[test]
fn short_forms_are_the_same_sizes() {
    let pairs = [
        (
            "base_width = 16\nwidths = [32, 16]\ntarget_width = 64",
            "base = { width = 16 }\nproxies = [{ width = 16 }, { width = 32 }]\n\
             target = { width = \"4x\" }",
        ),
        (
            "",
            "proxies = [{ width = 32 }, { width = \"2x\" }, { width = \"4x\" }]\n\
             target_width = 256",
        ),
        (
            "base_depth = 2\ndepth = 4\nwidths = [16]\ntarget_width = 32",
            "base = { width = 16, depth = 2 }\ndepth = 4\nwidths = [16]\ntarget = { width = 32 }",
        ),
    ];
    for (short, long) in pairs {
        let [short, long] = [short, long].map(study);
        assert_eq!(short.proxies(), long.proxies());
        assert_eq!((short.target(), short.axis()), (long.target(), Axis::Width));
        assert_eq!(short.target(), long.target());
        assert_eq!(short.check_widths(), long.check_widths());
    }
}

#[test]
fn a_study_grows_along_what_differs() {
    let base = "base = { width = 64, depth = 2 }\nsteps = 100\nbatch = 8\n";
    let cases = [
        (
            "[{ depth = 2 }, { depth = 4 }]",
            "{ depth = 8 }",
            Axis::Depth,
            [2.0, 4.0, 8.0],
        ),
        (
            "[{ tokens = \"1x\" }, { tokens = \"2x\" }]",
            "{ tokens = \"4x\" }",
            Axis::Tokens,
            [1.0, 2.0, 4.0],
        ),
        (
            "[{ batch = 8 }, { batch = \"2x\" }]",
            "{ batch = 40 }",
            Axis::Batch,
            [8.0, 16.0, 40.0],
        ),
        (
            "[{}, { width = 128 }]",
            "{ width = 256, depth = 8, tokens = \"4x\" }",
            Axis::Compute,
            [1.0, 4.0, 256.0],
        ),
        (
            "[{}, { experts = { count = 16, active = 2, width = 256 } }]",
            "{ experts = { count = 16, active = 8, width = 256 } }",
            Axis::Active,
            [1.0, 2.0, 8.0],
        ),
    ];
    for (proxies, target, axis, at) in cases {
        let study = study(&format!("{base}proxies = {proxies}\ntarget = {target}"));
        assert_eq!(study.axis(), axis);
        let found: Vec<f64> = study
            .all_sizes()
            .iter()
            .map(|rung| study.at(rung).get())
            .collect();
        assert_eq!(found, at, "{axis}");
    }
}

/// As many examples are seen at every batch, and warm-up stays the same part of training.
#[test]
fn steps_follow_batch_and_tokens() {
    let sizes = "base = { width = 64 }\nproxies = [{}]\nwarmup = 25\nsteps = 100\nbatch = 8\n";
    let target = |target: &str| *study(&format!("{sizes}target = {target}")).target();
    let larger = target("{ batch = 32 }").budget;
    assert_eq!((larger.steps, larger.batch, larger.warmup), (25, 32, 6));
    let longer = target("{ tokens = \"4x\" }").budget;
    assert_eq!((longer.steps, longer.batch, longer.warmup), (400, 8, 100));
    assert_eq!(
        longer.base.map(|base| (base.steps, base.batch)),
        Some((100, 8))
    );
    let same = target("{ width = 128, batch = 8, tokens = \"1x\" }").budget;
    assert_eq!(same.base, None);
}

/// Experts grow with the width from where they are given, which is the base.
#[test]
fn every_size_may_have_its_own_experts() {
    let sizes = "model = \"moe\"\nbase = { width = 64, experts = { count = 1, active = 1 } }\n\
                 experts = { count = 1, active = 1 }\nproxies = [{}]\n";
    let experts = "experts = { count = 16, active = 4, width = 32 }";
    let study = study(&format!("{sizes}target = {{ width = 256, {experts} }}"));
    let target = study.target().sizes;
    let [own, base] = [target.experts, target.base_experts].map(Option::unwrap);
    assert_eq!(
        (own.count, own.active, own.width, own.at),
        (16, 4, Some(32), 64)
    );
    assert_eq!((base.count, base.active, base.at), (1, 1, 64));
    assert_eq!(study.axis(), Axis::Compute);
    refused(
        &format!("{sizes}base_experts = {{ count = 1, active = 1 }}\ntarget = {{ width = 256 }}"),
        "`base_experts` and `base.experts` are both given",
    );
    let many = sizes.replace(
        "proxies = [{}]",
        "proxies = [{ experts = { count = 16, active = 1 } }]",
    );
    refused(
        &format!("{many}target = {{ experts = {{ count = 8, active = 2 }} }}"),
        "of which neither",
    );
}

#[test]
fn a_depth_says_what_it_is_relative_to() {
    let sizes =
        "base = { width = 64, depth = 2 }\nproxies = [{ depth = 4 }]\ntarget = { depth = 8 }";
    let study = study(sizes);
    let depths = study
        .all_sizes()
        .into_iter()
        .map(|rung| (rung.sizes.depth, rung.sizes.base_depth()));
    assert_eq!(depths.collect::<Vec<_>>(), [(4, 2), (8, 2)]);
    assert_eq!(study.words(study.target()), "depth 8");
    assert!(study.check_widths().is_empty(), "it does not grow in width");
}

#[test]
fn sizes_that_make_no_sense_together_are_refused() {
    let base = "base = { width = 64, depth = 2 }\n";
    let cases = [
        (
            "base_width = 32\nproxies = [{}]\ntarget = {}",
            "`base_width` and `base` are both given",
        ),
        (
            "base_depth = 1\nproxies = [{}]\ntarget = {}",
            "`base_depth` and `base` are both given",
        ),
        (
            "proxies = [{}]\nwidths = [64]\ntarget = {}",
            "`widths` and `proxies` are both given",
        ),
        (
            "proxies = [{}]\ntarget_width = 1\ntarget = {}",
            "`target_width` and `target` are both",
        ),
        ("target = {}", "`proxies` is missing beside the other sizes"),
        (
            "proxies = [{}]",
            "`target` is missing beside the other sizes",
        ),
        ("proxies = []\ntarget = {}", "`proxies` is empty"),
        (
            "proxies = [{ width = 0 }]\ntarget = {}",
            "`proxies.width` is zero",
        ),
        (
            "proxies = [{}]\ntarget = { depth = 5000 }",
            "`target.depth` is 5000; it must be at most",
        ),
        (
            "proxies = [{}]\ntarget = { batch = 0 }",
            "`target.batch` is zero",
        ),
        (
            "proxies = [{}]\ntarget = { tokens = 4 }",
            "`target.tokens` is 4; it must be a factor",
        ),
        (
            "proxies = [{}]\ntarget = { width = \"0.3x\" }",
            "is 0.3 times 64, which is no whole",
        ),
        (
            "batch = 7\nproxies = [{}]\ntarget = { batch = 9 }",
            "`target.batch` makes",
        ),
        (
            "proxies = [{}]\ntarget = { width = \"wide\" }",
            "not a size: \"wide\"; write 256, or",
        ),
        (
            "proxies = [{}]\ntarget = { width = \"-4x\" }",
            "not a size: \"-4x\"",
        ),
        (
            "proxies = [{}]\ntarget = { height = 4 }",
            "unknown field `height`",
        ),
        (
            "proxies = [{ width = 128 }, { depth = 4 }]\ntarget = { width = 256, depth = 8 }",
            "have width 64, depth 4 and width 128, depth 2, of which neither",
        ),
        (
            "proxies = [{}, { batch = 16 }]\ntarget = { width = 256, batch = 32 }",
            "have width 64, batch 8 and width 64, batch 16, of which neither",
        ),
        (
            "optimizer = \"sgd\"\nrules = [\"complete-d-p\"]\nproxies = [{}]\n\
             target = { batch = 16 }",
            "`optimizer` is sgd, for which `complete-d-p` has no law",
        ),
    ];
    for (sizes, part) in cases {
        refused(&format!("{base}{sizes}"), part);
    }
    refused(
        "proxies = [{ depth = 2 }]\ntarget = { depth = 4 }",
        "`base.width` is missing",
    );
    refused(
        "base = { width = 0 }\nproxies = [{}]\ntarget = {}",
        "`base.width` is zero",
    );
}
