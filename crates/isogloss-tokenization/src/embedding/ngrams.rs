//! Character n-grams of a token and the buckets they fall in, as in fastText.

use std::ops::Range;

/// The bucket of every n-gram of `<token>`, in the order of their beginnings and then lengths.
///
/// A lone `<` or `>` is no n-gram. Lengths count characters, not bytes.
pub(super) fn buckets_of(token: &str, lengths: &Range<usize>, buckets: u32) -> Vec<u32> {
    let framed = format!("<{token}>");
    let mut places: Vec<usize> = framed.char_indices().map(|(place, _)| place).collect();
    places.push(framed.len());
    let n_chars = places.len() - 1;
    let mut found = Vec::new();
    for start in 0..n_chars {
        for length in lengths.clone().take_while(|length| start + length <= n_chars) {
            let is_frame = length == 1 && (start == 0 || start + 1 == n_chars);
            if length > 0 && !is_frame {
                found.push(hash(&framed[places[start]..places[start + length]]) % buckets);
            }
        }
    }
    found
}

/// FNV-1a of 32 bits, but with each byte extended by its sign: fastText's first compilers took
/// `char` as signed, and its released models depend on it.
fn hash(ngram: &str) -> u32 {
    ngram.bytes().fold(2_166_136_261, |hash: u32, byte| {
        let extended = i32::from(byte.cast_signed()).cast_unsigned();
        (hash ^ extended).wrapping_mul(16_777_619)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a_for_ascii_and_differs_above() {
        // The test vectors of FNV-1a for 32 bits.
        assert_eq!(hash(""), 0x811c_9dc5);
        assert_eq!(hash("a"), 0xe40c_292c);
        assert_eq!(hash("foobar"), 0xbf9c_f968);
        // Without the sign: (0x811c9dc5 ^ 0xc3) * 0x01000193, and then 0xa9, gives another value.
        let unsigned = "é".bytes().fold(2_166_136_261_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(16_777_619)
        });
        assert_ne!(hash("é"), unsigned);
    }

    #[test]
    fn n_grams_are_of_the_framed_token() {
        let count = |token: &str, lengths| buckets_of(token, &lengths, 1 << 30).len();
        // <a>: one of three. <ab>: `<ab`, `ab>`, `<ab>`.
        assert_eq!(count("a", 3..7), 1);
        assert_eq!(count("ab", 3..7), 3);
        assert_eq!(count("", 3..7), 0);
        // a, b, `<a`, `ab`, `b>`; not `<` and `>`.
        assert_eq!(count("ab", 1..3), 5);
        // Characters, not bytes.
        assert_eq!(count("éé", 3..7), 3);
    }

    #[test]
    fn buckets_are_those_of_the_reference() {
        let whole: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/embedding/expected.json"))
                .unwrap();
        let number = |value: &serde_json::Value| u32::try_from(value.as_u64().unwrap()).unwrap();
        for case in whole["ngrams"].as_array().unwrap() {
            let [min_n, max_n] =
                ["min_n", "max_n"].map(|field| usize::try_from(number(&case[field])).unwrap());
            let token = case["token"].as_str().unwrap();
            let expected: Vec<u32> =
                case["buckets"].as_array().unwrap().iter().map(number).collect();
            let found = buckets_of(token, &(min_n..max_n + 1), number(&case["n_buckets"]));
            assert_eq!(found, expected, "{token}: {}", case["ngrams"]);
        }
    }
}
