//! What others have found to be wrong with test sets.

use super::Benchmark;
use super::set::{Split, TestSetWarning};

/// A defect of a test set that somebody published.
///
/// Defects of files that a reader can count, such as texts that stand there twice, are not listed: they are counted in the
/// files that are read, which may be corrected ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KnownDefect {
    /// Of which benchmark.
    pub benchmark: Benchmark,
    /// The publisher's codes of the languages; empty where it is all.
    pub languages: &'static [&'static str],
    /// The parts; empty where it is all.
    pub splits: &'static [Split],
    /// What is wrong.
    pub defect: &'static str,
    /// Who says so.
    pub source: &'static str,
}

impl Benchmark {
    /// What is known to be wrong with a part in a language, or with a pair of languages (`eng_Latn-hau_Latn`).
    pub fn known_defects(self, code: &str, split: Split) -> Vec<KnownDefect> {
        let is_of_language = |defect: &KnownDefect| {
            defect.languages.is_empty()
                || code.split('-').any(|code| defect.languages.contains(&code))
        };
        let is_of_part = |defect: &KnownDefect| {
            if defect.benchmark == self {
                return defect.splits.is_empty() || defect.splits.contains(&split);
            }
            // What is made of texts of FLORES, from both of its parts, has what is wrong with those of a language.
            defect.benchmark == Self::Flores
                && matches!(self, Self::Sib200 | Self::Belebele)
                && !defect.languages.is_empty()
        };
        KNOWN.into_iter().filter(|defect| is_of_part(defect) && is_of_language(defect)).collect()
    }
}

impl From<KnownDefect> for TestSetWarning {
    fn from(known: KnownDefect) -> Self {
        Self { defect: known.defect.to_owned(), source: Some(known.source.to_owned()) }
    }
}

const fn known(
    benchmark: Benchmark,
    languages: &'static [&'static str],
    splits: &'static [Split],
    defect: &'static str,
    source: &'static str,
) -> KnownDefect {
    KnownDefect { benchmark, languages, splits, defect, source }
}

const EVALUATED: &[Split] = &[Split::Dev, Split::Test];
const TEST: &[Split] = &[Split::Test];
const DEV: &[Split] = &[Split::Dev];
const TRAIN: &[Split] = &[Split::Train];

const ABDULMUMIN: &str = "Abdulmumin et al. (2024), \"Correcting FLORES Evaluation Dataset for Four African Languages\", \
                          https://arxiv.org/abs/2409.00626";

const OVERWRITTEN: &str = "CHANGELOG of FLORES+ 2.0, https://github.com/openlanguagedata/flores";

const KNOWN: [KnownDefect; 40] = [
    known(
        Benchmark::AfriSenti,
        &["orm", "tir", "or", "tg"],
        &[],
        "there is no training set: scores are zero-shot",
        "Muhammad et al. (2023), https://aclanthology.org/2023.semeval-1.315",
    ),
    known(
        Benchmark::Belebele,
        &[],
        &[],
        "passages are those of FLORES: what was trained on its translations has read them",
        "Bandarkar et al. (2024), https://aclanthology.org/2024.acl-long.44",
    ),
    known(
        Benchmark::Flores,
        &["hau_Latn", "hau"],
        DEV,
        "632 of 997 sentences were corrected later; much of the Hausa may be from a machine",
        ABDULMUMIN,
    ),
    known(
        Benchmark::Flores,
        &["hau_Latn", "hau"],
        TEST,
        "70 of 1,012 sentences were corrected later",
        ABDULMUMIN,
    ),
    known(
        Benchmark::Flores,
        &["nso_Latn", "nso"],
        EVALUATED,
        "67 sentences of dev and 62 of devtest were corrected later",
        ABDULMUMIN,
    ),
    known(
        Benchmark::Flores,
        &["tso_Latn", "tso"],
        TEST,
        "83 of 1,012 sentences were corrected later",
        ABDULMUMIN,
    ),
    known(
        Benchmark::Flores,
        &["zul_Latn", "zul"],
        EVALUATED,
        "190 sentences of dev and 226 of devtest were corrected later",
        ABDULMUMIN,
    ),
    known(
        Benchmark::Flores,
        &["sat_Beng", "sat_Olck"],
        &[],
        "older archives call the file `sat_Beng`; its script is Ol Chiki",
        "https://github.com/facebookresearch/flores/issues/52",
    ),
    known(
        Benchmark::Flores,
        &["yue_Hant"],
        &[],
        "it is written Mandarin and not Cantonese",
        "https://github.com/facebookresearch/flores/issues/61",
    ),
    known(
        Benchmark::Flores,
        &["tzm_Tfng"],
        &[],
        "it is Standard Moroccan Tamazight (zgh) and not Central Atlas Tamazight",
        "https://github.com/facebookresearch/flores/issues/63",
    ),
    known(
        Benchmark::Flores,
        &["ckb_Arab", "ckb"],
        &[],
        "code points that are not standard, inconsistent spelling and wrong translations are reported",
        "https://github.com/facebookresearch/flores/issues/50",
    ),
    known(
        Benchmark::Flores,
        &[
            "ary_Arab", "dyu_Latn", "hat_Latn", "kam_Latn", "kaz_Cyrl", "lin_Latn", "lit_Latn",
            "npi_Deva", "spa_Latn", "taq_Tfng", "urd_Arab", "ydd_Hebr",
        ],
        EVALUATED,
        "some sentences stand in dev and in devtest",
        "https://github.com/facebookresearch/flores/issues/67",
    ),
    known(
        Benchmark::Flores,
        &[
            "ary_Arab", "azb_Arab", "ban_Latn", "bod_Tibt", "bos_Latn", "bug_Latn", "crh_Latn",
            "dik_Latn", "dyu_Latn", "dzo_Tibt", "fao_Latn", "hat_Latn", "jav_Latn", "kam_Latn",
            "kas_Deva", "kaz_Cyrl", "kbp_Latn", "lim_Latn", "lin_Latn", "lit_Latn", "lus_Latn",
            "npi_Deva", "run_Latn", "san_Deva", "sat_Beng", "sat_Olck", "spa_Latn", "ssw_Latn",
            "sun_Latn", "szl_Latn", "taq_Tfng", "urd_Arab", "ydd_Hebr",
        ],
        DEV,
        "one or a few sentences were overwritten by others",
        OVERWRITTEN,
    ),
    known(
        Benchmark::Flores,
        &[
            "ary_Arab", "bam_Latn", "bod_Tibt", "dyu_Latn", "gla_Latn", "grn_Latn", "hat_Latn",
            "hne_Deva", "kam_Latn", "kaz_Cyrl", "kik_Latn", "lin_Latn", "lit_Latn", "lua_Latn",
            "min_Arab", "min_Latn", "npi_Deva", "run_Latn", "san_Deva", "smo_Latn", "spa_Latn",
            "szl_Latn", "taq_Tfng", "tgk_Cyrl", "uig_Arab", "urd_Arab", "ydd_Hebr",
        ],
        TEST,
        "one or a few sentences were overwritten by others",
        OVERWRITTEN,
    ),
    known(
        Benchmark::Flores,
        &["acm_Arab", "acq_Arab", "ars_Arab"],
        &[],
        "the Arabic is nearly that of arb_Arab, whatever the variety",
        "https://github.com/openlanguagedata/flores/issues/8",
    ),
    known(
        Benchmark::Flores,
        &["twi_Latn", "jpn_Jpan", "kac_Latn", "azb_Arab"],
        &[],
        "many translations are below the quality that is stated",
        "Taguchi et al. (2025), \"Languages Still Left Behind\", https://arxiv.org/abs/2508.20511",
    ),
    known(
        Benchmark::Flores,
        &["eng_Latn"],
        TEST,
        "line 439 ends with a stray ` I`",
        "https://github.com/facebookresearch/flores/issues/65",
    ),
    known(
        Benchmark::Flores,
        &["srd_Latn"],
        &[],
        "the variety and the orthography of Sardinian are not stated",
        "https://github.com/openlanguagedata/flores/issues/6",
    ),
    known(
        Benchmark::Flores,
        &["lmo_Latn"],
        &[],
        "the variety and the orthography of Lombard are not stated",
        "https://github.com/openlanguagedata/flores/issues/5",
    ),
    known(
        Benchmark::Flores,
        &["pes_Arab", "prs_Arab"],
        &[],
        "a reader calls part of the Persian nonsense; which of the two files is open",
        "https://github.com/openlanguagedata/flores/issues/9",
    ),
    known(
        Benchmark::Flores,
        &["quy_Latn", "ayr_Latn", "ceb_Latn", "kmb_Latn", "umb_Latn"],
        &[],
        "sentences changed between FLORES-101 and FLORES-200: say which was scored",
        "https://github.com/facebookresearch/flores/blob/main/flores200/README.md",
    ),
    known(
        Benchmark::Flores,
        &["nob_Latn", "ast_Latn"],
        &[],
        "translations were revised after FLORES-200: say which release was scored",
        "https://github.com/openlanguagedata/flores",
    ),
    known(
        Benchmark::MasakhaNer2,
        &["mos", "pcm", "fon", "tsn", "bam", "yor"],
        &[],
        "the README states other numbers of sentences than the files have",
        "https://github.com/masakhane-io/masakhane-ner/tree/main/MasakhaNER2.0",
    ),
    known(
        Benchmark::MasakhaNer2,
        &["sna", "swa", "xho"],
        TRAIN,
        "copies from before 2023 have lines without a tag",
        "https://github.com/masakhane-io/masakhane-ner/issues/22",
    ),
    known(
        Benchmark::Mlqa,
        &[],
        &[],
        "questions are translated; languages have other texts and other questions, so that scores of two languages are \
         not of the same items",
        "Lewis et al. (2020), https://aclanthology.org/2020.acl-main.653",
    ),
    known(
        Benchmark::PawsX,
        &[],
        EVALUATED,
        "dev and test are from one set of sentences, so that some first sentences stand in both",
        "https://github.com/google-research-datasets/paws/tree/master/pawsx",
    ),
    known(
        Benchmark::PawsX,
        &["de", "es", "fr", "ja", "ko", "zh"],
        EVALUATED,
        "the label of a sentence that was not translated (`NS`) can differ from the English; such rows are left out here",
        "https://github.com/google-research-datasets/paws/issues/15",
    ),
    known(
        Benchmark::PawsX,
        &["de", "es", "fr", "ja", "ko", "zh"],
        TRAIN,
        "a machine translated it",
        "Yang et al. (2019), https://aclanthology.org/D19-1382",
    ),
    known(
        Benchmark::Sib200,
        &[],
        &[],
        "topics were annotated in English and copied to every language",
        "Adelani et al. (2024), https://aclanthology.org/2024.eacl-long.14",
    ),
    known(
        Benchmark::Tatoeba,
        &[],
        &[],
        "languages have other sentences, and those of small sets vary less: scores of two languages are not comparable",
        "https://github.com/facebookresearch/LASER/tree/main/data/tatoeba/v1",
    ),
    known(
        Benchmark::Tatoeba,
        &["kzj", "dtp"],
        &[],
        "`kzj` is a retired code of `dtp`: two sets of one language",
        "https://iso639-3.sil.org/code/kzj",
    ),
    known(
        Benchmark::Tatoeba,
        &["ber"],
        &[],
        "`ber` is a code of several languages",
        "https://iso639-3.sil.org/code_tables/639/data",
    ),
    known(
        Benchmark::TydiQaGoldP,
        &["english"],
        &[],
        "its authors leave English out of the mean over languages",
        "https://github.com/google-research-datasets/tydiqa/blob/master/gold_passage_baseline/README.md",
    ),
    known(
        Benchmark::TydiQaGoldP,
        &[],
        TEST,
        "the answers of the test set are not published: this is the dev set, which papers report",
        "Clark et al. (2020), https://aclanthology.org/2020.tacl-1.30",
    ),
    known(
        Benchmark::WikiAnn,
        &["ja", "ko"],
        &[],
        "no tokenizer of the language was used: its author advises against languages without spaces",
        "https://github.com/afshinrahimi/mmner/issues/6",
    ),
    known(
        Benchmark::WikiAnn,
        &[],
        &[],
        "tags are from links of Wikipedia and not from people; shortcomings for low-resource languages are described",
        "Lignos et al. (2022), \"Toward More Meaningful Resources for Lower-resourced Languages\", \
         https://aclanthology.org/2022.findings-acl.44",
    ),
    known(
        Benchmark::Xnli,
        &["ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"],
        EVALUATED,
        "premises and hypotheses were translated apart, with the labels of the English: they have fewer words in common",
        "Artetxe et al. (2020), \"Translation Artifacts in Cross-lingual Transfer Learning\", \
         https://aclanthology.org/2020.emnlp-main.618",
    ),
    known(
        Benchmark::Xnli,
        &["hi", "ur"],
        EVALUATED,
        "annotators who read the translations agree poorly with the labels",
        "Agrawal et al. (2024), \"Translation Errors Significantly Impact Low-Resource Languages in Cross-Lingual \
         Learning\", https://arxiv.org/abs/2402.02080",
    ),
    known(
        Benchmark::Xnli,
        &["ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"],
        TRAIN,
        "a machine translated it",
        "Conneau et al. (2018), https://aclanthology.org/D18-1269",
    ),
    known(
        Benchmark::Xquad,
        &[],
        &[],
        "questions and texts are translated from SQuAD, and its script for English scores every language: Chinese and \
         Thai are cut at spaces",
        "https://github.com/google-deepmind/xquad",
    ),
];
