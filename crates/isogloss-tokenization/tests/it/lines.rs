//! Real lines in many languages, from the test data of the `lingua-*-language-model` crates.

use include_dir::Dir;
use lingua_arabic_language_model::ARABIC_TESTDATA_DIRECTORY as ARABIC;
use lingua_armenian_language_model::ARMENIAN_TESTDATA_DIRECTORY as ARMENIAN;
use lingua_bengali_language_model::BENGALI_TESTDATA_DIRECTORY as BENGALI;
use lingua_english_language_model::ENGLISH_TESTDATA_DIRECTORY as ENGLISH;
use lingua_finnish_language_model::FINNISH_TESTDATA_DIRECTORY as FINNISH;
use lingua_ganda_language_model::GANDA_TESTDATA_DIRECTORY as GANDA;
use lingua_georgian_language_model::GEORGIAN_TESTDATA_DIRECTORY as GEORGIAN;
use lingua_german_language_model::GERMAN_TESTDATA_DIRECTORY as GERMAN;
use lingua_gujarati_language_model::GUJARATI_TESTDATA_DIRECTORY as GUJARATI;
use lingua_hebrew_language_model::HEBREW_TESTDATA_DIRECTORY as HEBREW;
use lingua_hindi_language_model::HINDI_TESTDATA_DIRECTORY as HINDI;
use lingua_indonesian_language_model::INDONESIAN_TESTDATA_DIRECTORY as INDONESIAN;
use lingua_japanese_language_model::JAPANESE_TESTDATA_DIRECTORY as JAPANESE;
use lingua_korean_language_model::KOREAN_TESTDATA_DIRECTORY as KOREAN;
use lingua_maori_language_model::MAORI_TESTDATA_DIRECTORY as MAORI;
use lingua_persian_language_model::PERSIAN_TESTDATA_DIRECTORY as PERSIAN;
use lingua_punjabi_language_model::PUNJABI_TESTDATA_DIRECTORY as PUNJABI;
use lingua_russian_language_model::RUSSIAN_TESTDATA_DIRECTORY as RUSSIAN;
use lingua_shona_language_model::SHONA_TESTDATA_DIRECTORY as SHONA;
use lingua_somali_language_model::SOMALI_TESTDATA_DIRECTORY as SOMALI;
use lingua_spanish_language_model::SPANISH_TESTDATA_DIRECTORY as SPANISH;
use lingua_swahili_language_model::SWAHILI_TESTDATA_DIRECTORY as SWAHILI;
use lingua_tamil_language_model::TAMIL_TESTDATA_DIRECTORY as TAMIL;
use lingua_thai_language_model::THAI_TESTDATA_DIRECTORY as THAI;
use lingua_tsonga_language_model::TSONGA_TESTDATA_DIRECTORY as TSONGA;
use lingua_turkish_language_model::TURKISH_TESTDATA_DIRECTORY as TURKISH;
use lingua_vietnamese_language_model::VIETNAMESE_TESTDATA_DIRECTORY as VIETNAMESE;
use lingua_xhosa_language_model::XHOSA_TESTDATA_DIRECTORY as XHOSA;
use lingua_yoruba_language_model::YORUBA_TESTDATA_DIRECTORY as YORUBA;
use lingua_zulu_language_model::ZULU_TESTDATA_DIRECTORY as ZULU;
use unicode_normalization::UnicodeNormalization as _;
use xxhash_rust::xxh3::Xxh3;

/// So many of each language are encoded, as `fixtures/lines.py` has it.
pub(crate) const TESTED: usize = 170;

/// Changes a line to a form of Unicode.
type Change = fn(&str) -> String;

/// A line as it stands, composed, and taken apart.
pub(crate) const FORMS: [(&str, Change); 3] = [
    ("raw", str::to_owned),
    ("nfc", |line| line.nfc().collect()),
    ("nfd", |line| line.nfd().collect()),
];

/// The languages, by the names of their crates.
pub(crate) const LANGUAGES: [(&str, &Dir<'_>); 30] = [
    ("arabic", &ARABIC),
    ("armenian", &ARMENIAN),
    ("bengali", &BENGALI),
    ("english", &ENGLISH),
    ("finnish", &FINNISH),
    ("ganda", &GANDA),
    ("georgian", &GEORGIAN),
    ("german", &GERMAN),
    ("gujarati", &GUJARATI),
    ("hebrew", &HEBREW),
    ("hindi", &HINDI),
    ("indonesian", &INDONESIAN),
    ("japanese", &JAPANESE),
    ("korean", &KOREAN),
    ("maori", &MAORI),
    ("persian", &PERSIAN),
    ("punjabi", &PUNJABI),
    ("russian", &RUSSIAN),
    ("shona", &SHONA),
    ("somali", &SOMALI),
    ("spanish", &SPANISH),
    ("swahili", &SWAHILI),
    ("tamil", &TAMIL),
    ("thai", &THAI),
    ("tsonga", &TSONGA),
    ("turkish", &TURKISH),
    ("vietnamese", &VIETNAMESE),
    ("xhosa", &XHOSA),
    ("yoruba", &YORUBA),
    ("zulu", &ZULU),
];

/// All lines of a language.
pub(crate) fn lines(dir: &'static Dir<'static>) -> impl Iterator<Item = &'static str> {
    let file = dir.get_file("sentences.txt").unwrap();
    file.contents_utf8().unwrap().split('\n')
}

/// Of the ids of several lines: each id in four bytes, each line ended by the largest number.
pub(crate) fn digest(encoded: &[Vec<u32>]) -> String {
    let mut hasher = Xxh3::new();
    for id in encoded.iter().flat_map(|ids| ids.iter().chain([&u32::MAX])) {
        hasher.update(&id.to_le_bytes());
    }
    format!("{:016x}", hasher.digest())
}
