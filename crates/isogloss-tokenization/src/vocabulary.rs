//! A vocabulary as it is found on disk, and as `transformers` finds it.

use std::fs;
use std::path::{Path, PathBuf};

use isogloss_core::write_file_atomically;
use serde_json::{Map, Value, json};

use unicode_normalization::char::is_combining_mark;

use crate::tokenizer::Roles;
use crate::{
    EncodeError, EncodedWord, IdLayout, SentencePieceModel, SpecialIds, SubwordTokenizer,
    TextEncoder, TokenizerFileError, encode_words,
};

/// A vocabulary of either kind, from a file or a directory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Vocabulary {
    /// A `tokenizer.json`.
    Subword(Box<SubwordTokenizer>),
    /// A SentencePiece `.model`.
    SentencePiece(Box<SentencePieceModel>),
}

/// The names that model files of SentencePiece have in directories of `transformers`.
const MODELS: [&str; 4] =
    ["sentencepiece.bpe.model", "spiece.model", "tokenizer.model", "sentencepiece.model"];
const JSON: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
const SPECIAL: &str = "special_tokens_map.json";

impl Vocabulary {
    /// Opens a `tokenizer.json`, a `.model` of SentencePiece, or a directory with either.
    ///
    /// In a directory, `tokenizer_config.json` and `special_tokens_map.json` say which tokens have
    /// which task; a model file is numbered as its class there numbers it: XLM-R's by
    /// [`IdLayout::Fairseq`], T5's and mT5's, and one without a class, as it is. Other classes number
    /// or frame in ways of their own, and need their `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// [`TokenizerFileError`] with the file and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, TokenizerFileError> {
        if !path.is_dir() {
            return if path.extension().is_some_and(|extension| extension == "json") {
                SubwordTokenizer::from_file(path).map(Box::new).map(Self::Subword)
            } else {
                SentencePieceModel::from_file(path).map(Box::new).map(Self::SentencePiece)
            };
        }
        let config = read_json(&path.join(CONFIG))?;
        let special = read_json(&path.join(SPECIAL))?;
        let file = path.join(JSON);
        if file.exists() {
            let roles = roles(&[&config, &special]);
            let opened = SubwordTokenizer::from_file_with_roles(&file, &roles);
            return opened.map(Box::new).map(Self::Subword);
        }
        let model = MODELS.iter().map(|name| path.join(name)).find(|file| file.exists());
        let Some(model) = model else {
            return Err(TokenizerFileError::Missing { path: path.to_owned() });
        };
        let class = config["tokenizer_class"].as_str().unwrap_or_default();
        let layout = match class.strip_suffix("Fast").unwrap_or(class) {
            "XLMRobertaTokenizer" => IdLayout::Fairseq,
            "" | "T5Tokenizer" | "MT5Tokenizer" => IdLayout::Raw,
            _ => {
                let fault = format!(
                    "its class is {class}, expected XLMRobertaTokenizer, T5Tokenizer or MT5Tokenizer; \
                     of others the tokenizer.json can be opened"
                );
                return Err(TokenizerFileError::SentencePiece { path: model, fault });
            }
        };
        let opened = SentencePieceModel::from_file(&model)?.with_layout(layout);
        let opened = opened
            .with_roles(&roles(&[&config, &special]))
            .map_err(|fault| TokenizerFileError::SentencePiece { path: model, fault })?;
        Ok(Self::SentencePiece(Box::new(opened)))
    }

    /// The ids of a text between the special tokens that a model of this vocabulary expects: those
    /// of the file's template; for SentencePiece `<s> … </s>` as XLM-R has it, or `… </s>` as T5.
    ///
    /// # Errors
    ///
    /// [`EncodeError`].
    pub fn encode_framed(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        let [before, after] = self.frame();
        Ok([before, self.encode(text)?, after].concat())
    }

    /// The smallest parts of a text of which it is known where they stand: mostly one id each.
    ///
    /// Words, as [`encode_words`] has them, are parted where their first ids spell what the word begins with, so that a
    /// text without spaces is no single word. Where the vocabulary changes what it reads, as one of lower case does, a word
    /// is one part; bytes of one character, and a letter and its marks, stay together.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] of the first word that cannot be encoded.
    ///
    /// # Examples
    ///
    /// ```
    /// use isogloss_tokenization::{Algorithm, Vocabulary, VocabularyConfig};
    ///
    /// let text = "ម៉ោងប្រាំមួយ ល្ងាច";
    /// let tokenizer = VocabularyConfig::new(Algorithm::Unigram, 40).train([text], &())?;
    /// let vocabulary = Vocabulary::Subword(Box::new(tokenizer));
    /// let parts = vocabulary.encode_parts(text)?;
    /// assert!(parts.len() > 2);
    /// let spelled: String = parts.iter().map(|part| &text[part.place.clone()]).collect();
    /// assert_eq!(spelled, text.replace(' ', ""));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encode_parts(&self, text: &str) -> Result<Vec<EncodedWord>, EncodeError> {
        let mut parts = Vec::new();
        for word in encode_words(self, text)? {
            let (spelled, ids) = (&text[word.place.clone()], &word.ids);
            let (mut byte, mut id) = (0_usize, 0_usize);
            for end in 1..ids.len() {
                // What an id spells may depend on the one before it, and on no other.
                let before = &ids[id.saturating_sub(1)..id];
                let context = self.decode(before)?;
                let both = self.decode(&ids[id - before.len()..end])?;
                let piece = both.strip_prefix(context.as_str()).unwrap_or_default();
                let piece = if byte == 0 { piece.trim_start() } else { piece };
                let Some(rest) = spelled[byte..].strip_prefix(piece) else { continue };
                if piece.is_empty() || rest.chars().next().is_none_or(is_combining_mark) {
                    continue;
                }
                let to = byte + piece.len();
                let place = word.place.start + byte..word.place.start + to;
                parts.push(EncodedWord { place, ids: ids[id..end].to_vec() });
                (byte, id) = (to, end);
            }
            let place = word.place.start + byte..word.place.end;
            parts.push(EncodedWord { place, ids: ids[id..].to_vec() });
        }
        Ok(parts)
    }

    /// Writes a directory that `AutoTokenizer.from_pretrained` of `transformers` opens; see
    /// [`SubwordTokenizer::save_dir`] and [`SentencePieceModel::save_dir`].
    ///
    /// # Errors
    ///
    /// As those.
    pub fn save_dir(&self, dir: &Path) -> Result<(), TokenizerFileError> {
        match self {
            Self::Subword(tokenizer) => tokenizer.save_dir(dir),
            Self::SentencePiece(model) => model.save_dir(dir),
        }
    }

    /// The special tokens that a model of this vocabulary expects before a text and after it; see
    /// [`encode_framed`](Self::encode_framed).
    pub fn frame(&self) -> [Vec<u32>; 2] {
        match self {
            Self::Subword(tokenizer) => tokenizer.frame().map(<[u32]>::to_vec),
            Self::SentencePiece(model) => {
                let special = model.special_ids();
                let bos = special.bos.filter(|_| model.layout() == IdLayout::Fairseq);
                [bos, special.eos].map(|id| id.into_iter().collect())
            }
        }
    }

    /// The ids of several texts, on all cores.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] of the first text that cannot be encoded.
    pub fn encode_batch<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
    ) -> Result<Vec<Vec<u32>>, EncodeError> {
        match self {
            Self::Subword(tokenizer) => tokenizer.encode_batch(texts),
            Self::SentencePiece(model) => model.encode_batch(texts),
        }
    }

    /// The text of some ids.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], for what the library refuses to put together.
    pub fn decode(&self, ids: &[u32]) -> Result<String, EncodeError> {
        match self {
            Self::Subword(tokenizer) => tokenizer.decode(ids),
            Self::SentencePiece(model) => Ok(model.decode(ids)),
        }
    }

    /// The piece that an id stands for.
    pub fn token(&self, id: u32) -> Option<String> {
        match self {
            Self::Subword(tokenizer) => tokenizer.token(id),
            Self::SentencePiece(model) => model.token(id).map(str::to_owned),
        }
    }
}

impl TextEncoder for Vocabulary {
    fn encode(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        match self {
            Self::Subword(tokenizer) => tokenizer.encode(text),
            Self::SentencePiece(model) => model.encode(text),
        }
    }

    fn special_ids(&self) -> SpecialIds {
        match self {
            Self::Subword(tokenizer) => tokenizer.special_ids(),
            Self::SentencePiece(model) => model.special_ids(),
        }
    }

    fn vocab_size(&self) -> usize {
        match self {
            Self::Subword(tokenizer) => tokenizer.vocab_size(),
            Self::SentencePiece(model) => model.vocab_size(),
        }
    }

    fn is_byte(&self, id: u32) -> bool {
        match self {
            Self::Subword(tokenizer) => tokenizer.is_byte(id),
            Self::SentencePiece(model) => model.is_byte(id),
        }
    }
}

impl SubwordTokenizer {
    /// Writes a directory that `AutoTokenizer.from_pretrained` of `transformers` opens:
    /// `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json`. What else was in the
    /// directory stays.
    ///
    /// # Errors
    ///
    /// [`TokenizerFileError::Write`], [`TokenizerFileError::Serialize`].
    pub fn save_dir(&self, dir: &Path) -> Result<(), TokenizerFileError> {
        let tokenizer = self.as_in_file()?;
        let text = tokenizer.to_string(true).map_err(TokenizerFileError::Serialize)?;
        let mut added: Vec<_> = tokenizer.get_added_tokens_decoder().into_iter().collect();
        added.sort_by_key(|(id, _)| *id);
        let special = self.special_ids();
        let content = |id: Option<u32>| id.and_then(|id| self.token(id));
        let mut config = Map::new();
        let mut map = Map::new();
        let roles = [
            ("bos_token", content(special.bos)),
            ("cls_token", content(special.bos)),
            ("eos_token", content(special.eos)),
            ("sep_token", content(special.eos)),
            ("pad_token", content(special.pad)),
            ("unk_token", content(special.unk)),
            ("mask_token", content(special.mask)),
        ];
        for (role, token) in roles {
            let Some(token) = token else { continue };
            let added = added.iter().find(|(_, added)| added.content == token);
            let value = match added {
                // Only the mask has more to say of itself than its text.
                Some((_, added)) if added.lstrip || added.rstrip => json!({
                    "content": token, "lstrip": added.lstrip, "rstrip": added.rstrip,
                    "single_word": added.single_word, "normalized": added.normalized,
                }),
                _ => Value::String(token),
            };
            let mut in_config = value.clone();
            if let Some(fields) = in_config.as_object_mut() {
                fields.insert("__type".to_owned(), json!("AddedToken"));
            }
            config.insert(role.to_owned(), in_config);
            map.insert(role.to_owned(), value);
        }
        let decoder: Map<String, Value> =
            added.iter().map(|(id, token)| (id.to_string(), json!(token))).collect();
        let roles: Vec<String> = special.all().filter_map(|id| self.token(id)).collect();
        let further: Vec<&str> = added
            .iter()
            .filter(|(_, token)| token.special && !roles.contains(&token.content))
            .map(|(_, token)| token.content.as_str())
            .collect();
        if !further.is_empty() {
            config.insert("additional_special_tokens".to_owned(), json!(further));
            map.insert("additional_special_tokens".to_owned(), json!(further));
        }
        config.insert("added_tokens_decoder".to_owned(), Value::Object(decoder));
        config.insert("clean_up_tokenization_spaces".to_owned(), json!(false));
        config.insert("model_input_names".to_owned(), json!(["input_ids", "attention_mask"]));
        config.insert("model_max_length".to_owned(), json!(512));
        config.insert("tokenizer_class".to_owned(), json!("PreTrainedTokenizerFast"));
        write_files(
            dir,
            &[(JSON, text.as_bytes()), (CONFIG, &pretty(config)), (SPECIAL, &pretty(map))],
        )
    }
}

impl SentencePieceModel {
    /// Writes the model file, byte for byte, with a `tokenizer_config.json` by which
    /// `AutoTokenizer.from_pretrained` of `transformers` opens it: as XLM-R's in
    /// [`IdLayout::Fairseq`], as T5's, with its pieces for special tokens, otherwise. It is `use_fast =
    /// False` there that reads the rules of the file as SentencePiece does.
    ///
    /// # Errors
    ///
    /// [`TokenizerFileError::InTheWay`] where the directory has a `tokenizer.json`, which would be
    /// opened instead; [`TokenizerFileError::Write`], [`TokenizerFileError::Directory`].
    pub fn save_dir(&self, dir: &Path) -> Result<(), TokenizerFileError> {
        let json = dir.join(JSON);
        if json.exists() {
            return Err(TokenizerFileError::InTheWay { path: json });
        }
        let special = self.special_ids();
        let mut config = Map::new();
        let name = match self.layout() {
            IdLayout::Fairseq => {
                config.insert("tokenizer_class".to_owned(), json!("XLMRobertaTokenizer"));
                "sentencepiece.bpe.model"
            }
            IdLayout::Raw => {
                config.insert("tokenizer_class".to_owned(), json!("T5Tokenizer"));
                config.insert("extra_ids".to_owned(), json!(0));
                config.insert("legacy".to_owned(), json!(true));
                // Where the file has no padding, another token that is never in a text does for it.
                let pad = special.pad.or(special.eos).or(special.unk);
                let roles =
                    [("pad_token", pad), ("eos_token", special.eos), ("unk_token", special.unk)];
                for (role, id) in roles {
                    if let Some(token) = id.and_then(|id| self.token(id)) {
                        config.insert(role.to_owned(), json!(token));
                    }
                }
                "spiece.model"
            }
        };
        config.insert("model_max_length".to_owned(), json!(512));
        write_files(dir, &[(name, self.file()), (CONFIG, &pretty(config))])
    }
}

fn pretty(map: Map<String, Value>) -> Vec<u8> {
    format!("{:#}\n", Value::Object(map)).into_bytes()
}

fn write_files(dir: &Path, files: &[(&str, &[u8])]) -> Result<(), TokenizerFileError> {
    fs::create_dir_all(dir)
        .map_err(|source| TokenizerFileError::Directory { path: dir.to_owned(), source })?;
    for (name, bytes) in files {
        write_file_atomically(&dir.join(name), |file| file.write_all(bytes))?;
    }
    Ok(())
}

/// A file of JSON, or nothing where there is none.
fn read_json(path: &Path) -> Result<Value, TokenizerFileError> {
    let fail = |source| TokenizerFileError::Read { path: PathBuf::from(path), source };
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| fail(error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(error) => Err(fail(error.into())),
    }
}

/// Which tokens have which task: a text, or an object with its text. The first file that says so
/// counts; what begins and ends a text may also be called `cls_token` and `sep_token`.
fn roles(files: &[&Value]) -> Roles {
    let find = |names: &[&str]| {
        names.iter().find_map(|name| {
            files.iter().find_map(|file| {
                let token = &file[*name];
                token.as_str().or(token["content"].as_str()).map(str::to_owned)
            })
        })
    };
    Roles {
        bos: find(&["cls_token", "bos_token"]),
        pad: find(&["pad_token"]),
        eos: find(&["sep_token", "eos_token"]),
        unk: find(&["unk_token"]),
        mask: find(&["mask_token"]),
    }
}
