//! What was written, read back: a file that does not give the same outputs is worth nothing.

use std::path::PathBuf;

use isogloss::burn::tensor::Device;
use isogloss::peft::load_adapter;
use isogloss::tokenization::{SubwordTokenizer, TextEncoder};
use isogloss::transformer::{MaskedLanguageModel, load_checkpoint};

use crate::Outcome;
use crate::adaptation::{ADAPTER, Adapted, Method};
use crate::measures::Measures;
use crate::pretraining::Pretrained;

/// An artefact that gave the same outputs after it was read back.
pub(crate) struct Reloaded {
    pub(crate) what: String,
    pub(crate) path: PathBuf,
    /// How many numbers were compared, bit by bit.
    pub(crate) compared: usize,
}

/// Reads the vocabulary back and compares ids.
pub(crate) fn vocabulary(
    path: PathBuf,
    tokenizer: &SubwordTokenizer,
    texts: &[String],
) -> Outcome<Reloaded> {
    let again = SubwordTokenizer::from_file(&path)?;
    let mut compared = 0;
    for text in texts {
        let ids = tokenizer.encode(text)?;
        if again.encode(text)? != ids {
            return Err(format!("{}: other ids for {text:?} than before", path.display()).into());
        }
        compared += ids.len();
    }
    Ok(Reloaded { what: "shared vocabulary".to_owned(), path, compared })
}

/// Reads a pre-trained model back and compares what it makes of hidden tokens.
pub(crate) fn model(
    run: &Pretrained,
    measures: &Measures<'_>,
    device: &Device,
) -> Outcome<Reloaded> {
    let again: MaskedLanguageModel = load_checkpoint(&run.dir, device)?;
    let what = format!("model, {}", run.regime.name());
    compare(what, run.dir.clone(), &run.model, &again, measures)
}

/// Reads an adapter, or a fine-tuned model, back onto the base and compares likewise.
pub(crate) fn adapted(
    adapted: &Adapted,
    base: &Pretrained,
    measures: &Measures<'_>,
    device: &Device,
) -> Outcome<Option<Reloaded>> {
    let Some(dir) = &adapted.dir else { return Ok(None) };
    let again: MaskedLanguageModel = if matches!(adapted.method, Method::Full | Method::Layers) {
        load_checkpoint(dir, device)?
    } else {
        load_adapter(load_checkpoint(&base.dir, device)?, ADAPTER, dir, device)?.0
    };
    let what = format!("adaptation, {}", adapted.method.name());
    compare(what, dir.clone(), &adapted.model, &again, measures).map(Some)
}

fn compare(
    what: String,
    path: PathBuf,
    model: &MaskedLanguageModel,
    again: &MaskedLanguageModel,
    measures: &Measures<'_>,
) -> Outcome<Reloaded> {
    let (before, after) = (measures.outputs(model)?, measures.outputs(again)?);
    let differs = before.iter().zip(&after).any(|(a, b)| a.to_bits() != b.to_bits());
    if differs || before.len() != after.len() {
        return Err(format!("{}: other outputs than before it was saved", path.display()).into());
    }
    Ok(Reloaded { what, path, compared: before.len() })
}
