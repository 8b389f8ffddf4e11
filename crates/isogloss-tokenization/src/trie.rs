//! Pieces by their bytes.

/// A set of byte strings, each with a number, walked byte by byte.
///
/// A double array: the child of a node by a byte is at `base + byte`, and is one if its `check` is the
/// node.
///
/// # Source
///
/// Aoe (1989), "An Efficient Digital Search Algorithm by Using a Double-Array Structure",
/// <https://doi.org/10.1109/32.31365>.
#[derive(Clone, Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    base: u32,
    check: u32,
    value: u32,
}

const NONE: u32 = u32::MAX;
const FREE: Node = Node { base: 0, check: NONE, value: NONE };

impl Trie {
    pub(crate) const ROOT: u32 = 0;

    /// Holds keys, which are not empty, with their numbers, below 2³² - 1. Of equal keys the last
    /// stays.
    pub(crate) fn new<'a>(keys: impl IntoIterator<Item = (&'a [u8], u32)>) -> Self {
        let mut keys: Vec<(&[u8], u32)> = keys.into_iter().collect();
        keys.sort_by_key(|(key, _)| *key);
        let mut this = Self { nodes: vec![FREE; 256] };
        this.nodes[0].check = 0;
        // The first slot that may be free, as far as it pays to look.
        let mut search_from = 1;
        let mut pending = vec![(Self::ROOT, 0, keys.len(), 0)];
        let mut children: Vec<(u8, usize, usize)> = Vec::new();
        while let Some((node, mut start, end, depth)) = pending.pop() {
            while start < end && keys[start].0.len() == depth {
                this.nodes[node as usize].value = keys[start].1;
                start += 1;
            }
            children.clear();
            while start < end {
                let byte = keys[start].0[depth];
                let same =
                    keys[start..end].iter().take_while(|(key, _)| key[depth] == byte).count();
                children.push((byte, start, start + same));
                start += same;
            }
            if children.is_empty() {
                continue;
            }
            let base = this.place(&children, &mut search_from);
            this.nodes[node as usize].base = base;
            for (byte, start, end) in &children {
                let child = base + u32::from(*byte);
                this.nodes[child as usize].check = node;
                pending.push((child, *start, *end, depth + 1));
            }
        }
        this
    }

    /// A base at which all children are free.
    fn place(&mut self, children: &[(u8, usize, usize)], search_from: &mut usize) -> u32 {
        let first = usize::from(children[0].0);
        let (mut at, mut taken) = ((*search_from).max(first + 1), 0_usize);
        loop {
            let base = at - first;
            if self.nodes.len() < base + 256 {
                self.nodes.resize(base + 256 + self.nodes.len() / 2, FREE);
            }
            if self.nodes[at].check != NONE {
                taken += 1;
            } else if children
                .iter()
                .all(|(byte, ..)| self.nodes[base + usize::from(*byte)].check == NONE)
            {
                // Where nearly all is taken, there is no use in looking again.
                if taken * 20 >= (at - *search_from + 1) * 19 {
                    *search_from = at;
                }
                return u32::try_from(base).unwrap_or(NONE);
            }
            at += 1;
        }
    }

    /// The child of a node by a byte.
    #[inline]
    pub(crate) fn step(&self, node: u32, byte: u8) -> Option<u32> {
        let child = self.nodes[node as usize].base + u32::from(byte);
        (child != Self::ROOT && self.nodes.get(child as usize)?.check == node).then_some(child)
    }

    /// The number of the key that ends at a node.
    #[inline]
    pub(crate) fn value(&self, node: u32) -> Option<u32> {
        let value = self.nodes[node as usize].value;
        (value != NONE).then_some(value)
    }

    /// The keys that `bytes` begins with, by their lengths and numbers, the shortest first.
    #[inline]
    pub(crate) fn prefixes<'a>(
        &'a self,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = (usize, u32)> + 'a {
        let mut node = Some(Self::ROOT);
        let ends = bytes.iter().map_while(move |byte| {
            node = self.step(node?, *byte);
            node
        });
        let values = ends.map(|end| self.value(end)).enumerate();
        values.filter_map(|(before, value)| Some((before + 1, value?)))
    }

    /// The longest key that `bytes` begins with.
    pub(crate) fn longest(&self, bytes: &[u8]) -> Option<(usize, u32)> {
        self.prefixes(bytes).last()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_finds_the_prefixes_that_a_search_through_all_keys_finds(
            keys in proptest::collection::btree_map("[a-cẹ▁]{1,6}", 0_u32..1000, 0..60),
            text in "[a-dẹ▁]{0,12}",
        ) {
            let trie = Trie::new(keys.iter().map(|(key, value)| (key.as_bytes(), *value)));
            let mut expected: Vec<(usize, u32)> = keys
                .iter()
                .filter(|(key, _)| text.starts_with(key.as_str()))
                .map(|(key, value)| (key.len(), *value))
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(trie.prefixes(text.as_bytes()).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_hundred_thousand_keys_are_found_and_fill_the_array() {
        let keys: BTreeMap<String, u32> =
            (0..100_000_u32).map(|n| (format!("{:x}", n.wrapping_mul(2_654_435_761)), n)).collect();
        let trie = Trie::new(keys.iter().map(|(key, value)| (key.as_bytes(), *value)));
        for (key, value) in &keys {
            assert_eq!(trie.longest(key.as_bytes()), Some((key.len(), *value)));
        }
        let used = trie.nodes.iter().filter(|node| node.check != NONE).count();
        assert!(used * 2 > trie.nodes.len(), "{used} of {}", trie.nodes.len());
    }
}
