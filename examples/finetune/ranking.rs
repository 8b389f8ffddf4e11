//! Finding the translation of each text among those of the others.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use isogloss::core::LanguageTag;
use isogloss::evaluation::{BootstrapConfig, EmbeddingMatrix, Mean, retrieve};
use isogloss::sampling::{
    ExplicitWeights, LanguageSizes, LanguageWeighting as _, MixtureStream, SizeUnit,
};
use isogloss::tokenization::{SpecialIds, TextEncoder as _};
use isogloss::training::{
    Framing, ObjectiveTask, RankingBatches, TokenizedPairs, TokenizedTexts, batches_by_length,
};
use isogloss::transformer::{Encoder, EncoderBatch, Pooling, RankingConfig, SequenceLayout};
use isogloss_examples::Outcome;
use serde_json::json;

use crate::output::{Predicted, Tested, interval};
use crate::rows::{Framer, cut_note, print_note, read};
use crate::session::{Session, Tasks};

/// Cosines are this many times as large in a softmax, as in sentence-transformers.
const SCALE: f64 = 20.0;

pub(crate) fn run(session: &Session<'_>) -> Outcome<()> {
    let base = session.base()?;
    let framer = session.framer(&base)?;
    let SpecialIds { eos: Some(close), bos, .. } = session.vocabulary.special_ids() else {
        return Err("the vocabulary has no token that ends a text".into());
    };
    let limit = framer.max_length.saturating_sub(framer.around());
    let layout = SequenceLayout::xlm_roberta(bos.unwrap_or(close), close, limit);
    let encoder = base.model().config().clone();
    let objective =
        RankingConfig::default().with_scale(SCALE).with_pooling(Pooling::Mean).try_init()?;
    let seed = session.seed.derive("batches");
    let batches = |is_learned: bool, path: &Path| -> Outcome<_> {
        let rows = read(path, ["text", "label"])?;
        // What languages they are in, nobody said: a tag that is nobody's.
        let tag: LanguageTag = "qaa".parse()?;
        let side = |side: usize| {
            let texts = rows.iter().map(|row| &row[side]);
            TokenizedTexts::encode(tag.clone(), texts, &session.vocabulary)
        };
        let (pairs, cut) = TokenizedPairs::try_new(side(0)?, side(1)?)?.without_long(limit);
        if cut > 0 {
            println!("{}: {cut} of {} pairs are too long and left out", path.display(), rows.len());
        }
        let [x, y] = pairs.sides();
        let lengths: Vec<usize> =
            x.iter().zip(y.iter()).map(|(x, y)| x.len() + y.len() + 4).collect();
        let count = batches_by_length(&lengths, session.args.batch_tokens).len();
        let sizes =
            LanguageSizes::try_new(SizeUnit::Sentences, [(tag.clone(), pairs.len() as u64)])?;
        let all = ExplicitWeights::try_new([(tag, 1.0)])?.distribution(&sizes)?;
        let pairs = Arc::new(vec![pairs]);
        let stream = MixtureStream::try_new(&all, &pairs, seed)?;
        let buckets = session.buckets(is_learned);
        let framing = Framing::new(encoder.clone(), layout, buckets);
        let batches = RankingBatches::try_new(pairs, stream, framing, seed)?;
        Ok((batches, count))
    };
    let ((train, in_epoch), (dev, in_dev)) =
        (batches(true, &session.args.train)?, batches(false, &session.args.dev)?);
    let train = Box::new(ObjectiveTask::new("train", session.learned(&objective), train));
    let dev = Box::new(ObjectiveTask::new("dev", objective, dev));
    let tasks = Tasks { train, dev, batches: [in_epoch, in_dev] };
    let trained = session.train::<Encoder>(base, tasks)?;
    let mut tested = Vec::new();
    for (name, path) in &session.tests {
        let rows = read(path, ["text", "label"])?;
        tested
            .push((name.clone(), test(session, &framer, trained.pretrained.model(), path, &rows)?));
    }
    session.finish(trained, tested, "A text's vector is the mean of its tokens' hidden states.")
}

fn embed(
    session: &Session<'_>,
    framer: &Framer<'_>,
    encoder: &Encoder,
    path: &Path,
    texts: &[&str],
) -> Outcome<EmbeddingMatrix> {
    let (mut inputs, mut cut) = (Vec::new(), 0);
    for text in texts {
        let (input, is_cut) = framer.single(&framer.vocabulary.encode(text)?);
        cut += usize::from(is_cut);
        inputs.push(input);
    }
    let note = cut_note(cut, texts.len(), framer.max_length);
    print_note(path, note.as_deref());
    let lengths: Vec<usize> =
        inputs.iter().map(isogloss::transformer::SequenceInput::len).collect();
    let (config, width) = (encoder.config(), encoder.config().d_model);
    let mut vectors = vec![0.0; texts.len() * width];
    for rows in batches_by_length(&lengths, session.args.batch_tokens) {
        let batch: Vec<_> = rows.iter().map(|&row| inputs[row].clone()).collect();
        let batch = EncoderBatch::try_new(config, &batch)?.to_device(&session.device);
        let found: Vec<f32> =
            encoder.embed(&batch, Pooling::Mean, None).into_data().iter().collect();
        for (row, vector) in rows.iter().zip(found.chunks_exact(width)) {
            vectors[row * width..][..width].copy_from_slice(vector);
        }
    }
    Ok(EmbeddingMatrix::try_new(width, vectors)?)
}

fn test(
    session: &Session<'_>,
    framer: &Framer<'_>,
    encoder: &Encoder,
    path: &Path,
    rows: &[[String; 2]],
) -> Outcome<Tested> {
    let side = |side: usize| {
        let texts: Vec<&str> = rows.iter().map(|row| row[side].as_str()).collect();
        embed(session, framer, encoder, path, &texts)
    };
    let (sources, targets) = (side(0)?, side(1)?);
    let found = retrieve(&sources, &targets)?;
    let hits: Vec<f64> = found.forward.iter().map(|&rank| f64::from(u8::from(rank == 1))).collect();
    let hit = BootstrapConfig::new(session.seed.derive("bootstrap")).estimate(&Mean, &hits)?;
    let nearest = nearest(&sources, &targets);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let scores = BTreeMap::from([
        ("precision_at_1", json!(hit.value)),
        ("precision_at_1_interval", interval(&hit)),
        ("precision_at_1_both_ways", json!(mean(&found.hits_at(1)))),
        ("reciprocal_rank", json!(mean(&found.reciprocal_ranks()))),
        ("rows", json!(rows.len())),
    ]);
    let predicted =
        rows.iter().zip(nearest).map(|([text, gold], (place, probability))| Predicted {
            text: text.clone(),
            gold: gold.clone(),
            said: rows[place][1].clone(),
            probability: Some(probability),
        });
    Ok(Tested { rows: predicted.collect(), scores })
}

/// The nearest target of each source, and its share in a softmax over all.
fn nearest(sources: &EmbeddingMatrix, targets: &EmbeddingMatrix) -> Vec<(usize, f64)> {
    let unit = |row: &[f32]| -> Vec<f64> {
        let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt().max(1e-12);
        row.iter().map(|&x| f64::from(x) / length).collect()
    };
    let targets: Vec<Vec<f64>> = targets.rows().map(unit).collect();
    let of_source = |source: Vec<f64>| {
        let cosines: Vec<f64> = targets
            .iter()
            .map(|target| source.iter().zip(target).map(|(a, b)| a * b).sum())
            .collect();
        let best =
            (0..cosines.len()).max_by(|&a, &b| cosines[a].total_cmp(&cosines[b])).unwrap_or(0);
        let most = cosines.get(best).copied().unwrap_or(0.0);
        let sum: f64 = cosines.iter().map(|cosine| (SCALE * (cosine - most)).exp()).sum();
        (best, 1.0 / sum)
    };
    sources.rows().map(|row| of_source(unit(row))).collect()
}
