//! The arrays of numpy, `.npy`.

use std::io::Read;

/// What an array holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    F32,
    F64,
    I32,
    I64,
    /// Texts of so many code points, padded with zeros.
    Text(usize),
}

/// An array of which the head was read, and the values come one after another.
pub(super) struct NpyArray<R> {
    kind: Kind,
    shape: Vec<usize>,
    reader: R,
}

impl<R: Read> NpyArray<R> {
    /// Reads the head. What is wrong with it is said in words.
    pub(super) fn open(mut reader: R) -> Result<Self, String> {
        let mut magic = [0; 8];
        reader.read_exact(&mut magic).map_err(|error| error.to_string())?;
        if magic[..6] != *b"\x93NUMPY" {
            return Err("no array of numpy, expected one in the format `.npy`".to_owned());
        }
        let length = match magic[6] {
            1 => usize::from(u16::from_le_bytes(bytes(&mut reader)?)),
            2 | 3 => u32::from_le_bytes(bytes(&mut reader)?) as usize,
            found => return Err(format!("version {found} of the format, expected 1, 2 or 3")),
        };
        if length > 1 << 20 {
            return Err(format!("a head of {length} bytes, expected at most a million"));
        }
        let mut head = vec![0; length];
        reader.read_exact(&mut head).map_err(|error| error.to_string())?;
        let head = String::from_utf8_lossy(&head);
        let described = field(&head, "descr").unwrap_or_default();
        let described = described.trim_matches(['\'', '"']);
        let kind = match described {
            "<f4" => Kind::F32,
            "<f8" => Kind::F64,
            "<i4" => Kind::I32,
            "<i8" => Kind::I64,
            text => text
                .strip_prefix("<U")
                .and_then(|width| width.parse().ok())
                .map(Kind::Text)
                .ok_or_else(|| {
                    format!("values `{described}`, expected `<f4`, `<f8`, `<i4`, `<i8` or `<U…`")
                })?,
        };
        if field(&head, "fortran_order") != Some("False") {
            return Err("columns first, expected rows first (`fortran_order` False)".to_owned());
        }
        let shape = field(&head, "shape")
            .and_then(|shape| shape.strip_prefix('(')?.strip_suffix(')'))
            .and_then(|shape| {
                let lengths = shape.split(',').map(str::trim).filter(|length| !length.is_empty());
                lengths.map(|length| length.parse().ok()).collect::<Option<Vec<usize>>>()
            })
            .ok_or_else(|| "no shape, expected one in the head".to_owned())?;
        Ok(Self { kind, shape, reader })
    }

    /// The lengths of the dimensions.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Calls `each` with the place and the value of each number, row by row.
    pub(super) fn for_each_number(self, mut each: impl FnMut(usize, f64)) -> Result<(), String> {
        let Self { kind, shape, mut reader } = self;
        let len = product(&shape)?;
        let width = match kind {
            Kind::F32 | Kind::I32 => 4,
            Kind::F64 | Kind::I64 => 8,
            Kind::Text(_) => return Err("texts, expected numbers".to_owned()),
        };
        // A block at a time: a head may promise more than there is.
        let mut buffer = vec![0; (len.min(1 << 14)) * width];
        let mut place = 0;
        while place < len {
            let count = (len - place).min(1 << 14);
            let block = &mut buffer[..count * width];
            reader.read_exact(block).map_err(|_| ends_early(&shape))?;
            for value in block.chunks_exact(width) {
                each(place, number(kind, value));
                place += 1;
            }
        }
        Ok(())
    }

    /// Whole numbers, 0 or more.
    pub(super) fn indices(self) -> Result<Vec<usize>, String> {
        if !matches!(self.kind, Kind::I32 | Kind::I64) {
            return Err("no whole numbers, expected `<i4` or `<i8`".to_owned());
        }
        let mut indices = Vec::new();
        let mut negative = None;
        self.for_each_number(|_, value| {
            if value < 0.0 {
                negative = Some(value);
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole, and an array of 2⁵³ numbers does not exist"
            )]
            indices.push(value as usize);
        })?;
        match negative {
            Some(value) => Err(format!("the index {value}, expected 0 or more")),
            None => Ok(indices),
        }
    }

    /// Texts, without the zeros that pad them.
    pub(super) fn texts(mut self) -> Result<Vec<String>, String> {
        let Kind::Text(width) = self.kind else {
            return Err("numbers, expected texts".to_owned());
        };
        let len = product(&self.shape)?;
        let width = width.checked_mul(4).filter(|width| *width <= 1 << 20);
        let width = width.ok_or("texts of more than 2¹⁸ letters, expected shorter ones")?;
        let mut buffer = vec![0; width];
        let mut texts = Vec::new();
        for _ in 0..len {
            self.reader.read_exact(&mut buffer).map_err(|_| ends_early(&self.shape))?;
            let units = buffer.as_chunks::<4>().0.iter().map(|unit| u32::from_le_bytes(*unit));
            let text = units
                .map(|unit| char::from_u32(unit).ok_or(unit))
                .collect::<Result<String, u32>>()
                .map_err(|unit| format!("the unit {unit:#x}, expected a code point"))?;
            texts.push(text.trim_end_matches('\0').to_owned());
        }
        Ok(texts)
    }
}

fn number(kind: Kind, value: &[u8]) -> f64 {
    let four = || value.first_chunk().copied().unwrap_or_default();
    let eight = || value.first_chunk().copied().unwrap_or_default();
    match kind {
        Kind::F32 => f64::from(f32::from_le_bytes(four())),
        Kind::I32 => f64::from(i32::from_le_bytes(four())),
        Kind::F64 => f64::from_le_bytes(eight()),
        Kind::I64 | Kind::Text(_) => i64::from_le_bytes(eight()) as f64,
    }
}

fn bytes<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn product(shape: &[usize]) -> Result<usize, String> {
    shape
        .iter()
        .try_fold(1_usize, |product, length| product.checked_mul(*length))
        .filter(|len| *len < 1 << 40)
        .ok_or_else(|| format!("the shape {shape:?}, expected one that fits in memory"))
}

fn ends_early(shape: &[usize]) -> String {
    format!("the array ends early, expected the shape {shape:?}")
}

/// The value of a key in the head, a dictionary as Python writes it.
fn field<'a>(head: &'a str, key: &str) -> Option<&'a str> {
    let start = head.find(&format!("'{key}'"))? + key.len() + 2;
    let value = head[start..].trim_start().strip_prefix(':')?.trim_start();
    let end = if value.starts_with('(') { value.find(')')? + 1 } else { value.find([',', '}'])? };
    Some(value[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(version: u8, head: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend([version, 0]);
        if version == 1 {
            bytes.extend(u16::try_from(head.len()).unwrap().to_le_bytes());
        } else {
            bytes.extend(u32::try_from(head.len()).unwrap().to_le_bytes());
        }
        bytes.extend(head.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn numbers(bytes: &[u8]) -> Result<Vec<f64>, String> {
        let mut found = Vec::new();
        NpyArray::open(bytes)?.for_each_number(|_, value| found.push(value))?;
        Ok(found)
    }

    #[test]
    fn heads_of_all_versions_are_read() {
        let head = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }     \n";
        for version in [1, 2, 3] {
            let bytes = array(version, head, &[1, 0, 0, 0, 255, 255, 255, 255]);
            assert_eq!(numbers(&bytes).unwrap(), [1.0, -1.0]);
            let error = NpyArray::open(&bytes[..]).unwrap().indices().unwrap_err();
            assert_eq!(error, "the index -1, expected 0 or more");
        }
        let scalar = "{'shape': (), 'fortran_order': False, 'descr': '<f8'}";
        assert_eq!(numbers(&array(1, scalar, &2.5_f64.to_le_bytes())).unwrap(), [2.5]);
    }

    #[test]
    fn what_is_no_array_is_said() {
        let head = |descr: &str, order: &str, shape: &str| {
            array(
                1,
                &format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}"),
                b"",
            )
        };
        for (bytes, expected) in [
            (b"PK\x03\x04\0\0\0\0\0".to_vec(), "no array of numpy"),
            (array(9, "", b""), "version 9 of the format, expected 1, 2 or 3"),
            (head("'|O'", "False", "(1,)"), "values `|O`, expected `<f4`"),
            (head("'<f4'", "True", "(1,)"), "columns first, expected rows first"),
            (head("'<f4'", "False", "(-1,)"), "no shape, expected one in the head"),
            (head("'<f4'", "False", "(3, 4)"), "the array ends early, expected the shape [3, 4]"),
            (head("'<f4'", "False", "(99999999999, 99999999999)"), "the shape [99999999999"),
            (head("'<U3'", "False", "(1,)"), "texts, expected numbers"),
        ] {
            let error = numbers(&bytes).unwrap_err();
            assert!(error.starts_with(expected), "{error}, expected {expected}");
        }
    }
}
