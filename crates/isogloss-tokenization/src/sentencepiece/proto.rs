//! The file of a SentencePiece model: as much of `sentencepiece_model.proto` as encoding needs.
//!
//! Fields that are not read here belong to training, and are skipped by their wire type. The defaults
//! are those of the schema: not every writer writes them.

/// What a model file holds.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the fields of the file")]
pub(crate) struct ModelProto {
    pub(crate) pieces: Vec<ProtoPiece>,
    pub(crate) model_type: u64,
    pub(crate) byte_fallback: bool,
    pub(crate) treat_whitespace_as_suffix: bool,
    /// What an unknown piece is decoded to.
    pub(crate) unk_surface: String,
    pub(crate) charsmap: Vec<u8>,
    pub(crate) add_dummy_prefix: bool,
    pub(crate) remove_extra_whitespaces: bool,
    pub(crate) escape_whitespaces: bool,
}

/// A piece with its log-probability or rank.
#[derive(Clone, Debug)]
pub(crate) struct ProtoPiece {
    pub(crate) piece: String,
    pub(crate) score: f32,
    pub(crate) kind: PieceKind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PieceKind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

pub(crate) const UNIGRAM: u64 = 1;
pub(crate) const BPE: u64 = 2;

impl ModelProto {
    /// Reads a file. What is wrong is said for a person.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut this = Self {
            pieces: Vec::new(),
            model_type: UNIGRAM,
            byte_fallback: false,
            treat_whitespace_as_suffix: false,
            unk_surface: " \u{2047} ".to_owned(),
            charsmap: Vec::new(),
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
        };
        let mut fields = Fields(bytes);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => this.pieces.push(ProtoPiece::parse(value.bytes()?)?),
                2 => this.read_trainer(value.bytes()?)?,
                3 => this.read_normalizer(value.bytes()?)?,
                _ => {}
            }
        }
        if this.pieces.is_empty() { Err("a model without pieces".to_owned()) } else { Ok(this) }
    }

    fn read_trainer(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut fields = Fields(bytes);
        while let Some((field, value)) = fields.next()? {
            match field {
                3 => self.model_type = value.number()?,
                24 => self.treat_whitespace_as_suffix = value.number()? != 0,
                35 => self.byte_fallback = value.number()? != 0,
                44 => self.unk_surface = value.text()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_normalizer(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut fields = Fields(bytes);
        while let Some((field, value)) = fields.next()? {
            match field {
                2 => self.charsmap = value.bytes()?.to_vec(),
                3 => self.add_dummy_prefix = value.number()? != 0,
                4 => self.remove_extra_whitespaces = value.number()? != 0,
                5 => self.escape_whitespaces = value.number()? != 0,
                _ => {}
            }
        }
        Ok(())
    }
}

impl ProtoPiece {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut this = Self { piece: String::new(), score: 0.0, kind: PieceKind::Normal };
        let mut fields = Fields(bytes);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => this.piece = value.text()?,
                2 => this.score = value.float()?,
                3 => {
                    this.kind = match value.number()? {
                        1 => PieceKind::Normal,
                        2 => PieceKind::Unknown,
                        3 => PieceKind::Control,
                        4 => PieceKind::UserDefined,
                        5 => PieceKind::Unused,
                        6 => PieceKind::Byte,
                        other => return Err(format!("a piece of type {other}, expected 1 to 6")),
                    };
                }
                _ => {}
            }
        }
        if this.piece.is_empty() { Err("an empty piece".to_owned()) } else { Ok(this) }
    }
}

/// The fields of a message, one after another.
struct Fields<'a>(&'a [u8]);

enum Value<'a> {
    Number(u64),
    Fixed32([u8; 4]),
    Fixed64,
    Bytes(&'a [u8]),
}

const ENDS: &str = "a model that ends in the middle of a field";

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.number()?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => {
                self.take(8)?;
                Value::Fixed64
            }
            2 => {
                let length = usize::try_from(self.number()?).map_err(|_| ENDS)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(self.take(4)?.try_into().map_err(|_| ENDS)?),
            other => return Err(format!("a field of wire type {other}: no SentencePiece model")),
        };
        Ok(Some((key >> 3, value)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(ENDS)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number in groups of seven bits, the lowest first.
    fn number(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number of more than 64 bits: no SentencePiece model".to_owned())
    }
}

impl<'a> Value<'a> {
    fn number(&self) -> Result<u64, String> {
        let Self::Number(number) = self else { return Err(self.unlike("a number")) };
        Ok(*number)
    }

    fn float(&self) -> Result<f32, String> {
        let Self::Fixed32(bytes) = self else { return Err(self.unlike("a float")) };
        Ok(f32::from_le_bytes(*bytes))
    }

    fn bytes(&self) -> Result<&'a [u8], String> {
        let Self::Bytes(bytes) = self else { return Err(self.unlike("bytes")) };
        Ok(bytes)
    }

    fn text(&self) -> Result<String, String> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| "a text that is not UTF-8")?;
        Ok(text.to_owned())
    }

    fn unlike(&self, expected: &str) -> String {
        let found = match self {
            Self::Number(_) => "a number",
            Self::Fixed32(_) | Self::Fixed64 => "a fixed number",
            Self::Bytes(_) => "bytes",
        };
        format!("{found} where {expected} was expected: no SentencePiece model")
    }
}
