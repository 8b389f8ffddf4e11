//! Batches from streams: every draw in one of them, little padding, exact resumption.

use std::sync::Arc;

use isogloss_core::{LanguageTag, Seed};
use isogloss_sampling::{
    ExponentConfig, LanguageSizes, LanguageWeighting, MixtureStream, SizeUnit,
};
use isogloss_testing::device;
use isogloss_tokenization::{EncodeError, SpecialIds, TextEncoder};
use isogloss_training::{
    Batches, BucketConfig, Class, DistillationBatches, Framing, Labelled, LabelledBatches,
    MlmBatches, RankingBatches, TlmBatches, TokenizedPairs, TokenizedTexts, TokenizedWriter,
    TrainingError, batches_by_length,
};
use isogloss_transformer::{
    ClassifierConfig, EncoderConfig, MaskingConfig, MaskingVocabulary, SequenceInput,
    SequenceLayout,
};

/// Every letter is a token.
struct Letters;

impl TextEncoder for Letters {
    fn encode(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        Ok(text.bytes().map(|byte| u32::from(byte % 32) + 5).collect())
    }

    fn special_ids(&self) -> SpecialIds {
        SpecialIds { bos: Some(0), pad: Some(1), eos: Some(2), unk: Some(3), mask: Some(4) }
    }

    fn vocab_size(&self) -> usize {
        40
    }
}

fn texts(language: &str, count: usize) -> TokenizedTexts {
    let language: LanguageTag = language.parse().unwrap();
    let texts = (0..count).map(|i| "abcdefghijklmnopqrst"[..=i % 19].to_owned());
    TokenizedTexts::encode(language, texts, &Letters).unwrap()
}

pub(crate) fn framing() -> Framing {
    let encoder = EncoderConfig::new(40).with_d_model(8).with_n_heads(2).with_max_positions(40);
    Framing::new(encoder, SequenceLayout::xlm_roberta(0, 2, 24), BucketConfig::new(96))
}

fn stream<S: isogloss_sampling::TextSource>(sources: &[S]) -> MixtureStream {
    let sizes = sources.iter().map(|source| (source.language().clone(), source.text_count()));
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes).unwrap();
    let distribution = ExponentConfig::new().distribution(&sizes).unwrap();
    MixtureStream::try_new(&distribution, sources, Seed::new(1)).unwrap()
}

fn masking(rate: f64) -> isogloss_transformer::Masking {
    let vocabulary = MaskingVocabulary::new(40, 4, vec![0, 1, 2, 3]);
    MaskingConfig::default().with_rate(rate).try_init(&vocabulary).unwrap()
}

pub(crate) fn mlm(rate: f64) -> MlmBatches {
    let texts = Arc::new(vec![texts("en", 60), texts("yo", 7)]);
    let stream = stream(&texts);
    MlmBatches::try_new(texts, stream, masking(rate), framing(), Seed::new(2)).unwrap()
}

#[test]
fn batches_hold_what_they_may_and_are_hardly_padded() {
    let device = device();
    let mut batches = mlm(0.15);
    let (mut real, mut padded) = (0, 0);
    for _ in 0..64 {
        let batch = batches.next_batch(&device).unwrap();
        let [rows, seq] = batch.input().dims();
        assert!(rows * seq <= 96, "{rows} × {seq}");
        real += batch.input().lengths().iter().sum::<usize>();
        padded += rows * seq;
    }
    // Lengths from 3 to 21 in no order would waste two fifths.
    assert!(real as f64 > 0.85 * padded as f64, "{real} of {padded}");
}

#[test]
fn every_draw_is_in_one_batch() {
    let device = device();
    let texts = Arc::new(vec![texts("en", 50)]);
    let stream = stream(&texts);
    let mut batches =
        MlmBatches::try_new(texts.clone(), stream, masking(0.0), framing(), Seed::new(2)).unwrap();
    // The rows of all batches, as many as make whole windows of whole epochs, are the texts.
    let mut rows = 0;
    let mut tokens = 0;
    while rows < 1_000 {
        let batch = batches.next_batch(&device).unwrap();
        rows += batch.input().lengths().len();
        tokens += batch.input().lengths().iter().sum::<usize>();
    }
    let per_text = texts[0].tokens() as f64 / 50.0 + 2.0;
    let mean = tokens as f64 / rows as f64;
    assert!((mean - per_text).abs() < 0.2, "{mean}, not {per_text}");
}

#[test]
fn a_stream_of_batches_resumes_anywhere() {
    let device = device();
    let ids = |batches: &mut MlmBatches| -> Vec<i64> {
        let batch = batches.next_batch(&device).unwrap();
        let labels = batch.labels().clone().into_data();
        batch.input().ids().into_data().iter::<i64>().chain(labels.iter::<i64>()).collect()
    };
    let mut whole = mlm(0.3);
    for cut in 0..40 {
        let mut resumed = mlm(0.3);
        resumed.restore(whole.state()).unwrap();
        let mut ahead = whole.clone();
        for _ in 0..5 {
            assert_eq!(ids(&mut ahead), ids(&mut resumed), "cut before batch {cut}");
        }
        ids(&mut whole);
    }
}

pub(crate) fn packed(row: usize) -> MlmBatches {
    let texts = Arc::new(vec![texts("en", 60), texts("yo", 7)]);
    let stream = stream(&texts);
    let mut framing = framing();
    framing.buckets = framing.buckets.with_packing(row);
    MlmBatches::try_new(texts, stream, masking(0.15), framing, Seed::new(2)).unwrap()
}

#[test]
fn packed_batches_hold_what_is_drawn_in_its_order_and_resume_anywhere() {
    let device = device();
    let mut batches = packed(96);
    let texts = [texts("en", 60), texts("yo", 7)];
    let mut drawn = stream(&texts);
    let mut states = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..20 {
        states.push(batches.state());
        let batch = batches.next_batch(&device).unwrap();
        let [rows, row] = batch.input().layer_dims();
        let tokens: usize = batch.input().lengths().iter().sum();
        // Of one row there is nothing to pad, and a batch is full but for less than the longest text.
        assert_eq!((rows, row), (1, tokens));
        assert!(tokens <= 96 && tokens > 96 - 21, "{tokens}");
        for &length in batch.input().lengths() {
            let draw = drawn.next_draw();
            let text = texts[draw.language].get(usize::try_from(draw.index).unwrap()).unwrap();
            assert_eq!(length, text.len() + 2);
        }
        seen.push(batch.input().ids().into_data());
    }
    for (state, expected) in states.into_iter().zip(seen) {
        let mut resumed = packed(96);
        resumed.restore(state).unwrap();
        assert_eq!(resumed.next_batch(&device).unwrap().input().ids().into_data(), expected);
    }
}

#[test]
fn packing_is_refused_where_it_is_not_offered() {
    let pairs = vec![TokenizedPairs::try_new(texts("en", 9), texts("yo", 9)).unwrap()];
    let stream = stream(&pairs);
    let mut framing = framing();
    framing.buckets = framing.buckets.with_packing(96);
    let error =
        RankingBatches::try_new(Arc::new(pairs), stream, framing, Seed::new(2)).unwrap_err();
    assert_eq!(error.to_string(), "`packing` is 96, expected none but for language modelling");
}

#[test]
fn pairs_are_framed_for_tlm_and_apart_for_ranking() {
    let device = device();
    let pairs = TokenizedPairs::try_new(texts("en", 30), texts("yo", 30)).unwrap();
    let pairs = Arc::new(vec![pairs]);
    let (tlm_stream, ranking_stream) = (stream(&pairs), stream(&pairs));
    let mut tlm =
        TlmBatches::try_new(pairs.clone(), tlm_stream, masking(0.3), framing(), Seed::new(2))
            .unwrap();
    let batch = tlm.next_batch(&device).unwrap();
    // Equal sides here, so every pair is even: two delimiters for each side.
    assert!(batch.input().lengths().iter().all(|length| length % 2 == 0));
    let mut ranking =
        RankingBatches::try_new(pairs.clone(), ranking_stream, framing(), Seed::new(2)).unwrap();
    let batch = ranking.next_batch(&device).unwrap();
    let [[x, y]] = batch.chunks() else { unreachable!("one chunk unless more are asked for") };
    assert_eq!(x.lengths(), y.lengths());
    // The same batch, two pairs at a time.
    let mut chunked =
        RankingBatches::try_new(pairs.clone(), stream(&pairs), framing(), Seed::new(2))
            .unwrap()
            .with_chunk_rows(2);
    let chunked = chunked.next_batch(&device).unwrap();
    assert_eq!(chunked.chunks().len(), x.lengths().len().div_ceil(2));
    let lengths: Vec<usize> =
        chunked.chunks().iter().flat_map(|[x, _]| x.lengths().to_vec()).collect();
    assert_eq!(lengths, x.lengths());
}

#[test]
fn a_teachers_vectors_go_with_their_pairs() {
    let device = device();
    let pairs = || TokenizedPairs::try_new(texts("en", 30), texts("yo", 30)).unwrap();
    let pairs = Arc::new(vec![pairs()]);
    // The vector of a pair says how long its source is.
    let vectors = |width: usize| {
        let sources = &pairs[0].sides()[0];
        sources.iter().flat_map(|ids| vec![ids.len() as f32; width]).collect::<Vec<f32>>()
    };
    let batches = |teacher| {
        let (pairs, teacher) = (pairs.clone(), Arc::new(vec![teacher]));
        let stream = stream(&pairs);
        DistillationBatches::try_new(pairs, teacher, stream, framing(), Seed::new(2))
    };
    let batch = batches(vectors(8)).unwrap().next_batch(&device).unwrap();
    let lengths = batch.sides()[0].lengths().iter();
    let teacher: Vec<f32> = batch.teacher().into_data().iter().collect();
    for (vector, length) in teacher.chunks_exact(8).zip(lengths) {
        assert_eq!(vector, [(length - 2) as f32; 8]);
    }
    assert_eq!(
        batches(vectors(7)).unwrap_err().to_string(),
        "the teacher's vectors of language 0, counted from 0, are 210 numbers, expected 240, 8 for \
         each pair"
    );
}

#[test]
fn long_texts_are_split_long_pairs_left_out_and_neither_is_cut_in_silence() {
    let long = texts("yo", 25);
    let (count, tokens) = (long.len(), long.tokens());
    let mut framing = framing();
    framing.layout = SequenceLayout::xlm_roberta(0, 2, 8);
    let texts = Arc::new(vec![long.clone()]);
    let stream = stream(&texts);
    let error =
        MlmBatches::try_new(texts, stream, masking(0.1), framing, Seed::new(2)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "text 8 of `yo-Latn` has 9 tokens, expected at most 8 (split long texts, or raise \
         `max_side_tokens`)",
    );
    let split = long.clone().split_long(8);
    assert!(split.iter().all(|text| (1..=8).contains(&text.len())));
    assert!(split.len() > count && split.tokens() == tokens);
    let (kept, removed) = TokenizedPairs::try_new(long.clone(), long).unwrap().without_long(8);
    assert_eq!(kept.len() + removed, count);
    assert!(removed > 0 && kept.sides()[0].iter().all(|text| text.len() <= 8));
}

#[test]
fn texts_of_a_file_are_those_that_were_written() {
    let dir = tempfile::tempdir().unwrap();
    let held = texts("yo", 30);
    let at = dir.path().join("yo");
    let mut writer = TokenizedWriter::create(&at, held.language().clone()).unwrap();
    held.iter().for_each(|text| writer.push(text).unwrap());
    writer.push(&[]).unwrap();
    assert_eq!(writer.finish().unwrap(), 31);
    let mapped = TokenizedTexts::open(&at).unwrap();
    let mut with_empty = held.clone();
    with_empty.push(&[]);
    assert_eq!((&mapped, mapped.tokens()), (&with_empty, held.tokens()));
    assert_eq!(mapped.get(30), Some(&[][..]));
    assert_eq!(mapped.get(31), None);
    // What is changed is changed in memory.
    assert_eq!(mapped.clone().split_long(5), with_empty.clone().split_long(5));
    let mut longer = mapped.clone();
    longer.push(&[9, 8]);
    assert_eq!((longer.len(), longer.get(31)), (32, Some(&[9, 8][..])));
    assert_eq!(TokenizedTexts::open(&at).unwrap(), mapped);
    let none = dir.path().join("none");
    TokenizedWriter::create(&none, held.language().clone()).unwrap().finish().unwrap();
    assert!(TokenizedTexts::open(&none).unwrap().is_empty());
}

#[test]
fn a_torn_file_of_ids_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let write = || {
        let mut writer = TokenizedWriter::create(dir.path(), "yo".parse().unwrap()).unwrap();
        writer.push(&[5, 6, 7]).unwrap();
        writer.push(&[8]).unwrap();
        writer.finish().unwrap();
    };
    let refusal = |name: &str, change: fn(Vec<u8>) -> Vec<u8>| {
        write();
        let path = dir.path().join(name);
        std::fs::write(&path, change(std::fs::read(&path).unwrap())).unwrap();
        let error = TokenizedTexts::open(dir.path()).unwrap_err().to_string();
        error.strip_prefix(&format!("{}: ", path.display())).unwrap().to_owned()
    };
    let short = |mut bytes: Vec<u8>| {
        bytes.pop();
        bytes
    };
    assert_eq!(refusal("ids.u32", short), "15 bytes, expected 16");
    assert_eq!(refusal("ends.u64", short), "23 bytes, expected 24");
    let turned = |mut bytes: Vec<u8>| {
        bytes[8] = 9;
        bytes
    };
    assert_eq!(refusal("ends.u64", turned), "ends of texts, expected ascending from 0 to 4");
    let other = |bytes: Vec<u8>| {
        String::from_utf8(bytes).unwrap().replace("\"version\": 1", "\"version\": 9").into_bytes()
    };
    assert_eq!(refusal("texts.json", other), "`version` is 9, expected 1");
    std::fs::remove_file(dir.path().join("texts.json")).unwrap();
    let error = TokenizedTexts::open(dir.path()).unwrap_err();
    assert!(matches!(error, TrainingError::Read { .. }), "{error}");
}

#[test]
fn sides_of_unequal_length_are_refused() {
    let error = TokenizedPairs::try_new(texts("en", 3), texts("yo", 2)).unwrap_err();
    assert!(matches!(error, TrainingError::Config { field: "pairs", .. }));
    assert!(error.to_string().contains("3 texts of `en-Latn` and 2 of `yo-Latn`"));
}

#[test]
fn labelled_examples_come_once_in_an_epoch_and_none_is_too_long() {
    let device = device();
    let encoder = framing().encoder;
    let config = ClassifierConfig::new(encoder.clone(), 3);
    let example = |n: u32| Labelled {
        input: SequenceInput::new([vec![0], vec![5; 1 + n as usize % 4], vec![2]].concat()),
        label: Class(n % 3),
    };
    let examples: Vec<_> = (0..40).map(example).collect();
    let tokens: usize = examples.iter().map(|example| example.input.len()).sum();
    let batches = |examples: Vec<Labelled<Class>>| {
        LabelledBatches::try_new(
            Arc::new(examples),
            config.clone(),
            BucketConfig::new(30),
            Seed::new(1),
        )
    };
    let mut drawn = batches(examples.clone()).unwrap();
    let (mut seen, mut count) = (0, 0);
    while seen < tokens {
        let batch = drawn.next_batch(&device).unwrap();
        let lengths = batch.input().lengths();
        assert!(lengths.len() * lengths.iter().max().unwrap() <= 30);
        seen += lengths.iter().sum::<usize>();
        count += 1;
    }
    // A window is filled beyond the epoch's end.
    assert!(count < 60, "{count} batches");
    let long = SequenceInput::new(vec![5; encoder.max_positions + 1]);
    let long = batches(vec![example(1), Labelled { input: long, label: Class(0) }]).unwrap_err();
    assert!(long.to_string().contains("example 1 with"), "{long}");
    let none = batches(Vec::new()).unwrap_err();
    assert!(none.to_string().contains("0 examples"), "{none}");

    let lengths = [3, 9, 3, 5, 12];
    assert_eq!(batches_by_length(&lengths, 10), [vec![0, 2], vec![3], vec![1], vec![4]]);
    assert!(batches_by_length(&[], 10).is_empty());
}
