//! Which language is next, so that no share is ever missed by one draw.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Tijdeman's rule as a schedule: each draw of a language has a first time at which it may come
/// without running ahead of its share, and a last by which it must. Of those that may, the one that
/// is due first is drawn. One wheel has the languages that may not yet be drawn, in the slot of their
/// time, another those that may, in the slot of the draw at which they are due. Times are exact: whole
/// numbers, whose rests are carried along.
#[derive(Clone, Debug)]
pub(crate) struct Chairman {
    draws: u64,
    languages: Vec<Times>,
    // The first language of each slot, whose `next` is the one after it: those that wait, and those
    // that are due before the wheel has turned.
    waiting: Vec<u32>,
    due: Vec<u32>,
    // The slots in which somebody is due.
    filled: Filled,
    // Those of the first slot by their exact times, and who is due after the wheel has turned.
    sorted: BinaryHeap<Reverse<u128>>,
}

/// When a language may next be drawn, and when it must.
#[derive(Clone, Copy, Debug)]
struct Times {
    // `2K - 2` times the language's parts, by which its times are divided. Above 0.
    divisor: u128,
    must: Mixed,
    // What a draw adds to it.
    step: Mixed,
    // How long before that it may be drawn.
    lead: Mixed,
    // The first draw at which the language may come.
    first_draw: u64,
    next: u32,
}

/// A quotient and what is left over, below the divisor.
#[derive(Clone, Copy, Debug)]
struct Mixed {
    whole: u128,
    rest: u128,
}

/// Probabilities are kept to this many parts: decimal, so that those a person writes are exact.
const PARTS: f64 = 1e15;
/// Binary places of the time at which a draw is due. Times that differ by less are a tie.
const PLACES: u32 = 39;
const NOBODY: u32 = u32::MAX;

impl Chairman {
    pub(crate) fn new(probabilities: &[f64], counts: &[u64]) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of 10^15"
        )]
        let parts = |q: f64| u128::from(((q * PARTS).round() as u64).max(1));
        let weights: Vec<u128> =
            probabilities.iter().map(|q| if *q > 0.0 { parts(*q) } else { 0 }).collect();
        let total: u128 = weights.iter().sum();
        // In units of 1 / (2K - 2), of which the rule counts; a single language needs no rule.
        let scale = (2 * weights.len() as u128).saturating_sub(2).max(1);
        let times = |(weight, count): (&u128, &u64)| {
            let (divisor, count) = ((scale * weight).max(1), u128::from(*count));
            let time = |numerator: u128| Mixed::new(numerator * total, divisor);
            let must = time(scale * (count + 1) - 1);
            let lead = time(scale.saturating_sub(2));
            let first_draw = first_draw(must, lead);
            Times { divisor, must, step: time(scale), lead, first_draw, next: NOBODY }
        };
        let slots = (2 * weights.len()).next_power_of_two();
        let mut this = Self {
            languages: weights.iter().zip(counts).map(times).collect(),
            waiting: vec![NOBODY; slots],
            due: vec![NOBODY; slots],
            filled: Filled::new(slots),
            sorted: BinaryHeap::new(),
            draws: counts.iter().sum(),
        };
        for (language, weight) in (0..NOBODY).zip(weights) {
            if weight > 0 {
                this.wait(language);
            }
        }
        this
    }

    /// The slot of a time.
    #[inline]
    fn slot(&self, time: u64) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
        let low = time as usize;
        low & (self.waiting.len() - 1)
    }

    #[inline]
    fn wait(&mut self, language: u32) {
        let times = &self.languages[language as usize];
        let slot = self.slot(times.first_draw.max(self.draws + 1));
        self.languages[language as usize].next =
            std::mem::replace(&mut self.waiting[slot], language);
    }

    #[inline]
    fn make_due(&mut self, language: u32) {
        let due = self.languages[language as usize].due(language);
        let draw = draw_of(due);
        let coming = u128::from(self.draws)..u128::from(self.draws) + self.due.len() as u128;
        if !coming.contains(&draw) {
            self.sorted.push(Reverse(due));
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "in the range of draws")]
        let slot = self.slot(draw as u64);
        self.languages[language as usize].next = std::mem::replace(&mut self.due[slot], language);
        self.filled.insert(slot);
    }

    /// Takes out who is due first, by the exact time, and of those with the same the lower place.
    #[inline]
    fn take_first_due(&mut self) -> Option<u32> {
        let now = self.slot(self.draws);
        if let Some(slot) = self.filled.first_from(now) {
            let draw = self.draws + (slot.wrapping_sub(now) & (self.due.len() - 1)) as u64;
            let sorted = self.sorted.peek().map(|Reverse(due)| draw_of(*due));
            if sorted.is_none_or(|sorted| u128::from(draw) <= sorted) {
                self.sort(slot);
            }
        }
        self.sorted.pop().map(|Reverse(due)| language_of(due))
    }

    /// Moves all of a slot to where the exact times are sorted.
    #[inline]
    fn sort(&mut self, slot: usize) {
        let mut language = std::mem::replace(&mut self.due[slot], NOBODY);
        self.filled.remove(slot);
        while language != NOBODY {
            let times = &self.languages[language as usize];
            self.sorted.push(Reverse(times.due(language)));
            language = times.next;
        }
    }

    #[inline]
    pub(crate) fn choose(&mut self) -> usize {
        // A count that no draws by the rule lead to can leave somebody behind time.
        let passed = self.slot(self.draws);
        if self.due[passed] != NOBODY {
            self.sort(passed);
        }
        self.draws += 1;
        let slot = self.slot(self.draws);
        let mut language = std::mem::replace(&mut self.waiting[slot], NOBODY);
        while language != NOBODY {
            let times = &mut self.languages[language as usize];
            let next = times.next;
            if times.first_draw <= self.draws {
                self.make_due(language);
            } else {
                // The wheel has yet to turn before its time.
                times.next = std::mem::replace(&mut self.waiting[slot], language);
            }
            language = next;
        }
        // The shares that are behind sum to 1, so that there always is one to be drawn.
        let Some(language) = self.take_first_due() else { return 0 };
        let place = language as usize;
        self.languages[place].advance();
        self.wait(language);
        place
    }
}

/// The draw at which a language is due.
#[inline]
fn draw_of(due: u128) -> u128 {
    due >> (PLACES + u32::BITS)
}

/// The language that the last bits of a time name.
#[inline]
fn language_of(due: u128) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are the language")]
    let language = due as u32;
    language
}

/// Which slots hold something: a bit for each, above them a bit for each word of bits, and so on.
#[derive(Clone, Debug)]
struct Filled {
    levels: Vec<Vec<u64>>,
}

impl Filled {
    fn new(slots: usize) -> Self {
        let mut levels = vec![vec![0; slots.div_ceil(64)]];
        while let Some(words) = levels.last().map(Vec::len).filter(|words| *words > 1) {
            levels.push(vec![0; words.div_ceil(64)]);
        }
        Self { levels }
    }

    #[inline]
    fn insert(&mut self, slot: usize) {
        let mut at = slot;
        for words in &mut self.levels {
            let word = &mut words[at / 64];
            let was_empty = *word == 0;
            *word |= 1 << (at % 64);
            if !was_empty {
                break;
            }
            at /= 64;
        }
    }

    #[inline]
    fn remove(&mut self, slot: usize) {
        let mut at = slot;
        for words in &mut self.levels {
            let word = &mut words[at / 64];
            *word &= !(1 << (at % 64));
            if *word != 0 {
                break;
            }
            at /= 64;
        }
    }

    /// The first filled slot from one on, around the wheel.
    #[inline]
    fn first_from(&self, slot: usize) -> Option<usize> {
        self.first_at_least(slot).or_else(|| self.first_at_least(0))
    }

    #[inline]
    fn first_at_least(&self, slot: usize) -> Option<usize> {
        let mut at = slot;
        for (level, words) in self.levels.iter().enumerate() {
            let bits = words.get(at / 64)? & (u64::MAX << (at % 64));
            if bits != 0 {
                let first = at / 64 * 64 + bits.trailing_zeros() as usize;
                let lower = self.levels[..level].iter().rev();
                return Some(
                    lower.fold(first, |at, words| at * 64 + words[at].trailing_zeros() as usize),
                );
            }
            at = at / 64 + 1;
        }
        None
    }
}

impl Times {
    /// When the language must come, and in the last bits which it is.
    #[inline]
    fn due(&self, language: u32) -> u128 {
        self.must.whole << u32::BITS | u128::from(language)
    }

    #[inline]
    fn advance(&mut self) {
        let must = self.must.plus(self.step, self.divisor);
        self.must = must;
        self.first_draw = first_draw(must, self.lead);
    }
}

/// The first whole number from some time before another on.
#[inline]
fn first_draw(must: Mixed, lead: Mixed) -> u64 {
    let borrowed = u128::from(must.rest < lead.rest);
    let is_over = u128::from(must.rest != lead.rest);
    let may = must.whole - lead.whole - borrowed + is_over;
    let rounded_up = (may + (1 << PLACES) - 1) >> PLACES;
    u64::try_from(rounded_up).unwrap_or(u64::MAX)
}

impl Mixed {
    fn new(numerator: u128, divisor: u128) -> Self {
        let (whole, rest) = (numerator / divisor, numerator % divisor);
        let places = rest << PLACES;
        Self { whole: (whole << PLACES) + places / divisor, rest: places % divisor }
    }

    #[inline]
    fn plus(self, step: Self, divisor: u128) -> Self {
        let rest = self.rest + step.rest;
        // Without a branch, which would be as good as random.
        let carry = u128::from(rest >= divisor);
        let whole = self.whole + step.whole + carry;
        Self { whole, rest: rest - (divisor & carry.wrapping_neg()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_draws(probabilities: &[f64], draws: u32) -> (Vec<usize>, Vec<u64>, f64) {
        let mut counts = vec![0; probabilities.len()];
        let mut chairman = Chairman::new(probabilities, &counts);
        let (mut order, mut worst) = (Vec::new(), 0.0_f64);
        for draw in 1..=draws {
            let place = chairman.choose();
            order.push(place);
            counts[place] += 1;
            for (q, count) in probabilities.iter().zip(&counts) {
                worst = worst.max((*count as f64 - q * f64::from(draw)).abs());
            }
        }
        (order, counts, worst)
    }

    #[test]
    fn the_order_is_that_of_the_rule_worked_by_hand() {
        let (order, ..) = first_draws(&[0.5, 0.3, 0.2], 10);
        assert_eq!(order, [0, 1, 0, 2, 0, 1, 0, 2, 1, 0]);
        let (_, _, worst) = first_draws(&[0.5, 0.3, 0.2], 10_000);
        assert!((worst - 0.6).abs() < 1e-6, "{worst}");
        assert_eq!(first_draws(&[1.0], 3).0, [0, 0, 0]);
        assert_eq!(first_draws(&[0.0, 1.0], 3).0, [1, 1, 1]);
    }

    #[test]
    fn five_languages_of_fineweb_2_come_in_the_order_of_the_rule() {
        let sizes =
            [179_955_884_499_u64, 184_595_788_282, 42_541_080_893, 10_027_573_389, 549_707_867];
        let powers = sizes.map(|size| libm::pow(size as f64, 0.3));
        let q = powers.map(|power| power / powers.iter().sum::<f64>());
        let (order, counts, worst) = first_draws(&q, 10_000);
        let expected = [1, 0, 2, 1, 0, 3, 1, 0, 2, 3, 1, 0, 2, 1, 0, 4, 1, 0, 2, 1];
        assert_eq!(order[..20], expected);
        assert_eq!(counts, [3074, 3098, 1994, 1293, 541]);
        assert!((worst - 0.874_884).abs() < 1e-6, "{worst}");
    }

    /// The rule by looking at everybody: of those that may come, the one that is due first.
    fn by_looking(chairman: &mut Chairman) -> usize {
        chairman.draws += 1;
        let may = |times: &Times| times.first_draw <= chairman.draws;
        let languages = (0..).zip(&chairman.languages);
        let of_some = languages.filter(|(_, times)| times.divisor > 1 && may(times));
        let first = of_some.map(|(language, times)| times.due(language)).min();
        let place = first.map_or(0, |due| language_of(due) as usize);
        if first.is_some() {
            chairman.languages[place].advance();
        }
        place
    }

    proptest::proptest! {
        #[test]
        fn the_wheels_choose_as_the_rule_does(
            weights in proptest::collection::vec(0_u32..1_000, 1..150),
            behind in proptest::collection::vec(0_u64..4, 1..4),
            skew in 1_i32..5,
        ) {
            let powers: Vec<f64> = weights.iter().map(|w| f64::from(*w).powi(skew)).collect();
            let total: f64 = powers.iter().sum();
            proptest::prop_assume!(total > 0.0);
            let q: Vec<f64> = powers.iter().map(|power| power / total).collect();
            // Also from counts that the rule itself does not lead to.
            for from in [vec![0], behind] {
                let counts: Vec<u64> = from.iter().copied().cycle().take(q.len()).collect();
                let counts: Vec<u64> =
                    counts.iter().zip(&q).map(|(n, q)| if *q > 0.0 { *n } else { 0 }).collect();
                let mut wheels = Chairman::new(&q, &counts);
                let mut looking = Chairman::new(&q, &counts);
                for draw in 0..600 {
                    let (found, expected) = (wheels.choose(), by_looking(&mut looking));
                    proptest::prop_assert_eq!(found, expected, "draw {}", draw);
                }
            }
        }
    }
}
