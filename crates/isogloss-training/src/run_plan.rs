//! What a run costs, before it runs.

use isogloss_transformer::EncoderConfig;
use serde::{Deserialize, Serialize};

/// What a run of masked language modelling is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct RunShape<'a> {
    /// The encoder.
    pub encoder: &'a EncoderConfig,
    /// All numbers of the model, and those that are trained.
    pub parameters: [usize; 2],
    /// Tokens of one update, padding included.
    pub tokens: usize,
    /// The mean length of a sequence.
    pub length: usize,
    /// The share of tokens that are predicted.
    pub predicted: f64,
    /// How many parts the tokens of an update are read in, one after the other.
    pub accumulation: usize,
    /// Whether activations of layers are computed again and not kept.
    pub recomputed: bool,
    /// Whether there is a moving average of what is trained.
    pub averaged: bool,
}

/// Arithmetic and memory of one update.
///
/// ```text
/// forward, for each token     2 · (4 d² + 2 d · d_ff) · (layers - 1) + 2 · 3 d² + 4 · length · d · layers
/// forward, for each predicted 2 · (d² + 2 d · d_ff) + 2 · (d² + d · vocabulary)
/// update                      3 · forward: backwards, each product is two; where layers are recomputed, theirs 4
/// activations, bytes          4 · tokens / accumulation · layers · (12 d + 2 d_ff)
/// activations, recomputed     4 · tokens / accumulation · (layers · d + 12 d + 2 d_ff)
/// memory, bytes               (16, averaged 20) · trained + 4 · frozen + activations + logits
/// ```
///
/// Of the last layer, what stands behind attention is computed of the tokens that are predicted, and of all, where those
/// are half of them and more. Translation ranking, which this is not the plan of, has no head and may pool all tokens. The
/// 16 bytes are a weight, its gradient and two moments of AdamW, and 4 more its average; logits are held at most 64 MiB at a time,
/// and their gradient as much again.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunPlan {
    /// All numbers of the model.
    pub parameters: usize,
    /// Those that are trained.
    pub trained: usize,
    /// Floating-point operations of an update.
    pub flops: f64,
    /// The most memory, in bytes.
    pub bytes: f64,
}

/// Logits of a large vocabulary are held in parts of so many bytes.
const LOGITS: f64 = 64.0 * 1024.0 * 1024.0;

impl RunPlan {
    /// Works it out.
    pub fn new(shape: &RunShape<'_>) -> Self {
        let EncoderConfig { d_model, d_ff, n_layers, vocab_size, .. } = *shape.encoder;
        let [d, d_ff, layers, vocabulary] = [d_model, d_ff, n_layers, vocab_size].map(|n| n as f64);
        let (tokens, length) = (shape.tokens as f64, shape.length as f64);
        // Queries, keys and values, and what stands behind attention.
        let [before, behind] = [2.0 * 3.0 * d * d, 2.0 * (d * d + 2.0 * d * d_ff)];
        let of_last = if shape.predicted < 0.5 { shape.predicted } else { 1.0 };
        let products = before * layers + behind * ((layers - 1.0).max(0.0) + of_last);
        let attention = 4.0 * length * d * layers;
        let predicted = tokens * shape.predicted;
        let head = 2.0 * (d * d + d * vocabulary);
        let [parameters, trained] = shape.parameters;
        let in_part = tokens / shape.accumulation.max(1) as f64;
        let of_layer = 12.0 * d + 2.0 * d_ff;
        let kept = if shape.recomputed { layers * d + of_layer } else { layers * of_layer };
        let activations = 4.0 * in_part * kept;
        let passes = if shape.recomputed { 4.0 } else { 3.0 };
        let logits = (4.0 * in_part * shape.predicted * vocabulary).min(LOGITS) * 2.0;
        Self {
            parameters,
            trained,
            flops: passes * tokens * (products + attention) + 3.0 * predicted * head,
            bytes: if shape.averaged { 20.0 } else { 16.0 } * trained as f64
                + 4.0 * parameters.saturating_sub(trained) as f64
                + activations
                + logits,
        }
    }
}

/// What electricity costs the climate.
///
/// ```text
/// energy = watts · hours · PUE / 1000      CO2e = energy · grams per kilowatt-hour / 1000
/// ```
///
/// # Source
///
/// Strubell et al. (2019), "Energy and Policy Considerations for Deep Learning in NLP", section 2,
/// <https://aclanthology.org/P19-1355>, whose factor for a data centre's own needs, PUE, is 1.58; at home it is 1.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Footprint {
    /// Kilowatt-hours.
    pub kilowatt_hours: f64,
    /// Kilograms of CO2 and what warms as much.
    pub kilograms: f64,
}

impl Footprint {
    /// That of so many hours at so many watts, where a kilowatt-hour makes so many grams of CO2e.
    pub fn new(hours: f64, watts: f64, pue: f64, grams_per_kilowatt_hour: f64) -> Self {
        let kilowatt_hours = watts * hours * pue / 1_000.0;
        Self { kilowatt_hours, kilograms: kilowatt_hours * grams_per_kilowatt_hour / 1_000.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_costs_what_was_worked_out_by_hand() {
        let encoder = EncoderConfig::new(1_000).with_d_model(8).with_n_layers(2);
        let shape = RunShape {
            encoder: &encoder,
            parameters: [5_000, 4_000],
            tokens: 100,
            length: 10,
            predicted: 0.1,
            accumulation: 2,
            recomputed: false,
            averaged: false,
        };
        let plan = RunPlan::new(&shape);
        // A layer: 3 · 64 = 192 weights before attention, 64 + 2 · 8 · 32 = 576 behind it, those of the second for a tenth
        // of the tokens; with a factor of 2: 2 · (2 · 192 + 1.1 · 576) = 2,035.2. Attention: 4 · 10 · 8 · 2 = 640. The
        // head: 2 · (64 + 8,000) = 16,128 for each of 10.
        assert!((plan.flops - 3.0 * (100.0 * (2_035.2 + 640.0) + 10.0 * 16_128.0)).abs() < 1e-6);
        // Activations: 4 · 50 · 2 · (96 + 64) = 64,000; logits: 4 · 5 · 1,000 · 2 = 40,000.
        assert!((plan.bytes - (64_000.0 + 4_000.0 + 64_000.0 + 40_000.0)).abs() < 1e-6);
        let recomputed = RunPlan::new(&RunShape { recomputed: true, ..shape.clone() });
        assert!((recomputed.flops - plan.flops - 100.0 * (2_035.2 + 640.0)).abs() < 1e-6);
        // Whatever is predicted of most tokens, the last layer is computed of all: 2 · 2 · 768 = 3,072.
        let causal = RunPlan::new(&RunShape { predicted: 1.0, ..shape.clone() });
        assert!((causal.flops - 3.0 * 100.0 * (3_072.0 + 640.0 + 16_128.0)).abs() < 1e-6);
        // 4 · 50 · (2 · 8 + 160) = 35,200 in the place of 64,000.
        assert!((plan.bytes - recomputed.bytes - 28_800.0).abs() < 1e-6);
        let averaged = RunPlan::new(&RunShape { averaged: true, ..shape });
        assert!((averaged.bytes - plan.bytes - 16_000.0).abs() < 1e-6);
        let footprint = Footprint::new(10.0, 65.0, 1.0, 480.0);
        assert!((footprint.kilowatt_hours - 0.65).abs() < 1e-12);
        assert!((footprint.kilograms - 0.312).abs() < 1e-12);
    }
}
