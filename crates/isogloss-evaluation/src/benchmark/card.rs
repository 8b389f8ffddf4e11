//! What a benchmark is, whose it is, and by what names it calls languages.

use std::fmt;
use std::str::FromStr;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use crate::EvaluationError;

/// A published test set in many languages.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Benchmark {
    /// Sentiment of tweets in 14 African languages.
    AfriSenti,
    /// Questions with four answers about texts of FLORES.
    Belebele,
    /// Sentences of Wikipedia's sister projects, translated by people: FLORES-101 and FLORES-200.
    Flores,
    /// Names of persons, organisations, places and dates in 10 African languages.
    #[serde(rename = "masakhaner")]
    MasakhaNer,
    /// The same in 20.
    #[serde(rename = "masakhaner-2")]
    MasakhaNer2,
    /// Questions about texts of Wikipedia, in seven languages and across them.
    Mlqa,
    /// Whether two sentences say the same.
    PawsX,
    /// Topics of FLORES's sentences.
    #[serde(rename = "sib-200")]
    Sib200,
    /// Sentences and their English translations, to be found by their vectors.
    Tatoeba,
    /// Questions that were asked before the answer was seen; the task with a given passage.
    #[serde(rename = "tydiqa-goldp")]
    TydiQaGoldP,
    /// Parts of speech and dependency trees.
    #[serde(rename = "ud")]
    UniversalDependencies,
    /// Names in Wikipedia, found by its links.
    #[serde(rename = "wikiann")]
    WikiAnn,
    /// Whether one sentence follows from another.
    Xnli,
    /// SQuAD, translated.
    Xquad,
}

/// What belongs beside every score on a benchmark.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BenchmarkCard {
    /// The name on a command line.
    pub name: &'static str,
    /// The name in a paper.
    pub title: &'static str,
    /// The licence as the publisher states it: an SPDX expression where there is one.
    pub licence: &'static str,
    /// The paper to cite.
    pub citation: &'static str,
    /// Where the publisher has it.
    pub home: &'static str,
}

impl Benchmark {
    /// All of them, by name.
    pub const ALL: [Self; 14] = [
        Self::AfriSenti,
        Self::Belebele,
        Self::Flores,
        Self::MasakhaNer,
        Self::MasakhaNer2,
        Self::Mlqa,
        Self::PawsX,
        Self::Sib200,
        Self::Tatoeba,
        Self::TydiQaGoldP,
        Self::UniversalDependencies,
        Self::WikiAnn,
        Self::Xnli,
        Self::Xquad,
    ];

    /// Its name, licence and citation.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub fn card(self) -> BenchmarkCard {
        let card = |name, title, licence, home, citation| BenchmarkCard {
            name,
            title,
            licence,
            citation,
            home,
        };
        match self {
            Self::AfriSenti => card(
                "afri-senti",
                "AfriSenti",
                "CC-BY-4.0",
                "https://github.com/afrisenti-semeval/afrisent-semeval-2023",
                "Muhammad et al. (2023), \"AfriSenti: A Twitter Sentiment Analysis Benchmark for African Languages\", \
                 https://aclanthology.org/2023.emnlp-main.862",
            ),
            Self::Belebele => card(
                "belebele",
                "Belebele",
                "CC-BY-SA-4.0",
                "https://github.com/facebookresearch/belebele",
                "Bandarkar et al. (2024), \"The Belebele Benchmark: a Parallel Reading Comprehension Dataset in 122 \
                 Language Variants\", https://aclanthology.org/2024.acl-long.44",
            ),
            Self::Flores => card(
                "flores",
                "FLORES",
                "CC-BY-SA-4.0",
                "https://github.com/facebookresearch/flores",
                "NLLB Team et al. (2022), \"No Language Left Behind: Scaling Human-Centered Machine Translation\", \
                 https://arxiv.org/abs/2207.04672; Goyal et al. (2022), \"The Flores-101 Evaluation Benchmark for \
                 Low-Resource and Multilingual Machine Translation\", https://aclanthology.org/2022.tacl-1.30",
            ),
            Self::MasakhaNer => card(
                "masakhaner",
                "MasakhaNER",
                "CC-BY-NC-4.0",
                "https://github.com/masakhane-io/masakhane-ner",
                "Adelani et al. (2021), \"MasakhaNER: Named Entity Recognition for African Languages\", \
                 https://aclanthology.org/2021.tacl-1.66",
            ),
            Self::MasakhaNer2 => card(
                "masakhaner-2",
                "MasakhaNER 2.0",
                "CC-BY-NC-4.0",
                "https://github.com/masakhane-io/masakhane-ner",
                "Adelani et al. (2022), \"MasakhaNER 2.0: Africa-centric Transfer Learning for Named Entity \
                 Recognition\", https://aclanthology.org/2022.emnlp-main.298",
            ),
            Self::Mlqa => card(
                "mlqa",
                "MLQA",
                "CC-BY-SA-3.0",
                "https://github.com/facebookresearch/MLQA",
                "Lewis et al. (2020), \"MLQA: Evaluating Cross-lingual Extractive Question Answering\", \
                 https://aclanthology.org/2020.acl-main.653",
            ),
            Self::PawsX => card(
                "paws-x",
                "PAWS-X",
                "free for any purpose, with Google LLC named as the source",
                "https://github.com/google-research-datasets/paws/tree/master/pawsx",
                "Yang et al. (2019), \"PAWS-X: A Cross-lingual Adversarial Dataset for Paraphrase Identification\", \
                 https://aclanthology.org/D19-1382",
            ),
            Self::Sib200 => card(
                "sib-200",
                "SIB-200",
                "CC-BY-SA-4.0",
                "https://github.com/dadelani/sib-200",
                "Adelani et al. (2024), \"SIB-200: A Simple, Inclusive, and Big Evaluation Dataset for Topic \
                 Classification in 200+ Languages and Dialects\", https://aclanthology.org/2024.eacl-long.14",
            ),
            Self::Tatoeba => card(
                "tatoeba",
                "Tatoeba",
                "CC-BY-2.0",
                "https://github.com/facebookresearch/LASER/tree/main/data/tatoeba/v1",
                "Artetxe and Schwenk (2019), \"Massively Multilingual Sentence Embeddings for Zero-Shot Cross-Lingual \
                 Transfer and Beyond\", https://aclanthology.org/Q19-1038",
            ),
            Self::TydiQaGoldP => card(
                "tydiqa-goldp",
                "TyDi QA GoldP",
                "Apache-2.0",
                "https://github.com/google-research-datasets/tydiqa",
                "Clark et al. (2020), \"TyDi QA: A Benchmark for Information-Seeking Question Answering in Typologically \
                 Diverse Languages\", https://aclanthology.org/2020.tacl-1.30",
            ),
            Self::UniversalDependencies => card(
                "ud",
                "Universal Dependencies",
                "that of the treebank: see LICENSE.txt in its directory",
                "https://universaldependencies.org",
                "de Marneffe et al. (2021), \"Universal Dependencies\", https://aclanthology.org/2021.cl-2.11; and the \
                 paper of the treebank",
            ),
            Self::WikiAnn => card(
                "wikiann",
                "WikiANN",
                "none stated; the text is Wikipedia's, CC-BY-SA",
                "https://github.com/afshinrahimi/mmner",
                "Rahimi et al. (2019), \"Massively Multilingual Transfer for NER\", https://aclanthology.org/P19-1015; \
                 Pan et al. (2017), \"Cross-lingual Name Tagging and Linking for 282 Languages\", \
                 https://aclanthology.org/P17-1178",
            ),
            Self::Xnli => card(
                "xnli",
                "XNLI",
                "CC-BY-NC-4.0",
                "https://github.com/facebookresearch/XNLI",
                "Conneau et al. (2018), \"XNLI: Evaluating Cross-lingual Sentence Representations\", \
                 https://aclanthology.org/D18-1269",
            ),
            Self::Xquad => card(
                "xquad",
                "XQuAD",
                "CC-BY-SA-4.0",
                "https://github.com/google-deepmind/xquad",
                "Artetxe et al. (2020), \"On the Cross-lingual Transferability of Monolingual Representations\", \
                 https://aclanthology.org/2020.acl-main.421",
            ),
        }
    }

    /// The language that a publisher's code or name means; none where it is no language.
    pub(super) fn tag(self, code: &str) -> Option<LanguageTag> {
        let of = |names: &[(&str, &'static str)]| {
            names.iter().find(|(name, _)| *name == code).map(|(_, tag)| *tag)
        };
        let tag = match self {
            Self::AfriSenti => of(&AFRI_SENTI),
            Self::TydiQaGoldP => of(&TYDI_QA),
            Self::WikiAnn => of(&WIKIPEDIA),
            // `yo_ytb` is a treebank of `yo`.
            Self::UniversalDependencies => code.split('_').next(),
            // What is in the file is in Ol Chiki.
            Self::Flores | Self::Sib200 | Self::Belebele if code == "sat_Beng" => Some("sat-Olck"),
            Self::Flores if code == "zho_simpl" => Some("zh-Hans"),
            Self::Flores if code == "zho_trad" => Some("zh-Hant"),
            // FLORES+ names a variety behind the script.
            Self::Flores => code.match_indices('_').nth(1).map(|(end, _)| &code[..end]),
            // Beside the languages, the repository has English and Chinese of others in the same layout.
            Self::MasakhaNer | Self::MasakhaNer2 if matches!(code, "zh" | "en") => return None,
            _ => None,
        };
        tag.unwrap_or(code).parse().ok()
    }
}

/// The codes of the shared task, which are not those of ISO.
const AFRI_SENTI: [(&str, &str); 7] = [
    ("dz", "arq"),
    ("kr", "rw"),
    ("ma", "ary"),
    ("or", "om"),
    ("por", "pt-MZ"),
    ("pt", "pt-MZ"),
    ("tg", "ti"),
];

/// TyDi QA calls languages by their English names.
const TYDI_QA: [(&str, &str); 11] = [
    ("arabic", "ar"),
    ("bengali", "bn"),
    ("english", "en"),
    ("finnish", "fi"),
    ("indonesian", "id"),
    ("japanese", "ja"),
    ("korean", "ko"),
    ("russian", "ru"),
    ("swahili", "sw"),
    ("telugu", "te"),
    ("thai", "th"),
];

/// Editions of Wikipedia whose names mean something else as language tags, or nothing.
const WIKIPEDIA: [(&str, &str); 13] = [
    ("als", "gsw"),
    ("bat-smg", "sgs"),
    ("be-x-old", "be"),
    ("cbk-zam", "cbk"),
    ("fiu-vro", "vro"),
    ("map-bms", "jv"),
    ("nds-nl", "nds-NL"),
    ("roa-rup", "rup"),
    ("roa-tara", "nap"),
    ("simple", "en"),
    ("zh-classical", "lzh"),
    ("zh-min-nan", "nan"),
    ("zh-yue", "yue"),
];

impl fmt::Display for Benchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.card().name)
    }
}

impl FromStr for Benchmark {
    type Err = EvaluationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|it| it.card().name == text).ok_or_else(|| {
            EvaluationError::Config {
                field: "benchmark",
                found: format!("`{text}`"),
                expected: "afri-senti, belebele, flores, masakhaner, masakhaner-2, mlqa, paws-x, sib-200, tatoeba, \
                           tydiqa-goldp, ud, wikiann, xnli or xquad",
            }
        })
    }
}
