//! The normal distribution and Student's.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, FRAC_PI_2};

use crate::EvaluationError;
use crate::checks::check_share;

/// Numerator and denominator where the probability is within 0.425 of a half.
const CENTRE: [[f64; 8]; 2] = [
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ],
];

/// The same further out.
const MIDDLE: [[f64; 8]; 2] = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        0.000_774_545_014_278_341_4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        0.000_547_593_808_499_534_5,
        1.050_750_071_644_416_9e-9,
    ],
];

/// The same for tails below `exp(-25)`.
const TAIL: [[f64; 8]; 2] = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        0.000_786_869_131_145_613_3,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_7e-15,
    ],
];

/// From how many degrees of freedom on Student's quantile is expanded about the normal one.
const MANY: u64 = 1_000;

/// The share of a standard normal distribution below `x`, to full double precision.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// Below what the share `probability` of a standard normal distribution lies, to about 1e-15 of it.
///
/// # Errors
///
/// [`EvaluationError::Config`] for a probability outside of `(0, 1)`.
///
/// # Source
///
/// Wichura (1988), "Algorithm AS 241: The Percentage Points of the Normal Distribution",
/// <https://doi.org/10.2307/2347330>, in its form of sixteen digits.
///
/// # Examples
///
/// ```
/// let z = isogloss_evaluation::normal_quantile(0.975)?;
/// assert!((z - 1.959_963_984_540_054).abs() < 1e-15);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
pub fn normal_quantile(probability: f64) -> Result<f64, EvaluationError> {
    check_share("probability", probability)?;
    let centred = probability - 0.5;
    let ratio = |[above, below]: [[f64; 8]; 2], x: f64| polynomial(above, x) / polynomial(below, x);
    if centred.abs() <= 0.425 {
        return Ok(centred * ratio(CENTRE, 0.425 * 0.425 - centred * centred));
    }
    let depth = (-libm::log(probability.min(1.0 - probability))).sqrt();
    let size = if depth <= 5.0 { ratio(MIDDLE, depth - 1.6) } else { ratio(TAIL, depth - 5.0) };
    Ok(size.copysign(centred))
}

/// Below what the share `probability` of Student's t distribution lies.
///
/// Right to 1e-9 of it for probabilities between 1e-6 and 1 - 1e-6, whatever the degrees of freedom.
///
/// # Errors
///
/// [`EvaluationError::Config`] for a probability outside of `(0, 1)` and for no degrees of freedom.
///
/// # Source
///
/// Abramowitz and Stegun (1964), "Handbook of Mathematical Functions", <https://personal.math.ubc.ca/~cbm/aands/>:
/// the incomplete beta function as the finite sums 26.7.3 and 26.7.4, inverted, and from a thousand degrees of freedom
/// the expansion 26.7.5.
///
/// # Examples
///
/// ```
/// let t = isogloss_evaluation::student_t_quantile(0.975, 4)?;
/// assert!((t - 2.776_445_105_198).abs() < 1e-12);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
pub fn student_t_quantile(
    probability: f64,
    degrees_of_freedom: u64,
) -> Result<f64, EvaluationError> {
    check_share("probability", probability)?;
    if degrees_of_freedom == 0 {
        let (found, expected) = ("0".to_owned(), "at least 1");
        return Err(EvaluationError::Config { field: "degrees_of_freedom", found, expected });
    }
    let degrees = degrees_of_freedom as f64;
    if degrees_of_freedom >= MANY {
        return Ok(expanded(normal_quantile(probability)?, degrees));
    }
    let within = (2.0 * probability - 1.0).abs();
    // The share grows with the angle; halving its range ends where no number lies between.
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    loop {
        let angle = f64::midpoint(low, high);
        if angle <= low || angle >= high {
            break;
        }
        if share_within(angle, degrees_of_freedom) < within {
            low = angle;
        } else {
            high = angle;
        }
    }
    Ok((degrees.sqrt() * libm::tan(high)).copysign(probability - 0.5))
}

/// The share of Student's distribution in `[-t, t]` for `t = √ν · tan(angle)`.
fn share_within(angle: f64, degrees_of_freedom: u64) -> f64 {
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    let is_odd = degrees_of_freedom % 2 == 1;
    let mut term = if is_odd { cos } else { 1.0 };
    let mut sum = 0.0;
    // The powers of the cosine are ν - 2, ν - 4, …, down to 1 or 0.
    let mut power = u64::from(is_odd);
    while power + 2 <= degrees_of_freedom {
        sum += term;
        power += 2;
        term *= cos * cos * (power - 1) as f64 / power as f64;
    }
    if is_odd { FRAC_2_PI * (angle + sin * sum) } else { sin * sum }
}

/// Student's quantile from the normal one.
fn expanded(x: f64, degrees: f64) -> f64 {
    let terms = [
        (&[1.0, 1.0][..], 4.0),
        (&[3.0, 16.0, 5.0], 96.0),
        (&[-15.0, 17.0, 19.0, 3.0], 384.0),
        (&[-945.0, -1_920.0, 1_482.0, 776.0, 79.0], 92_160.0),
    ];
    let mut scale = x;
    terms.into_iter().fold(x, |sum, (coefficients, divisor)| {
        scale /= degrees;
        let odd = coefficients.iter().rev().fold(0.0, |value, term| value * x * x + term);
        sum + scale * odd / divisor
    })
}

fn polynomial(coefficients: [f64; 8], x: f64) -> f64 {
    coefficients.into_iter().rev().fold(0.0, |value, coefficient| value * x + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expansion_nears_the_sums_with_the_fifth_power_of_the_degrees() {
        for probability in [0.9, 0.975, 0.999] {
            let error = |degrees: u64| {
                let x = normal_quantile(probability).unwrap();
                expanded(x, degrees as f64) - student_t_quantile(probability, degrees).unwrap()
            };
            // Were a term wrong, the error would fall with a lower power: 16, 8, 4 or 2.
            let fall = error(60) / error(120);
            assert!((27.0..37.0).contains(&fall), "{probability}: {fall}");
        }
    }
}
