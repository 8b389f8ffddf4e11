//! The normalisation rules that a SentencePiece model carries.

/// Rules that replace the longest match, compiled as SentencePiece compiles them: a double array in
/// the layout of darts-clone, then the replacements, each ended by a zero byte.
///
/// `tokenizers` reads the same rules grapheme by grapheme, takes the shortest, and drops what is left
/// of the grapheme: a letter with two marks, decomposed, loses its tone. This reader does as
/// SentencePiece does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Charsmap {
    units: Vec<u32>,
    replacements: String,
}

impl Charsmap {
    /// Reads `precompiled_charsmap`; empty for no rules. What is wrong is said for a person.
    pub(crate) fn parse(blob: &[u8]) -> Result<Self, String> {
        if blob.is_empty() {
            return Ok(Self::default());
        }
        let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let size = blob.get(..4).map(word).ok_or("a charsmap without its size")? as usize;
        let trie = blob.get(4..4 + size).ok_or("a charsmap shorter than its size")?;
        if !size.is_multiple_of(4) || size == 0 {
            return Err(format!("a charsmap of {size} bytes, expected a multiple of 4"));
        }
        let replacements = std::str::from_utf8(&blob[4 + size..])
            .map_err(|_| "replacements of a charsmap that are not UTF-8")?
            .to_owned();
        let units = trie.chunks_exact(4).map(word).collect();
        Ok(Self { units, replacements })
    }

    /// The longest rule that `text` begins with: how many bytes it replaces, and by what.
    #[inline]
    pub(crate) fn longest(&self, text: &[u8]) -> Option<(usize, &str)> {
        let mut found = None;
        let mut at = offset(*self.units.first()?);
        for (before, byte) in text.iter().enumerate() {
            at ^= u32::from(*byte);
            let unit = *self.units.get(at as usize)?;
            if label(unit) != u32::from(*byte) {
                break;
            }
            at ^= offset(unit);
            if has_leaf(unit) {
                found = self.units.get(at as usize).map(|unit| (before + 1, unit & 0x7fff_ffff));
            }
        }
        let (length, start) = found?;
        let text = self.replacements.get(start as usize..)?;
        Some((length, text.split('\0').next().unwrap_or_default()))
    }

    /// The text by the rules, longest first from the left; the rest stays as it is.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut normalised = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = match self.longest(rest.as_bytes()) {
                // A rule is UTF-8 and so ends between characters.
                Some((length, replacement)) if rest.is_char_boundary(length) => {
                    normalised.push_str(replacement);
                    length
                }
                _ => {
                    normalised.push(first);
                    first.len_utf8()
                }
            };
            rest = &rest[length..];
        }
        normalised
    }
}

fn offset(unit: u32) -> u32 {
    (unit >> 10) << ((unit & (1 << 9)) >> 6)
}

fn label(unit: u32) -> u32 {
    unit & 0x8000_00ff
}

fn has_leaf(unit: u32) -> bool {
    unit & (1 << 8) != 0
}
