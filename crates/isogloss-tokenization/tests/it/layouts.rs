//! Directories as `transformers` writes them, and the ids that it gives.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use isogloss_tokenization::{TextEncoder, Vocabulary};
use serde::Deserialize;

use crate::lines::{self, FORMS, LANGUAGES, digest, lines};

/// What `generate.py` wrote.
#[derive(Deserialize)]
struct Expected {
    hard: Vec<String>,
    families: BTreeMap<String, Family>,
}

#[derive(Deserialize)]
struct Family {
    vocab_size: usize,
    special: BTreeMap<String, Option<u32>>,
    hard: Vec<Vec<u32>>,
    framed: Vec<Vec<u32>>,
    /// By form of the text, then by language.
    digests: BTreeMap<String, BTreeMap<String, String>>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/layouts").join(name)
}

fn expected() -> Expected {
    serde_json::from_slice(&fs::read(fixture("expected.json")).unwrap()).unwrap()
}

#[test]
fn five_families_have_the_ids_of_transformers() {
    let expected = expected();
    assert_eq!(
        expected.families.keys().collect::<Vec<_>>(),
        ["bloom", "m_bert", "mt5", "nllb", "xlm_r"],
    );
    for (name, family) in &expected.families {
        let vocabulary = Vocabulary::open(&fixture(name)).unwrap();
        assert_eq!(vocabulary.vocab_size(), family.vocab_size, "{name}");
        for (form, digests) in &family.digests {
            let change = FORMS.iter().find(|(name, _)| name == form).unwrap().1;
            for (language, dir) in LANGUAGES {
                let texts: Vec<String> = lines(dir).take(lines::TESTED).map(change).collect();
                let ids = vocabulary.encode_batch(&texts).unwrap();
                assert_eq!(digest(&ids), digests[language], "{name}, {form}, {language}");
            }
        }
    }
}

#[test]
fn what_real_lines_rarely_hold_has_the_ids_of_transformers() {
    let expected = expected();
    for (name, family) in &expected.families {
        let vocabulary = Vocabulary::open(&fixture(name)).unwrap();
        for ((text, ids), framed) in expected.hard.iter().zip(&family.hard).zip(&family.framed) {
            let pieces = |ids: &[u32]| -> Vec<_> {
                ids.iter().map(|id| vocabulary.token(*id).unwrap_or_default()).collect()
            };
            let found = vocabulary.encode(text).unwrap();
            let spelled = |ids: &[u32]| {
                let roles = family.special.iter().filter(|(role, _)| *role != "unk");
                let mut special = roles.filter_map(|(_, id)| *id);
                special.any(|id| ids.contains(&id))
            };
            assert!(!spelled(&found), "{name} {text:?}: {:?}", pieces(&found));
            if spelled(ids) {
                // The library keeps `<s>` out of its added tokens there, and then finds it among the
                // pieces; here what spells a special token is text.
                continue;
            }
            assert_eq!(pieces(&found), pieces(ids), "{name} {text:?}");
            assert_eq!(&found, ids, "{name} {text:?}");
            assert_eq!(&vocabulary.encode_framed(text).unwrap(), framed, "{name} {text:?}");
        }
    }
}

#[test]
fn tasks_of_tokens_are_those_of_the_configuration() {
    let expected = expected();
    for (name, family) in &expected.families {
        let found = Vocabulary::open(&fixture(name)).unwrap().special_ids();
        let of = |roles: [&str; 2]| family.special[roles[0]].or(family.special[roles[1]]);
        assert_eq!(found.bos, of(["cls", "bos"]), "{name}");
        assert_eq!(found.eos, of(["sep", "eos"]), "{name}");
        assert_eq!(found.pad, of(["pad", "pad"]), "{name}");
        assert_eq!(found.unk, of(["unk", "unk"]), "{name}");
        assert_eq!(found.mask, of(["mask", "mask"]), "{name}");
    }
}
