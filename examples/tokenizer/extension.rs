//! Adding a language to a vocabulary that is there.

use std::path::Path;

use isogloss::core::{LanguageTag, write_file_atomically};
use isogloss::corpus::Manifest;
use isogloss::evaluation::Table;
use isogloss::tokenization::{ExtensionConfig, FairnessReport, Vocabulary};
use isogloss_examples::{Bars, Outcome, print_written};

use crate::MeasureArgs;
use crate::page::{Page, or_dash};
use crate::texts::Texts;

pub(crate) fn extend(
    corpus: &Path,
    (dir, language, tokens): (&Path, &LanguageTag, usize),
    measures: &MeasureArgs,
    out: &Path,
) -> Outcome<()> {
    let Vocabulary::Subword(old) = Vocabulary::open(dir)? else {
        let fault =
            format!("{}: a model of SentencePiece, expected a tokenizer.json", dir.display());
        return Err(fault.into());
    };
    let manifest = Manifest::open(corpus)?;
    let texts = Texts::new(&manifest, measures.require_terms);
    if !manifest.texts().iter().any(|part| part.language == *language) {
        return Err(format!("{}: no texts of {language}", corpus.display()).into());
    }
    if manifest.texts().iter().all(|part| part.language == *language) {
        println!(
            "warning: there are no texts of other languages, so it is not known whether theirs keep their ids"
        );
    }
    let new_texts = texts.lines(|other| other == language)?;
    let kept = texts.lines(|other| other != language)?;
    let bars = Bars::default();
    bars.line(&format!("learning tokens of {language}, and what the texts of others forbid"));
    let extension = old.extend(new_texts, kept, &ExtensionConfig::new(tokens));
    texts.check()?;
    let extension = extension?;

    let (held, pairs) = texts.to_measure(&measures.reference)?;
    let measure = |tokenizer| -> Outcome<FairnessReport> {
        let report = FairnessReport::measure(tokenizer, &held)?;
        Ok(report.with_premiums(tokenizer, &measures.reference, &pairs)?)
    };
    let (before, report) = (measure(&*old)?, measure(&extension.tokenizer)?);
    let [then, now] = [&before, &report].map(|report| report.row(language));
    if let (Some(then), Some(now)) = (then, now) {
        let columns = ["", "tokens a word", "tokens a character", "premium", "unknown", "bytes"];
        let caption = format!("{} before and after", language.name());
        let mut table = Table::new(caption, &columns);
        for (name, row) in [("before", then), ("after", now)] {
            table = table.with_row([
                name.into(),
                row.fertility.into(),
                row.tokens_per_character.into(),
                or_dash(row.premium),
                row.unknown_rate.into(),
                row.byte_rate.into(),
            ]);
        }
        println!("{}", table.to_text());
    }
    println!(
        "{} tokens added behind the {} there were; {} left out, for they would change text that is kept",
        extension.tokens.len(),
        isogloss::tokenization::TextEncoder::vocab_size(&*old),
        extension.left_out.len(),
    );
    let page = Page {
        title: "extended",
        report: &report,
        before: Some(("before", before)),
        gate: measures.gate(),
    };
    page.print();
    page.obey()?;
    let mut written = page.write(out, &texts.provenance())?;
    extension.tokenizer.save_dir(out)?;
    written.insert(0, out.join("tokenizer.json"));
    // What a model needs to make rows of: see `isogloss::training::ModelExtension`.
    let path = out.join("new_tokens.json");
    write_file_atomically(&path, |file| {
        serde_json::to_writer_pretty(&mut *file, &extension.tokens)?;
        file.write_all(b"\n")
    })?;
    written.push(path);
    print_written(&written);
    Ok(())
}
