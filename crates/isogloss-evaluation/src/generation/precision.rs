//! Of how many bits the numbers of a score are.

/// The arithmetic in which sums become a score.
///
/// sacrebleu scores a corpus in 64 bits and resamples in 32 ones. A p-value counts scores beyond a threshold, so it is
/// equal only where each step is rounded as there. One operation on numbers of 32 bits that is rounded to 64 and
/// then to 32 bits comes to what it comes to in 32 bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Precision {
    /// 64 bits.
    Double,
    /// 32 bits.
    Single,
}

impl Precision {
    /// The nearest number of this precision.
    pub fn round(self, value: f64) -> f64 {
        match self {
            Self::Double => value,
            #[expect(clippy::cast_possible_truncation, reason = "rounding is what is asked for")]
            Self::Single => f64::from(value as f32),
        }
    }

    /// The sum, in the order in which NumPy adds: halves of at most 128 numbers, each in eight parts.
    pub(super) fn sum(self, values: &[f64]) -> f64 {
        const PARTS: usize = 8;
        const LONGEST: usize = 128;
        if values.len() > LONGEST {
            let half = values.len() / 2;
            let (first, second) = values.split_at(half - half % PARTS);
            return self.round(self.sum(first) + self.sum(second));
        }
        let add = |sum: f64, value: &f64| self.round(sum + value);
        let mut chunks = values.chunks_exact(PARTS);
        let Some(mut parts) = chunks.next().map(<[f64]>::to_vec) else {
            return values.iter().fold(0.0, add);
        };
        for chunk in chunks.by_ref() {
            for (part, value) in parts.iter_mut().zip(chunk) {
                *part = add(*part, value);
            }
        }
        while parts.len() > 1 {
            parts = parts.chunks(2).map(|pair| self.round(pair.iter().sum())).collect();
        }
        chunks.remainder().iter().fold(parts.first().copied().unwrap_or_default(), add)
    }

    /// The mean, as NumPy's.
    pub(super) fn mean(self, values: &[f64]) -> f64 {
        self.round(self.sum(values) / values.len() as f64)
    }
}
