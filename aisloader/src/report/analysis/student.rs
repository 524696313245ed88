//! Student's distribution, as far as 95 % intervals need it.

/// Two-sided 95 % quantiles for 1 to 30 degrees of freedom.
const T_95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// The number of standard errors that a 95 % interval reaches to each side, for `freedom` degrees of freedom (below 1:
/// as 1).
///
/// Between the entries of the table it is linear, which errs to the wide side.
#[must_use]
pub fn t_95(freedom: f64) -> f64 {
    let below = freedom.clamp(1.0, 1e9).floor();
    // The cast is of a small whole number.
    let at = (below as usize).saturating_sub(1);
    match (T_95.get(at), T_95.get(at.saturating_add(1))) {
        (Some(here), Some(next)) => here + (next - here) * (freedom.max(1.0) - below),
        // The first terms of the expansion in 1/freedom, exact to a thousandth from 30 on.
        _ => 1.960 + 2.37 / freedom.max(30.0) + 2.8 / freedom.max(30.0).powi(2),
    }
}

/// Welch's degrees of freedom of a difference: (standard error, degrees of freedom) of both sides.
#[must_use]
pub fn welch(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (var_a, var_b) = (a.0 * a.0, b.0 * b.0);
    let share = var_a * var_a / a.1.max(1.0) + var_b * var_b / b.1.max(1.0);
    if share > 0.0 { (var_a + var_b).powi(2) / share } else { a.1.min(b.1).max(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_students() {
        let known = [
            (0.2, 12.706),
            (1.0, 12.706),
            (2.0, 4.303),
            (10.0, 2.228),
            (30.0, 2.042),
            (60.0, 2.000),
            (120.0, 1.980),
            (1e12, 1.960),
        ];
        for (freedom, want) in known {
            assert!((t_95(freedom) - want).abs() < 0.0015, "{freedom}: {}", t_95(freedom));
        }
        assert!(t_95(4.5) < t_95(4.0) && t_95(4.5) > t_95(5.0));
    }

    #[test]
    fn equal_sides_add_their_freedom() {
        assert!((welch((2.0, 9.0), (2.0, 9.0)) - 18.0).abs() < 1e-9);
        assert!((welch((2.0, 9.0), (0.0, 1.0)) - 9.0).abs() < 1e-9);
        assert_eq!(welch((0.0, 9.0), (0.0, 4.0)), 4.0);
    }
}
