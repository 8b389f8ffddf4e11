//! Texts in the order in which a mixture draws them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use isogloss_core::{LanguageTag, Seed};
use isogloss_corpus::{CorpusReadError, SampledTexts, TextIndex};
use isogloss_sampling::{
    ExplicitWeights, ExponentConfig, LanguageOrder, LanguageSizes, LanguageWeighting,
    MixtureStream, Shard, SizeUnit, StoppingRule, TextSource,
};

fn tag(text: &str) -> LanguageTag {
    text.parse().unwrap()
}

/// `lines` numbered lines from `first` on, in a plain file, or packed.
fn write(dir: &Path, name: &str, first: usize, lines: usize) -> PathBuf {
    let path = dir.join(name);
    let lines: Vec<_> = (first..first + lines).map(|n| format!("ọ̀rọ̀ {n}\n")).collect();
    let text = lines.concat();
    if name.ends_with("gz") {
        let file = fs::File::create(&path).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap();
    } else {
        fs::write(&path, text).unwrap();
    }
    path
}

/// Yoruba in three files, one of them packed, and English in one.
fn indices(dir: &Path) -> Vec<TextIndex> {
    let mut english = TextIndex::new(tag("en"));
    assert_eq!(english.push_file(&write(dir, "en.txt", 0, 700)).unwrap(), 700);
    let mut yoruba = TextIndex::new(tag("yo"));
    for (name, first, lines) in
        [("a.txt", 0, 1_500), ("b.gz", 1_500, 10_000), ("c.txt", 11_500, 33)]
    {
        assert_eq!(yoruba.push_file(&write(dir, name, first, lines)).unwrap(), lines as u64);
    }
    vec![english, yoruba]
}

fn texts(dir: &Path, rule: StoppingRule, shard: Option<Shard>) -> SampledTexts {
    let indices = indices(dir);
    let sizes = indices.iter().map(|index| (index.language().clone(), index.text_count()));
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes).unwrap();
    let distribution = ExponentConfig::new().with_alpha(0.5).distribution(&sizes).unwrap();
    let stream = MixtureStream::try_new(&distribution, &indices, Seed::new(4)).unwrap();
    let stream = stream.with_order(LanguageOrder::LowDiscrepancy);
    let stream = if let Some(shard) = shard { stream.with_shard(shard) } else { stream };
    SampledTexts::try_new(indices, stream, rule).unwrap()
}

#[test]
fn every_line_of_every_file_comes_once_and_shuffled() {
    let dir = tempfile::tempdir().unwrap();
    let once = texts(dir.path(), StoppingRule::AllExhaustedWithoutReplacement, None);
    let mut found: BTreeMap<LanguageTag, Vec<usize>> = BTreeMap::new();
    for text in once {
        let text = text.unwrap();
        let number = text.text.strip_prefix("ọ̀rọ̀ ").unwrap().parse().unwrap();
        found.entry(text.language).or_default().push(number);
    }
    for (language, lines) in [("en", 700), ("yo", 11_533)] {
        let numbers = found.get_mut(&tag(language)).unwrap();
        let in_place = numbers.windows(2).filter(|pair| pair[0] + 1 == pair[1]).count();
        assert!(in_place < 10, "{language}: {in_place} of {lines} follow their neighbour");
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..lines), "{language}");
    }
}

#[test]
fn sizes_are_those_of_the_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("yo.txt");
    fs::write(&path, "\u{feff}ẹ\r\n\nilé").unwrap();
    let mut index = TextIndex::new(tag("yo"));
    assert_eq!(index.push_file(&path).unwrap(), 3);
    assert_eq!(index.size(SizeUnit::Sentences), Some(3));
    assert_eq!(index.size(SizeUnit::Characters), Some(4));
    assert_eq!(index.size(SizeUnit::Bytes), Some(7));
    assert_eq!(index.size(SizeUnit::Tokens), None);
}

#[test]
fn lines_are_what_they_were_however_a_file_begins_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = TextIndex::new(tag("yo"));
    let files = ["\u{feff}ẹ\r\n\nilé", "", "\u{feff}", "omi\r\n\u{feff}ọjọ́\r", "\u{feff}\n"];
    for (place, text) in files.into_iter().enumerate() {
        let path = dir.path().join(place.to_string());
        fs::write(&path, text).unwrap();
        index.push_file(&path).unwrap();
    }
    let sizes = [(tag("yo"), index.text_count())];
    let checked = LanguageSizes::try_new(SizeUnit::Sentences, sizes.clone()).unwrap();
    let distribution = ExponentConfig::new().distribution(&checked).unwrap();
    let stream = MixtureStream::try_new(&distribution, &sizes, Seed::new(4)).unwrap();
    let rule = StoppingRule::AllExhaustedWithoutReplacement;
    let texts = SampledTexts::try_new(vec![index], stream, rule).unwrap();
    let mut found: Vec<_> =
        texts.map(|text| text.unwrap()).map(|t| (t.draw.index, t.text)).collect();
    found.sort();
    let lines = ["ẹ", "", "ilé", "", "omi", "\u{feff}ọjọ́\r", ""];
    assert!(found.iter().map(|(_, text)| text).eq(lines), "{found:?}");
}

#[test]
fn it_resumes_amid_a_window_and_workers_share_it() {
    let dir = tempfile::tempdir().unwrap();
    let rule = StoppingRule::Budget(12_000);
    let whole: Vec<_> = texts(dir.path(), rule, None).map(Result::unwrap).collect();
    assert_eq!(whole.len(), 12_000);
    let mut first = texts(dir.path(), rule, None);
    assert!(first.by_ref().take(5_000).map(Result::unwrap).eq(whole[..5_000].iter().cloned()));
    let state = first.state();
    // Back from where it has gone on to, what it read ahead notwithstanding.
    assert!(first.by_ref().nth(4_000).is_some());
    first.restore(&state).unwrap();
    assert!(first.map(Result::unwrap).eq(whole[5_000..].iter().cloned()));
    let mut second = texts(dir.path(), rule, None);
    second.restore(&state).unwrap();
    assert!(second.map(Result::unwrap).eq(whole[5_000..].iter().cloned()));

    let mut parts: Vec<_> = (0..3)
        .flat_map(|index| texts(dir.path(), rule, Some(Shard::try_new(index, 3).unwrap())))
        .map(Result::unwrap)
        .collect();
    parts.sort_by_key(|text| text.draw.draw);
    assert!(parts == whole);
}

#[test]
fn other_texts_and_changed_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let rule = StoppingRule::Budget(20_000);
    let state = texts(dir.path(), rule, None).state();
    let changed = dir.path().join("en.txt");
    let mut texts = texts(dir.path(), rule, None);
    fs::write(&changed, "one line\n").unwrap();
    let error = texts.find_map(Result::err).unwrap();
    assert!(matches!(&error, CorpusReadError::Changed { path } if *path == changed), "{error}");

    write(dir.path(), "en.txt", 1, 700);
    let mut other = indices(dir.path());
    other[0] = TextIndex::new(tag("en"));
    other[0].push_file(&write(dir.path(), "d.txt", 1, 700)).unwrap();
    let sizes = other.iter().map(|index| (index.language().clone(), index.text_count()));
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes).unwrap();
    let distribution = ExponentConfig::new().with_alpha(0.5).distribution(&sizes).unwrap();
    let stream = MixtureStream::try_new(&distribution, &other, Seed::new(4)).unwrap();
    let stream = stream.with_order(LanguageOrder::LowDiscrepancy);
    let mut other = SampledTexts::try_new(other, stream, rule).unwrap();
    let message = other.restore(&state).unwrap_err().to_string();
    assert!(message.starts_with("stream state: content of `en-Latn` is "), "{message}");
}

#[test]
fn texts_of_another_stream_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let indices = indices(dir.path());
    // As many texts, under the other's name.
    let sizes = [(tag("yo"), 700), (tag("en"), 11_533)];
    let checked = LanguageSizes::try_new(SizeUnit::Sentences, sizes.clone()).unwrap();
    let distribution = ExponentConfig::new().distribution(&checked).unwrap();
    let stream = MixtureStream::try_new(&distribution, &sizes, Seed::new(4)).unwrap();
    let error = SampledTexts::try_new(indices, stream, StoppingRule::Budget(1)).unwrap_err();
    assert!(error.to_string().contains("language 0 is yo-Latn"), "{error}");
}

#[test]
fn a_file_that_was_written_anew_is_named_and_one_that_cannot_be_read_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broken.txt");
    fs::write(&path, b"fine\n\xff\n").unwrap();
    let mut index = TextIndex::new(tag("yo"));
    index.push_file(&path).unwrap_err();
    assert_eq!((index.text_count(), index.files().count()), (0, 0));
    let path = write(dir.path(), "en.txt", 0, 700);
    assert_eq!(index.push_file(&path).unwrap(), 700);

    let sizes = [(tag("yo"), 700)];
    let checked = LanguageSizes::try_new(SizeUnit::Sentences, sizes.clone()).unwrap();
    let distribution = ExponentConfig::new().distribution(&checked).unwrap();
    let stream = MixtureStream::try_new(&distribution, &sizes, Seed::new(4)).unwrap();
    let mut texts = SampledTexts::try_new(vec![index], stream, StoppingRule::Budget(9)).unwrap();
    // As many lines, as long as before but for one.
    write(dir.path(), "en.txt", 1, 700);
    let error = texts.next_text().unwrap_err();
    assert!(matches!(&error, CorpusReadError::Changed { path: of } if *of == path), "{error}");
}

#[test]
fn a_line_that_is_no_text_is_named_by_the_file_the_user_knows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broken.gz");
    let file = fs::File::create(&path).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    packed.write_all(b"fine\nb\xffd\n").unwrap();
    packed.finish().unwrap();
    let error = TextIndex::new(tag("yo")).push_file(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("broken.gz, line 2: byte 2 is not UTF-8, expected UTF-8 text"),
        "{error}"
    );
}

#[test]
fn a_language_of_a_few_lines_is_drawn_again_and_again_beside_a_large_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut small = TextIndex::new(tag("sw"));
    small.push_file(&write(dir.path(), "sw.txt", 0, 3)).unwrap();
    let mut large = TextIndex::new(tag("yo"));
    large.push_file(&write(dir.path(), "yo.txt", 0, 20_000)).unwrap();
    let indices = vec![small, large];
    let sizes = indices.iter().map(|index| (index.language().clone(), index.text_count()));
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes).unwrap();
    let distribution = ExponentConfig::new().with_alpha(0.0).distribution(&sizes).unwrap();
    let stream = MixtureStream::try_new(&distribution, &indices, Seed::new(4)).unwrap();
    let rule = StoppingRule::Budget(50_000);
    let mut epochs = BTreeMap::<(LanguageTag, u64), Vec<u64>>::new();
    for text in SampledTexts::try_new(indices, stream, rule).unwrap() {
        let text = text.unwrap();
        assert_eq!(text.text, format!("ọ̀rọ̀ {}", text.draw.index));
        epochs.entry((text.language, text.draw.epoch)).or_default().push(text.draw.index);
    }
    assert!(epochs.len() > 8_000, "{}", epochs.len());
    for ((language, _), mut drawn) in epochs {
        let is_all = drawn.len() == if language == tag("sw") { 3 } else { 20_000 };
        drawn.sort_unstable();
        drawn.dedup();
        assert!(!is_all || drawn.into_iter().eq(0..if language == tag("sw") { 3 } else { 20_000 }));
    }
}

#[test]
fn the_file_that_is_no_longer_text_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["a.txt", "b.txt", "c.txt"].map(|name| write(dir.path(), name, 0, 400));
    let mut index = TextIndex::new(tag("yo"));
    for path in &paths {
        index.push_file(path).unwrap();
    }
    // As long and as old as it was.
    let modified = fs::metadata(&paths[1]).unwrap().modified().unwrap();
    let mut bytes = fs::read(&paths[1]).unwrap();
    bytes[2_000] = 0xff;
    fs::write(&paths[1], bytes).unwrap();
    fs::File::options().write(true).open(&paths[1]).unwrap().set_modified(modified).unwrap();
    let sizes = [(tag("yo"), 1_200)];
    let checked = LanguageSizes::try_new(SizeUnit::Sentences, sizes.clone()).unwrap();
    let distribution = ExponentConfig::new().distribution(&checked).unwrap();
    let stream = MixtureStream::try_new(&distribution, &sizes, Seed::new(4)).unwrap();
    let mut texts = SampledTexts::try_new(vec![index], stream, StoppingRule::Budget(10)).unwrap();
    let error = texts.find_map(Result::err).unwrap();
    assert!(matches!(&error, CorpusReadError::Changed { path } if *path == paths[1]), "{error}");
}

#[test]
fn who_goes_on_after_a_fault_gets_the_texts_of_other_files() {
    let dir = tempfile::tempdir().unwrap();
    // Nearly all draws are of one that is not read ahead.
    let mut small = TextIndex::new(tag("sw"));
    small.push_file(&write(dir.path(), "sw.txt", 0, 200)).unwrap();
    let mut large = TextIndex::new(tag("yo"));
    let gone = write(dir.path(), "yo.txt", 0, 20_000);
    large.push_file(&gone).unwrap();
    let indices = vec![small, large];
    fs::remove_file(&gone).unwrap();
    let weights = [(tag("sw"), 999.0), (tag("yo"), 1.0)];
    let sizes = indices.iter().map(|index| (index.language().clone(), index.text_count()));
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes).unwrap();
    let distribution = ExplicitWeights::try_new(weights).unwrap().distribution(&sizes).unwrap();
    let stream = MixtureStream::try_new(&distribution, &indices, Seed::new(4)).unwrap();
    let rule = StoppingRule::Budget(500_000);
    let mut texts = SampledTexts::try_new(indices, stream, rule).unwrap();
    let (mut read, mut faults) = (0, 0);
    loop {
        match texts.next_text() {
            Ok(None) => break,
            Ok(Some((draw, _))) => {
                assert_eq!(draw.language, 0);
                read += 1;
            }
            Err(CorpusReadError::Io { path, .. }) => {
                assert_eq!(path, gone);
                faults += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(read + faults, 500_000);
    assert!((300..700).contains(&faults), "{faults}");
}
