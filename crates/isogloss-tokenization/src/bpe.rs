//! Training by pairs, through the `tokenizers` crate.

use std::collections::HashSet;

use ahash::AHashMap;
use compact_str::CompactString;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::{AddedToken, Model as _, ModelWrapper};

use crate::config::Algorithm;
use crate::cutting::byte_characters;
use crate::special::{SpecialTokens, UNK};
use crate::words::WordCounts;
use crate::{TrainError, VocabularyConfig};

/// What a piece of WordPiece begins with that continues a word.
pub(crate) const CONTINUING: &str = "##";
/// WordPiece takes a word of more characters for unknown; ours are cut shorter.
const LONGEST_WORD: usize = 1_000_000;
/// The crate counts pairs in 32 bits and does not say when they overflow.
const MOST_PAIRS: u64 = i32::MAX as u64;

pub(crate) fn train(
    config: &VocabularyConfig,
    special: &SpecialTokens,
    words: &WordCounts,
) -> Result<ModelWrapper, TrainError> {
    let is_of_bytes = config.is_of_bytes();
    let is_word_piece = config.algorithm == Algorithm::WordPiece;
    let coverage = if is_of_bytes { 1.0 } else { config.character_coverage };
    let required = words.required_characters(coverage);
    let mut counts: AHashMap<CompactString, u64> = AHashMap::new();
    let mut pairs = 0_u64;
    for (word, count) in words.sorted() {
        // A character that is not covered is in no piece, so words are cut at it.
        for part in word.split(|character| !required.contains_key(&character)) {
            if !part.is_empty() {
                pairs += count * (part.chars().count() as u64 - 1);
                *counts.entry(part.into()).or_default() += count;
            }
        }
    }
    if pairs > MOST_PAIRS {
        return Err(TrainError::Config {
            field: "texts",
            found: format!("{pairs} pairs of characters"),
            expected: format!("at most {MOST_PAIRS}, to which pairs are counted: a smaller sample"),
        });
    }
    let alphabet: HashSet<char> = if is_of_bytes {
        byte_characters().into_iter().collect()
    } else {
        required.into_keys().collect()
    };
    let mut first: Vec<String> = special.before().collect();
    if is_word_piece {
        // The crate would number them in the order of a randomly seeded hash map.
        let mut sorted: Vec<char> = alphabet.iter().copied().collect();
        sorted.sort_unstable();
        first.extend(sorted.iter().map(char::to_string));
        first.extend(sorted.iter().map(|character| format!("{CONTINUING}{character}")));
    }
    let after = special.after().count();
    let mut trainer = BpeTrainer::builder()
        .vocab_size(config.vocab_size.saturating_sub(after))
        .special_tokens(first.iter().map(|token| AddedToken::from(token.as_str(), true)).collect())
        .initial_alphabet(alphabet)
        .max_token_length(Some(config.piece_length()))
        .show_progress(false);
    if is_word_piece {
        trainer = trainer.continuing_subword_prefix(CONTINUING.to_owned());
    }
    let mut model = BPE::default();
    trainer.build().do_train(&counts, &mut model).map_err(TrainError::Library)?;
    let needed = model.get_vocab_size() + after;
    if needed > config.vocab_size {
        return Err(TrainError::Config {
            field: "vocab_size",
            found: config.vocab_size.to_string(),
            expected: format!("at least {needed}, for the characters of the texts"),
        });
    }
    if is_word_piece {
        let vocab: AHashMap<String, u32> = model.get_vocab().into_iter().collect();
        let model = WordPiece::builder()
            .vocab(vocab)
            .unk_token(UNK.to_owned())
            .continuing_subword_prefix(CONTINUING.to_owned())
            .max_input_chars_per_word(LONGEST_WORD)
            .build();
        return Ok(model.map_err(TrainError::Library)?.into());
    }
    if config.algorithm == Algorithm::Bpe {
        model.unk_token = Some(UNK.to_owned());
        model.fuse_unk = true;
        model.byte_fallback = special.has_bytes;
    }
    Ok(model.into())
}
