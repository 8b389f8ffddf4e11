//! Which n-grams of one sequence are in another.

use rustc_hash::FxHashMap;

/// Stands for an n-gram that no reference has.
const ABSENT: u32 = u32::MAX;

/// The n-grams of references, of every order up to a largest.
///
/// An n-gram is known by the (n-1)-gram that it begins with and by its last symbol, so that comparing two compares
/// two numbers, whatever the order, and what is not there is not looked for in higher orders.
#[derive(Debug)]
pub(super) struct NgramTable {
    orders: Vec<Order>,
    /// For each place of a sequence, the n-gram of the last order that begins there.
    begun: Vec<u32>,
}

#[derive(Debug, Default)]
struct Order {
    ids: FxHashMap<u64, u32>,
    /// How often each is in the reference that has it most often.
    most: Vec<u32>,
    /// How often each is in the reference that is being added; or what is left of it to match.
    count: Vec<u32>,
}

impl NgramTable {
    pub(super) fn new(max_order: usize) -> Self {
        let orders = (0..max_order).map(|_| Order::default()).collect();
        Self { orders, begun: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        for order in &mut self.orders {
            order.ids.clear();
            order.most.clear();
        }
    }

    /// Adds a reference. An n-gram counts as often as in the reference that has it most often.
    pub(super) fn add(&mut self, symbols: &[u32]) {
        self.begun.clear();
        self.begun.resize(symbols.len(), 0);
        for (place, order) in self.orders.iter_mut().enumerate() {
            order.count.clear();
            order.count.resize(order.most.len(), 0);
            let last = symbols.get(place..).unwrap_or_default();
            for (begun, symbol) in self.begun.iter_mut().zip(last) {
                let next = order.most.len();
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "fewer than 2^32 n-grams in a segment"
                )]
                let id = *order.ids.entry(key(*begun, *symbol)).or_insert(next as u32);
                if id as usize == next {
                    order.most.push(0);
                    order.count.push(0);
                }
                order.count[id as usize] += 1;
                *begun = id;
            }
            for (most, count) in order.most.iter_mut().zip(&order.count) {
                *most = (*most).max(*count);
            }
        }
    }

    /// How many n-grams of each order a sequence shares with the references, none counted more often than there.
    pub(super) fn matches(&mut self, symbols: &[u32], mut each: impl FnMut(usize, u32)) {
        self.begun.clear();
        self.begun.resize(symbols.len(), 0);
        for (place, order) in self.orders.iter_mut().enumerate() {
            order.count.clone_from(&order.most);
            let last = symbols.get(place..).unwrap_or_default();
            let mut matched = 0;
            for (begun, symbol) in self.begun.iter_mut().zip(last) {
                if *begun == ABSENT {
                    continue;
                }
                *begun = order.ids.get(&key(*begun, *symbol)).copied().unwrap_or(ABSENT);
                if let Some(left) = order.count.get_mut(*begun as usize)
                    && *left > 0
                {
                    *left -= 1;
                    matched += 1;
                }
            }
            each(place, matched);
        }
    }
}

fn key(begun: u32, symbol: u32) -> u64 {
    u64::from(begun) << 32 | u64::from(symbol)
}

/// How many n-grams a sequence has.
pub(super) fn ngram_count(len: usize, order: usize) -> usize {
    (len + 1).saturating_sub(order)
}
