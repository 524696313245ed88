use super::*;
use proptest::prelude::*;

fn drawn(sizes: &Sizes, count: u64) -> Vec<u64> {
    (0..count).map(|n| sizes.pick_bytes(mix(n))).collect()
}

#[test]
fn weights_are_kept() {
    let sizes = Sizes::parse("4KiB:70, 1MiB:25,8MiB:5", None, None).unwrap();
    let all = drawn(&sizes, 100_000);
    let want = [(4 << 10, 70_000.0), (1 << 20, 25_000.0), (8 << 20, 5_000.0)];
    let chi: f64 = want
        .iter()
        .map(|(size, want)| (all.iter().filter(|one| *one == size).count() as f64 - want).powi(2) / want)
        .sum();
    // Two degrees of freedom: exceeded once in 22,000 times.
    assert!(chi < 20.0, "{chi}");
    assert_eq!(sizes.describe(), "3 weighted sizes, 4.00KiB to 8.00MiB, mean 668.40KiB");
    assert!((sizes.mean_bytes() / 1024.0 - 668.4).abs() < 1e-6);
    assert_eq!(Sizes::Uniform { min_bytes: 100, max_bytes: 199 }.mean_bytes(), 149.5);
    let even = drawn(&Sizes::parse("1,2", None, None).unwrap(), 10_000);
    let ones = even.iter().filter(|size| **size == 1).count();
    assert!((4_800..5_200).contains(&ones), "{ones}");
}

#[test]
fn lognormal_sizes_have_their_median_and_spread() {
    let sizes = Sizes::parse("lognormal:64KiB,1.5", None, None).unwrap();
    let mut logs: Vec<f64> = drawn(&sizes, 50_000).into_iter().map(|size| (size as f64).ln()).collect();
    logs.sort_by(f64::total_cmp);
    let median = logs[25_000];
    assert!((median - 65_536f64.ln()).abs() < 0.04, "{median}");
    // The standard normal distribution has 84.13 % below one deviation.
    assert!((logs[42_065] - median - 1.5).abs() < 0.05, "{}", logs[42_065]);
    let bounded = Sizes::parse("lognormal:64KiB,1.5", Some(32 << 10), Some(128 << 10)).unwrap();
    let all = drawn(&bounded, 10_000);
    assert!(all.iter().all(|size| (32 << 10..=128 << 10).contains(size)));
    // Cut off, not heaped up at the bounds.
    assert!(all.iter().filter(|size| **size == 32 << 10).count() < 10);
    let mean = all.iter().sum::<u64>() as f64 / all.len() as f64;
    assert!((bounded.mean_bytes() / mean - 1.0).abs() < 0.02, "{mean}");
    let fixed = Sizes::parse("lognormal:1000,0", None, None).unwrap();
    assert!(drawn(&fixed, 10).into_iter().all(|size| size == 1000));
}

#[test]
fn a_file_is_a_histogram() {
    let path = std::env::temp_dir().join(format!("aisloader-sizes-{}", std::process::id()));
    std::fs::write(&path, "100 3\n200\n").unwrap();
    let sizes = Sizes::parse(&format!("file:{}", path.display()), None, None);
    std::fs::write(&path, "100 3\n200 many\n").unwrap();
    let broken = Sizes::parse(&format!("file:{}", path.display()), None, None);
    std::fs::remove_file(&path).unwrap();
    let all = drawn(&sizes.unwrap(), 10_000);
    let small = all.iter().filter(|size| **size == 100).count();
    assert!((7_300..7_700).contains(&small) && all.iter().all(|size| [100, 200].contains(size)), "{small}");
    assert!(broken.unwrap_err().contains("line 2"));
}

#[test]
fn errors_say_what_is_wrong() {
    let table = [
        ("", "\"\""),
        ("4KiB:70,", "\"\""),
        ("4KiB:x", "\"4KiB:x\""),
        ("4XB:1", "\"4XB\""),
        ("4K:-1", "\"4K:-1\""),
        ("4K:0", "weights"),
        ("4K:inf", "\"4K:inf\""),
        ("lognormal:64K", "lognormal:64K is not"),
        ("lognormal:0,1", "lognormal:0,1 is not"),
        ("lognormal:64K,-1", "is not"),
        ("lognormal:64K,nan", "is not"),
        ("file:/there/is/no/such/file", "/there/is/no/such/file"),
    ];
    for (text, want) in table {
        let error = Sizes::parse(text, None, None).unwrap_err();
        assert!(error.contains(want), "{text}: {error}");
    }
    let far = Sizes::parse("lognormal:64K,0.1", Some(1 << 30), None).unwrap_err();
    assert!(far.contains("hardly any"), "{far}");
    assert!(Sizes::parse("4K:1", Some(1), None).unwrap_err().contains("minsize"));
}

proptest! {
    #[test]
    fn uniform_sizes_stay_in_range_and_depend_on_the_number_only(
        random: u64, min in 0u64..1 << 40, span in 0u64..1 << 40,
    ) {
        let sizes = Sizes::Uniform { min_bytes: min, max_bytes: min + span };
        let size = sizes.pick_bytes(random);
        prop_assert!((min..=min + span).contains(&size));
        prop_assert_eq!(size, sizes.pick_bytes(random));
    }
}
