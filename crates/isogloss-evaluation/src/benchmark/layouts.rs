//! Where the files of a test set are, and how they are written.

use super::Benchmark;
use super::classes::{INFERENCE, PARAPHRASE};
use super::set::Split;

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// All languages under a header.
    Xnli,
    MultiNli,
    PawsX,
    /// Two texts and one of these classes, without a header.
    Pairs(&'static [&'static str]),
    Sib200,
    AfriSenti,
    /// A word, a separator and a tag; with `CODE:` before the word or without.
    Tagged(char, Prefix),
    Conllu,
    /// SQuAD's JSON, of one language.
    Squad,
    /// SQuAD's JSON, of all languages, whose names begin the ids.
    SquadOfAll,
    Belebele,
    /// One sentence a line, with English in a file of this extension beside it.
    Beside(&'static str),
    /// One sentence a line, other languages in files of the same directory.
    Parallel,
    /// An object with `id` and `text` on each line, the same ids in other languages.
    ParallelJson,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Prefix {
    None,
    Code,
}

/// Where a file is, and how it is written.
pub(super) type Layout = (String, Form);

impl Benchmark {
    /// The files of a part, as their publisher and the collections that carry them name them.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub(super) fn layouts(self, split: Split) -> Vec<Layout> {
        let under = |dirs: &[&str], file: String, form: Form| -> Vec<Layout> {
            dirs.iter().map(|dir| (format!("{dir}{file}"), form)).collect()
        };
        match (self, split) {
            (Self::Xnli, Split::Train) => [
                under(
                    &["", "multinli/", "XNLI-MT-1.0/multinli/"],
                    "multinli.train.{code}.tsv".to_owned(),
                    Form::MultiNli,
                ),
                under(&["", "xnli/"], "train-{code}.tsv".to_owned(), Form::Pairs(&INFERENCE)),
            ]
            .concat(),
            (Self::Xnli, split) => [
                under(&["", "XNLI-1.0/"], format!("xnli.{split}.tsv"), Form::Xnli),
                under(&["", "xnli/"], format!("{split}-{{code}}.tsv"), Form::Pairs(&INFERENCE)),
            ]
            .concat(),
            (Self::PawsX, split) => {
                let files = match split {
                    // `translated_train` of all but English.
                    Split::Train => ["*train", "train"],
                    Split::Dev => ["dev_2k", "dev"],
                    Split::Test => ["test_2k", "test"],
                };
                let published = files.iter().flat_map(|file| {
                    under(&["", "x-final/"], format!("{{code}}/{file}.tsv"), Form::PawsX)
                });
                let bare = under(
                    &["", "pawsx/"],
                    format!("{split}-{{code}}.tsv"),
                    Form::Pairs(&PARAPHRASE),
                );
                published.chain(bare).collect()
            }
            (Self::WikiAnn, split) => [
                under(&[""], format!("{{code}}/{split}"), Form::Tagged('\t', Prefix::Code)),
                under(
                    &["", "panx/"],
                    format!("{split}-{{code}}.tsv"),
                    Form::Tagged('\t', Prefix::None),
                ),
            ]
            .concat(),
            (Self::MasakhaNer, split) => under(
                &["data/", ""],
                format!("{{code}}/{split}.txt"),
                Form::Tagged(' ', Prefix::None),
            ),
            (Self::MasakhaNer2, split) => under(
                &["MasakhaNER2.0/data/", "data/", ""],
                format!("{{code}}/{split}.txt"),
                Form::Tagged(' ', Prefix::None),
            ),
            (Self::UniversalDependencies, split) => under(
                &["", "UD_*/", "*/UD_*/"],
                format!("{{code}}-ud-{split}.conllu"),
                Form::Conllu,
            ),
            // No answers of a test set are published; papers report the dev set.
            (Self::TydiQaGoldP, Split::Train) => [
                under(
                    &["", "tydiqa/"],
                    "tydiqa-goldp-v1.1-train.json".to_owned(),
                    Form::SquadOfAll,
                ),
                under(
                    &["", "tydiqa-goldp-v1.1-train/", "tydiqa/tydiqa-goldp-v1.1-train/"],
                    "tydiqa.goldp.{code}.train.json".to_owned(),
                    Form::Squad,
                ),
            ]
            .concat(),
            (Self::TydiQaGoldP, _) => [
                under(
                    &["", "tydiqa-goldp-v1.1-dev/"],
                    "tydiqa-goldp-dev-{code}.json".to_owned(),
                    Form::Squad,
                ),
                under(&["", "tydiqa/"], "tydiqa-goldp-v1.1-dev.json".to_owned(), Form::SquadOfAll),
            ]
            .concat(),
            (Self::Xquad, Split::Test) => {
                under(&["", "xquad/"], "xquad.{code}.json".to_owned(), Form::Squad)
            }
            (Self::Mlqa, Split::Dev | Split::Test) => under(
                &["", "{split}/", "MLQA_V1/{split}/"]
                    .map(|dir| dir.replace("{split}", &split.to_string()))
                    .each_ref()
                    .map(String::as_str),
                format!("{split}-context-{{code}}-question-{{code}}.json"),
                Form::Squad,
            ),
            (Self::Tatoeba, Split::Test) => under(
                &["", "v1/", "data/tatoeba/v1/"],
                "tatoeba.{code}-eng.{code}".to_owned(),
                Form::Beside("eng"),
            ),
            (Self::Flores, Split::Dev | Split::Test) => {
                let name = if split == Split::Test { "devtest" } else { "dev" };
                let dirs = ["", "*/"].map(|dir| format!("{dir}{name}/"));
                let dirs = dirs.each_ref().map(String::as_str);
                [
                    under(&dirs, format!("{{code}}.{name}"), Form::Parallel),
                    under(&dirs, format!("{name}.{{code}}"), Form::Parallel),
                    under(&dirs, "{code}.jsonl".to_owned(), Form::ParallelJson),
                ]
                .concat()
            }
            (Self::Sib200, split) => under(
                &["", "annotated/", "data/annotated/"],
                format!("{{code}}/{split}.tsv"),
                Form::Sib200,
            ),
            (Self::AfriSenti, split) => [
                under(&["", "data/"], format!("{{code}}/{split}.tsv"), Form::AfriSenti),
                under(&["", "Subtask*/"], format!("{split}/{{code}}_{split}.tsv"), Form::AfriSenti),
            ]
            .concat(),
            (Self::Belebele, Split::Test) => {
                under(&["", "Belebele/", "data/"], "{code}.jsonl".to_owned(), Form::Belebele)
            }
            (Self::Xquad | Self::Tatoeba | Self::Belebele, _)
            | (Self::Mlqa | Self::Flores, Split::Train) => Vec::new(),
        }
    }
}
