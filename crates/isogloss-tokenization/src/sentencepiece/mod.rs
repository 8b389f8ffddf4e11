//! Models in SentencePiece's own file format.

mod merging;
mod normalizer;
mod proto;
mod segmentation;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use merging::Merging;
use normalizer::Normalizer;
use proto::{BPE, ModelProto, PieceKind, UNIGRAM};
use rustc_hash::FxHashMap;
use segmentation::Segmentation;

use crate::encoder::encode_in_parts;
use crate::special::byte_piece;
use crate::tokenizer::Roles;
use crate::trie::Trie;
use crate::unigram::WORD_MARK;
use crate::{EncodeError, SpecialIds, TextEncoder, TokenizerFileError};

/// A SentencePiece model (`.model`), Unigram or BPE, that gives the ids of the reference: its own
/// normalisation with the longest rule first, its arithmetic in single precision, its ties.
///
/// A control symbol such as `</s>` in a text is text, as in SentencePiece. With
/// [`IdLayout::Fairseq`] the ids are those of the XLM-R models that came with the file.
///
/// # Source
///
/// Kudo and Richardson (2018), "SentencePiece", <https://aclanthology.org/D18-2012>; behaviour as of
/// version 0.2.
#[derive(Clone, Debug)]
pub struct SentencePieceModel {
    pieces: Vec<Piece>,
    ids: FxHashMap<String, u32>,
    // Of the pieces: the unknown one, and those for each byte.
    unknown: u32,
    bytes: Option<Box<[u32; 256]>>,
    normalizer: Normalizer,
    user_defined: Option<Trie>,
    algorithm: Algorithm,
    unk_surface: String,
    layout: IdLayout,
    special: SpecialIds,
    // As it was read, to be written again byte for byte.
    file: Arc<[u8]>,
}

#[derive(Clone, Debug)]
struct Piece {
    text: String,
    score: f32,
    kind: PieceKind,
}

#[derive(Clone, Debug)]
enum Algorithm {
    Unigram(Segmentation),
    Bpe(Merging),
}

/// How the numbers of a model's pieces become ids.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum IdLayout {
    /// A piece's id is its number in the file: T5, mT5, and SentencePiece itself.
    #[default]
    Raw,
    /// `<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3, then the file's pieces from its third on, each
    /// raised by 1, and `<mask>` after the last: XLM-R.
    Fairseq,
}

impl SentencePieceModel {
    /// Reads a model file.
    ///
    /// # Errors
    ///
    /// [`TokenizerFileError::Read`], [`TokenizerFileError::SentencePiece`].
    pub fn from_file(path: &Path) -> Result<Self, TokenizerFileError> {
        let bytes = fs::read(path).map_err(|source| TokenizerFileError::Read {
            path: path.to_owned(),
            source: source.into(),
        })?;
        Self::from_bytes(&bytes)
            .map_err(|fault| TokenizerFileError::SentencePiece { path: PathBuf::from(path), fault })
    }

    /// Reads a model. What is wrong is said for a person.
    fn from_bytes(file: &[u8]) -> Result<Self, String> {
        let model = ModelProto::parse(file)?;
        let normalizer = Normalizer::new(&model)?;
        let pieces: Vec<Piece> = model
            .pieces
            .into_iter()
            .map(|piece| Piece { text: piece.piece, score: piece.score, kind: piece.kind })
            .collect();
        let mut ids = FxHashMap::default();
        for (id, piece) in (0_u32..).zip(&pieces) {
            if ids.insert(piece.text.clone(), id).is_some() {
                return Err(format!("the piece `{}` twice", piece.text));
            }
        }
        let of_kind = |kind| (0_u32..).zip(&pieces).filter(move |(_, piece)| piece.kind == kind);
        let unknown: Vec<u32> = of_kind(PieceKind::Unknown).map(|(id, _)| id).collect();
        let [unknown] = unknown[..] else {
            return Err(format!("{} unknown pieces, expected 1", unknown.len()));
        };
        let bytes = model.byte_fallback.then(|| byte_ids(&ids)).transpose()?;
        let mut user_defined = of_kind(PieceKind::UserDefined).peekable();
        let user_defined = user_defined.peek().is_some().then(|| {
            Trie::new(
                of_kind(PieceKind::UserDefined).map(|(id, piece)| (piece.text.as_bytes(), id)),
            )
        });
        let algorithm = match model.model_type {
            UNIGRAM => Algorithm::Unigram(Segmentation::new(&pieces, unknown)),
            BPE => Algorithm::Bpe(Merging::new(&pieces)),
            other => {
                return Err(format!("a model of type {other}, expected 1 (Unigram) or 2 (BPE)"));
            }
        };
        let mut this = Self {
            pieces,
            ids,
            unknown,
            bytes,
            normalizer,
            user_defined,
            algorithm,
            unk_surface: model.unk_surface,
            layout: IdLayout::Raw,
            special: SpecialIds::default(),
            file: file.into(),
        };
        this.special = this.find_special();
        Ok(this)
    }

    /// Sets how ids are numbered. Default: as in the file.
    #[must_use]
    pub fn with_layout(mut self, layout: IdLayout) -> Self {
        self.layout = layout;
        self.special = self.find_special();
        self
    }

    /// The file that it was read from, byte for byte.
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    /// How ids are numbered.
    pub fn layout(&self) -> IdLayout {
        self.layout
    }

    /// The ids of several texts, on all cores.
    ///
    /// # Errors
    ///
    /// None; the type is that of [`TextEncoder::encode`].
    pub fn encode_batch<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
    ) -> Result<Vec<Vec<u32>>, EncodeError> {
        encode_in_parts(texts, |text, (): &mut ()| self.encode(text))
    }

    /// Takes the tokens that have a task from a configuration. What is unknown, and every task in
    /// [`IdLayout::Fairseq`], is fixed by the file. Says which token the file lacks.
    pub(crate) fn with_roles(mut self, roles: &Roles) -> Result<Self, String> {
        if self.layout == IdLayout::Raw {
            let given = |token: &Option<String>, usual: Option<u32>| match token {
                None => Ok(usual),
                Some(token) => {
                    let fault = || format!("no piece `{token}`, which the configuration names");
                    self.id(token).map(Some).ok_or_else(fault)
                }
            };
            let SpecialIds { bos, pad, eos, unk, mask } = self.special;
            self.special = SpecialIds {
                bos: given(&roles.bos, bos)?,
                pad: given(&roles.pad, pad)?,
                eos: given(&roles.eos, eos)?,
                unk,
                mask: given(&roles.mask, mask)?,
            };
        }
        Ok(self)
    }

    fn find_special(&self) -> SpecialIds {
        let id = |token: &str| self.id(token);
        match self.layout {
            IdLayout::Raw => SpecialIds {
                bos: id("<s>"),
                pad: id("<pad>"),
                eos: id("</s>"),
                unk: Some(self.unknown),
                mask: id("<mask>").or(id("[MASK]")),
            },
            IdLayout::Fairseq => {
                let mask = u32::try_from(self.pieces.len() + 1).ok();
                SpecialIds { bos: Some(0), pad: Some(1), eos: Some(2), unk: Some(3), mask }
            }
        }
    }

    /// The normalised text: what is cut into pieces.
    pub fn normalize(&self, text: &str) -> String {
        self.normalizer.apply(text, self.user_defined.as_ref())
    }

    /// The pieces of a text. A run of unknown characters is one piece, as it is in the text; in a model
    /// with pieces for bytes, it is these.
    pub fn pieces(&self, text: &str) -> Vec<String> {
        let normalised = self.normalize(text);
        let mut pieces: Vec<String> = Vec::new();
        let mut is_after_unknown = false;
        for (piece, number) in self.cut(&normalised) {
            let is_unknown = number == self.unknown;
            match pieces.last_mut() {
                _ if is_unknown && self.bytes.is_some() => {
                    pieces.extend(piece.bytes().map(byte_piece));
                }
                Some(run) if is_unknown && is_after_unknown => run.push_str(piece),
                _ => pieces.push(piece.to_owned()),
            }
            is_after_unknown = is_unknown;
        }
        pieces
    }

    fn cut<'a>(&self, normalised: &'a str) -> Vec<(&'a str, u32)> {
        match &self.algorithm {
            Algorithm::Unigram(model) => model.cut(normalised),
            Algorithm::Bpe(model) => model.cut(normalised, self.user_defined.as_ref(), |piece| {
                self.ids.get(piece).copied().unwrap_or(self.unknown)
            }),
        }
    }

    fn renumber(&self, piece: u32) -> u32 {
        match self.layout {
            IdLayout::Raw => piece,
            IdLayout::Fairseq => match piece {
                0 => 3,
                1 => 0,
                2 => 2,
                other => other + 1,
            },
        }
    }

    /// The number in the file of an id.
    fn number(&self, id: u32) -> Option<u32> {
        let number = match (self.layout, id) {
            (IdLayout::Raw, id) => id,
            (IdLayout::Fairseq, 0) => 1,
            (IdLayout::Fairseq, 1) => return None,
            (IdLayout::Fairseq, 2) => 2,
            (IdLayout::Fairseq, 3) => 0,
            (IdLayout::Fairseq, id) => id - 1,
        };
        ((number as usize) < self.pieces.len()).then_some(number)
    }

    /// The piece that an id stands for.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.number(id).map(|number| self.pieces[number as usize].text.as_str())
    }

    /// The id of a piece.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).map(|piece| self.renumber(*piece))
    }

    /// The log-probability (Unigram) or negative rank (BPE) of a piece.
    pub fn score(&self, id: u32) -> Option<f32> {
        self.number(id).map(|number| self.pieces[number as usize].score)
    }

    /// The text of some ids: control symbols are left out, and an unknown piece is ` ⁇ ` or what else
    /// the model says. A byte that is part of no character comes out as `U+FFFD`.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut text = String::new();
        // Bytes that no other piece has followed yet.
        let mut bytes: Vec<u8> = Vec::new();
        // Whether the space that stands before a text has been left out.
        let mut has_begun = false;
        let pieces = ids.iter().filter_map(|id| self.number(*id));
        for piece in pieces.map(|number| &self.pieces[number as usize]) {
            if piece.kind == PieceKind::Byte {
                bytes.extend(byte_of(&piece.text));
                continue;
            }
            push_bytes(&mut text, &mut bytes);
            let decoded = match piece.kind {
                PieceKind::Control => continue,
                PieceKind::Unknown => self.unk_surface.as_str(),
                _ if has_begun || !text.is_empty() => &piece.text,
                _ => self.normalizer.without_first_space(&piece.text, &mut has_begun),
            };
            match piece.kind {
                PieceKind::Unknown => text.push_str(decoded),
                _ => text.extend(decoded.chars().map(|c| if c == WORD_MARK { ' ' } else { c })),
            }
        }
        push_bytes(&mut text, &mut bytes);
        text
    }
}

/// Moves bytes into a text; each that is part of no character becomes `U+FFFD`.
fn push_bytes(text: &mut String, bytes: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    bytes.clear();
}

impl TextEncoder for SentencePieceModel {
    fn encode(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        let normalised = self.normalize(text);
        let mut ids = Vec::new();
        let mut is_after_unknown = false;
        for (piece, number) in self.cut(&normalised) {
            let is_unknown = number == self.unknown;
            match &self.bytes {
                Some(bytes) if is_unknown => {
                    let number = |byte: u8| self.renumber(bytes[usize::from(byte)]);
                    ids.extend(piece.bytes().map(number));
                }
                // A run of unknown characters is one unknown piece.
                _ if is_unknown && is_after_unknown => {}
                _ => ids.push(self.renumber(number)),
            }
            is_after_unknown = is_unknown;
        }
        Ok(ids)
    }

    fn special_ids(&self) -> SpecialIds {
        self.special
    }

    fn vocab_size(&self) -> usize {
        match self.layout {
            IdLayout::Raw => self.pieces.len(),
            IdLayout::Fairseq => self.pieces.len() + 2,
        }
    }

    fn is_byte(&self, id: u32) -> bool {
        self.number(id).is_some_and(|number| self.pieces[number as usize].kind == PieceKind::Byte)
    }
}

fn byte_ids(ids: &FxHashMap<String, u32>) -> Result<Box<[u32; 256]>, String> {
    let mut bytes = Box::new([0; 256]);
    for (byte, place) in (0_u8..=255).zip(bytes.iter_mut()) {
        let piece = format!("<0x{byte:02X}>");
        *place = *ids.get(&piece).ok_or_else(|| format!("byte fallback and no piece `{piece}`"))?;
    }
    Ok(bytes)
}

/// The byte of a piece such as `<0x0A>`.
fn byte_of(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok()
}
