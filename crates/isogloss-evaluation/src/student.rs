//! Quantiles of Student's t distribution.

/// More degrees of freedom change no digit that a report shows.
const MOST_DEGREES: usize = 100_000;

/// The `t` for which a share `level` of the distribution lies between `-t` and `t`.
///
/// `level` is in `(0, 1)` and `degrees` at least 1. For whole degrees of freedom the share between
/// `-t` and `t` is a finite sum in `θ = atan(t / √ν)` (Abramowitz and Stegun 1964, "Handbook of
/// Mathematical Functions", 26.7.3 and 26.7.4), which grows with `θ`: halving finds it.
pub(crate) fn two_sided(level: f64, degrees: usize) -> f64 {
    let degrees = degrees.clamp(1, MOST_DEGREES);
    let (mut low, mut high) = (0.0, std::f64::consts::FRAC_PI_2);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return (degrees as f64).sqrt() * middle.tan();
        }
        if share_within(middle, degrees) < level {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The share between `-t` and `t`, where `t = √ν tan θ`.
fn share_within(theta: f64, degrees: usize) -> f64 {
    let (sin, cos) = theta.sin_cos();
    let square = cos * cos;
    if degrees.is_multiple_of(2) {
        // sin θ (1 + 1/2 cos² θ + 1·3/(2·4) cos⁴ θ + …), up to cos^(ν - 2)
        let (mut term, mut sum) = (1.0, 1.0);
        for k in 1..degrees / 2 {
            let even = 2.0 * k as f64;
            term *= square * (even - 1.0) / even;
            sum += term;
        }
        sin * sum
    } else {
        // 2/π (θ + sin θ (cos θ + 2/3 cos³ θ + 2·4/(3·5) cos⁵ θ + …)), up to cos^(ν - 2)
        let (mut term, mut sum) = (cos, if degrees == 1 { 0.0 } else { cos });
        for k in 1..degrees / 2 {
            let even = 2.0 * k as f64;
            term *= square * even / (even + 1.0);
            sum += term;
        }
        (theta + sin * sum) * std::f64::consts::FRAC_2_PI
    }
}

#[cfg(test)]
mod tests {
    use super::two_sided;

    /// `scipy.stats.t.ppf((1 + level) / 2, degrees)`, scipy 1.17.1.
    #[test]
    fn quantiles_are_those_of_scipy() {
        for (level, degrees, expected) in CASES {
            let found = two_sided(level, degrees);
            assert!(((found - expected) / expected).abs() < 1e-9, "{level} {degrees}: {found}");
        }
    }

    const CASES: [(f64, usize, f64); 50] = [
        (0.5, 1, 1.000_000_000_000),
        (0.5, 2, 0.816_496_580_927),
        (0.5, 3, 0.764_892_328_404),
        (0.5, 4, 0.740_697_084_112),
        (0.5, 5, 0.726_686_843_800),
        (0.5, 9, 0.702_722_146_751),
        (0.5, 10, 0.699_812_061_312),
        (0.5, 29, 0.683_043_860_821),
        (0.5, 100, 0.676_951_043_011),
        (0.5, 1_001, 0.674_734_919_358),
        (0.9, 1, 6.313_751_514_675),
        (0.9, 2, 2.919_985_580_353),
        (0.9, 3, 2.353_363_434_801),
        (0.9, 4, 2.131_846_786_326),
        (0.9, 5, 2.015_048_373_333),
        (0.9, 9, 1.833_112_932_656),
        (0.9, 10, 1.812_461_122_811),
        (0.9, 29, 1.699_127_026_533),
        (0.9, 100, 1.660_234_326_085),
        (0.9, 1_001, 1.646_377_292_199),
        (0.95, 1, 12.706_204_736_174),
        (0.95, 2, 4.302_652_729_749),
        (0.95, 3, 3.182_446_305_283),
        (0.95, 4, 2.776_445_105_197),
        (0.95, 5, 2.570_581_835_636),
        (0.95, 9, 2.262_157_162_798),
        (0.95, 10, 2.228_138_851_986),
        (0.95, 29, 2.045_229_642_132),
        (0.95, 100, 1.983_971_518_523),
        (0.95, 1_001, 1.962_336_705_280),
        (0.99, 1, 63.656_741_162_871),
        (0.99, 2, 9.924_843_200_918),
        (0.99, 3, 5.840_909_309_733),
        (0.99, 4, 4.604_094_871_349),
        (0.99, 5, 4.032_142_983_555),
        (0.99, 9, 3.249_835_541_592),
        (0.99, 10, 3.169_272_672_616),
        (0.99, 29, 2.756_385_903_670),
        (0.99, 100, 2.625_890_521_438),
        (0.99, 1_001, 2.580_749_768_750),
        (0.999, 1, 636.619_248_768_789),
        (0.999, 2, 31.599_054_576_445),
        (0.999, 3, 12.923_978_636_687),
        (0.999, 4, 8.610_301_581_379),
        (0.999, 5, 6.868_826_625_881),
        (0.999, 9, 4.780_912_585_931),
        (0.999, 10, 4.586_893_858_702),
        (0.999, 29, 3.659_405_019_466),
        (0.999, 100, 3.390_491_311_164),
        (0.999, 1_001, 3.300_272_876_066),
    ];
}
