//! Which adapters act, and how they act together.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::AdapterError;
use crate::fusion::fused_name;

/// Which adapters act, and how they act together.
///
/// It is a value: it prints and is read back.
///
/// ```text
/// sw                          one adapter
/// stack(sw, ner)              one on what the other made of the model
/// average(sw*0.7, rw*0.3)     means of what they make, the weights brought to a sum of 1
/// rows(sw, rw, base)          another one for each row of a batch; `base` is the model alone
/// parallel(sw, rw)            each for all rows, of a batch that holds its rows once for each
/// split(sw*3, rw*5)           another one for each part of a row, counted in tokens
/// fuse(ner, pos)              bottlenecks by the attention over them, see `attach_fusion`
/// ```
///
/// Where an adapter is not on a module that others are on, it leaves what it is given as it is.
///
/// # Source
///
/// The composition blocks of the `adapters` library, Pfeiffer et al. (2020), "AdapterHub",
/// <https://arxiv.org/abs/2007.07779>. Its `Average` divides by the number of adapters once too often;
/// this one does not.
///
/// # Examples
///
/// ```
/// use isogloss_peft::Composition;
///
/// let composition: Composition = "stack(lang:sw, average(ner:en, ner:yo * 3))".parse()?;
/// assert_eq!(composition.to_string(), "stack(lang:sw, average(ner:en*1, ner:yo*3))");
/// assert_eq!(composition.names().into_iter().collect::<Vec<_>>(), ["lang:sw", "ner:en", "ner:yo"]);
/// # Ok::<(), isogloss_peft::AdapterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Composition {
    /// One adapter.
    Adapter(String),
    /// Each on what those before it made of the model. None at all is the model alone.
    Stack(Vec<Composition>),
    /// The mean of what they make, with weights, which are brought to a sum of 1.
    Average(Vec<(Composition, f64)>),
    /// One for each row of the batch, in the order of its rows.
    Rows(Vec<Composition>),
    /// Each for all rows: of a batch that holds its rows once for each part, one copy after the other.
    Parallel(Vec<Composition>),
    /// One for each part of every row, with the number of its tokens.
    Split(Vec<(Composition, usize)>),
    /// Bottlenecks by the [attention over them](crate::attach_fusion), in its order.
    Fuse(Vec<String>),
}

impl Default for Composition {
    /// The model alone.
    fn default() -> Self {
        Self::base()
    }
}

impl Composition {
    /// The model alone.
    pub const fn base() -> Self {
        Self::Stack(Vec::new())
    }

    /// One adapter.
    pub fn adapter(name: impl Into<String>) -> Self {
        Self::Adapter(name.into())
    }

    /// One on the other, the first at the bottom.
    pub fn stack<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::Stack(names.into_iter().map(Self::adapter).collect())
    }

    /// The adapters that it names.
    pub fn names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.collect(&mut names);
        names
    }

    fn collect<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        match self {
            Self::Adapter(name) => {
                names.insert(name);
            }
            Self::Stack(parts) | Self::Rows(parts) | Self::Parallel(parts) => {
                for part in parts {
                    part.collect(names);
                }
            }
            Self::Fuse(adapters) => names.extend(adapters.iter().map(String::as_str)),
            Self::Average(parts) => {
                for (part, _) in parts {
                    part.collect(names);
                }
            }
            Self::Split(parts) => {
                for (part, _) in parts {
                    part.collect(names);
                }
            }
        }
    }

    /// How many rows, and how many tokens of a row, it is made for, where it differs by those.
    pub fn routes(&self) -> [Option<usize>; 2] {
        let of = |parts: &mut dyn Iterator<Item = &Self>| {
            parts.fold([None, None], |[rows, tokens]: [Option<usize>; 2], part| {
                let [more_rows, more_tokens] = part.routes();
                [rows.or(more_rows), tokens.or(more_tokens)]
            })
        };
        match self {
            Self::Adapter(_) | Self::Fuse(_) => [None, None],
            Self::Stack(parts) | Self::Parallel(parts) => of(&mut parts.iter()),
            Self::Average(parts) => of(&mut parts.iter().map(|(part, _)| part)),
            Self::Rows(parts) => [Some(parts.len()), of(&mut parts.iter())[1]],
            Self::Split(parts) => {
                let tokens = parts.iter().map(|(_, tokens)| tokens).sum();
                [of(&mut parts.iter().map(|(part, _)| part))[0], Some(tokens)]
            }
        }
    }

    /// How many times a batch is to hold its rows, where something acts in parallel.
    pub fn copies(&self) -> Option<usize> {
        match self {
            Self::Parallel(parts) => Some(parts.len()),
            Self::Stack(parts) => parts.iter().find_map(Self::copies),
            Self::Average(parts) => parts.iter().find_map(|(part, _)| part.copies()),
            Self::Split(parts) => parts.iter().find_map(|(part, _)| part.copies()),
            Self::Adapter(_) | Self::Fuse(_) | Self::Rows(_) => None,
        }
    }

    /// The attention that it names: the adapters of each, in its order.
    pub(crate) fn fused(&self) -> Vec<&[String]> {
        match self {
            Self::Adapter(_) => Vec::new(),
            Self::Fuse(adapters) => vec![adapters],
            Self::Stack(parts) | Self::Rows(parts) | Self::Parallel(parts) => {
                parts.iter().flat_map(Self::fused).collect()
            }
            Self::Average(parts) => parts.iter().flat_map(|(part, _)| part.fused()).collect(),
            Self::Split(parts) => parts.iter().flat_map(|(part, _)| part.fused()).collect(),
        }
    }

    /// One more adapter on top.
    pub(crate) fn with(self, name: &str) -> Self {
        self.over(Self::adapter(name))
    }

    /// Something on top of it.
    pub(crate) fn over(self, top: Self) -> Self {
        match self {
            Self::Stack(mut parts) if !parts.is_empty() => {
                parts.push(top);
                Self::Stack(parts)
            }
            other if other == Self::base() => top,
            other => Self::Stack(vec![other, top]),
        }
    }

    /// Without an adapter, wherever it is named: the others act as they did.
    pub(crate) fn without(self, name: &str) -> Self {
        let drop = |part: Self| part.without(name);
        match self {
            Self::Adapter(own) if own == name => Self::base(),
            // Attention over others than it was learned with is none.
            Self::Fuse(adapters) if adapters.iter().any(|own| own == name) => Self::base(),
            Self::Stack(parts) => {
                let mut parts: Vec<Self> =
                    parts.into_iter().map(drop).filter(|part| *part != Self::base()).collect();
                if parts.len() == 1 { parts.remove(0) } else { Self::Stack(parts) }
            }
            Self::Average(parts) => Self::Average(
                parts.into_iter().map(|(part, weight)| (drop(part), weight)).collect(),
            ),
            Self::Rows(parts) => Self::Rows(parts.into_iter().map(drop).collect()),
            Self::Parallel(parts) => Self::Parallel(parts.into_iter().map(drop).collect()),
            Self::Split(parts) => {
                Self::Split(parts.into_iter().map(|(part, tokens)| (drop(part), tokens)).collect())
            }
            other @ (Self::Adapter(_) | Self::Fuse(_)) => other,
        }
    }

    /// Its weights and lengths are in their range, its names are names.
    pub(crate) fn check(&self) -> Result<(), AdapterError> {
        let fault = |found: String, expected: &'static str| {
            Err(AdapterError::Composition { found, expected })
        };
        match self {
            Self::Adapter(name) => check_name(name),
            Self::Fuse(adapters) if adapters.len() < 2 => {
                fault(self.to_string(), "at least two adapters")
            }
            Self::Fuse(adapters) => adapters.iter().try_for_each(|name| check_name(name)),
            Self::Rows(parts) if parts.is_empty() => fault(self.to_string(), "at least one row"),
            Self::Parallel(parts) if parts.is_empty() => {
                fault(self.to_string(), "at least one part")
            }
            Self::Parallel(parts) | Self::Rows(parts)
                if parts.iter().any(|it| it.copies().is_some() || it.routes()[0].is_some()) =>
            {
                fault(self.to_string(), "rows and parallel parts not within one another")
            }
            Self::Stack(_) if self.copies().is_some() && self.routes()[0].is_some() => {
                fault(self.to_string(), "either rows or parallel parts")
            }
            Self::Stack(parts) | Self::Rows(parts) | Self::Parallel(parts) => {
                parts.iter().try_for_each(Self::check)
            }
            Self::Average(parts) => {
                let sum: f64 = parts.iter().map(|(_, weight)| weight).sum();
                if !(sum.is_finite() && sum.abs() > 1e-12) {
                    return fault(self.to_string(), "weights with a sum other than 0");
                }
                parts.iter().try_for_each(|(part, _)| part.check())
            }
            Self::Split(parts) => {
                if parts.is_empty() || parts.iter().any(|(_, tokens)| *tokens == 0) {
                    return fault(self.to_string(), "parts of at least one token");
                }
                parts.iter().try_for_each(|(part, _)| part.check())
            }
        }
    }

    /// The same at a place where only some of the adapters are, by their numbers there.
    pub(crate) fn resolve(&self, number: &impl Fn(&str) -> Option<usize>) -> Node {
        match self {
            Self::Adapter(name) => number(name).map_or(Node::Stack(Vec::new()), Node::Adapter),
            Self::Fuse(adapters) => {
                let here = adapters.iter().filter_map(|name| number(name)).collect();
                Node::Fuse(here, fused_name(adapters)).or_empty()
            }
            Self::Stack(parts) => {
                let mut nodes: Vec<Node> = parts
                    .iter()
                    .map(|part| part.resolve(number))
                    .filter(|node| !node.is_empty())
                    .collect();
                if nodes.len() == 1 { nodes.remove(0) } else { Node::Stack(nodes) }
            }
            Self::Average(parts) => {
                let sum: f64 = parts.iter().map(|(_, weight)| weight).sum();
                Node::Average(
                    parts
                        .iter()
                        .map(|(part, weight)| (part.resolve(number), weight / sum))
                        .collect(),
                )
                .or_empty()
            }
            Self::Rows(parts) | Self::Parallel(parts) => {
                // Rows of one kind are computed together.
                let mut kinds: Vec<(Node, Vec<usize>)> = Vec::new();
                for (row, part) in parts.iter().enumerate() {
                    let node = part.resolve(number);
                    match kinds.iter_mut().find(|(kind, _)| *kind == node) {
                        Some((_, rows)) => rows.push(row),
                        None => kinds.push((node, vec![row])),
                    }
                }
                Node::Pieces(Pieces { axis: Axis::Rows, kinds, of: parts.len() }).or_empty()
            }
            Self::Split(parts) => {
                let mut first = 0;
                let kinds = parts.iter().map(|(part, tokens)| {
                    first += tokens;
                    (part.resolve(number), (first - tokens..first).collect())
                });
                let kinds = kinds.collect();
                Node::Pieces(Pieces { axis: Axis::Tokens, kinds, of: first }).or_empty()
            }
        }
    }
}

/// A composition at one place of a model, adapters by their numbers there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Adapter(usize),
    Stack(Vec<Node>),
    Average(Vec<(Node, f64)>),
    Pieces(Pieces),
    /// With the name of the attention.
    Fuse(Vec<usize>, String),
}

/// What is done with which of the equal parts that a tensor has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pieces {
    pub(crate) axis: Axis,
    pub(crate) kinds: Vec<(Node, Vec<usize>)>,
    pub(crate) of: usize,
}

/// What differs: the rows of a batch, or the tokens of each row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Axis {
    Rows = 0,
    Tokens = 1,
}

impl Axis {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Tokens => "tokens a row",
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::Stack(Vec::new())
    }
}

impl Node {
    pub(crate) fn is_empty(&self) -> bool {
        !self.any(&|_| true)
    }

    /// Whether it holds of one of its adapters.
    pub(crate) fn any(&self, holds: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Self::Adapter(number) => holds(*number),
            Self::Fuse(adapters, _) => adapters.iter().any(|number| holds(*number)),
            Self::Stack(parts) => parts.iter().any(|part| part.any(holds)),
            Self::Average(parts) => parts.iter().any(|(part, _)| part.any(holds)),
            Self::Pieces(pieces) => pieces.kinds.iter().any(|(part, _)| part.any(holds)),
        }
    }

    /// The adapters that act on each row, from below; one list where all rows have the same, none where nothing
    /// acts. Of a mean, and of what differs by tokens, there is nothing: both are refused before.
    pub(crate) fn rows(&self) -> Vec<Vec<usize>> {
        if self.is_empty() {
            return Vec::new();
        }
        let count = self.row_count().unwrap_or(1);
        let of = |row: usize| {
            let mut adapters = Vec::new();
            self.collect_row(row, &mut adapters);
            adapters
        };
        (0..count).map(of).collect()
    }

    fn row_count(&self) -> Option<usize> {
        match self {
            Self::Stack(parts) => parts.iter().find_map(Self::row_count),
            Self::Pieces(pieces) => Some(pieces.of),
            Self::Adapter(_) | Self::Average(_) | Self::Fuse(..) => None,
        }
    }

    fn collect_row(&self, row: usize, adapters: &mut Vec<usize>) {
        match self {
            Self::Adapter(number) => adapters.push(*number),
            Self::Stack(parts) => parts.iter().for_each(|part| part.collect_row(row, adapters)),
            Self::Pieces(pieces) => {
                if let Some((part, _)) = pieces.kinds.iter().find(|(_, rows)| rows.contains(&row)) {
                    part.collect_row(row, adapters);
                }
            }
            Self::Average(_) | Self::Fuse(..) => {}
        }
    }

    fn or_empty(self) -> Self {
        if self.is_empty() { Self::default() } else { self }
    }
}

/// A name has no character that a composition is written with.
pub(crate) fn check_name(name: &str) -> Result<(), AdapterError> {
    let is_plain = |c: char| !matches!(c, '(' | ')' | ',' | '*') && !c.is_whitespace();
    if name.is_empty() || name == BASE || !name.chars().all(is_plain) {
        let expected = "a name without ( ) , * and white space, other than `base`";
        return Err(AdapterError::Config { field: "name", found: format!("`{name}`"), expected });
    }
    Ok(())
}

const BASE: &str = "base";

impl fmt::Display for Composition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, name: &str, parts: Vec<String>| {
            write!(f, "{name}({})", parts.join(", "))
        };
        let weighted = |(part, weight): &(Self, f64)| format!("{part}*{weight}");
        match self {
            Self::Adapter(name) => f.write_str(name),
            Self::Stack(parts) if parts.is_empty() => f.write_str(BASE),
            Self::Stack(parts) => list(f, "stack", parts.iter().map(Self::to_string).collect()),
            Self::Rows(parts) => list(f, "rows", parts.iter().map(Self::to_string).collect()),
            Self::Parallel(parts) => {
                list(f, "parallel", parts.iter().map(Self::to_string).collect())
            }
            Self::Fuse(adapters) => list(f, "fuse", adapters.clone()),
            Self::Average(parts) => list(f, "average", parts.iter().map(weighted).collect()),
            Self::Split(parts) => {
                let parts = parts.iter().map(|(part, tokens)| format!("{part}*{tokens}"));
                list(f, "split", parts.collect())
            }
        }
    }
}

impl FromStr for Composition {
    type Err = AdapterError;

    /// # Errors
    ///
    /// [`AdapterError::Composition`] with what could not be read.
    fn from_str(text: &str) -> Result<Self, AdapterError> {
        let composition = parse(text)?;
        composition.check()?;
        Ok(composition)
    }
}

fn parse(text: &str) -> Result<Composition, AdapterError> {
    let text = text.trim();
    let fault = |expected| AdapterError::Composition { found: text.to_owned(), expected };
    if text == BASE {
        return Ok(Composition::base());
    }
    let Some((name, rest)) = text.split_once('(') else {
        check_name(text).map_err(|_| fault("the name of an adapter, or `base`"))?;
        return Ok(Composition::adapter(text));
    };
    let inner = rest.strip_suffix(')').ok_or_else(|| fault("a closing bracket at the end"))?;
    let parts = commas(inner).ok_or_else(|| fault("as many opening brackets as closing"))?;
    let plain = || parts.iter().map(|part| parse(part)).collect::<Result<Vec<_>, _>>();
    let factors = || parts.iter().map(|part| factor(part));
    match name.trim() {
        "stack" => Ok(Composition::Stack(plain()?)),
        "rows" => Ok(Composition::Rows(plain()?)),
        "parallel" => Ok(Composition::Parallel(plain()?)),
        "average" => factors()
            .map(|(part, weight)| {
                let weight = weight.map_or(Ok(1.0), str::parse);
                Ok((parse(part)?, weight.map_err(|_| fault("a number behind `*`"))?))
            })
            .collect::<Result<_, _>>()
            .map(Composition::Average),
        "split" => factors()
            .map(|(part, tokens)| {
                let tokens = tokens.and_then(|tokens| tokens.parse().ok());
                Ok((parse(part)?, tokens.ok_or_else(|| fault("`*` and a number of tokens"))?))
            })
            .collect::<Result<_, _>>()
            .map(Composition::Split),
        "fuse" => Ok(Composition::Fuse(parts.iter().map(|part| part.trim().to_owned()).collect())),
        _ => Err(fault("stack(…), average(…), rows(…), parallel(…), split(…) or fuse(…)")),
    }
}

/// A part and what stands behind its `*`.
fn factor(part: &str) -> (&str, Option<&str>) {
    match part.rsplit_once('*') {
        Some((part, factor)) if !factor.contains(')') => (part, Some(factor.trim())),
        _ => (part, None),
    }
}

/// The parts between the commas that no bracket encloses; `None` where brackets do not match.
fn commas(text: &str) -> Option<Vec<&str>> {
    let (mut depth, mut first, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                parts.push(&text[first..at]);
                first = at + 1;
            }
            _ => {}
        }
    }
    let last = &text[first..];
    if !(parts.is_empty() && last.trim().is_empty()) {
        parts.push(last);
    }
    (depth == 0).then_some(parts)
}
